package graceful

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	testclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/api/scheme"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
)

var began = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

type noEvents struct{}

func (noEvents) Eventf(runtime.Object, string, string, string, ...any) {}

func clusterOf(name string, ready metav1.ConditionStatus) *clusterv1alpha1.Cluster {
	return &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: clusterv1alpha1.ClusterStatus{
		Conditions: []metav1.Condition{{Type: names.ConditionClusterReady, Status: ready}},
	}}
}

func copyIn(cluster string, health workv1alpha2.ResourceHealth, ready string) workv1alpha2.AggregatedStatusItem {
	return workv1alpha2.AggregatedStatusItem{
		ClusterName: cluster, Health: health, Status: &runtime.RawExtension{Raw: []byte(`{"replicas":2,"readyReplicas":` + ready + `}`)},
	}
}

// stage is the controller on an API server that knows a binding of two replicas, which leaves m1.
type stage struct {
	*assessor
	deps  control.Deps
	clock *testclock.FakePassiveClock
	key   control.Key
}

func newStage(t *testing.T, targets []string, task func(*workv1alpha2.GracefulEvictionTask), objects ...client.Object) *stage {
	t.Helper()
	kinds := runtime.NewScheme()
	if err := scheme.AddToScheme(kinds); err != nil {
		t.Fatal(err)
	}
	view := binding.New("ns", "web-deployment")
	view.Spec.Replicas = 2
	for _, name := range targets {
		view.Spec.Clusters = append(view.Spec.Clusters, workv1alpha2.TargetCluster{Name: name, Replicas: 2})
	}
	view.Spec.GracefulEvictionTasks = []workv1alpha2.GracefulEvictionTask{{
		FromCluster: "m1", PurgeMode: policyv1alpha1.PurgeModeGracefully, Producer: names.EvictionProducerTaint, Reason: names.EvictionReasonTaint,
	}}
	if task != nil {
		task(&view.Spec.GracefulEvictionTasks[0])
	}
	s := &stage{assessor: &assessor{options: eviction.Defaults()}, clock: testclock.NewFakePassiveClock(began), key: control.KeyOf(view)}
	s.deps = control.Deps{
		Client: fake.NewClientBuilder().WithScheme(kinds).WithObjects(append(objects, view.Object)...).WithStatusSubresource(view.Object).Build(),
		Clock:  s.clock, Events: noEvents{},
	}
	return s
}

// turns lets copies report, and the controller take the turns it asks for in some time. It returns the binding and how much time is
// left until the turn after.
func (s *stage) turns(t *testing.T, span time.Duration, copies ...workv1alpha2.AggregatedStatusItem) (binding.Binding, time.Duration) {
	t.Helper()
	stored := s.stored(t)
	stored.Status.AggregatedStatus, stored.Status.SchedulerObservedGeneration = copies, stored.GetGeneration()
	if err := s.deps.Client.Status().Update(t.Context(), stored.Object); err != nil {
		t.Fatal(err)
	}
	end := s.clock.Now().Add(span)
	for {
		result, err := s.reconcile(t.Context(), s.deps, s.key)
		if err != nil {
			t.Fatal(err)
		}
		if result.RequeueAfter == 0 || s.clock.Now().Add(result.RequeueAfter).After(end) {
			return s.stored(t), result.RequeueAfter
		}
		s.clock.SetTime(s.clock.Now().Add(result.RequeueAfter))
	}
}

