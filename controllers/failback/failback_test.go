package failback

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	testclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/internal/byhand"
	"github.com/seatrial/seatrial/scheduler"
)

// stage is a control plane whose clusters have been ready for an hour.
type stage struct {
	*byhand.Plane
	t     *testing.T
	clock *testclock.FakePassiveClock
}

func newStage(t *testing.T, change func(*Options)) *stage {
	options := Defaults()
	options.Decide = scheduler.Options{Name: "default-scheduler", General: estimator.General{}}.Decide
	if change != nil {
		change(&options)
	}
	s := &stage{Plane: byhand.New(t, New(options)), t: t}
	s.clock = s.Clock.(*testclock.FakePassiveClock)
	return s
}

// cluster has room for so many replicas beside those that run, and has been as ready as it is for so long.
func (s *stage) cluster(name string, room int64, ready metav1.ConditionStatus, since time.Duration) {
	cluster := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: clusterv1alpha1.ClusterSpec{SyncMode: clusterv1alpha1.Push}}
	s.Create(cluster)
	cluster.Status.Conditions = []metav1.Condition{{
		Type: names.ConditionClusterReady, Status: ready, Reason: names.ReasonClusterReady, LastTransitionTime: metav1.NewTime(s.clock.Now().Add(-since)),
	}}
	cluster.Status.APIEnablements = []clusterv1alpha1.APIEnablement{
		{GroupVersion: "apps/v1", Resources: []clusterv1alpha1.APIResource{{Name: "deployments", Kind: "Deployment"}}},
		{GroupVersion: "batch/v1", Resources: []clusterv1alpha1.APIResource{{Name: "jobs", Kind: "Job"}}},
	}
	cluster.Status.ResourceSummary = &clusterv1alpha1.ResourceSummary{Allocatable: corev1.ResourceList{
		corev1.ResourcePods: *resource.NewQuantity(10_000, resource.DecimalSI), corev1.ResourceCPU: *resource.NewQuantity(room, resource.DecimalSI),
	}}
	s.Must(s.Store.Status().Update(s.t.Context(), cluster))
}

// workload runs as wanted where it is, is divided by room, asks one CPU for a replica, and may move by itself.
func (s *stage) workload(name string, change func(binding.Binding), clusters ...workv1alpha2.TargetCluster) {
	view := binding.New("default", name)
	view.SetAnnotations(map[string]string{
		names.AnnotationRebalance: names.RebalanceAutomatic, names.AnnotationPropagationPolicyNamespace: "default", names.AnnotationPropagationPolicyName: "all",
	})
	view.Spec.Resource = workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "default", Name: name}
	view.Spec.ReplicaRequirements = &workv1alpha2.ReplicaRequirements{ResourceRequest: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}}
	view.Spec.Placement = &policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{
		ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided, ReplicaDivisionPreference: policyv1alpha1.ReplicaDivisionPreferenceWeighted,
		WeightPreference: &policyv1alpha1.ClusterPreferences{DynamicWeight: policyv1alpha1.DynamicWeightByAvailableReplicas},
	}}
	view.Spec.Clusters = clusters
	for _, target := range clusters {
		view.Spec.Replicas += target.Replicas
	}
	decided := metav1.NewTime(s.clock.Now().Add(-time.Hour))
	view.Status.LastScheduledTime = &decided
	if change != nil {
		change(view)
	}
	status := *view.Status
	s.Create(view.Object)
	*view.Status = status
	view.Status.SchedulerObservedGeneration = view.GetGeneration()
	for _, target := range clusters {
		view.Status.AggregatedStatus = append(view.Status.AggregatedStatus, workv1alpha2.AggregatedStatusItem{
			ClusterName: target.Name, Applied: true, Health: workv1alpha2.ResourceHealthy,
			Status: &runtime.RawExtension{Raw: fmt.Appendf(nil, `{"replicas":%d,"readyReplicas":%d}`, target.Replicas, target.Replicas)},
		})
	}
	s.Must(s.Store.Status().Update(s.t.Context(), view.Object))
}

// asked lists the bindings that a look asks to be placed anew.
func (s *stage) asked() string {
	s.t.Helper()
	s.Turn(lookKey)
	list, err := binding.List(s.t.Context(), s.Store)
	s.Must(err)
	var moved []string
	for _, bound := range list {
		if at := bound.Spec.RescheduleTriggeredAt; at != nil && at.Time.Equal(s.clock.Now()) {
			moved = append(moved, bound.GetName())
		}
	}
	slices.Sort(moved)
	return strings.Join(moved, " ")
}

