package inflight

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func named(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "team", Name: name}
}

func specOf(cpu string, had ...workv1alpha2.TargetCluster) *workv1alpha2.ResourceBindingSpec {
	return &workv1alpha2.ResourceBindingSpec{
		ReplicaRequirements: &workv1alpha2.ReplicaRequirements{ResourceRequest: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}},
		Clusters:            had,
	}
}

func on(cluster string, replicas int32) workv1alpha2.TargetCluster {
	return workv1alpha2.TargetCluster{Name: cluster, Replicas: replicas}
}

func reporting(name string, pods int64) *clusterv1alpha1.Cluster {
	return &clusterv1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Status: clusterv1alpha1.ClusterStatus{ResourceSummary: &clusterv1alpha1.ResourceSummary{
			Allocatable: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100"), corev1.ResourcePods: resource.MustParse("1000")},
			Allocated:   corev1.ResourceList{corev1.ResourcePods: *resource.NewQuantity(pods, resource.DecimalSI)},
		}},
	}
}

func expect(t *testing.T, l *Ledger, cluster string, replicas ...int32) {
	t.Helper()
	var got []int32
	for _, workload := range l.Assumed(cluster) {
		got = append(got, workload.Components[0].Replicas)
	}
	if fmt.Sprint(got) != fmt.Sprint(replicas) {
		t.Errorf("%s is assumed to have %v more replicas, want %v", cluster, got, replicas)
	}
}

func TestOnlyWhatADecisionAddsIsAssumed(t *testing.T) {
	l := New(time.Minute)
	undo := l.Assume(named("x"), specOf("1", on("a", 3), on("b", 5)), []workv1alpha2.TargetCluster{on("a", 7), on("b", 2), on("c", 1)}, start)
	expect(t, l, "a", 4)
	expect(t, l, "b")
	expect(t, l, "c", 1)
	undo()
	expect(t, l, "a")
	if l.Len() != 0 {
		t.Errorf("%d entries are left", l.Len())
	}
}

func TestShapesAreSummed(t *testing.T) {
	l := New(time.Minute)
	l.Assume(named("x"), specOf("1"), []workv1alpha2.TargetCluster{on("a", 3)}, start)
	l.Assume(named("y"), specOf("2"), []workv1alpha2.TargetCluster{on("a", 5)}, start)
	expect(t, l, "a", 3, 5)
	undo := l.Assume(named("z"), specOf("1"), []workv1alpha2.TargetCluster{on("a", 4)}, start)
	expect(t, l, "a", 7, 5)
	undo()
	expect(t, l, "a", 3, 5)
	// 100 CPUs, less 3 times 1 and 5 times 2, leave room for 29 times 3.
	fit := estimator.General{}.Replicas(reporting("a", 0), specOf("3").ReplicaRequirements, l.Assumed("a"))
	if fit != 29 {
		t.Errorf("%d replicas fit, want 29", fit)
	}
}

func TestReportsSettleTheOldestFirst(t *testing.T) {
	l := New(time.Minute)
	l.Seen(reporting("a", 10))
	l.Assume(named("x"), specOf("1"), []workv1alpha2.TargetCluster{on("a", 3)}, start)
	l.Assume(named("y"), specOf("2"), []workv1alpha2.TargetCluster{on("a", 5)}, start)
	l.Seen(reporting("a", 8))
	expect(t, l, "a", 3, 5)
	l.Seen(reporting("a", 12))
	expect(t, l, "a", 4)
	l.Seen(reporting("a", 30))
	expect(t, l, "a")
}

func TestAssumptionsExpireAndEndWithTheirBinding(t *testing.T) {
	l := New(time.Minute)
	l.Assume(named("x"), specOf("1"), []workv1alpha2.TargetCluster{on("a", 3)}, start)
	l.Assume(named("y"), specOf("1"), []workv1alpha2.TargetCluster{on("a", 4), on("b", 2)}, start.Add(time.Second))
	if at, ok := l.Next(); !ok || !at.Equal(start.Add(time.Minute)) {
		t.Errorf("the next to expire does so at %s (%t)", at, ok)
	}
	l.Expire(start.Add(time.Minute))
	expect(t, l, "a", 4)
	l.Forget(named("y"))
	expect(t, l, "a")
	expect(t, l, "b")
	if _, ok := l.Next(); ok {
		t.Error("something is left to expire")
	}
}

func TestSetsAreAssumedByComponent(t *testing.T) {
	spec := &workv1alpha2.ResourceBindingSpec{Components: []workv1alpha2.Component{
		{Name: "leader", Replicas: 1}, {Name: "worker", Replicas: 3, ReplicaRequirements: &workv1alpha2.ComponentReplicaRequirements{
			ResourceRequest: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")},
		}},
	}}
	l := New(time.Minute)
	l.Assume(named("x"), spec, []workv1alpha2.TargetCluster{{Name: "a", Components: []workv1alpha2.TargetComponent{{Name: "leader", Replicas: 1}, {Name: "worker", Replicas: 3}}}}, start)
	expect(t, l, "a", 1, 3)
}

// TestTotalsFollowEntries compares the sums that are kept with sums made anew, over random histories.
func TestTotalsFollowEntries(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 0))
	l := New(time.Minute)
	now, pods := start, int64(0)
	var undos []func()
	for step := range 2000 {
		switch random.IntN(6) {
		case 0, 1, 2:
			targets := []workv1alpha2.TargetCluster{on("a", int32(random.IntN(9)))}
			undos = append(undos, l.Assume(named(fmt.Sprint(random.IntN(5))), specOf(fmt.Sprint(1+random.IntN(3))), targets, now))
		case 3:
			if len(undos) > 0 {
				undos[random.IntN(len(undos))]()
			}
		case 4:
			pods += int64(random.IntN(20)) - 8
			l.Seen(reporting("a", max(pods, 0)))
		case 5:
			now = now.Add(time.Duration(random.IntN(20)) * time.Second)
			l.Expire(now)
		}
		var kept, anew int64
		for _, workload := range l.Assumed("a") {
			kept += int64(workload.Components[0].Replicas)
		}
		for _, e := range l.account("a").entries {
			anew += e.replicas
			if e.replicas <= 0 || !e.expires.After(now) {
				t.Fatalf("step %d: an entry of %d replicas that expires at %s is kept at %s", step, e.replicas, e.expires, now)
			}
		}
		if kept != anew {
			t.Fatalf("step %d: %d replicas are assumed, the entries have %d", step, kept, anew)
		}
	}
}
