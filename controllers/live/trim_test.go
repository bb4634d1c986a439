package live

import (
	"encoding/json"
	"fmt"
	"runtime"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
)

// memberDeployment is the JSON of a Deployment as a member's API server tells it: applied by a control plane, its status written by
// the controller of the member.
func memberDeployment(n int) []byte {
	name := fmt.Sprintf("web-%05d", n)
	return fmt.Appendf(nil, `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":%[1]q,"namespace":"shop","uid":"5c1b6c3e-0000-4000-8000-0000000%05[2]d","resourceVersion":"%[2]d",
"generation":1,"creationTimestamp":"2026-01-01T00:00:00Z","labels":{"app":%[1]q,"karmada.io/managed":"true","resourcebinding.karmada.io/permanent-id":"93a8affa-f437-4400-afc6-0000000%05[2]d",
"work.karmada.io/permanent-id":"1ea5016b-cbaa-4dfb-bef8-0000000%05[2]d"},"annotations":{"deployment.kubernetes.io/revision":"1","propagationpolicy.karmada.io/name":"spread","propagationpolicy.karmada.io/namespace":"shop",
"resourcebinding.karmada.io/name":"%[1]s-deployment","resourcebinding.karmada.io/namespace":"shop","resourcetemplate.karmada.io/generation":"1",
"resourcetemplate.karmada.io/managed-annotations":"propagationpolicy.karmada.io/name,propagationpolicy.karmada.io/namespace,resourcebinding.karmada.io/name,resourcebinding.karmada.io/namespace,resourcetemplate.karmada.io/managed-annotations,resourcetemplate.karmada.io/managed-labels,resourcetemplate.karmada.io/uid,work.karmada.io/conflict-resolution,work.karmada.io/name,work.karmada.io/namespace",
"resourcetemplate.karmada.io/managed-labels":"app,karmada.io/managed,resourcebinding.karmada.io/permanent-id,work.karmada.io/permanent-id","resourcetemplate.karmada.io/uid":"c47961c4-5e52-439f-b9fe-0000000%05[2]d",
"work.karmada.io/conflict-resolution":"abort","work.karmada.io/name":"%[1]s-6f5d8b7c9","work.karmada.io/namespace":"karmada-es-member1"},
"managedFields":[{"manager":"seatrial","operation":"Update","apiVersion":"apps/v1","time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1","fieldsV1":{"f:metadata":{"f:annotations":{".":{},"f:propagationpolicy.karmada.io/name":{},"f:propagationpolicy.karmada.io/namespace":{},"f:resourcebinding.karmada.io/name":{},"f:resourcebinding.karmada.io/namespace":{},"f:resourcetemplate.karmada.io/generation":{},"f:resourcetemplate.karmada.io/managed-annotations":{},"f:resourcetemplate.karmada.io/managed-labels":{},"f:resourcetemplate.karmada.io/uid":{},"f:work.karmada.io/conflict-resolution":{},"f:work.karmada.io/name":{},"f:work.karmada.io/namespace":{}},"f:labels":{".":{},"f:app":{},"f:karmada.io/managed":{},"f:resourcebinding.karmada.io/permanent-id":{},"f:work.karmada.io/permanent-id":{}}},"f:spec":{"f:progressDeadlineSeconds":{},"f:replicas":{},"f:revisionHistoryLimit":{},"f:selector":{},"f:strategy":{"f:rollingUpdate":{".":{},"f:maxSurge":{},"f:maxUnavailable":{}},"f:type":{}},"f:template":{"f:metadata":{"f:labels":{".":{},"f:app":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"nginx\"}":{".":{},"f:image":{},"f:imagePullPolicy":{},"f:name":{},"f:resources":{".":{},"f:requests":{".":{},"f:cpu":{}}},"f:terminationMessagePath":{},"f:terminationMessagePolicy":{}}},"f:dnsPolicy":{},"f:restartPolicy":{},"f:schedulerName":{},"f:securityContext":{},"f:terminationGracePeriodSeconds":{}}}}}},
{"manager":"kube-controller-manager","operation":"Update","apiVersion":"apps/v1","time":"2026-01-01T00:00:02Z","fieldsType":"FieldsV1","subresource":"status","fieldsV1":{"f:metadata":{"f:annotations":{"f:deployment.kubernetes.io/revision":{}}},"f:status":{"f:availableReplicas":{},"f:conditions":{".":{},"k:{\"type\":\"Available\"}":{".":{},"f:lastTransitionTime":{},"f:lastUpdateTime":{},"f:message":{},"f:reason":{},"f:status":{},"f:type":{}},"k:{\"type\":\"Progressing\"}":{".":{},"f:lastTransitionTime":{},"f:lastUpdateTime":{},"f:message":{},"f:reason":{},"f:status":{},"f:type":{}}},"f:observedGeneration":{},"f:readyReplicas":{},"f:replicas":{},"f:updatedReplicas":{}}}}]},
"spec":{"replicas":2,"selector":{"matchLabels":{"app":%[1]q}},"template":{"metadata":{"labels":{"app":%[1]q}},"spec":{"containers":[{"name":"nginx","image":"nginx:1.28","resources":{"requests":{"cpu":"50m"}},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","securityContext":{},"schedulerName":"default-scheduler"}},
"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"25%%","maxSurge":"25%%"}},"revisionHistoryLimit":10,"progressDeadlineSeconds":600},
"status":{"observedGeneration":1,"replicas":2,"updatedReplicas":2,"readyReplicas":2,"availableReplicas":2,"conditions":[{"type":"Available","status":"True","lastUpdateTime":"2026-01-01T00:00:02Z","lastTransitionTime":"2026-01-01T00:00:02Z","reason":"MinimumReplicasAvailable","message":"Deployment has minimum availability."},{"type":"Progressing","status":"True","lastUpdateTime":"2026-01-01T00:00:02Z","lastTransitionTime":"2026-01-01T00:00:00Z","reason":"NewReplicaSetAvailable","message":"ReplicaSet \"%[1]s-5d8b7c9f6\" has successfully progressed."}]}}`, name, n)
}