func on(cluster string, replicas int32) workv1alpha2.TargetCluster {
	return workv1alpha2.TargetCluster{Name: cluster, Replicas: replicas}
}

// TestWhatMoves tells what pays back from what does not. The clusters m1 and m2 have little room left, m3 has much.
func TestWhatMoves(t *testing.T) {
	static := func(view binding.Binding) {
		view.Spec.Placement.ReplicaScheduling.WeightPreference = &policyv1alpha1.ClusterPreferences{StaticWeightList: []policyv1alpha1.StaticClusterWeight{
			{TargetCluster: policyv1alpha1.ClusterAffinity{ClusterNames: []string{"m1"}}, Weight: 1}, {TargetCluster: policyv1alpha1.ClusterAffinity{ClusterNames: []string{"m3"}}, Weight: 1},
		}}
	}
	for name, c := range map[string]struct {
		change func(binding.Binding)
		on     []workv1alpha2.TargetCluster
		moves  bool
	}{
		"out of balance":             {nil, []workv1alpha2.TargetCluster{on("m1", 6), on("m2", 6)}, true},
		"as balanced as it can be":   {nil, []workv1alpha2.TargetCluster{on("m1", 3), on("m2", 3), on("m3", 6)}, false},
		"off by rounding":            {nil, []workv1alpha2.TargetCluster{on("m1", 4), on("m2", 3), on("m3", 5)}, false},
		"nobody asked for it":        {func(view binding.Binding) { view.SetAnnotations(nil) }, []workv1alpha2.TargetCluster{on("m1", 12)}, false},
		"all of it in each cluster":  {func(view binding.Binding) { view.Spec.Placement.ReplicaScheduling = nil }, []workv1alpha2.TargetCluster{on("m1", 6)}, false},
		"less than the hysteresis":   {nil, []workv1alpha2.TargetCluster{on("m1", 250), on("m2", 250), on("m3", 300)}, false},
		"weights, and one is back":   {static, []workv1alpha2.TargetCluster{on("m1", 6)}, true},
		"weights, as they should be": {static, []workv1alpha2.TargetCluster{on("m1", 3), on("m3", 3)}, false},
		"few clusters, any will do": {func(view binding.Binding) {
			view.Spec.Placement.ReplicaScheduling.ReplicaDivisionPreference = policyv1alpha1.ReplicaDivisionPreferenceAggregated
		}, []workv1alpha2.TargetCluster{on("m1", 6)}, false},
		"moved not long ago": {func(view binding.Binding) {
			at, later := metav1.NewTime(time.Date(2025, 12, 31, 23, 55, 0, 0, time.UTC)), metav1.NewTime(time.Date(2025, 12, 31, 23, 56, 0, 0, time.UTC))
			view.Spec.RescheduleTriggeredAt, view.Status.LastScheduledTime = &at, &later
		}, []workv1alpha2.TargetCluster{on("m1", 6), on("m2", 6)}, false},
		"moved long ago": {func(view binding.Binding) {
			at, later := metav1.NewTime(time.Date(2025, 12, 31, 20, 0, 0, 0, time.UTC)), metav1.NewTime(time.Date(2025, 12, 31, 20, 1, 0, 0, time.UTC))
			view.Spec.RescheduleTriggeredAt, view.Status.LastScheduledTime = &at, &later
		}, []workv1alpha2.TargetCluster{on("m1", 6), on("m2", 6)}, true},
		"it failed over by itself": {func(view binding.Binding) {
			view.Spec.Failover = &policyv1alpha1.FailoverBehavior{Application: &policyv1alpha1.ApplicationFailoverBehavior{PurgeMode: policyv1alpha1.PurgeModeGracefully}}
		}, []workv1alpha2.TargetCluster{on("m1", 6), on("m2", 6)}, false},
		"it would run again": {func(view binding.Binding) {
			view.Spec.Resource.APIVersion, view.Spec.Resource.Kind = "batch/v1", "Job"
		}, []workv1alpha2.TargetCluster{on("m1", 6), on("m2", 6)}, false},
		"its scheduling is suspended": {func(view binding.Binding) {
			view.Spec.Suspension = &workv1alpha2.Suspension{Scheduling: ptr.To(true)}
		}, []workv1alpha2.TargetCluster{on("m1", 6), on("m2", 6)}, false},
		"something is held": {func(view binding.Binding) {
			view.Spec.GracefulEvictionTasks = []workv1alpha2.GracefulEvictionTask{{FromCluster: "m4", Reason: "R", Producer: "P"}}
		}, []workv1alpha2.TargetCluster{on("m1", 6), on("m2", 6)}, false},
	} {
		s := newStage(t, nil)
		s.cluster("m1", 500, metav1.ConditionTrue, time.Hour)
		s.cluster("m2", 500, metav1.ConditionTrue, time.Hour)
		s.cluster("m3", 1000, metav1.ConditionTrue, time.Hour)
		s.workload("web", c.change, c.on...)
		if got := s.asked(); (got == "web") != c.moves {
			t.Errorf("%s: moves %q, want %t", name, got, c.moves)
		}
	}
}

