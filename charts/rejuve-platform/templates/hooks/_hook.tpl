{{/* A Job that Helm runs and waits for. dict root, name, component, hook, weight, containers (YAML), serviceAccount,
     token, volumes (YAML), deadline. What failed stays to be looked at; the next try begins by deleting it. */}}
{{- define "rejuve.hookJob" -}}
apiVersion: batch/v1
kind: Job
metadata:
  {{- /* A Helm that knows the last annotation (3.18) prints why it failed. */}}
  {{- include "rejuve.metadata" (merge (dict "annotations" (dict "helm.sh/hook" .hook "helm.sh/hook-weight" (toString .weight) "helm.sh/hook-delete-policy" "before-hook-creation,hook-succeeded" "helm.sh/hook-output-log-policy" "hook-failed")) .) | nindent 2 }}
spec:
  backoffLimit: 2
  activeDeadlineSeconds: {{ .deadline | default 300 }}
  template:
    metadata:
      labels:
        {{- include "rejuve.selector" . | nindent 8 }}
        app.kubernetes.io/part-of: rejuve
    spec:
      serviceAccountName: {{ .serviceAccount }}
      automountServiceAccountToken: {{ .token | default false }}
      enableServiceLinks: false
      restartPolicy: Never
      {{- with .root.Values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- include "rejuve.podSecurity" dict | nindent 8 }}
      containers:
        {{- .containers | nindent 8 }}
      volumes:
        - name: tmp
          emptyDir:
            sizeLimit: 64Mi
        {{- with .volumes }}
        {{- . | nindent 8 }}
        {{- end }}
{{- end -}}

{{- define "rejuve.hookMetadata" -}}
{{- include "rejuve.metadata" (merge (dict "annotations" (dict "helm.sh/hook" .hook "helm.sh/hook-weight" (toString .weight) "helm.sh/hook-delete-policy" "before-hook-creation,hook-succeeded")) .) -}}
{{- end -}}

{{/* One container of a hook: dict root, name, args, env (YAML), mounts (YAML), resources. */}}
{{- define "rejuve.hookContainer" -}}
- name: {{ .name }}
  image: {{ include "rejuve.image" (dict "root" .root) }}
  imagePullPolicy: {{ .root.Values.image.pullPolicy }}
  args:
    {{- toYaml .args | nindent 4 }}
  env:
    - name: NODE_COMPILE_CACHE
      value: /tmp/node-cache
    - name: LOG_LEVEL
      value: {{ .root.Values.logLevel }}
    {{- with .env }}
    {{- . | nindent 4 }}
    {{- end }}
  resources:
    {{- toYaml .resources | nindent 4 }}
  securityContext:
    {{- include "rejuve.containerSecurity" . | nindent 4 }}
  volumeMounts:
    - name: tmp
      mountPath: /tmp
    {{- with .mounts }}
    {{- . | nindent 4 }}
    {{- end }}
{{- end -}}
