package scheduler

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// evicted is a binding of four replicas, two each in m1 and m2, that is to leave m1.
func evicted(replicas int32) binding.Binding {
	bound := asking(replicas)
	bound.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: "m1", Replicas: 2}, {Name: "m2", Replicas: 2}}
	bound.Spec.GracefulEvictionTasks = []workv1alpha2.GracefulEvictionTask{{FromCluster: "m1", Producer: names.EvictionProducerTaint}}
	bound.SetAnnotations(map[string]string{names.AnnotationAppliedPlacement: appliedPlacement(bound)})
	return bound
}

// told reads "m1:2 m2:4".
func told(clusters []workv1alpha2.TargetCluster) string {
	var parts []string
	for _, cluster := range clusters {
		parts = append(parts, fmt.Sprintf("%s:%d", cluster.Name, cluster.Replicas))
	}
	return strings.Join(parts, " ")
}

// TestEvictionWaitsForRoom decides on a workload that is to leave a cluster: it does when the others can take its replicas, and a
// user's words count in any case.
func TestEvictionWaitsForRoom(t *testing.T) {
	for _, c := range []struct {
		name     string
		replicas int32
		room     int64
		change   func(binding.Binding)
		want     string
		kept     bool
		fails    bool
		// reference is what the reference decides, where that differs.
		reference string
	}{
		{name: "room", replicas: 4, room: 10, want: "m2:4", reference: "m2:4"},
		{name: "too little room", replicas: 4, room: 1, want: "m1:2 m2:2", kept: true},
		{name: "no other cluster", replicas: 4, room: 10, change: func(b binding.Binding) {
			b.Spec.Placement.ClusterAffinity = &policyv1alpha1.ClusterAffinity{ClusterNames: []string{"m1"}}
			b.Spec.Clusters = b.Spec.Clusters[:1]
			b.Spec.Replicas = 2
		}, want: "m1:2", kept: true},
		{name: "excluded by the user", replicas: 4, room: 10, change: func(b binding.Binding) {
			b.Spec.Placement.ClusterAffinity = &policyv1alpha1.ClusterAffinity{ClusterNames: []string{"m9"}}
		}, fails: true},
		{name: "shrinks meanwhile", replicas: 2, room: 1, want: "m2:2", reference: "m2:2"},
		{name: "grows meanwhile", replicas: 5, room: 1, want: "m2:3 m1:2", kept: true},
		{name: "moved already", replicas: 2, room: 1, change: func(b binding.Binding) { b.Spec.Clusters = b.Spec.Clusters[1:] }, want: "m2:2", reference: "m2:2"},
	} {
		fleet := fleetOf(roomy("m1", 10), roomy("m2", c.room))
		if c.name == "grows meanwhile" {
			tainted := roomy("m1", 10)
			tainted.Spec.Taints = []corev1.Taint{{Key: "leave", Effect: corev1.TaintEffectNoExecute}}
			fleet = fleetOf(tainted, roomy("m2", c.room))
		}
		bound := evicted(c.replicas)
		if c.change != nil {
			c.change(bound)
			bound.SetAnnotations(map[string]string{names.AnnotationAppliedPlacement: appliedPlacement(bound)})
		}
		tasks := len(bound.Spec.GracefulEvictionTasks)
		decision := Options{Name: "default-scheduler"}.Decide(t.Context(), bound, fleet)
		if told(decision.Clusters) != c.want || (decision.Kept != "") != c.kept || (decision.Err != nil) != c.fails {
			t.Errorf("%s: %s, kept because %q, error %v; want %s", c.name, told(decision.Clusters), decision.Kept, decision.Err, c.want)
		}
		if len(bound.Spec.GracefulEvictionTasks) != tasks {
			t.Errorf("%s: a decision changed the binding", c.name)
		}
		decision = Options{Name: "default-scheduler", ReferenceFailover: true}.Decide(t.Context(), bound, fleet)
		if told(decision.Clusters) != c.reference {
			t.Errorf("%s: the reference decides %s, want %s", c.name, told(decision.Clusters), c.reference)
		}
	}
}