func (s *stage) stored(t *testing.T) binding.Binding {
	t.Helper()
	stored, err := binding.Get(t.Context(), s.deps.Client, s.key.NamespacedName())
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

const (
	healthy   = workv1alpha2.ResourceHealthy
	unhealthy = workv1alpha2.ResourceUnhealthy
)

// TestTaskIsDatedAndEnds follows a task from the moment it takes effect.
func TestTaskIsDatedAndEnds(t *testing.T) {
	s := newStage(t, []string{"m2"}, nil, clusterOf("m1", "True"), clusterOf("m2", "True"))
	serving := copyIn("m1", healthy, "2")
	stored, next := s.turns(t, 0, serving)
	if task := stored.Spec.GracefulEvictionTasks[0]; task.CreationTimestamp == nil || !task.CreationTimestamp.Time.Equal(began) || next != 10*time.Minute {
		t.Fatalf("task %+v, looked at again after %s", task, next)
	}
	if stored, next := s.turns(t, time.Hour, serving, copyIn("m2", unhealthy, "0")); len(stored.Spec.GracefulEvictionTasks) != 1 || next != 0 {
		t.Errorf("the timeout took the last copy that serves: %v, next %s", stored.Spec.GracefulEvictionTasks, next)
	}
	if stored, _ := s.turns(t, 0, serving, copyIn("m2", healthy, "2")); len(stored.Spec.GracefulEvictionTasks) > 0 || len(stored.Spec.Clusters) != 1 {
		t.Errorf("with a healthy replacement: tasks %v, targets %v", stored.Spec.GracefulEvictionTasks, stored.Spec.Clusters)
	}
}

// TestWaitingTaskIsLeftAlone: until a replacement is assigned there is nothing to end, but by the user's word.
func TestWaitingTaskIsLeftAlone(t *testing.T) {
	s := newStage(t, []string{"m1"}, nil, clusterOf("m1", "True"))
	if stored, next := s.turns(t, time.Hour, copyIn("m1", unhealthy, "0")); len(stored.Spec.GracefulEvictionTasks) != 1 || next != 0 ||
		stored.Spec.GracefulEvictionTasks[0].CreationTimestamp != nil {
		t.Errorf("tasks %+v, next %s", stored.Spec.GracefulEvictionTasks, next)
	}
	graced := func(task *workv1alpha2.GracefulEvictionTask) { task.GracePeriodSeconds = ptr.To[int32](60) }
	s = newStage(t, []string{"m1", "m2"}, graced, clusterOf("m1", "True"), clusterOf("m2", "True"))
	if stored, _ := s.turns(t, 59*time.Second, copyIn("m1", healthy, "2")); len(stored.Spec.GracefulEvictionTasks) != 1 {
		t.Error("a grace period ended too soon")
	}
	if stored, _ := s.turns(t, time.Minute, copyIn("m1", healthy, "2")); len(stored.Spec.GracefulEvictionTasks) > 0 || len(stored.Spec.Clusters) != 1 {
		t.Errorf("a grace period of the user's did not end: targets %v, tasks %v", stored.Spec.Clusters, stored.Spec.GracefulEvictionTasks)
	}
}

// TestHeldShareEnds: a cluster that held more than it shall have stays a target.
func TestHeldShareEnds(t *testing.T) {
	held := func(task *workv1alpha2.GracefulEvictionTask) {
		task.Producer, task.Reason, task.Replicas = names.EvictionProducerScheduler, names.EvictionReasonMoved, ptr.To[int32](4)
	}
	s := newStage(t, []string{"m1", "m2"}, held, clusterOf("m1", "True"), clusterOf("m2", "True"))
	if stored, _ := s.turns(t, time.Minute, copyIn("m1", healthy, "4"), copyIn("m2", healthy, "1")); len(stored.Spec.GracefulEvictionTasks) != 1 {
		t.Error("let go before the others are ready")
	}
	if stored, _ := s.turns(t, 0, copyIn("m1", healthy, "4"), copyIn("m2", healthy, "2")); len(stored.Spec.GracefulEvictionTasks) > 0 || len(stored.Spec.Clusters) != 2 {
		t.Errorf("tasks %v, targets %v", stored.Spec.GracefulEvictionTasks, stored.Spec.Clusters)
	}
}

// TestClusterThatLeftNeedsNoTask: there is no copy any more.
func TestClusterThatLeftNeedsNoTask(t *testing.T) {
	s := newStage(t, []string{"m2"}, nil, clusterOf("m2", "False"))
	if stored, _ := s.turns(t, 0); len(stored.Spec.GracefulEvictionTasks) > 0 {
		t.Errorf("tasks %v", stored.Spec.GracefulEvictionTasks)
	}
}

func TestWakes(t *testing.T) {
	s := newStage(t, []string{"m2"}, nil)
	without := binding.New("ns", "other")
	for name, c := range map[string]struct {
		event control.Event
		off   bool
		want  int
	}{
		"a binding with a task":    {control.Event{New: s.stored(t).Object}, false, 1},
		"a binding without":        {control.Event{New: without.Object}, false, 0},
		"a binding that is gone":   {control.Event{Old: s.stored(t).Object}, false, 0},
		"the gate is off":          {control.Event{New: s.stored(t).Object}, true, 0},
		"a cluster comes back":     {control.Event{Old: clusterOf("m2", "False"), New: clusterOf("m2", "True")}, false, 1},
		"a cluster is gone":        {control.Event{Old: clusterOf("m2", "True")}, false, 1},
		"a cluster is as it was":   {control.Event{Old: clusterOf("m2", "True"), New: clusterOf("m2", "True")}, false, 0},
		"a cluster with gates off": {control.Event{Old: clusterOf("m2", "False"), New: clusterOf("m2", "True")}, true, 0},
		"a budget is there":        {control.Event{New: budgetOf("ns", 1)}, false, 1},
		"a budget is gone":         {control.Event{Old: budgetOf("ns", 1)}, false, 1},
		"a budget asks for less":   {control.Event{Old: budgetOf("ns", 1), New: budgetOf("ns", 2)}, false, 1},
		"a budget is as it was":    {control.Event{Old: budgetOf("ns", 1), New: budgetOf("ns", 1)}, false, 0},
		"a budget elsewhere":       {control.Event{New: budgetOf("other", 1)}, false, 0},
		"a budget with gates off":  {control.Event{New: budgetOf("ns", 1)}, true, 0},
	} {
		s.options.GracefulEviction = !c.off
		keys := s.onBinding
		switch c.event.Object().(type) {
		case *clusterv1alpha1.Cluster:
			keys = s.onCluster
		case *policyv1.PodDisruptionBudget:
			keys = s.onBudget
		}
		if woken := keys(t.Context(), s.deps.Client, c.event); len(woken) != c.want {
			t.Errorf("%s wakes %v", name, woken)
		}
	}
}

// TestHeldReplicasGoInSteps: what is ready elsewhere is not held any longer, and the time begins anew with each step.
func TestHeldReplicasGoInSteps(t *testing.T) {
	held := func(task *workv1alpha2.GracefulEvictionTask) {
		task.Producer, task.Reason, task.Replicas = names.EvictionProducerScheduler, names.EvictionReasonMoved, ptr.To[int32](2)
	}
	s := newStage(t, []string{"m2"}, held, clusterOf("m1", "True"), clusterOf("m2", "True"))
	stored := s.stored(t)
	stored.Spec.Placement = &policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided}}
	if err := s.deps.Client.Update(t.Context(), stored.Object); err != nil {
		t.Fatal(err)
	}
	if stored, _ := s.turns(t, time.Minute, copyIn("m1", healthy, "2")); *stored.Spec.GracefulEvictionTasks[0].Replicas != 2 {
		t.Errorf("%d are held while none is ready elsewhere", *stored.Spec.GracefulEvictionTasks[0].Replicas)
	}
	s.clock.SetTime(began.Add(3 * time.Minute))
	s.turns(t, 0, copyIn("m1", healthy, "2"), copyIn("m2", unhealthy, "1"))
	stored, next := s.turns(t, 0, copyIn("m1", healthy, "1"), copyIn("m2", unhealthy, "1"))
	if task := stored.Spec.GracefulEvictionTasks[0]; *task.Replicas != 1 || !task.CreationTimestamp.Time.Equal(began.Add(3*time.Minute)) || next != 5*time.Minute {
		t.Errorf("with one ready elsewhere: %d are held since %s, looked at again after %s", *task.Replicas, task.CreationTimestamp, next)
	}
	if stored, _ := s.turns(t, 0, copyIn("m1", healthy, "1"), copyIn("m2", healthy, "2")); len(stored.Spec.GracefulEvictionTasks) > 0 {
		t.Errorf("with all ready elsewhere: %v", stored.Spec.GracefulEvictionTasks)
	}
}

