package placement_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// fleet makes n clusters in twelve regions of three providers; every tenth is tainted, every seventh lacks the API.
func fleet(n int) []*clusterv1alpha1.Cluster {
	clusters := make([]*clusterv1alpha1.Cluster, n)
	for i := range clusters {
		cluster := &clusterv1alpha1.Cluster{}
		cluster.Name = fmt.Sprintf("member-%05d", i)
		cluster.Labels = map[string]string{"env": []string{"prod", "dev"}[i%2], "tier": []string{"gold", "silver", "bronze"}[i%3]}
		cluster.Spec.Provider = fmt.Sprintf("provider-%d", i%3)
		cluster.Spec.Region = fmt.Sprintf("region-%d", i%12)
		cluster.Spec.Zones = []string{fmt.Sprintf("zone-%d", i%24)}
		if i%10 == 9 {
			cluster.Spec.Taints = []corev1.Taint{{Key: "maintenance", Effect: corev1.TaintEffectNoSchedule}}
		}
		kinds := []clusterv1alpha1.APIResource{{Name: "deployments", Kind: "Deployment"}, {Name: "statefulsets", Kind: "StatefulSet"}}
		if i%7 == 6 {
			kinds = kinds[1:]
		}
		cluster.Status.APIEnablements = []clusterv1alpha1.APIEnablement{{GroupVersion: "apps/v1", Resources: kinds}}
		clusters[i] = cluster
	}
	return clusters
}

func divided(
	preference policyv1alpha1.ReplicaDivisionPreference, weights *policyv1alpha1.ClusterPreferences,
) *policyv1alpha1.ReplicaSchedulingStrategy {
	return &policyv1alpha1.ReplicaSchedulingStrategy{
		ReplicaSchedulingType:     policyv1alpha1.ReplicaSchedulingTypeDivided,
		ReplicaDivisionPreference: preference,
		WeightPreference:          weights,
	}
}

func benchmarkPlacements() map[string]*policyv1alpha1.Placement {
	weighted := policyv1alpha1.ReplicaDivisionPreferenceWeighted
	dynamic := &policyv1alpha1.ClusterPreferences{DynamicWeight: policyv1alpha1.DynamicWeightByAvailableReplicas}
	gold := policyv1alpha1.ClusterAffinity{LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "gold"}}}
	static := &policyv1alpha1.ClusterPreferences{StaticWeightList: []policyv1alpha1.StaticClusterWeight{
		{TargetCluster: gold, Weight: 3}, {TargetCluster: policyv1alpha1.ClusterAffinity{}, Weight: 1},
	}}
	return map[string]*policyv1alpha1.Placement{
		"duplicated": {},
		"static":     {ReplicaScheduling: divided(weighted, static)},
		"dynamic":    {ReplicaScheduling: divided(weighted, dynamic)},
		"aggregated": {ReplicaScheduling: divided(policyv1alpha1.ReplicaDivisionPreferenceAggregated, nil)},
		"region": {
			ReplicaScheduling: divided(weighted, dynamic),
			SpreadConstraints: []policyv1alpha1.SpreadConstraint{
				{SpreadByField: policyv1alpha1.SpreadByFieldRegion, MinGroups: 2, MaxGroups: 4},
				{SpreadByField: policyv1alpha1.SpreadByFieldCluster, MinGroups: 5, MaxGroups: 20},
			},
		},
	}
}

func BenchmarkPlacement(b *testing.B) {
	placements := benchmarkPlacements()
	for _, name := range []string{"duplicated", "static", "dynamic", "aggregated", "region"} {
		for _, size := range []int{100, 1000, 5000, 10000, 20000} {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				benchmarkDecision(b, placements[name].DeepCopy(), size)
			})
		}
	}
}

// benchmarkRequest asks for 200 replicas in the half of the fleet that is for production, with two clusters in use.
func benchmarkRequest(wanted *policyv1alpha1.Placement) placement.Request {
	wanted.ClusterAffinity = &policyv1alpha1.ClusterAffinity{
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"env": "prod"}},
	}
	wanted.ClusterTolerations = []corev1.Toleration{{Key: "dedicated", Operator: corev1.TolerationOpExists}}
	return placement.Request{Spec: &workv1alpha2.ResourceBindingSpec{
		Resource:  workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web", UID: "7d0f"},
		Replicas:  200,
		Placement: wanted,
		Clusters:  []workv1alpha2.TargetCluster{{Name: "member-00000", Replicas: 10}, {Name: "member-00002", Replicas: 5}},
	}}
}

func benchmarkDecision(b *testing.B, wanted *policyv1alpha1.Placement, size int) {
	snapshot := placement.NewSnapshot(fleet(size))
	request := benchmarkRequest(wanted)
	capacity := randomCapacity(placement.Candidates(request, snapshot).Len())
	b.ReportAllocs()
	start := cpuTime(b)
	for b.Loop() {
		decision := placement.Assign(placement.Candidates(request, snapshot), capacity)
		if decision.Err != nil {
			b.Fatal(decision.Err)
		}
	}
	b.ReportMetric(float64((cpuTime(b)-start).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// cpuTime is what this process has used of the processors, which other load on the machine hardly changes.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatalf("reading the CPU time: %v", err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
