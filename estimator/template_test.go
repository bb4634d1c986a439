package estimator_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/estimator"
)

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	made := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &made.Object); err != nil {
		t.Fatal(err)
	}
	return made
}

// web is a Deployment whose pods have the given spec, indented by six.
func web(spec string) string {
	return `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 3
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        resources: {requests: {cpu: "1"}}
` + spec
}

func TestWorkloadDemand(t *testing.T) {
	const pod = `
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers: [{name: web, ports: [{containerPort: 80, hostPort: 8080}]}]
`
	set := strings.Replace(web(""), "Deployment", "StatefulSet", 1) + `
  volumeClaimTemplates:
  - metadata: {name: data, annotations: {volume.kubernetes.io/storage-provisioner: disk.example.com}}
  - metadata: {name: logs}
`
	for name, c := range map[string]struct{ workload, want string }{
		"plain":             {web(""), `null`},
		"no pod template":   {"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n", `null`},
		"preferred only":    {web("      affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, podAffinityTerm: {topologyKey: zone}}]}}"), `null`},
		"node affinity":     {web("      affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{}]}}}"), `null`},
		"soft spread":       {web("      topologySpreadConstraints: [{topologyKey: zone, maxSkew: 1, whenUnsatisfiable: ScheduleAnyway}]"), `null`},
		"priority class":    {web("      priorityClassName: high"), `null`},
		"preempts no one":   {web("      priority: 7\n      preemptionPolicy: Never"), `null`},
		"preempts":          {web("      priority: 7"), `{"labels":{"app":"web"},"priority":7}`},
		"host port of pod":  {pod, `{"labels":{"app":"web"},"hostPorts":[{"protocol":"","port":8080}]}`},
		"host network":      {web("        ports: [{containerPort: 80, protocol: TCP}]\n      hostNetwork: true"), `{"labels":{"app":"web"},"hostPorts":[{"protocol":"TCP","port":80}]}`},
		"container port":    {web("        ports: [{containerPort: 80}]"), `null`},
		"init container":    {web("      initContainers: [{name: i, ports: [{hostPort: 81, containerPort: 81}]}]"), `null`},
		"sidecar":           {web("      initContainers: [{name: i, restartPolicy: Always, ports: [{hostPort: 81, containerPort: 81}]}]"), `{"labels":{"app":"web"},"hostPorts":[{"port":81}]}`},
		"claims":            {set, `{"labels":{"app":"web"},"volumes":[{"driver":"disk.example.com"}]}`},
		"disk":              {web("      volumes: [{name: d, gcePersistentDisk: {pdName: d}}]"), `{"labels":{"app":"web"},"volumes":[{"driver":"pd.csi.storage.gke.io","shared":true}]}`},
		"claim by name":     {web("      volumes: [{name: d, persistentVolumeClaim: {claimName: d}}]"), `null`},
		"kept apart":        {web("      affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: zone}]}}"), `{"labels":{"app":"web"},"antiAffinity":[{"topologyKey":"zone"}]}`},
		"kept together":     {web("      affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: zone}]}}"), `{"labels":{"app":"web"},"affinity":[{"topologyKey":"zone"}]}`},
		"spread":            {web("      topologySpreadConstraints: [{topologyKey: zone, maxSkew: 1, whenUnsatisfiable: DoNotSchedule}]"), `{"labels":{"app":"web"},"topologySpreadConstraints":[{"topologyKey":"zone","maxSkew":1,"whenUnsatisfiable":"DoNotSchedule"}]}`},
		"kind of others":    {strings.Replace(web("      priority: 7"), "apps/v1\nkind: Deployment", "example.com/v1\nkind: Rollout", 1), `{"labels":{"app":"web"},"priority":7}`},
		"given by the user": {strings.Replace(web("      priority: 7"), "name: web,", `name: web, annotations: {`+names.AnnotationPodDemand+`: '{"priority":9}'},`, 1), `{"priority":9}`},
	} {
		got, err := estimator.WorkloadDemand(object(t, c.workload))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var want *estimator.PodDemand
		if err := json.Unmarshal([]byte(c.want), &want); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			text, _ := json.Marshal(got)
			t.Errorf("%s asks %s, want %s", name, text, c.want)
		}
	}
}

func TestWorkloadDemandRefuses(t *testing.T) {
	for want, workload := range map[string]string{
		"spec.template":                        "apiVersion: example.com/v1\nkind: Odd\nspec: {template: text}\n",
		"topologySpreadConstraints[0].maxSkew": web("      topologySpreadConstraints: [{topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]"),
		"hostPorts[0].port":                    web("        ports: [{hostPort: 70000}]"),
		names.AnnotationPodDemand:              strings.Replace(web(""), "name: web,", `name: web, annotations: {`+names.AnnotationPodDemand+`: '{'},`, 1),
	} {
		if got, err := estimator.WorkloadDemand(object(t, workload)); err == nil || got != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v, error %v, want one that names %q", got, err, want)
		}
	}
}
