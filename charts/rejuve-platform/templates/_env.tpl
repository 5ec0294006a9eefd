{{/* Plain settings of a part as a YAML map: dict root, key. What the values say in `env` wins over all of it. */}}
{{- define "rejuve.settings" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $own := index $values .key -}}
{{- $part := index (include "rejuve.parts" $root | fromYaml) .key -}}
{{- $fullname := include "rejuve.fullname" $root -}}
NODE_ENV: production
NODE_COMPILE_CACHE: /tmp/node-cache
HOST: 0.0.0.0
PORT: {{ $part.port | quote }}
LOG_LEVEL: {{ $own.logLevel | default $values.logLevel }}
DRAIN_DELAY_MS: {{ mul $values.drainDelaySeconds 1000 | quote }}
DRAIN_TIMEOUT_MS: {{ mul $own.drainSeconds 1000 | quote }}
{{- if $values.flags.enabled }}
FLAGS_FILE: /etc/rejuve/flags/flags.json
{{- end }}
{{- if has "contracts" $part.needs }}
CHAIN_ID: {{ $values.chain.id | int64 | quote }}
{{- if include "rejuve.contractsConfigMap" $root }}
CONTRACTS_FILE: /etc/rejuve/contracts/{{ $values.chain.contracts.key }}
{{- end }}
{{- end }}
{{- if has "providers" $part.needs }}
PROVIDERS_FILE: /etc/rejuve/providers/{{ ternary $values.chain.providersSecret.key "providers.yaml" (ne $values.chain.providersSecret.name "") }}
{{- end }}
{{- if and (has "signers" $part.needs) (include "rejuve.signerPools" $root) }}
SIGNERS_FILE: /etc/rejuve/signers/signers.yaml
{{- end }}
{{- if eq .key "controller" }}
{{- if not $own.watchAllNamespaces }}
WATCH_NAMESPACE: {{ $root.Release.Namespace }}
{{- end }}
LEASE_NAMESPACE: {{ $root.Release.Namespace }}
LEASE_NAME: {{ include "rejuve.name" . }}
{{- if $values.gateway.enabled }}
GATEWAY_METRICS_URL: http://{{ $fullname }}-gateway-pods.{{ $root.Release.Namespace }}.svc:4000/metrics
{{- end }}
{{- else if has .key (list "api" "user" "notifications") }}
REDIS_PREFIX: "{{ $fullname }}:"
GATEWAY_URL: {{ include "rejuve.url" (dict "root" $root "key" "gateway") }}
USER_ISSUER: {{ $values.urls.issuer | default (include "rejuve.url" (dict "root" $root "key" "user")) }}
{{- else if ne .key "console" }}
REDIS_PREFIX: {{ $fullname }}
{{- end }}
{{- if eq .key "api" }}
USER_URL: {{ include "rejuve.url" (dict "root" $root "key" "user") }}
{{- else if has .key (list "user" "notifications") }}
ROLES: {{ ternary (ternary "http" "http,events,delivery,jobs" $values.notifications.enabled) "events,delivery,jobs" (eq .key "user") | quote }}
{{- with $values.urls.app }}
APP_URL: {{ . }}
{{- end }}
{{- with $values.urls.siweDomains }}
SIWE_DOMAIN: {{ join "," . | quote }}
{{- end }}
{{- else if eq .key "rpcWorkers" }}
WORKER_ROLES: jobs
JOBS_CONCURRENCY: {{ $own.pool.concurrency | quote }}
{{- else if eq .key "transactions" }}
WORKER_ROLES: transactions
{{- else if eq .key "console" }}
GATEWAY_URL: {{ include "rejuve.url" (dict "root" $root "key" "gateway") }}
API_URL: {{ include "rejuve.url" (dict "root" $root "key" "api") }}
USER_URL: {{ include "rejuve.url" (dict "root" $root "key" "user") }}
CONSOLE_NAMESPACE: {{ $root.Release.Namespace }}
{{- if not $values.controller.enabled }}
CONSOLE_KUBERNETES: "off"
{{- end }}
{{- $targets := list }}
{{- range $key, $part := include "rejuve.parts" $root | fromYaml }}
{{- if (index $values $key).enabled }}{{- $targets = append $targets (printf "%s=%s" ($key | kebabcase) (include "rejuve.url" (dict "root" $root "key" $key))) }}{{- end }}
{{- end }}
CONSOLE_TARGETS: {{ join "," $targets | quote }}
{{- end }}
{{- end -}}

{{/* Secrets that a part reads as variables: YAML list of { item, variable, optional }. */}}
{{- define "rejuve.secretSettings" -}}
{{- $part := index (include "rejuve.parts" .root | fromYaml) .key -}}
{{- with $part.database }}
- { item: {{ . }}, variable: DATABASE_URL }
{{- end }}
{{- if has "redis" $part.needs }}
- { item: redisUrl, variable: REDIS_URL }
{{- end }}
{{- if has "serviceAuth" $part.needs }}
- { item: serviceAuthKeys, variable: SERVICE_AUTH_KEYS }
{{- end }}
{{- if has "cursor" $part.needs }}
- { item: cursorSecret, variable: CURSOR_SECRET }
{{- end }}
{{- if has "dataKeys" $part.needs }}
- { item: dataKeys, variable: DATA_KEYS }
{{- end }}
{{- if has "mail" $part.needs }}
- { item: smtpUrl, variable: SMTP_URL, optional: true }
{{- end }}
{{- if eq .key "api" }}
- { item: apiBootstrapKey, variable: API_BOOTSTRAP_KEY, optional: true }
{{- end }}
{{- if has "operators" $part.needs }}
- { item: consoleOperators, variable: CONSOLE_OPERATORS }
{{- end }}
{{- if has .key (list "gateway" "transactions") }}
- { item: dataKeys, variable: DATA_KEYS }
{{- end }}
{{- if has .key (list "gateway" "transactions" "rpcWorkers") }}
- { item: webhookSecrets, variable: WEBHOOK_SECRETS, optional: true }
{{- end }}
{{- end -}}

{{/* env of the container: dict root, key, track. A name that the values set is never there twice. */}}
{{- define "rejuve.env" -}}
{{- $root := .root -}}
{{- $own := index $root.Values .key -}}
{{- $plain := include "rejuve.settings" . | fromYaml -}}
{{- range $name, $value := $own.env }}{{- $_ := set $plain $name (toString $value) }}{{- end -}}
{{- if eq .track "canary" }}{{- range $name, $value := $own.canary.env }}{{- $_ := set $plain $name (toString $value) }}{{- end }}{{- end -}}
{{- $given := dict -}}
{{- range $own.extraEnv }}{{- $_ := set $given .name true }}{{- end -}}
{{- range $name, $value := $plain }}
{{- if not (hasKey $given $name) }}
- name: {{ $name }}
  value: {{ toString $value | quote }}
{{- end }}
{{- end }}
- name: POD_NAME
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- if eq .key "controller" }}
- name: POD_UID
  valueFrom:
    fieldRef:
      fieldPath: metadata.uid
{{- end }}
{{- range (include "rejuve.secretSettings" . | fromYamlArray) }}
{{- if not (or (hasKey $given .variable) (hasKey $plain .variable)) }}
{{- include "rejuve.secretEnv" (dict "root" $root "item" .item "variable" .variable "optional" .optional) }}
{{- end }}
{{- end }}
{{- with $own.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
