{{/* How many pods a track starts with: dict root, key, track. Nothing when somebody else decides. */}}
{{- define "rejuve.replicas" -}}
{{- $own := index .root.Values .key -}}
{{- $part := index (include "rejuve.parts" .root | fromYaml) .key -}}
{{- if eq $part.kind "scaled" -}}
{{- if not .root.Values.controller.enabled }}{{ $own.fixedReplicas }}{{ end -}}
{{- else if eq .track "canary" -}}
{{- $stable := ternary ($own.autoscaling | default dict).minReplicas $own.replicas (($own.autoscaling | default dict).enabled | default false) | int -}}
{{- $weight := $own.canary.weight | int -}}
{{- if $own.canary.replicas -}}
{{- $own.canary.replicas -}}
{{- else if ge $weight 100 -}}
{{- max 1 $stable -}}
{{- else -}}
{{- /* Rounded up: c / (s + c) is at least the weight. */ -}}
{{- max 1 (div (add (mul $stable $weight) (sub 99 $weight)) (sub 100 $weight)) -}}
{{- end -}}
{{- else if not (($own.autoscaling | default dict).enabled | default false) -}}
{{- $own.replicas -}}
{{- end -}}
{{- end -}}

{{/* A Deployment of one of our processes: dict root, key, track (stable or canary). */}}
{{- define "rejuve.deployment" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $own := index $values .key -}}
{{- $part := index (include "rejuve.parts" $root | fromYaml) .key -}}
{{- $component := .key | kebabcase -}}
{{- $canary := eq .track "canary" -}}
{{- $name := include "rejuve.name" . -}}
{{- $files := include "rejuve.files" . | fromYamlArray -}}
{{- $ids := dict "root" $root "component" $component "track" .track -}}
{{- $secretItems := list }}
{{- range (include "rejuve.secretSettings" . | fromYamlArray) }}{{- $secretItems = append $secretItems .item }}{{- end }}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "rejuve.metadata" (merge (dict "name" (ternary (printf "%s-canary" $name) $name $canary)) $ids) | nindent 2 }}
spec:
  {{- with include "rejuve.replicas" . }}
  replicas: {{ . }}
  {{- end }}
  revisionHistoryLimit: 5
  {{- /* Old pods go when new ones serve: an update never lowers the capacity. */}}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: 0
      maxSurge: 1
  selector:
    matchLabels:
      {{- include "rejuve.selector" $ids | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "rejuve.selector" $ids | nindent 8 }}
        app.kubernetes.io/part-of: rejuve
        {{- with merge (dict) $own.podLabels $values.commonLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        kubectl.kubernetes.io/default-container: {{ $component }}
        checksum/config: {{ include "rejuve.configChecksum" . }}
        checksum/secrets: {{ include "rejuve.secretsChecksum" (dict "root" $root "items" $secretItems) | quote }}
        {{- if $values.metrics.scrapeAnnotations }}
        prometheus.io/scrape: "true"
        prometheus.io/port: {{ $part.port | quote }}
        prometheus.io/path: /metrics
        {{- end }}
        {{- with merge (dict) $own.podAnnotations $values.commonAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "rejuve.serviceAccountName" . }}
      automountServiceAccountToken: {{ has .key (list "controller" "console") }}
      {{- /* Variables of Services in our environment would look like settings. */}}
      enableServiceLinks: false
      {{- with $values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $own.priorityClassName | default (include "rejuve.priorityClass" .) }}
      priorityClassName: {{ . }}
      {{- end }}
      terminationGracePeriodSeconds: {{ add $values.drainDelaySeconds $own.drainSeconds 10 }}
      securityContext:
        {{- include "rejuve.podSecurity" dict | nindent 8 }}
      containers:
        - name: {{ $component }}
          image: {{ include "rejuve.image" (dict "root" $root "override" (ternary ($own.canary | default dict).image $own.image $canary)) }}
          imagePullPolicy: {{ $values.image.pullPolicy }}
          args: [{{ $part.command }}]
          ports:
            - name: http
              containerPort: {{ $part.port }}
              protocol: TCP
          env:
            {{- include "rejuve.env" . | nindent 12 }}
          {{- with $own.envFrom }}
          envFrom:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- /* A slow start (migrations, a chain that is away) is no reason to kill: two minutes. */}}
          startupProbe:
            httpGet:
              path: /livez
              port: http
            periodSeconds: 1
            timeoutSeconds: 2
            failureThreshold: 120
          readinessProbe:
            httpGet:
              path: /readyz
              port: http
            periodSeconds: 3
            timeoutSeconds: 3
            failureThreshold: 2
          livenessProbe:
            httpGet:
              path: /livez
              port: http
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 3
          resources:
            {{- toYaml $own.resources | nindent 12 }}
          securityContext:
            {{- include "rejuve.containerSecurity" . | nindent 12 }}
          volumeMounts:
            {{- range $files }}
            - name: {{ .name }}
              mountPath: {{ .path }}
              {{- if ne .name "tmp" }}
              readOnly: true
              {{- end }}
            {{- end }}
            {{- with $own.extraVolumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
      volumes:
        {{- range $files }}
        - name: {{ .name }}
          {{- toYaml .volume | nindent 10 }}
        {{- end }}
        {{- with $own.extraVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $own.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $own.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $own.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- if $own.spread.enabled }}
      topologySpreadConstraints:
        {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
        - topologyKey: {{ . }}
          maxSkew: 1
          whenUnsatisfiable: {{ $own.spread.whenUnsatisfiable }}
          labelSelector:
            matchLabels:
              {{- include "rejuve.selector" (dict "root" $root "component" $component) | nindent 14 }}
          matchLabelKeys: [pod-template-hash]
        {{- end }}
      {{- end }}
{{- end -}}

{{/* Fingerprint of what the processes read once, at their start. Flags and providers are read while they run. */}}
{{- define "rejuve.configChecksum" -}}
{{- printf "%s|%s" (toJson .root.Values.chain.contracts) (include "rejuve.signerPools" .root) | sha256sum | trunc 16 -}}
{{- end -}}

{{- define "rejuve.priorityClass" -}}
{{- if .root.Values.priorityClasses.create -}}
{{- $serving := has .key (list "gateway" "api" "user" "console" "controller" "transactions") -}}
{{- printf "%s-%s-%s" .root.Release.Namespace (include "rejuve.fullname" .root) (ternary "serving" "working" $serving) -}}
{{- end -}}
{{- end -}}
