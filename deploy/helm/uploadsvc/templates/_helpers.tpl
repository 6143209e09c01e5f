{{- define "uploadsvc.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- /* 50 characters, so that "-metrics" and "-events" still fit a label's 63. */ -}}
{{- define "uploadsvc.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains (include "uploadsvc.name" .) .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "uploadsvc.name" .) | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "uploadsvc.selector" -}}
app.kubernetes.io/name: {{ include "uploadsvc.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "uploadsvc.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "uploadsvc.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | trimSuffix "-" | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "uploadsvc.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "uploadsvc.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "uploadsvc.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end }}
{{- end }}

{{- define "uploadsvc.secretName" -}}
{{- .Values.secrets.existingSecret | default (include "uploadsvc.fullname" .) }}
{{- end }}

{{- /* Names of the secrets, a JSON list. */ -}}
{{- define "uploadsvc.secretKeys" -}}
{{- if .Values.secrets.existingSecret }}
{{- .Values.secrets.keys | sortAlpha | toJson }}
{{- else }}
{{- keys .Values.secrets.values | sortAlpha | toJson }}
{{- end }}
{{- end }}

{{- /* A pod of the service or of the worker: a dictionary with root, component, container. */ -}}
{{- define "uploadsvc.pod" -}}
{{- $root := .root -}}
metadata:
  labels:
    {{- with $root.Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- include "uploadsvc.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
  annotations:
    # A new pod for new settings. Secrets that the chart did not make are read again on SIGHUP.
    checksum/settings: {{ include (print $root.Template.BasePath "/configmap.yaml") $root | sha256sum }}
    checksum/secrets: {{ include (print $root.Template.BasePath "/secret.yaml") $root | sha256sum }}
    {{- with $root.Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "uploadsvc.serviceAccountName" $root }}
  # The service never talks to Kubernetes.
  automountServiceAccountToken: false
  # Kubernetes' variables for Services would begin with UPLOADSVC_.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ $root.Values.terminationGracePeriodSeconds }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    # May read the secrets' files.
    fsGroup: 10001
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  containers:
    - name: uploadsvc
      image: {{ include "uploadsvc.image" $root | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      {{- .container | nindent 6 }}
      env:
        {{- range include "uploadsvc.secretKeys" $root | fromJsonArray }}
        - name: {{ . }}_FILE
          value: /run/secrets/uploadsvc/{{ . }}
        {{- end }}
        {{- if $root.Values.config }}
        - name: UPLOADSVC_CONFIG_FILE
          value: /etc/uploadsvc/uploadsvc.toml
        {{- end }}
        {{- if $root.Values.metrics.enabled }}
        - name: UPLOADSVC_METRICS__ADDRESS
          value: {{ printf "%s:%d" (contains ":" $root.Values.host | ternary (printf "[%s]" $root.Values.host) $root.Values.host) (int $root.Values.metrics.port) | quote }}
        {{- end }}
        {{- if eq .component "service" }}
        - name: WEB_CONCURRENCY
          value: {{ $root.Values.workers | quote }}
        {{- end }}
        {{- with $root.Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      envFrom:
        - configMapRef:
            name: {{ include "uploadsvc.fullname" $root }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      volumeMounts:
        - name: secrets
          mountPath: /run/secrets/uploadsvc
          readOnly: true
        {{- if $root.Values.config }}
        - name: config
          mountPath: /etc/uploadsvc
          readOnly: true
        {{- end }}
  volumes:
    - name: secrets
      secret:
        secretName: {{ include "uploadsvc.secretName" $root }}
        defaultMode: 0440
    {{- if $root.Values.config }}
    - name: config
      configMap:
        name: {{ include "uploadsvc.fullname" $root }}-config
    {{- end }}
  {{- if $root.Values.topologySpread }}
  topologySpreadConstraints:
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      # Only pods of the same release of the Deployment, or an update would end up uneven.
      matchLabelKeys: [pod-template-hash]
      labelSelector:
        matchLabels:
          {{- include "uploadsvc.selector" $root | nindent 10 }}
          app.kubernetes.io/component: {{ $.component }}
    {{- end }}
  {{- end }}
  {{- with $root.Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