// group is an affinity group of one cluster.
func group(name, cluster string) policyv1alpha1.ClusterAffinityTerm {
	return policyv1alpha1.ClusterAffinityTerm{AffinityName: name, ClusterAffinity: policyv1alpha1.ClusterAffinity{ClusterNames: []string{cluster}}}
}

// TestReturnsToItsFirstGroup: the group of clusters that the user named first has room again.
func TestReturnsToItsFirstGroup(t *testing.T) {
	s := newStage(t, nil)
	s.cluster("m1", 100, metav1.ConditionTrue, time.Hour)
	s.cluster("m2", 100, metav1.ConditionTrue, time.Hour)
	s.workload("web", func(view binding.Binding) {
		view.Spec.Placement.ClusterAffinities = []policyv1alpha1.ClusterAffinityTerm{group("home", "m1"), group("away", "m2")}
		view.Status.SchedulerObservedAffinityName = "away"
	}, on("m2", 4))
	if got := s.asked(); got != "web" {
		t.Fatalf("moves %q", got)
	}
	view := binding.New("default", "web")
	s.Read(view.Object)
	if view.Status.SchedulerObservedAffinityName != "" {
		t.Errorf("the scheduler would go on from group %s", view.Status.SchedulerObservedAffinityName)
	}
}

// TestLaterGroupIsNoReturn: the first group has lost its cluster. What uses few clusters, any of which will do, stays where it is.
func TestLaterGroupIsNoReturn(t *testing.T) {
	s := newStage(t, nil)
	s.cluster("m1", 100, metav1.ConditionTrue, time.Hour)
	s.cluster("m2", 100, metav1.ConditionTrue, time.Hour)
	s.workload("web", func(view binding.Binding) {
		view.Spec.Placement.ReplicaScheduling.ReplicaDivisionPreference = policyv1alpha1.ReplicaDivisionPreferenceAggregated
		view.Spec.Placement.ClusterAffinities = []policyv1alpha1.ClusterAffinityTerm{group("home", "relabelled"), group("away", "m2")}
		view.Status.SchedulerObservedAffinityName = "home"
	}, on("m1", 4))
	if got := s.asked(); got != "" {
		t.Errorf("moves %q: %s", got, s.Told)
	}
}

// TestLeavesItsOverflowClusters: the clusters that the user prefers have room again.
func TestLeavesItsOverflowClusters(t *testing.T) {
	for room, want := range map[int64]string{0: "", 100: "web"} {
		s := newStage(t, nil)
		s.cluster("m1", room, metav1.ConditionTrue, time.Hour)
		s.cluster("m2", 100, metav1.ConditionTrue, time.Hour)
		s.workload("web", func(view binding.Binding) {
			view.Spec.Placement.ClusterAffinities = []policyv1alpha1.ClusterAffinityTerm{{
				AffinityName: "home", ClusterAffinity: policyv1alpha1.ClusterAffinity{ClusterNames: []string{"m1"}},
				OverflowAffinities: []policyv1alpha1.OverflowClusterAffinity{{AffinityName: "beyond", ClusterAffinity: policyv1alpha1.ClusterAffinity{ClusterNames: []string{"m2"}}}},
			}}
			view.Status.SchedulerObservedAffinityName = "home"
		}, on("m1", 2), on("m2", 4))
		if got := s.asked(); got != want {
			t.Errorf("with room for %d: moves %q, want %q", room, got, want)
		}
	}
}

