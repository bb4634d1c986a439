package failover

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	testclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/api/scheme"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
)

var began = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

type events []string

func (e *events) Eventf(_ runtime.Object, kind, reason, format string, args ...any) {
	*e = append(*e, kind+" "+reason+": "+fmt.Sprintf(format, args...))
}

// stage is the controller on an API server that knows one binding, its turns taken by hand.
type stage struct {
	*mover
	deps   control.Deps
	clock  *testclock.FakePassiveClock
	events events
	key    control.Key
}

func newStage(t *testing.T, scope string, change func(binding.Binding, *eviction.Options)) *stage {
	t.Helper()
	kinds := runtime.NewScheme()
	if err := scheme.AddToScheme(kinds); err != nil {
		t.Fatal(err)
	}
	view := binding.New(scope, "web-deployment")
	view.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: "m1", Replicas: 2}, {Name: "m2", Replicas: 2}}
	view.Spec.Failover = &policyv1alpha1.FailoverBehavior{Application: &policyv1alpha1.ApplicationFailoverBehavior{
		DecisionConditions: policyv1alpha1.DecisionConditions{TolerationSeconds: ptr.To[int32](60)},
		PurgeMode:          policyv1alpha1.PurgeModeGracefully, GracePeriodSeconds: ptr.To[int32](600),
	}}
	options := eviction.Defaults()
	options.Failover = true
	if change != nil {
		change(view, &options)
	}
	s := &stage{mover: &mover{options: options}, clock: testclock.NewFakePassiveClock(began), key: control.KeyOf(view)}
	s.deps = control.Deps{
		Client: fake.NewClientBuilder().WithScheme(kinds).WithObjects(view.Object).WithStatusSubresource(view.Object).Build(),
		Clock:  s.clock, Events: &s.events,
	}
	return s
}

// report lets the copy in m1 be of a health from now on; that in m2 is well. It gives the controller its turns for some time.
func (s *stage) report(t *testing.T, health workv1alpha2.ResourceHealth, span time.Duration) binding.Binding {
	t.Helper()
	stored := s.stored(t)
	stored.Status.AggregatedStatus = []workv1alpha2.AggregatedStatusItem{
		{ClusterName: "m1", Health: health, Status: &runtime.RawExtension{Raw: []byte(`{"replicas":2,"job":"j1"}`)}},
		{ClusterName: "m2", Health: workv1alpha2.ResourceHealthy},
	}
	if err := s.deps.Client.Status().Update(t.Context(), stored.Object); err != nil {
		t.Fatal(err)
	}
	end := s.clock.Now().Add(span)
	for {
		result, err := s.reconcile(t.Context(), s.deps, s.key)
		if err != nil && !strings.Contains(err.Error(), "gate") && !strings.Contains(err.Error(), "preserving") {
			t.Fatal(err)
		}
		if result.RequeueAfter == 0 || s.clock.Now().Add(result.RequeueAfter).After(end) {
			break
		}
		s.clock.SetTime(s.clock.Now().Add(result.RequeueAfter))
	}
	s.clock.SetTime(end)
	return s.stored(t)
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
	unknown   = workv1alpha2.ResourceUnknown
)

// TestLeavesWhatStaysUnhealthy: only a healthy report ends the time of an unhealthy copy.
func TestLeavesWhatStaysUnhealthy(t *testing.T) {
	type phase struct {
		health workv1alpha2.ResourceHealth
		span   time.Duration
	}
	for name, c := range map[string]struct {
		phases []phase
		leaves bool
	}{
		"for long enough":            {[]phase{{unhealthy, time.Minute}}, true},
		"for less":                   {[]phase{{unhealthy, 59 * time.Second}}, false},
		"well in between":            {[]phase{{unhealthy, 40 * time.Second}, {healthy, time.Second}, {unhealthy, 40 * time.Second}}, false},
		"unknown in between":         {[]phase{{unhealthy, 20 * time.Second}, {unknown, 10 * time.Second}, {unhealthy, 10 * time.Second}, {unknown, 20 * time.Second}}, true},
		"never more than unknown":    {[]phase{{unknown, time.Hour}}, false},
		"nothing to tell any health": {[]phase{{"", time.Hour}}, false},
	} {
		for _, scope := range []string{"ns", ""} {
			s := newStage(t, scope, nil)
			var stored binding.Binding
			for _, phase := range c.phases {
				stored = s.report(t, phase.health, phase.span)
				// A new process goes on where this one was.
				s.mover = &mover{options: s.options}
			}
			task := eviction.Task(stored.Spec, "m1")
			if (task != nil) != c.leaves {
				t.Errorf("%s: task %+v, want one: %t", name, task, c.leaves)
			}
			if task != nil && (task.Reason != names.EvictionReasonApplication || task.Producer != producer(stored) || *task.Replicas != 2 || !eviction.Waiting(stored.Spec, task)) {
				t.Errorf("%s: task %+v, targets %v", name, task, stored.Spec.Clusters)
			}
		}
	}
}

