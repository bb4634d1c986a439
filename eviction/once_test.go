package eviction

import (
	"encoding/json"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
)

func TestOnce(t *testing.T) {
	for _, c := range []struct {
		version, kind, moves string
		want                 bool
	}{
		{"batch/v1", "Job", "", true},
		{"batch/v1", "CronJob", "", true},
		{"batch/v1", "Job", names.MakeBeforeBreak, true},
		{"apps/v1", "StatefulSet", "", true},
		{"apps/v1", "StatefulSet", names.MakeBeforeBreak, false},
		{"apps/v1", "Deployment", "", false},
		{"apps.example.com/v1", "StatefulSet", "", false},
		{"batch.volcano.sh/v1alpha1", "Job", "", false},
	} {
		spec := &workv1alpha2.ResourceBindingSpec{Resource: workv1alpha2.ObjectReference{APIVersion: c.version, Kind: c.kind}}
		if got := Once(spec, map[string]string{names.AnnotationStatefulMoves: c.moves}); got != c.want {
			t.Errorf("%s %s %s: %t", c.version, c.kind, c.moves, got)
		}
		if got := IsJob(spec); got != (c.version == "batch/v1" && c.kind == "Job") {
			t.Errorf("%s %s is a Job: %t", c.version, c.kind, got)
		}
	}
}

// TestStays: what is to run once does not leave a cluster that cannot be reached, unless it waits for nobody.
func TestStays(t *testing.T) {
	for _, c := range []struct {
		kind  string
		ready metav1.ConditionStatus
		mode  policyv1alpha1.PurgeMode
		want  bool
	}{
		{"StatefulSet", metav1.ConditionFalse, policyv1alpha1.PurgeModeGracefully, true},
		{"StatefulSet", metav1.ConditionUnknown, policyv1alpha1.PurgeModeGracefully, true},
		{"StatefulSet", metav1.ConditionFalse, policyv1alpha1.PurgeModeDirectly, false},
		{"StatefulSet", metav1.ConditionTrue, policyv1alpha1.PurgeModeGracefully, false},
		{"Deployment", metav1.ConditionFalse, policyv1alpha1.PurgeModeGracefully, false},
	} {
		bound, _ := binding.Of(&workv1alpha2.ResourceBinding{Spec: workv1alpha2.ResourceBindingSpec{Resource: workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: c.kind}}})
		cluster := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "m1"}}
		meta.SetStatusCondition(&cluster.Status.Conditions, metav1.Condition{Type: names.ConditionClusterReady, Status: c.ready})
		if got := Stays(bound, cluster, c.mode); got != c.want {
			t.Errorf("%s, Ready is %s, %s: %t", c.kind, c.ready, c.mode, got)
		}
	}
}

func TestEnded(t *testing.T) {
	for _, c := range []struct {
		name, kind, status string
		want               bool
	}{
		{"complete", "Job", `{"succeeded":4,"conditions":[{"type":"SuccessCriteriaMet","status":"True"},{"type":"Complete","status":"True"}]}`, true},
		{"failed", "Job", `{"failed":6,"conditions":[{"type":"Failed","status":"True"}]}`, true},
		{"suspended", "Job", `{"conditions":[{"type":"Suspended","status":"True"}]}`, false},
		{"not complete any more", "Job", `{"conditions":[{"type":"Complete","status":"False"}]}`, false},
		{"running", "Job", `{"active":4}`, false},
		{"another kind", "CronJob", `{"conditions":[{"type":"Complete","status":"True"}]}`, false},
		{"nobody can read it", "Job", `{"conditions":"many"}`, false},
		{"no report", "Job", "", false},
	} {
		item := workv1alpha2.AggregatedStatusItem{ClusterName: "m1", Applied: true}
		if c.status != "" {
			item.Status = &runtime.RawExtension{Raw: []byte(c.status)}
		}
		spec, copies := &workv1alpha2.ResourceBindingSpec{}, []workv1alpha2.AggregatedStatusItem{item}
		spec.Resource.APIVersion, spec.Resource.Kind = "batch/v1", c.kind
		if got := Ended(spec, copies, "m1"); got != c.want {
			t.Errorf("%s: %t", c.name, got)
		}
		bound, _ := binding.Of(&workv1alpha2.ResourceBinding{Spec: *spec, Status: workv1alpha2.ResourceBindingStatus{AggregatedStatus: copies}})
		bound.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: "m2"}}
		if Spent(bound) {
			t.Errorf("%s: it has ended where it is not to be", c.name)
		}
		if bound.Spec.Clusters = append(bound.Spec.Clusters, workv1alpha2.TargetCluster{Name: "m1"}); Spent(bound) != c.want {
			t.Errorf("%s: has ended in a part of its clusters: %t", c.name, !c.want)
		}
		template := &unstructured.Unstructured{Object: map[string]any{}}
		var status map[string]any
		if json.Unmarshal([]byte(c.status), &status) == nil {
			template.Object["status"] = status
		}
		if got := Over(template); got != (c.want || c.kind == "CronJob") {
			t.Errorf("%s: the template says that it is over: %t", c.name, got)
		}
		if Ended(spec, copies, "m2") {
			t.Errorf("%s: ended where it never was", c.name)
		}
	}
}