// TestUnreplacedCopyStays decides on a workload with a copy of its own in each cluster, of which one is to leave. For its health it
// leaves only for a cluster that has none: it would come back otherwise.
func TestUnreplacedCopyStays(t *testing.T) {
	application := workv1alpha2.GracefulEvictionTask{FromCluster: "m1", Producer: names.EvictionProducerBinding, Reason: names.EvictionReasonApplication}
	one := []policyv1alpha1.SpreadConstraint{{SpreadByField: policyv1alpha1.SpreadByFieldCluster, MinGroups: 1, MaxGroups: 1}}
	for _, c := range []struct {
		name   string
		change func(*workv1alpha2.ResourceBindingSpec)
		want   string
		kept   bool
		// reference is what the reference decides.
		reference string
	}{
		{name: "a copy everywhere", change: func(*workv1alpha2.ResourceBindingSpec) {}, want: "m1:2 m2:2", kept: true, reference: "m2:2"},
		{name: "no replicas", change: func(spec *workv1alpha2.ResourceBindingSpec) {
			spec.Replicas, spec.ReplicaRequirements = 0, nil
			spec.Clusters = []workv1alpha2.TargetCluster{{Name: "m1"}, {Name: "m2"}}
		}, want: "m1:0 m2:0", kept: true, reference: "m2:0"},
		{name: "another cluster", change: func(spec *workv1alpha2.ResourceBindingSpec) {
			spec.Clusters, spec.Placement.SpreadConstraints = spec.Clusters[:1], one
		}, want: "m2:2", reference: "m2:2"},
		{name: "a taint takes the other", change: func(spec *workv1alpha2.ResourceBindingSpec) {
			spec.GracefulEvictionTasks = append(spec.GracefulEvictionTasks, workv1alpha2.GracefulEvictionTask{FromCluster: "m2", Producer: names.EvictionProducerTaint})
		}, want: "m1:2 m2:2", kept: true},
		{name: "for a taint", change: func(spec *workv1alpha2.ResourceBindingSpec) {
			spec.GracefulEvictionTasks[0].Producer, spec.GracefulEvictionTasks[0].Reason = names.EvictionProducerTaint, names.EvictionReasonTaint
		}, want: "m2:2", reference: "m2:2"},
		{name: "excluded by the user", change: func(spec *workv1alpha2.ResourceBindingSpec) {
			spec.Placement.ClusterAffinity = &policyv1alpha1.ClusterAffinity{ClusterNames: []string{"m2"}}
		}, want: "m2:2", reference: "m2:2"},
	} {
		bound := everywhere()
		bound.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: "m1", Replicas: 2}, {Name: "m2", Replicas: 2}}
		bound.Spec.GracefulEvictionTasks = []workv1alpha2.GracefulEvictionTask{application}
		c.change(bound.Spec)
		bound.SetAnnotations(map[string]string{names.AnnotationAppliedPlacement: appliedPlacement(bound)})
		fleet := fleetOf(roomy("m1", 10), roomy("m2", 10))
		decision := Options{Name: "default-scheduler"}.Decide(t.Context(), bound, fleet)
		if told(decision.Clusters) != c.want || (decision.Kept != "") != c.kept || decision.Err != nil {
			t.Errorf("%s: %s, kept because %q, error %v; want %s", c.name, told(decision.Clusters), decision.Kept, decision.Err, c.want)
		}
		decision = Options{Name: "default-scheduler", ReferenceFailover: true}.Decide(t.Context(), bound, fleet)
		if told(decision.Clusters) != c.reference {
			t.Errorf("%s: the reference decides %s, want %s", c.name, told(decision.Clusters), c.reference)
		}
	}
}

// TestWaitingEvictionIsRetried: what stays is told as a place, with the reason, and looked at again when room comes.
func TestWaitingEvictionIsRetried(t *testing.T) {
	bound := evicted(4)
	bound.SetLabels(map[string]string{names.LabelPropagationPolicyID: "id"})
	s := newStage(t, bound)
	full := roomy("m2", 1)
	if err := s.deps.Client.Update(t.Context(), withVersionOf(t, s, full)); err != nil {
		t.Fatal(err)
	}
	result, decided := s.turn(t, s.key)
	stored := s.stored(t)
	condition := meta.FindStatusCondition(stored.Status.Conditions, names.ConditionScheduled)
	if !decided || result.RequeueAfter == 0 || told(stored.Spec.Clusters) != "m1:2 m2:2" || condition.Status != "True" ||
		!strings.Contains(condition.Message, "others cannot take its place") {
		t.Fatalf("decided %t, again after %s, targets %s, condition %+v", decided, result.RequeueAfter, told(stored.Spec.Clusters), condition)
	}
	if err := s.deps.Client.Update(t.Context(), withVersionOf(t, s, roomy("m2", 10))); err != nil {
		t.Fatal(err)
	}
	if result, _ := s.turn(t, fleetKey); len(result.Wake) != 1 {
		t.Fatalf("room wakes %v", result.Wake)
	}
	s.turn(t, s.key)
	stored = s.stored(t)
	condition = meta.FindStatusCondition(stored.Status.Conditions, names.ConditionScheduled)
	if told(stored.Spec.Clusters) != "m2:4" || len(stored.Spec.GracefulEvictionTasks) != 1 || condition.Message != "scheduled to m2:4" {
		t.Errorf("with room: targets %s, tasks %v, condition %+v", told(stored.Spec.Clusters), stored.Spec.GracefulEvictionTasks, condition)
	}
}