// TestWaitsForAClusterToSettle: one that has just come back, or is not there, gets nothing.
func TestWaitsForAClusterToSettle(t *testing.T) {
	for since, want := range map[time.Duration]string{time.Minute: "", 4 * time.Minute: "", 5 * time.Minute: "web"} {
		s := newStage(t, nil)
		s.cluster("m1", 100, metav1.ConditionTrue, time.Hour)
		s.cluster("m2", 1000, metav1.ConditionTrue, since)
		s.workload("web", nil, on("m1", 12))
		if got := s.asked(); got != want {
			t.Errorf("after %s: moves %q, want %q", since, got, want)
		}
	}
}

// TestAFewAtATime: no more workloads move at once than the part of all that may, and the next ones when those have arrived.
func TestAFewAtATime(t *testing.T) {
	s := newStage(t, func(o *Options) { o.AtOnce = 0.34 })
	s.cluster("m1", 500, metav1.ConditionTrue, time.Hour)
	s.cluster("m2", 1000, metav1.ConditionTrue, time.Hour)
	for i := range 6 {
		s.workload(fmt.Sprint("web", i), nil, on("m1", 12))
	}
	if got := s.asked(); got != "web0 web1" {
		t.Fatalf("at first: %q, want the first two", got)
	}
	s.clock.SetTime(s.clock.Now().Add(time.Minute))
	if got := s.asked(); got != "" {
		t.Errorf("while they move: %q", got)
	}
	arrived := binding.New("default", "web0")
	s.Read(arrived.Object)
	at := metav1.NewTime(s.clock.Now())
	arrived.Status.LastScheduledTime, arrived.Status.SchedulerObservedGeneration = &at, arrived.GetGeneration()
	s.Must(s.Store.Status().Update(t.Context(), arrived.Object))
	if got := s.asked(); got != "web2" {
		t.Errorf("when one has arrived: %q, want the next", got)
	}
}

// TestSlowMovesCount: a move in steps that takes longer than a workload rests is waited for as long as it gets on, by whomever it was asked for.
func TestSlowMovesCount(t *testing.T) {
	for name, c := range map[string]struct {
		last time.Duration
		want string
	}{"it got on of late": {9 * time.Minute, ""}, "it does not get on": {11 * time.Minute, "web"}} {
		s := newStage(t, nil)
		s.cluster("m1", 500, metav1.ConditionTrue, time.Hour)
		s.cluster("m2", 1000, metav1.ConditionTrue, time.Hour)
		s.workload("slow", func(view binding.Binding) {
			asked, step := metav1.NewTime(s.clock.Now().Add(-30*time.Minute)), metav1.NewTime(s.clock.Now().Add(-c.last))
			view.Spec.RescheduleTriggeredAt, view.Status.LastScheduledTime = &asked, &asked
			view.Spec.Replicas = 12
			view.Spec.Clusters = []workv1alpha2.TargetCluster{on("m1", 2), on("m2", 10)}
			view.Spec.GracefulEvictionTasks = []workv1alpha2.GracefulEvictionTask{{
				FromCluster: "m1", Replicas: ptr.To(int32(6)), PurgeMode: policyv1alpha1.PurgeModeGracefully, CreationTimestamp: &step,
				Reason: names.EvictionReasonMoved, Producer: names.EvictionProducerScheduler,
			}}
		}, on("m1", 6), on("m2", 6))
		s.workload("web", nil, on("m1", 12))
		if got := s.asked(); got != c.want {
			t.Errorf("%s: moves %q, want %q", name, got, c.want)
		}
	}
}

// TestOneClusterAfterTheOther: while workloads move into a cluster, none moves into another.
func TestOneClusterAfterTheOther(t *testing.T) {
	s := newStage(t, func(o *Options) { o.AtOnce = 1 })
	for _, name := range []string{"m1", "m2", "m3", "m4"} {
		s.cluster(name, 500, metav1.ConditionTrue, time.Hour)
	}
	among := func(clusters ...string) func(binding.Binding) {
		return func(view binding.Binding) {
			view.Spec.Placement.ClusterAffinity = &policyv1alpha1.ClusterAffinity{ClusterNames: clusters}
		}
	}
	s.workload("a", among("m1", "m3"), on("m1", 12))
	s.workload("b", among("m2", "m4"), on("m2", 12))
	s.workload("c", among("m1", "m3"), on("m1", 12))
	if got := s.asked(); got != "a c" {
		t.Errorf("moves %q, want those into m3", got)
	}
}