// TestStuckMoveSaysWhy: the one target is full, and no replica may be missing. The condition goes when the move gets on, and with its
// task whoever took that away.
func TestStuckMoveSaysWhy(t *testing.T) {
	held := func(task *workv1alpha2.GracefulEvictionTask) {
		task.Producer, task.Reason, task.Replicas = names.EvictionProducerScheduler, names.EvictionReasonMoved, ptr.To[int32](2)
	}
	s := newStage(t, []string{"m2"}, held, clusterOf("m1", "True"), clusterOf("m2", "True"))
	said := func(in binding.Binding) string {
		if told := meta.FindStatusCondition(in.Status.Conditions, names.ConditionReplaced); told != nil {
			return string(told.Status) + " " + told.Reason + ": " + told.Message
		}
		return ""
	}
	full := []workv1alpha2.AggregatedStatusItem{copyIn("m1", healthy, "2"), copyIn("m2", unhealthy, "0")}
	if stored, _ := s.turns(t, 9*time.Minute, full...); said(stored) != "" {
		t.Errorf("after 9 minutes: %q", said(stored))
	}
	stored, _ := s.turns(t, time.Hour, full...)
	want := "False ReplacementsNotReady: copies are held in m1 (2) until others are ready: m2 has 0 of 2 replicas ready"
	if said(stored) != want {
		t.Errorf("after the timeout: %q, want %q", said(stored), want)
	}
	if stored, _ = s.turns(t, 0, copyIn("m1", healthy, "2"), copyIn("m2", healthy, "2")); said(stored) != "" || len(stored.Spec.GracefulEvictionTasks) > 0 {
		t.Errorf("with all ready: %q, tasks %v", said(stored), stored.Spec.GracefulEvictionTasks)
	}
	meta.SetStatusCondition(&stored.Status.Conditions, metav1.Condition{Type: names.ConditionReplaced, Status: metav1.ConditionFalse, Reason: "R"})
	if err := s.deps.Client.Status().Update(t.Context(), stored.Object); err != nil {
		t.Fatal(err)
	}
	if keys := s.onBinding(t.Context(), nil, control.Event{New: stored.Object}); len(keys) != 1 {
		t.Errorf("a condition without a task wakes %v", keys)
	}
	if stored, _ = s.turns(t, 0); said(stored) != "" {
		t.Errorf("without a task: %q", said(stored))
	}
}

