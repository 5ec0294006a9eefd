{{/* Name of the Secret that the release makes itself. */}}
{{- define "rejuve.madeSecretName" -}}{{ include "rejuve.fullname" . }}-made{{- end -}}

{{/*
Where a secret is: dict root, item. Yields YAML { name, key } or nothing. Which of them are needed, and whether they are
there, is judged in validate.yaml.
*/}}
{{- define "rejuve.secretRef" -}}
{{- $secrets := .root.Values.secrets -}}
{{- $item := index $secrets .item -}}
{{- $embedded := .root.Values.embedded -}}
{{- $isDatabase := hasSuffix "DatabaseUrl" .item -}}
{{- $base := ternary $secrets.databaseUrl $item (and $isDatabase (eq $item.key "")) -}}
{{- $key := $base.key -}}
{{- $name := $item.secret | default $base.secret -}}
{{- if not $name -}}
{{- if or (and (or $isDatabase (eq .item "databaseUrl")) $embedded.postgres.enabled) (and (eq .item "redisUrl") $embedded.redis.enabled) -}}
{{- $name = include "rejuve.madeSecretName" .root -}}
{{- $key = ternary "redis-url" "database-url" (eq .item "redisUrl") -}}
{{- else if $secrets.existingSecret -}}
{{- $name = $secrets.existingSecret -}}
{{- else if $secrets.generate -}}
{{- $name = include "rejuve.madeSecretName" .root -}}
{{- end -}}
{{- end -}}
{{- if $name }}
name: {{ $name }}
key: {{ $key }}
{{- end -}}
{{- end -}}

{{/* One env entry from a Secret: dict root, item, variable, optional. */}}
{{- define "rejuve.secretEnv" -}}
{{- $ref := include "rejuve.secretRef" . | fromYaml -}}
{{- if $ref.name }}
- name: {{ .variable }}
  valueFrom:
    secretKeyRef:
      name: {{ $ref.name }}
      key: {{ $ref.key }}
      {{- if .optional }}
      optional: true
      {{- end }}
{{- end -}}
{{- end -}}

{{/*
What the release makes up: yields YAML name → value (not encoded). The same in the whole rendering, and at every upgrade
what the Secret in the cluster holds.
*/}}
{{- define "rejuve.made" -}}
{{- if not (hasKey .Values "_made") -}}
{{- $name := include "rejuve.madeSecretName" . -}}
{{- $present := (lookup "v1" "Secret" .Release.Namespace $name).data | default dict -}}
{{- $keep := dict -}}
{{- range $key, $value := $present }}{{- $_ := set $keep $key ($value | b64dec) }}{{- end -}}
{{- $made := dict -}}
{{- $fullname := include "rejuve.fullname" . -}}
{{- if .Values.embedded.postgres.enabled -}}
{{- $password := index $keep "postgres-password" | default (randAlphaNum 32) -}}
{{- $_ := set $made "postgres-password" $password -}}
{{- $_ := set $made "database-url" (printf "postgres://rejuve:%s@%s-postgres:5432/rejuve" $password $fullname) -}}
{{- end -}}
{{- if .Values.embedded.redis.enabled -}}
{{- $password := index $keep "redis-password" | default (randAlphaNum 32) -}}
{{- $_ := set $made "redis-password" $password -}}
{{- $_ := set $made "redis-url" (printf "redis://:%s@%s-redis:6379/0" $password $fullname) -}}
{{- $_ := set $made "redis.conf" (printf "requirepass %s\nappendonly yes\ndir /data\nmaxmemory-policy noeviction\nprotected-mode yes\nport 6379\n" $password) -}}
{{- end -}}
{{- if and .Values.secrets.generate (not .Values.secrets.existingSecret) -}}
{{- $_ := set $made "service-auth-keys" (index $keep "service-auth-keys" | default (printf "k1:%s" (randAlphaNum 43))) -}}
{{- $_ := set $made "cursor-secret" (index $keep "cursor-secret" | default (randAlphaNum 43)) -}}
{{- $_ := set $made "data-keys" (index $keep "data-keys" | default (printf "k1:%s" (randAlphaNum 43))) -}}
{{- $_ := set $made "webhook-secrets" (index $keep "webhook-secrets" | default (randAlphaNum 43)) -}}
{{- if .Values.embedded.chain.enabled -}}
{{- /* As public as the keys of that chain: dev, with the password a-first-try-of-rejuve. */ -}}
{{- $_ := set $made "console-operators" (index $keep "console-operators" | default "dev:operator:scrypt$32768$8$1$2C3ueVhww52WXIonDx2M8A$oRomFCYjK2S37gevtR7MupAD8qbAsO9LTNeuNcpprtM") -}}
{{- end -}}
{{- $_ := set $made "api-bootstrap-key" (index $keep "api-bootstrap-key" | default (printf "rjv_%s_%s" (randAlphaNum 12 | lower) (randAlphaNum 48))) -}}
{{- end -}}
{{- if .Values.embedded.chain.enabled -}}
{{- range .Values.embedded.chain.providers }}
{{- $_ := set $made (printf "provider-%s-url" .) (printf "http://%s-provider-%s:8545" $fullname .) -}}
{{- $_ := set $made (printf "provider-%s-ws-url" .) (printf "ws://%s-provider-%s:8545" $fullname .) -}}
{{- end -}}
{{- end -}}
{{- $_ := set .Values "_made" $made -}}
{{- end -}}
{{- toYaml .Values._made -}}
{{- end -}}

{{/* Fingerprint of the Secrets that a part reads as variables, so that a rotation followed by `helm upgrade` rolls it. */}}
{{- define "rejuve.secretsChecksum" -}}
{{- $root := .root -}}
{{- $made := include "rejuve.madeSecretName" $root -}}
{{- $seen := dict -}}
{{- range .items -}}
{{- $ref := include "rejuve.secretRef" (dict "root" $root "item" .) | fromYaml -}}
{{- if $ref.name -}}
{{- if eq $ref.name $made -}}
{{- $_ := set $seen (printf "%s/%s" $ref.name $ref.key) (index (include "rejuve.made" $root | fromYaml) $ref.key | default "") -}}
{{- else -}}
{{- $data := (lookup "v1" "Secret" $root.Release.Namespace $ref.name).data | default dict -}}
{{- $_ := set $seen (printf "%s/%s" $ref.name $ref.key) (index $data $ref.key | default "") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $seen | toJson | sha256sum | trunc 16 -}}
{{- end -}}
