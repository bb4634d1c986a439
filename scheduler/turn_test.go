package scheduler

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/api/scheme"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
)

type noEvents struct{}

func (noEvents) Eventf(runtime.Object, string, string, string, ...any) {}

// attempts counts the decisions that were written.
type attempts struct {
	silent
	count int
}

func (a *attempts) Attempt(string, error, time.Duration) { a.count++ }

// stage is a scheduler on an API server that knows one binding and the clusters m1 and m2.
type stage struct {
	*scheduler
	attempts *attempts
	deps     control.Deps
	clock    *testclock.FakePassiveClock
	key      control.Key
}

func newStage(t *testing.T, bound binding.Binding) *stage {
	t.Helper()
	kinds := runtime.NewScheme()
	if err := scheme.AddToScheme(kinds); err != nil {
		t.Fatal(err)
	}
	stored, ok := bound.Object.(*workv1alpha2.ResourceBinding)
	if !ok {
		t.Fatalf("%T is no ResourceBinding", bound.Object)
	}
	builder := fake.NewClientBuilder().WithScheme(kinds).WithStatusSubresource(stored).WithObjects(stored, roomy("m1", 10), roomy("m2", 10))
	for _, index := range indexes() {
		builder = builder.WithIndex(index.Object, index.Field, index.Values)
	}
	plane := builder.Build()
	counted, clock := &attempts{}, testclock.NewFakePassiveClock(time.Unix(1, 0))
	return &stage{
		scheduler: newScheduler(Options{Name: "default-scheduler", Recorder: counted}), attempts: counted, clock: clock,
		deps: control.Deps{Client: plane, Clock: clock, Events: noEvents{}}, key: control.KeyOf(stored),
	}
}

// turn runs one, and tells whether it made a decision.
func (s *stage) turn(t *testing.T, key control.Key) (control.Result, bool) {
	t.Helper()
	before := s.attempts.count
	result, err := s.reconcile(t.Context(), s.deps, key)
	if err != nil {
		t.Fatalf("turn for %s: %v", key.Name, err)
	}
	return result, s.attempts.count > before
}

func (s *stage) stored(t *testing.T) binding.Binding {
	t.Helper()
	bound, err := binding.Get(t.Context(), s.deps.Client, s.key.NamespacedName())
	if err != nil {
		t.Fatal(err)
	}
	return bound
}

// everywhere is a binding that goes to every cluster.
func everywhere() binding.Binding {
	bound := asking(2)
	bound.Spec.Placement.ReplicaScheduling = nil
	bound.Status.Conditions = nil
	return bound
}

// TestOwnWriteBringsNoDecision: what follows from the fleet alone is decided on once, until the fleet or the binding changes.
func TestOwnWriteBringsNoDecision(t *testing.T) {
	s := newStage(t, everywhere())
	if _, decided := s.turn(t, s.key); !decided || len(s.stored(t).Spec.Clusters) != 2 {
		t.Fatalf("the first turn decided: %t, targets %v", decided, s.stored(t).Spec.Clusters)
	}
	if _, decided := s.turn(t, s.key); decided {
		t.Error("the scheduler's own write brought a decision")
	}
	if err := s.deps.Client.Create(t.Context(), roomy("m3", 10)); err != nil {
		t.Fatal(err)
	}
	result, _ := s.turn(t, fleetKey)
	if fmt.Sprint(result.Wake) != fmt.Sprint([]control.Key{s.key}) {
		t.Fatalf("a new cluster wakes %v", result.Wake)
	}
	if _, decided := s.turn(t, s.key); !decided || len(s.stored(t).Spec.Clusters) != 3 {
		t.Errorf("with a new cluster: decided %t, targets %v", decided, s.stored(t).Spec.Clusters)
	}
	bound := s.stored(t)
	bound.Spec.Replicas = 5
	if err := s.deps.Client.Update(t.Context(), bound.Object); err != nil {
		t.Fatal(err)
	}
	if _, decided := s.turn(t, s.key); !decided || s.stored(t).Spec.Clusters[2].Replicas != 5 {
		t.Errorf("with more replicas: decided %t, targets %v", decided, s.stored(t).Spec.Clusters)
	}
	s.clock.SetTime(s.clock.Now().Add(flight))
	if _, decided := s.turn(t, s.key); !decided {
		t.Error("a write of long ago still keeps a decision from being made")
	}
}