// TestConditionEndsWithTheGate: a condition that was set before the gate was turned off goes, and the task stays as it is.
func TestConditionEndsWithTheGate(t *testing.T) {
	s := newStage(t, []string{"m2"}, nil, clusterOf("m1", "True"), clusterOf("m2", "True"))
	s.turns(t, time.Hour, copyIn("m1", healthy, "2"), copyIn("m2", unhealthy, "0"))
	stuck := s.stored(t)
	if !tells(stuck) {
		t.Fatalf("no condition: %+v", stuck.Status.Conditions)
	}
	s.options.GracefulEviction = false
	if keys := s.onBinding(t.Context(), nil, control.Event{New: stuck.Object}); len(keys) != 1 {
		t.Fatalf("with the gate off it wakes %v", keys)
	}
	stored, next := s.turns(t, time.Hour, copyIn("m1", healthy, "2"), copyIn("m2", healthy, "2"))
	if tells(stored) || len(stored.Spec.GracefulEvictionTasks) != 1 || next != 0 {
		t.Errorf("conditions %+v, tasks %v, next %s", stored.Status.Conditions, stored.Spec.GracefulEvictionTasks, next)
	}
	if keys := s.onBinding(t.Context(), nil, control.Event{New: stored.Object}); len(keys) != 0 {
		t.Errorf("then it wakes %v", keys)
	}
}

// budgetOf lets so many of the pods in a namespace be away.
func budgetOf(namespace string, away int32) *policyv1.PodDisruptionBudget {
	return &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "budget"},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{}, MaxUnavailable: ptr.To(intstr.FromInt32(away))},
	}
}

// TestBudgetHoldsCopies: of two replicas one may be away, which the timeout makes use of. A budget that lets none be away keeps the copy, until
// it is gone.
func TestBudgetHoldsCopies(t *testing.T) {
	web := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "web"}}
	s := newStage(t, []string{"m2"}, nil, clusterOf("m1", "True"), clusterOf("m2", "True"), web, budgetOf("ns", 0), budgetOf("other", 0))
	stored := s.stored(t)
	stored.Spec.Resource = workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "StatefulSet", Namespace: "ns", Name: "web"}
	stored.SetAnnotations(map[string]string{names.AnnotationStatefulMoves: names.MakeBeforeBreak})
	if err := s.deps.Client.Update(t.Context(), stored.Object); err != nil {
		t.Fatal(err)
	}
	half := []workv1alpha2.AggregatedStatusItem{copyIn("m1", healthy, "2"), copyIn("m2", unhealthy, "1")}
	if stored, _ = s.turns(t, time.Hour, half...); len(stored.Spec.GracefulEvictionTasks) != 1 {
		t.Fatal("the timeout took a copy below the budget")
	}
	if err := s.deps.Client.Delete(t.Context(), budgetOf("ns", 0)); err != nil {
		t.Fatal(err)
	}
	if stored, _ = s.turns(t, 0, half...); len(stored.Spec.GracefulEvictionTasks) != 0 {
		t.Errorf("without the budget: %v", stored.Spec.GracefulEvictionTasks)
	}
}

// TestPolicyRaisesTheFloor: of two StatefulSet replicas one may be away, unless the policy says otherwise. Nobody can read another wish.
func TestPolicyRaisesTheFloor(t *testing.T) {
	for wish, want := range map[string]int64{"": 1, "100%": 2, "all": 1} {
		s := newStage(t, []string{"m2"}, nil, &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "web"}})
		stored := s.stored(t)
		stored.Spec.Resource = workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "StatefulSet", Namespace: "ns", Name: "web"}
		stored.SetAnnotations(map[string]string{names.AnnotationFloor: wish})
		if got := s.floor(t.Context(), s.deps, stored); got != want {
			t.Errorf("with %q: %d, want %d", wish, got, want)
		}
	}
}