// TestWhoIsWoken: bindings that opt in begin the looks, which go on by themselves, and not for nothing.
func TestWhoIsWoken(t *testing.T) {
	m := &mover{options: Defaults()}
	in, out := binding.New("default", "web"), binding.New("default", "web")
	in.SetAnnotations(map[string]string{names.AnnotationRebalance: names.RebalanceAutomatic})
	for name, c := range map[string]struct {
		event control.Event
		want  int
	}{
		"a new one": {control.Event{New: in.Object}, 1}, "it opts in": {control.Event{Old: out.Object, New: in.Object}, 1}, "it was in": {control.Event{Old: in.Object, New: in.Object}, 0},
		"it is out": {control.Event{New: out.Object}, 0}, "it is gone": {control.Event{Old: in.Object}, 0},
	} {
		if keys := m.onBinding(context.Background(), nil, c.event); len(keys) != c.want {
			t.Errorf("%s wakes %v", name, keys)
		}
	}
	m.options.Eviction = eviction.Options{Reference: true}
	if keys := m.onBinding(context.Background(), nil, control.Event{New: in.Object}); len(keys) > 0 {
		t.Errorf("as in the reference: wakes %v", keys)
	}
	s := newStage(t, nil)
	if result := s.Turn(lookKey); result.RequeueAfter != 0 {
		t.Errorf("nothing has opted in, and it looks again after %s", result.RequeueAfter)
	}
}

// byWeight divides a workload equally between m1 and m2.
func byWeight(view binding.Binding) {
	view.Spec.Placement.ReplicaScheduling.WeightPreference = &policyv1alpha1.ClusterPreferences{StaticWeightList: []policyv1alpha1.StaticClusterWeight{
		{TargetCluster: policyv1alpha1.ClusterAffinity{ClusterNames: []string{"m1"}}, Weight: 1}, {TargetCluster: policyv1alpha1.ClusterAffinity{ClusterNames: []string{"m2"}}, Weight: 1},
	}}
}

// TestFullClusterGetsNothing: weights want replicas in a cluster that has no room for them by its summary.
func TestFullClusterGetsNothing(t *testing.T) {
	for room, want := range map[int64]string{2: "", 3: "web"} {
		s := newStage(t, nil)
		s.cluster("m1", 100, metav1.ConditionTrue, time.Hour)
		s.cluster("m2", room, metav1.ConditionTrue, time.Hour)
		s.workload("web", byWeight, on("m1", 6))
		if got := s.asked(); got != want {
			t.Errorf("with room for %d: moves %q, want %q", room, got, want)
		}
	}
}

// TestAsksLessAndLess: the scheduler knows better than what is foreseen, and leaves a workload where it is. Once it has moved, what
// was in vain does not count any more.
func TestAsksLessAndLess(t *testing.T) {
	s := newStage(t, nil)
	s.cluster("m1", 100, metav1.ConditionTrue, time.Hour)
	s.cluster("m2", 100, metav1.ConditionTrue, time.Hour)
	s.workload("web", byWeight, on("m1", 6))
	var at []string
	began := s.clock.Now()
	for range 5 * 60 {
		if s.asked() != "" {
			at = append(at, s.clock.Now().Sub(began).String())
			s.stayed("web", on("m1", 6))
		}
		s.clock.SetTime(s.clock.Now().Add(time.Minute))
	}
	if got, want := strings.Join(at, " "), "0s 10m0s 30m0s 1h10m0s 2h30m0s"; got != want {
		t.Errorf("asked after %s, want %s", got, want)
	}
	s.stayed("web", on("m2", 6))
	s.clock.SetTime(s.clock.Now().Add(time.Second))
	if got := s.asked(); got != "web" {
		t.Errorf("in another place it moves %q", got)
	}
}

// stayed answers what was asked: the workload runs in a cluster, decided on at this moment.
func (s *stage) stayed(name string, in workv1alpha2.TargetCluster) {
	s.t.Helper()
	view := binding.New("default", name)
	s.Read(view.Object)
	view.Spec.Clusters = []workv1alpha2.TargetCluster{in}
	s.Must(s.Store.Update(s.t.Context(), view.Object))
	decided := metav1.NewTime(s.clock.Now())
	view.Status.LastScheduledTime, view.Status.SchedulerObservedGeneration = &decided, view.GetGeneration()
	view.Status.AggregatedStatus = []workv1alpha2.AggregatedStatusItem{{
		ClusterName: in.Name, Applied: true, Health: workv1alpha2.ResourceHealthy,
		Status: &runtime.RawExtension{Raw: fmt.Appendf(nil, `{"replicas":%d,"readyReplicas":%d}`, in.Replicas, in.Replicas)},
	}}
	s.Must(s.Store.Status().Update(s.t.Context(), view.Object))
}