// TestHowItLeaves holds the task against what the policy says.
func TestHowItLeaves(t *testing.T) {
	never := func(b binding.Binding, _ *eviction.Options) {
		b.Spec.Failover.Application.PurgeMode, b.Spec.Failover.Application.GracePeriodSeconds = policyv1alpha1.PurgeModeNever, nil
	}
	directly := func(b binding.Binding, _ *eviction.Options) {
		b.Spec.Failover.Application.PurgeMode, b.Spec.Failover.Application.GracePeriodSeconds = policyv1alpha1.PurgeModeDirectly, nil
	}
	marked := func(b binding.Binding, _ *eviction.Options) {
		b.SetAnnotations(map[string]string{names.AnnotationDefaultGracePeriod: "600"})
	}
	stateful := func(path string) func(binding.Binding, *eviction.Options) {
		return func(b binding.Binding, o *eviction.Options) {
			o.StatefulInjection = true
			b.Spec.Failover.Application.StatePreservation = &policyv1alpha1.StatePreservation{
				Rules: []policyv1alpha1.StatePreservationRule{{AliasLabelName: "job", JSONPath: path}},
			}
		}
	}
	for name, c := range map[string]struct {
		change  func(binding.Binding, *eviction.Options)
		targets int
		check   func(*workv1alpha2.GracefulEvictionTask) bool
		told    string
	}{
		"time of the user":  {nil, 2, func(t *workv1alpha2.GracefulEvictionTask) bool { return *t.GracePeriodSeconds == 600 }, "evict from cluster m1"},
		"time of admission": {marked, 2, func(t *workv1alpha2.GracefulEvictionTask) bool { return t.GracePeriodSeconds == nil }, "evict from cluster m1"},
		"time of admission, the reference": {func(b binding.Binding, o *eviction.Options) { marked(b, o); o.Reference = true }, 1,
			func(t *workv1alpha2.GracefulEvictionTask) bool { return *t.GracePeriodSeconds == 600 }, "evict from cluster m1"},
		"never": {never, 2, func(t *workv1alpha2.GracefulEvictionTask) bool {
			return *t.SuppressDeletion && t.GracePeriodSeconds == nil
		}, "evict from cluster m1"},
		"directly": {directly, 1, func(t *workv1alpha2.GracefulEvictionTask) bool {
			return t.PurgeMode == policyv1alpha1.PurgeModeDirectly
		}, "evict from cluster m1"},
		"with state": {stateful("{.job}"), 2, func(t *workv1alpha2.GracefulEvictionTask) bool {
			return t.PreservedLabelState["job"] == "j1" && len(t.ClustersBeforeFailover) == 2
		}, "evict from cluster m1"},
		"with state that cannot be read": {stateful("{.job"), 2, nil, "reading the path"},
		"the gate is off":                {func(_ binding.Binding, o *eviction.Options) { o.GracefulEviction = false }, 2, nil, "needs the feature gate GracefulEviction"},
	} {
		s := newStage(t, "ns", c.change)
		stored := s.report(t, unhealthy, 2*time.Minute)
		task := eviction.Task(stored.Spec, "m1")
		if len(stored.Spec.Clusters) != c.targets || (task != nil) != (c.check != nil) || task != nil && !c.check(task) {
			t.Errorf("%s: targets %v, task %+v", name, stored.Spec.Clusters, task)
		}
		if told := strings.Join(s.events, "\n"); !strings.Contains(told, c.told) {
			t.Errorf("%s: users are told %q, want %q", name, told, c.told)
		}
	}
}

// TestRecoveredCopyStays withdraws an eviction that has not taken effect, and no other.
func TestRecoveredCopyStays(t *testing.T) {
	s := newStage(t, "ns", nil)
	if stored := s.report(t, unhealthy, 2*time.Minute); !eviction.AnyWaiting(stored.Spec) {
		t.Fatal("no eviction")
	}
	stored := s.report(t, healthy, time.Second)
	if _, marked := stored.GetAnnotations()[names.AnnotationUnhealthySince]; len(stored.Spec.GracefulEvictionTasks) > 0 || marked {
		t.Errorf("a healthy copy leaves: %+v, annotations %v", stored.Spec.GracefulEvictionTasks, stored.GetAnnotations())
	}
	s.report(t, unhealthy, 2*time.Minute)
	moved := s.stored(t)
	moved.Spec.Clusters = moved.Spec.Clusters[1:]
	if err := s.deps.Client.Update(t.Context(), moved.Object); err != nil {
		t.Fatal(err)
	}
	if stored := s.report(t, healthy, time.Second); len(stored.Spec.GracefulEvictionTasks) != 1 {
		t.Error("a move was taken back after it had taken effect")
	}
}

