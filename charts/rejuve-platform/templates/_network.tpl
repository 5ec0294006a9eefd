{{- define "rejuve.podsOf" -}}
- podSelector:
    matchLabels:
      {{- include "rejuve.selector" . | nindent 6 }}
{{- end -}}

{{- define "rejuve.portsOf" -}}
{{- range .ports }}
- port: {{ . }}
  protocol: TCP
{{- end }}
{{- end -}}

{{- define "rejuve.reach" -}}
{{- $values := .root.Values -}}
{{- $policy := $values.networkPolicy -}}
{{- $to := list -}}
{{- $ports := list -}}
{{- $component := "" -}}
{{- if eq .what "database" -}}
  {{- if $values.embedded.postgres.enabled -}}{{- $component = "postgres" -}}{{- $ports = list 5432 -}}
  {{- else -}}{{- $to = $policy.database.to -}}{{- $ports = $policy.database.ports -}}{{- end -}}
{{- else if eq .what "redis" -}}
  {{- if $values.embedded.redis.enabled -}}{{- $component = "redis" -}}{{- $ports = list 6379 -}}
  {{- else -}}{{- $to = $policy.redis.to -}}{{- $ports = $policy.redis.ports -}}{{- end -}}
{{- else if eq .what "chain" -}}
  {{- if $values.embedded.chain.enabled -}}{{- $component = "provider" -}}{{- $ports = list 8545 -}}
  {{- else -}}{{- $to = $policy.internet.to -}}{{- $ports = $policy.internet.ports -}}{{- end -}}
{{- else if eq .what "mail" -}}
  {{- $to = $policy.internet.to -}}{{- $ports = $policy.internet.mailPorts -}}
{{- else if eq .what "kubernetes" -}}
  {{- $to = $policy.kubernetesApi.to -}}{{- $ports = $policy.kubernetesApi.ports -}}
{{- else -}}
  {{- $to = $policy.internet.to -}}{{- $ports = $policy.internet.ports -}}
{{- end -}}
{{- if or $component (and $to $ports) -}}
- to:
    {{- if $component }}
    {{- include "rejuve.podsOf" (dict "root" .root "component" $component) | nindent 4 }}
    {{- else }}
    {{- toYaml $to | nindent 4 }}
    {{- end }}
  ports:
    {{- include "rejuve.portsOf" (dict "ports" $ports) | trim | nindent 4 }}
{{- end -}}
{{- end -}}