func readDeployment(t testing.TB, n int) *unstructured.Unstructured {
	t.Helper()
	read := &unstructured.Unstructured{}
	if err := read.UnmarshalJSON(memberDeployment(n)); err != nil {
		t.Fatal(err)
	}
	return read
}

// TestTrimmedObjectsAreWhole: only the owners of fields are missing.
func TestTrimmedObjectsAreWhole(t *testing.T) {
	trimmed, err := trimManaged(readDeployment(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	want := readDeployment(t, 1)
	unstructured.RemoveNestedField(want.Object, "metadata", "managedFields")
	got, err := json.Marshal(trimmed)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(whole) {
		t.Errorf("trimmed to\n%s\nwant\n%s", got, whole)
	}
}

// memberPod is a pod of such a Deployment.
func memberPod(n int) *corev1.Pod {
	read := &unstructured.Unstructured{}
	_ = read.UnmarshalJSON(memberDeployment(n))
	name := fmt.Sprintf("%s-5d8b7c9f6-%05d", read.GetName(), n)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Namespace: "shop", Name: name, UID: types.UID(fmt.Sprintf("7f3a0b52-0000-4000-8000-0000000%05d", n)), ResourceVersion: fmt.Sprint(n),
		Labels: map[string]string{"app": read.GetName(), "pod-template-hash": "5d8b7c9f6"}, ManagedFields: read.GetManagedFields(),
	}}
	pod.Spec = corev1.PodSpec{NodeName: fmt.Sprintf("node-%d", n%20), Containers: []corev1.Container{{
		Name: "nginx", Image: fmt.Sprintf("nginx:1.%d", n), TerminationMessagePath: "/dev/termination-log",
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("50m")}},
	}}}
	for _, kind := range []corev1.PodConditionType{corev1.PodScheduled, corev1.PodInitialized, corev1.PodReady, corev1.ContainersReady} {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: kind, Status: corev1.ConditionTrue})
	}
	pod.Status.Phase, pod.Status.PodIP = corev1.PodRunning, fmt.Sprintf("10.0.%d.%d", n/250, n%250)
	return pod
}

// BenchmarkMemberObjects fills a cache with 10,000 objects of a member and tells how much memory that takes.
func BenchmarkMemberObjects(b *testing.B) {
	whole := func(object any) (any, error) { return object, nil }
	deployments := func(n int) any { return readDeployment(b, n) }
	pods := func(n int) any { return memberPod(n) }
	for _, c := range []struct {
		name   string
		object func(int) any
		trim   toolscache.TransformFunc
	}{
		{"deployments-whole", deployments, whole}, {"deployments", deployments, trimManaged},
		{"pods-whole", pods, whole}, {"pods", pods, trimInventory},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				before := heap()
				store := toolscache.NewStore(toolscache.MetaNamespaceKeyFunc)
				for n := range 10_000 {
					object, err := c.trim(c.object(n))
					if err != nil {
						b.Fatal(err)
					}
					if err := store.Add(object); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(heap()-before)/(1<<20), "MiB")
				runtime.KeepAlive(store)
			}
		})
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}
