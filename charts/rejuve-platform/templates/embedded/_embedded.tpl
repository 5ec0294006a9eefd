{{/*
A dependency inside the release, as a StatefulSet of one with its Service.
dict root, key (in embedded), port, container (YAML of what is particular), volumes (YAML), dataPath, statefulData.
*/}}
{{- define "rejuve.embedded" -}}
{{- $own := index .root.Values.embedded .key -}}
{{- $name := printf "%s-%s" (include "rejuve.fullname" .root) .key -}}
{{- $ids := dict "root" .root "component" .key "name" $name -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "rejuve.metadata" $ids | nindent 2 }}
spec:
  type: ClusterIP
  selector:
    {{- include "rejuve.selector" $ids | nindent 4 }}
  ports:
    - name: {{ .key }}
      port: {{ .port }}
      targetPort: {{ .key }}
      protocol: TCP
---
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "rejuve.metadata" $ids | nindent 2 }}
automountServiceAccountToken: false
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  {{- include "rejuve.metadata" $ids | nindent 2 }}
spec:
  replicas: 1
  serviceName: {{ $name }}
  selector:
    matchLabels:
      {{- include "rejuve.selector" $ids | nindent 6 }}
  # The data of a first try goes with the release.
  persistentVolumeClaimRetentionPolicy:
    whenDeleted: Delete
    whenScaled: Retain
  template:
    metadata:
      labels:
        {{- include "rejuve.selector" $ids | nindent 8 }}
        app.kubernetes.io/part-of: rejuve
        {{- with .root.Values.commonLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with .root.Values.commonAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ $name }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: 30
      {{- with .root.Values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        {{- include "rejuve.podSecurity" (dict "uid" $own.runAsUser "gid" $own.fsGroup) | nindent 8 }}
      containers:
        - name: {{ .key }}
          image: {{ include "rejuve.foreignImage" $own.image }}
          imagePullPolicy: {{ $own.image.pullPolicy }}
          ports:
            - name: {{ .key }}
              containerPort: {{ .port }}
              protocol: TCP
          {{- .container | nindent 10 }}
          startupProbe:
            tcpSocket:
              port: {{ .key }}
            periodSeconds: 1
            failureThreshold: 120
          readinessProbe:
            tcpSocket:
              port: {{ .key }}
            periodSeconds: 3
          livenessProbe:
            tcpSocket:
              port: {{ .key }}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          resources:
            {{- toYaml $own.resources | nindent 12 }}
          securityContext:
            {{- include "rejuve.containerSecurity" . | nindent 12 }}
          volumeMounts:
            - name: data
              mountPath: {{ .dataPath }}
            - name: tmp
              mountPath: /tmp
            {{- with .mounts }}
            {{- . | nindent 12 }}
            {{- end }}
      volumes:
        - name: tmp
          emptyDir:
            sizeLimit: 256Mi
        {{- if not $own.persistence.enabled }}
        - name: data
          emptyDir:
            sizeLimit: {{ $own.persistence.size }}
        {{- end }}
        {{- with .volumes }}
        {{- . | nindent 8 }}
        {{- end }}
  {{- if $own.persistence.enabled }}
  volumeClaimTemplates:
    - apiVersion: v1
      kind: PersistentVolumeClaim
      metadata:
        name: data
      spec:
        accessModes: [ReadWriteOnce]
        {{- with $own.persistence.storageClassName }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests:
            storage: {{ $own.persistence.size }}
  {{- end }}
{{- end -}}
