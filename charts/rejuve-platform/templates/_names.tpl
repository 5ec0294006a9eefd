{{/* Start of all names: at most 36 characters, so that every name derived from it fits the 52 of a StatefulSet. */}}
{{- define "rejuve.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if le (len .Release.Name) 36 -}}
{{- .Release.Name | replace "." "-" -}}
{{- else -}}
{{- printf "%s-%s" (.Release.Name | replace "." "-" | trunc 27 | trimSuffix "-") (.Release.Name | sha256sum | trunc 8) -}}
{{- end -}}
{{- end -}}

{{/* Name of a part: dict root, key (as in the values). */}}
{{- define "rejuve.name" -}}
{{- printf "%s-%s" (include "rejuve.fullname" .root) (.key | kebabcase) -}}
{{- end -}}

{{/* What pods of a part are selected by: dict root, component, track (optional). Never changes in the life of a release. */}}
{{- define "rejuve.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .track }}
track: {{ . }}
{{- end }}
{{- end -}}

{{/* Labels of every object: dict root, component, track (optional). */}}
{{- define "rejuve.labels" -}}
{{ include "rejuve.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: rejuve
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* metadata of an object: dict root, name, component, and optionally track, annotations, labels, clusterWide. */}}
{{- define "rejuve.metadata" -}}
name: {{ .name }}
{{- if not .clusterWide }}
namespace: {{ .root.Release.Namespace }}
{{- end }}
labels:
  {{- include "rejuve.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) (.annotations | default dict) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Our image: dict root, override (optional: tag, digest). */}}
{{- define "rejuve.image" -}}
{{- $image := .root.Values.image -}}
{{- $override := .override | default dict -}}
{{- $path := $image.repository -}}
{{- if $image.registry -}}{{- $path = printf "%s/%s" (trimSuffix "/" $image.registry) $image.repository -}}{{- end -}}
{{- $digest := $override.digest | default (ternary "" $image.digest (ne ($override.tag | default "") "")) -}}
{{- if $digest -}}
{{- printf "%s@%s" $path $digest -}}
{{- else -}}
{{- printf "%s:%s" $path ($override.tag | default $image.tag | default .root.Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{/* An image that is not ours. */}}
{{- define "rejuve.foreignImage" -}}
{{- if .digest -}}{{ printf "%s@%s" .repository .digest }}{{- else -}}{{ printf "%s:%s" .repository .tag }}{{- end -}}
{{- end -}}

{{- define "rejuve.serviceAccountName" -}}
{{- $own := index .root.Values .key -}}
{{- if $own.serviceAccount.name -}}
{{- $own.serviceAccount.name -}}
{{- else if $own.serviceAccount.create -}}
{{- include "rejuve.name" . -}}
{{- else -}}
default
{{- end -}}
{{- end -}}

{{/* Where a part is reached inside the cluster: dict root, key. */}}
{{- define "rejuve.url" -}}
{{- $part := index (include "rejuve.parts" .root | fromYaml) .key -}}
{{- printf "http://%s:%v" (include "rejuve.name" .) $part.port -}}
{{- end -}}
