package placement_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// TestShrinksByWhatIsNotReady scales a workload down that has 2, 4 and 3 replicas in three clusters.
func TestShrinksByWhatIsNotReady(t *testing.T) {
	for _, c := range []struct {
		name     string
		ready    map[string]int32
		replicas int32
		want     string
	}{
		{"nobody knows", nil, 6, "m1:1 m2:3 m3:2"},
		{"all are ready", map[string]int32{"m1": 2, "m2": 4, "m3": 3}, 6, "m1:1 m2:3 m3:2"},
		{"as many as are to go are not ready", map[string]int32{"m1": 2, "m2": 1, "m3": 3}, 6, "m1:2 m2:1 m3:3"},
		{"more than are to go are not ready", map[string]int32{"m1": 2, "m2": 0, "m3": 1}, 6, "m1:2 m2:2 m3:2"},
		{"fewer than are to go are not ready", map[string]int32{"m1": 0, "m2": 4, "m3": 3}, 4, "m2:2 m3:2"},
		{"none is ready", map[string]int32{"m1": 0, "m2": 0, "m3": 0}, 6, "m1:1 m2:3 m3:2"},
		{"more are ready than are held", map[string]int32{"m1": 9, "m2": 9, "m3": 9}, 6, "m1:1 m2:3 m3:2"},
	} {
		request := deployment(policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{
			ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided, ReplicaDivisionPreference: policyv1alpha1.ReplicaDivisionPreferenceWeighted,
			WeightPreference: &policyv1alpha1.ClusterPreferences{DynamicWeight: policyv1alpha1.DynamicWeightByAvailableReplicas},
		}})
		request.Spec.Replicas, request.Spec.ReplicaRequirements, request.Ready = c.replicas, &workv1alpha2.ReplicaRequirements{}, c.ready
		var clusters []*clusterv1alpha1.Cluster
		for i, held := range []int32{2, 4, 3} {
			name := fmt.Sprintf("m%d", i+1)
			request.Spec.Clusters = append(request.Spec.Clusters, workv1alpha2.TargetCluster{Name: name, Replicas: held})
			clusters = append(clusters, serving(name))
		}
		decision := decide(request, placement.NewSnapshot(clusters))
		if got := shares(decision); got != c.want {
			t.Errorf("%s: %s, error %v; want %s", c.name, got, decision.Err, c.want)
		}
	}
}

// serving is a cluster that takes Deployments.
func serving(name string) *clusterv1alpha1.Cluster {
	return &clusterv1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Status: clusterv1alpha1.ClusterStatus{APIEnablements: []clusterv1alpha1.APIEnablement{{
			GroupVersion: "apps/v1", Resources: []clusterv1alpha1.APIResource{{Kind: "Deployment"}},
		}}},
	}
}

// shares reads "m1:2 m2:1".
func shares(decision placement.Decision) string {
	var parts []string
	for _, target := range decision.Clusters {
		parts = append(parts, fmt.Sprintf("%s:%d", target.Name, target.Replicas))
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// TestKeepTainted scales a workload of two replicas in each of three clusters while m3 cannot be reached.
func TestKeepTainted(t *testing.T) {
	static := &policyv1alpha1.ClusterPreferences{StaticWeightList: []policyv1alpha1.StaticClusterWeight{
		{TargetCluster: policyv1alpha1.ClusterAffinity{ClusterNames: []string{"m1", "m2", "m3"}}, Weight: 1},
	}}
	dynamic := &policyv1alpha1.ClusterPreferences{DynamicWeight: policyv1alpha1.DynamicWeightByAvailableReplicas}
	for _, c := range []struct {
		name       string
		weights    *policyv1alpha1.ClusterPreferences
		aggregated bool
		replicas   int32
		room       int32
		want       string
		// without is what the reference decides.
		without string
	}{
		{"weights, growing", static, false, 12, 10, "m1:5 m2:5 m3:2", "m1:4 m2:4 m3:4"},
		{"weights, shrinking", static, false, 3, 10, "m1:1 m2:1 m3:1", "m1:1 m2:1 m3:1"},
		{"weights, the same", static, false, 6, 10, "m1:2 m2:2 m3:2", "m1:2 m2:2 m3:2"},
		{"room, growing", dynamic, false, 12, 10, "m1:5 m2:5 m3:2", "m1:4 m2:4 m3:4"},
		{"room, shrinking", dynamic, false, 3, 10, "m1:1 m2:1 m3:1", "m1:1 m2:1 m3:1"},
		{"no room but there", dynamic, false, 12, 1, "", ""},
		{"aggregated, growing", nil, true, 12, 10, "m1:8 m2:2 m3:2", "m1:8 m2:2 m3:2"},
	} {
		request := deployment(policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{
			ReplicaSchedulingType:     policyv1alpha1.ReplicaSchedulingTypeDivided,
			ReplicaDivisionPreference: policyv1alpha1.ReplicaDivisionPreferenceWeighted, WeightPreference: c.weights,
		}})
		if c.aggregated {
			request.Spec.Placement.ReplicaScheduling.ReplicaDivisionPreference = policyv1alpha1.ReplicaDivisionPreferenceAggregated
		}
		request.Spec.Replicas, request.Spec.ReplicaRequirements = c.replicas, &workv1alpha2.ReplicaRequirements{}
		var clusters []*clusterv1alpha1.Cluster
		for _, name := range []string{"m1", "m2", "m3"} {
			request.Spec.Clusters = append(request.Spec.Clusters, workv1alpha2.TargetCluster{Name: name, Replicas: 2})
			clusters = append(clusters, serving(name))
		}
		clusters[2].Spec.Taints = []corev1.Taint{{Key: "unreachable", Effect: corev1.TaintEffectNoSchedule}}
		for _, keep := range []bool{false, true} {
			want := c.without
			if request.Options.KeepTainted = keep; keep {
				want = c.want
			}
			candidates := placement.Candidates(request, placement.NewSnapshot(clusters))
			decision := placement.Assign(candidates, []int32{c.room, c.room, c.room})
			if got := shares(decision); got != want {
				t.Errorf("%s, keep %t: %s, error %v; want %s", c.name, keep, got, decision.Err, want)
			}
		}
	}
}