// TestFleetChangesDuringDecision: a change between the look at the fleet and the write is not taken for what was decided on.
func TestFleetChangesDuringDecision(t *testing.T) {
	s := newStage(t, everywhere())
	if err := s.ensureFleet(t.Context(), s.deps); err != nil {
		t.Fatal(err)
	}
	bound := s.stored(t)
	seen := s.look(s.deps, bound)
	decision, _ := s.settle(t.Context(), s.deps, bound)
	if err := s.deps.Client.Create(t.Context(), roomy("m3", 10)); err != nil {
		t.Fatal(err)
	}
	s.turn(t, fleetKey)
	if outcome, err := s.write(t.Context(), s.deps, bound, decision, seen); outcome != nil || err != nil {
		t.Fatal(outcome, err)
	}
	if _, decided := s.turn(t, s.key); !decided || len(s.stored(t).Spec.Clusters) != 3 {
		t.Errorf("decided %t, targets %v", decided, s.stored(t).Spec.Clusters)
	}
}

// TestLaggingViewIsLookedAtAgain: a wake that comes before the scheduler's own write is seen is not lost.
func TestLaggingViewIsLookedAtAgain(t *testing.T) {
	s := newStage(t, everywhere())
	s.written[s.key.NamespacedName()] = version{number: 1 << 40, at: s.clock.Now()}
	if result, decided := s.turn(t, s.key); decided || result.RequeueAfter != catchUp {
		t.Errorf("decided %t, next look after %s", decided, result.RequeueAfter)
	}
}

// TestWhatCannotBeWaits: what only the fleet or the binding can mend waits for them, and is not tried again and again.
func TestWhatCannotBeWaits(t *testing.T) {
	impossible, full, mistaken := everywhere(), everywhere(), everywhere()
	impossible.Spec.Placement.SpreadConstraints = []policyv1alpha1.SpreadConstraint{{SpreadByField: "cluster", MinGroups: 5, MaxGroups: 2}}
	full.Spec.Placement, full.Spec.Replicas = asking(50).Spec.Placement, 50
	mistaken.GetAnnotations()[names.AnnotationSpread] = "Sometimes"
	for name, bound := range map[string]binding.Binding{"impossible": impossible, "full": full, "mistaken": mistaken} {
		s := newStage(t, bound)
		if result, _ := s.turn(t, s.key); result.RequeueAfter != parking {
			t.Errorf("%s: next turn after %s", name, result.RequeueAfter)
		}
		if meta.IsStatusConditionTrue(s.stored(t).Status.Conditions, names.ConditionScheduled) {
			t.Errorf("%s: scheduled to %v", name, s.stored(t).Spec.Clusters)
		}
		cluster := &clusterv1alpha1.Cluster{}
		if err := s.deps.Client.Get(t.Context(), client.ObjectKey{Name: "m1"}, cluster); err != nil {
			t.Fatal(err)
		}
		cluster.Status.ResourceSummary.Allocatable[corev1.ResourceCPU] = roomy("m1", 90).Status.ResourceSummary.Allocatable[corev1.ResourceCPU]
		if err := s.deps.Client.Update(t.Context(), cluster); err != nil {
			t.Fatal(err)
		}
		if result, _ := s.turn(t, fleetKey); len(result.Wake) != 1 {
			t.Errorf("%s: more room wakes %v", name, result.Wake)
		}
		if _, decided := s.turn(t, s.key); !decided {
			t.Errorf("%s: more room brings no decision", name)
		}
	}
}

// TestStrayedReplicasMove: a cluster that loses the label by which it was chosen loses the replicas.
func TestStrayedReplicasMove(t *testing.T) {
	bound := asking(4)
	bound.Status.Conditions = nil
	bound.Spec.Placement.ClusterAffinity = &policyv1alpha1.ClusterAffinity{LabelSelector: &metav1.LabelSelector{
		MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "closed", Operator: metav1.LabelSelectorOpDoesNotExist}},
	}}
	s := newStage(t, bound)
	s.turn(t, s.key)
	first := s.stored(t).Spec.Clusters[0].Name
	cluster := &clusterv1alpha1.Cluster{}
	if err := s.deps.Client.Get(t.Context(), client.ObjectKey{Name: first}, cluster); err != nil {
		t.Fatal(err)
	}
	cluster.Labels = map[string]string{"closed": "yes"}
	if err := s.deps.Client.Update(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
	if result, _ := s.turn(t, fleetKey); len(result.Wake) != 1 {
		t.Fatalf("a cluster that strays wakes %v", result.Wake)
	}
	_, decided := s.turn(t, s.key)
	if now := s.stored(t).Spec.Clusters; !decided || len(now) != 1 || now[0].Name == first || now[0].Replicas != 4 {
		t.Errorf("decided %t, from %s to %v", decided, first, now)
	}
	if result, _ := s.turn(t, fleetKey); len(result.Wake) != 0 {
		t.Errorf("what has moved is woken again: %v", result.Wake)
	}
}
