{{- define "idstream.name" -}}
{{- if contains "idstream" .Release.Name }}{{ .Release.Name | trunc 44 | trimSuffix "-" }}{{ else }}{{ printf "%s-idstream" .Release.Name | trunc 44 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "idstream.selector" -}}
app.kubernetes.io/name: idstream
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: processor
{{- end }}

{{- define "idstream.labels" -}}
app.kubernetes.io/name: idstream
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "idstream.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{- define "idstream.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ .Values.serviceAccount.name | default (include "idstream.name" .) }}{{ else }}{{ .Values.serviceAccount.name | default "default" }}{{ end }}
{{- end }}

{{- define "idstream.secret" -}}
{{ .Values.secret.name | default (include "idstream.name" .) }}
{{- end }}

{{- /* What every pod of the chart has, whatever it runs. */ -}}
{{- define "idstream.pod" -}}
serviceAccountName: {{ include "idstream.serviceAccount" . }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- define "idstream.container" -}}
image: {{ include "idstream.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
volumeMounts:
  - {name: configuration, mountPath: /etc/idstream, readOnly: true}
  - {name: secrets, mountPath: /run/secrets/idstream, readOnly: true}
{{- with .Values.volumeMounts }}
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "idstream.env" -}}
- name: IDSTREAM_KAFKA__BOOTSTRAP_SERVERS
  value: {{ .Values.kafka.bootstrapServers | quote }}
- name: IDSTREAM_KAFKA__GROUP_ID
  value: {{ .Values.kafka.groupId | quote }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "idstream.volumes" -}}
- name: configuration
  configMap: {name: {{ include "idstream.name" . }}}
{{- with .Values.volumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