// TestMovesComeEverLater: what takes longer to start than its policy tolerates is moved at ever longer intervals, until it stays.
func TestMovesComeEverLater(t *testing.T) {
	for _, reference := range []bool{false, true} {
		s := newStage(t, "ns", func(_ binding.Binding, o *eviction.Options) { o.Reference = reference })
		runsIn := func(clusters ...string) {
			t.Helper()
			stored := s.stored(t)
			stored.Spec.Clusters, stored.Spec.GracefulEvictionTasks = nil, nil
			for _, name := range clusters {
				stored.Spec.Clusters = append(stored.Spec.Clusters, workv1alpha2.TargetCluster{Name: name, Replicas: 2})
			}
			if err := s.deps.Client.Update(t.Context(), stored.Object); err != nil {
				t.Fatal(err)
			}
		}
		// Never more than an hour.
		for _, minutes := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
			patience := time.Duration(minutes) * time.Minute
			if reference {
				patience = time.Minute
			}
			if stored := s.report(t, unhealthy, patience-time.Second); len(stored.Spec.GracefulEvictionTasks) > 0 {
				t.Errorf("reference %t: it left within %s", reference, patience)
			}
			if stored := s.report(t, unhealthy, time.Second); len(stored.Spec.GracefulEvictionTasks) != 1 {
				t.Errorf("reference %t: it did not leave after %s", reference, patience)
			}
			// It goes elsewhere, and comes back.
			runsIn("m2", "m3")
			s.mover = &mover{options: s.options}
			s.report(t, unhealthy, time.Second)
			runsIn("m1", "m2")
		}
		// The others are well while it is away, which says nothing; that it stays does.
		if stored := s.report(t, healthy, 4*time.Hour+time.Second); !reference && stored.GetAnnotations()[names.AnnotationFailedMoves] == "" {
			t.Error("the moves are forgotten at once")
		}
		if stored := s.report(t, unhealthy, time.Minute); len(stored.Spec.GracefulEvictionTasks) != 1 {
			t.Errorf("reference %t: after it had stayed it did not leave in time", reference)
		}
	}
}

// TestGarbledCountIsNone: annotations can be written by anybody.
func TestGarbledCountIsNone(t *testing.T) {
	for _, text := range []string{"often", `{"count":-3,"last":"2026-03-01T00:00:00Z"}`, `{"count":99999999999999999999}`, `{"count":5}`} {
		s := newStage(t, "ns", func(b binding.Binding, _ *eviction.Options) {
			b.SetAnnotations(map[string]string{names.AnnotationFailedMoves: text})
		})
		if stored := s.report(t, unhealthy, time.Minute); len(stored.Spec.GracefulEvictionTasks) != 1 {
			t.Errorf("%s failed moves: it did not leave", text)
		}
	}
}

// TestFailoverTakenOutOfPolicy leaves no times behind.
func TestFailoverTakenOutOfPolicy(t *testing.T) {
	s := newStage(t, "ns", nil)
	s.report(t, unhealthy, time.Second)
	changed := s.stored(t)
	changed.Spec.Failover = nil
	if err := s.deps.Client.Update(t.Context(), changed.Object); err != nil {
		t.Fatal(err)
	}
	if keys := s.onBinding(t.Context(), nil, control.Event{New: changed.Object}); len(keys) != 1 {
		t.Errorf("it wakes %v", keys)
	}
	if stored := s.report(t, unhealthy, time.Hour); len(stored.GetAnnotations()) > 0 || len(stored.Spec.GracefulEvictionTasks) > 0 {
		t.Errorf("annotations %v, tasks %v", stored.GetAnnotations(), stored.Spec.GracefulEvictionTasks)
	}
	s.options.Failover = false
	if keys := s.onBinding(t.Context(), nil, control.Event{New: &workv1alpha2.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Name: "x"}}}); len(keys) > 0 {
		t.Errorf("without the gate %v wake", keys)
	}
}

// TestGarbledTimesBeginAnew: annotations can be written by anybody.
func TestGarbledTimesBeginAnew(t *testing.T) {
	s := newStage(t, "ns", func(b binding.Binding, _ *eviction.Options) {
		b.SetAnnotations(map[string]string{names.AnnotationUnhealthySince: `{"m1":7}`})
	})
	if stored := s.report(t, unhealthy, 50*time.Second); len(stored.Spec.GracefulEvictionTasks) > 0 {
		t.Error("left at once")
	}
	if stored := s.report(t, unhealthy, 20*time.Second); len(stored.Spec.GracefulEvictionTasks) != 1 {
		t.Error("never left")
	}
}
