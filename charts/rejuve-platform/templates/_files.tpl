{{/* ConfigMap with the manifest of contracts; nothing when there is none. */}}
{{- define "rejuve.contractsConfigMap" -}}
{{- $contracts := .Values.chain.contracts -}}
{{- if $contracts.existingConfigMap -}}
{{- $contracts.existingConfigMap -}}
{{- else if or $contracts.manifest .Values.embedded.chain.enabled -}}
{{- include "rejuve.fullname" . }}-contracts
{{- end -}}
{{- end -}}

{{/* Secret with the providers file: of the user, or the one that the controller writes. */}}
{{- define "rejuve.providersSecret" -}}
{{- .Values.chain.providersSecret.name | default (printf "rejuve-providers-%d" (.Values.chain.id | int64)) -}}
{{- end -}}

{{/* Signer pools as YAML; nothing when there are none. */}}
{{- define "rejuve.signerPools" -}}
{{- if .Values.signers.pools -}}
{{ toYaml .Values.signers.pools }}
{{- else if .Values.embedded.chain.enabled -}}
{{- range list "treasury" "sponsor" "lab" }}
{{ . }}:
  - type: private-key-file
    file: /etc/rejuve/signer-keys/{{ . }}.key
{{- end }}
{{- end -}}
{{- end -}}

{{/* Secret with key files for signers; nothing when there are none. */}}
{{- define "rejuve.signerKeysSecret" -}}
{{- if .Values.signers.existingSecret -}}
{{- .Values.signers.existingSecret -}}
{{- else if and .Values.embedded.chain.enabled (not .Values.signers.pools) -}}
{{- include "rejuve.fullname" . }}-dev-signers
{{- end -}}
{{- end -}}

{{- define "rejuve.flagsConfigMap" -}}
{{- .Values.flags.existingConfigMap | default (printf "%s-flags" (include "rejuve.fullname" .)) -}}
{{- end -}}

{{/* Files of a part: YAML list of { name, path, volume }. */}}
{{- define "rejuve.files" -}}
{{- $root := .root -}}
{{- $needs := (index (include "rejuve.parts" $root | fromYaml) .key).needs -}}
- name: tmp
  path: /tmp
  volume:
    emptyDir:
      sizeLimit: 256Mi
{{- if $root.Values.flags.enabled }}
- name: flags
  path: /etc/rejuve/flags
  volume:
    configMap:
      name: {{ include "rejuve.flagsConfigMap" $root }}
{{- end }}
{{- if and (has "contracts" $needs) (include "rejuve.contractsConfigMap" $root) }}
- name: contracts
  path: /etc/rejuve/contracts
  volume:
    configMap:
      name: {{ include "rejuve.contractsConfigMap" $root }}
{{- end }}
{{- if has "providers" $needs }}
- name: providers
  path: /etc/rejuve/providers
  volume:
    secret:
      secretName: {{ include "rejuve.providersSecret" $root }}
      defaultMode: 0440
{{- end }}
{{- if and (has "signers" $needs) (include "rejuve.signerPools" $root) }}
- name: signers
  path: /etc/rejuve/signers
  volume:
    configMap:
      name: {{ include "rejuve.fullname" $root }}-signers
{{- end }}
{{- if and (has "signerKeys" $needs) (include "rejuve.signerKeysSecret" $root) }}
- name: signer-keys
  path: /etc/rejuve/signer-keys
  volume:
    secret:
      secretName: {{ include "rejuve.signerKeysSecret" $root }}
      defaultMode: 0440
{{- end }}
{{- end -}}