func withVersionOf(t *testing.T, s *stage, changed *clusterv1alpha1.Cluster) *clusterv1alpha1.Cluster {
	t.Helper()
	known := &clusterv1alpha1.Cluster{}
	if err := s.deps.Client.Get(t.Context(), client.ObjectKeyFromObject(changed), known); err != nil {
		t.Fatal(err)
	}
	changed.ResourceVersion = known.ResourceVersion
	return changed
}

// TestMovedReplicasAreHeld writes a decision that moves a workload: what is ready is held in the same write.
func TestMovedReplicasAreHeld(t *testing.T) {
	for _, drop := range []bool{false, true} {
		bound := asking(4)
		bound.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: "m1", Replicas: 4}}
		bound.Spec.Placement.ClusterAffinity = &policyv1alpha1.ClusterAffinity{ClusterNames: []string{"m2"}}
		bound.Status.AggregatedStatus = []workv1alpha2.AggregatedStatusItem{{
			ClusterName: "m1", Status: &runtime.RawExtension{Raw: []byte(`{"replicas":4,"readyReplicas":3}`)},
		}}
		s := newStage(t, bound)
		s.options.DropMoved = drop
		s.turn(t, s.key)
		stored := s.stored(t)
		if told(stored.Spec.Clusters) != "m2:4" {
			t.Fatalf("targets %s", told(stored.Spec.Clusters))
		}
		tasks := stored.Spec.GracefulEvictionTasks
		if drop {
			if len(tasks) > 0 {
				t.Errorf("told not to, the scheduler holds %v", tasks)
			}
			continue
		}
		if len(tasks) != 1 || tasks[0].FromCluster != "m1" || *tasks[0].Replicas != 3 || tasks[0].Producer != names.EvictionProducerScheduler ||
			!tasks[0].CreationTimestamp.Time.Equal(time.Unix(1, 0)) {
			t.Errorf("held is %+v", tasks)
		}
		// A held copy keeps its cluster from nothing.
		stored.Spec.Placement.ClusterAffinity.ClusterNames = []string{"m1"}
		decision := s.options.Decide(t.Context(), stored, placement.NewSnapshot(s.fleet.Current().Clusters()))
		if told(decision.Clusters) != "m1:4" {
			t.Errorf("back where it is held: %s, error %v", told(decision.Clusters), decision.Err)
		}
	}
}

// TestRoomIsKeptForMoves: what a move has yet to bring keeps its room beyond the time of an assumption, for as long as it goes on.
func TestRoomIsKeptForMoves(t *testing.T) {
	made, deps := shell(Options{Name: "default-scheduler"})
	moving, held := asking(6), int32(6)
	moving.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: "m1", Replicas: 6}}
	moving.Spec.GracefulEvictionTasks = []workv1alpha2.GracefulEvictionTask{{FromCluster: "m2", Producer: names.EvictionProducerScheduler, Replicas: &held}}
	if made.reserve(deps, moving); len(made.inFlight.Assumed("m1")) != 1 {
		t.Fatalf("assumes %v", made.inFlight.Assumed("m1"))
	}
	other := asking(6)
	other.SetName("other")
	var full *placement.UnschedulableError
	if decision, _ := made.settle(t.Context(), deps, other); !errors.As(decision.Err, &full) {
		t.Errorf("the room was given away: %v, %v", decision.Clusters, decision.Err)
	}
	moving.Spec.GracefulEvictionTasks = nil
	made.inFlight.Forget(moving.NamespacedName())
	made.reserve(deps, moving)
	if decision, _ := made.settle(t.Context(), deps, other); decision.Err != nil {
		t.Errorf("when the move is over: %v", decision.Err)
	}
}
