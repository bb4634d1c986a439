package evict

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

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

// stage is the controller on an API server, its turns taken by hand.
type stage struct {
	*evictor
	deps   control.Deps
	clock  *testclock.FakePassiveClock
	events []string
	// counted are what the recorder was told.
	evicted, failed, depth int
	// refuse makes writes of bindings fail.
	refuse func(name string) error
}

func (s *stage) Eventf(object runtime.Object, kind, reason, format string, args ...any) {
	name := object.(client.Object).GetName()
	s.events = append(s.events, kind+" "+reason+" "+name+": "+fmt.Sprintf(format, args...))
}

func (s *stage) Depth(waiting int) { s.depth = waiting }

func (s *stage) Processed(_, _ string, _ time.Duration, err error) {
	if err != nil {
		s.failed++
		return
	}
	s.evicted++
}

func newStage(t *testing.T, change func(*eviction.Options), objects ...client.Object) *stage {
	t.Helper()
	kinds := runtime.NewScheme()
	if err := scheme.AddToScheme(kinds); err != nil {
		t.Fatal(err)
	}
	options := eviction.Defaults()
	options.Failover, options.NoExecute, options.Rate = true, true, 1
	if change != nil {
		change(&options)
	}
	s := &stage{clock: testclock.NewFakePassiveClock(began)}
	plane := fake.NewClientBuilder().WithScheme(kinds).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, o ...client.PatchOption) error {
			if s.refuse != nil {
				if err := s.refuse(object.GetName()); err != nil {
					return err
				}
			}
			return c.Patch(ctx, object, patch, o...)
		},
	}).Build()
	s.evictor = &evictor{options: options, recorder: s, failed: map[types.NamespacedName]bool{}}
	s.deps = control.Deps{Client: plane, Clock: s.clock, Events: s}
	return s
}

// settle gives turns to all bindings and the queue, as often as the controller asks for them now.
func (s *stage) settle(t *testing.T) (wait time.Duration) {
	t.Helper()
	bindings, err := binding.List(t.Context(), s.deps.Client)
	if err != nil {
		t.Fatal(err)
	}
	keys := []control.Key{}
	for _, bound := range bindings {
		keys = append(keys, control.KeyOf(bound))
	}
	for len(keys) > 0 {
		key := keys[0]
		keys = keys[1:]
		result, err := s.reconcile(t.Context(), s.deps, key)
		if err != nil && !control.Stale(err) {
			t.Fatalf("turn for %s: %v", key, err)
		}
		for _, woken := range result.Wake {
			if !slices.Contains(keys, woken) {
				keys = append(keys, woken)
			}
		}
		if result.RequeueAfter > 0 && (wait == 0 || result.RequeueAfter < wait) {
			wait = result.RequeueAfter
		}
	}
	return wait
}

// pass lets time go by, with turns when the controller asked for them.
func (s *stage) pass(t *testing.T, span time.Duration) {
	t.Helper()
	end := s.clock.Now().Add(span)
	for {
		wait := s.settle(t)
		if wait == 0 || s.clock.Now().Add(wait).After(end) {
			s.clock.SetTime(end)
			return
		}
		s.clock.SetTime(s.clock.Now().Add(wait))
	}
}

// leaving lists the bindings with a task, by name.
func (s *stage) leaving(t *testing.T) []string {
	t.Helper()
	bindings, err := binding.List(t.Context(), s.deps.Client)
	if err != nil {
		t.Fatal(err)
	}
	var leaving []string
	for _, bound := range bindings {
		if len(bound.Spec.GracefulEvictionTasks) > 0 {
			leaving = append(leaving, bound.GetName())
		}
	}
	return leaving
}

func (s *stage) set(t *testing.T, name string, change func(*clusterv1alpha1.Cluster)) {
	t.Helper()
	cluster := &clusterv1alpha1.Cluster{}
	if err := s.deps.Client.Get(t.Context(), types.NamespacedName{Name: name}, cluster); err != nil {
		t.Fatal(err)
	}
	change(cluster)
	if err := s.deps.Client.Update(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
}

func clusterOf(name string, ready metav1.ConditionStatus, taints ...corev1.Taint) *clusterv1alpha1.Cluster {
	return &clusterv1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: clusterv1alpha1.ClusterSpec{Taints: taints},
		Status: clusterv1alpha1.ClusterStatus{Conditions: []metav1.Condition{
			{Type: names.ConditionClusterReady, Status: ready, Reason: "Test", LastTransitionTime: metav1.Time{Time: began}},
		}},
	}
}

// bound is a scheduled binding; without a namespace a ClusterResourceBinding.
func bound(namespace, name string, priority int32, clusters ...string) client.Object {
	view := binding.New(namespace, name)
	view.SetAnnotations(map[string]string{names.AnnotationAppliedPlacement: "{}"})
	view.Spec.Resource.Kind = "Deployment"
	view.Spec.SchedulePriority = &workv1alpha2.SchedulePriority{Priority: priority}
	for _, cluster := range clusters {
		view.Spec.Clusters = append(view.Spec.Clusters, workv1alpha2.TargetCluster{Name: cluster, Replicas: 2})
	}
	return view.Object
}

var leave = corev1.Taint{Key: "leave", Effect: corev1.TaintEffectNoExecute}

// TestLeavesInOrder taints a cluster: its bindings leave by priority, one a second, and those elsewhere stay.
func TestLeavesInOrder(t *testing.T) {
	s := newStage(t, nil, clusterOf("m1", "True", leave), clusterOf("m2", "True"),
		bound("ns", "a", 0, "m1", "m2"), bound("ns", "b", 5, "m1"), bound("", "c", 9, "m1"), bound("ns", "elsewhere", 9, "m2"))
	for _, want := range []string{"c", "b c", "a b c"} {
		s.pass(t, time.Second)
		leaving := s.leaving(t)
		slices.Sort(leaving)
		if got := strings.Join(leaving, " "); got != want {
			t.Fatalf("after %s %q leave, want %q", s.clock.Since(began), got, want)
		}
	}
	if s.evicted != 3 || s.failed != 0 || s.depth != 0 {
		t.Errorf("recorded: %d evicted, %d failed, %d left", s.evicted, s.failed, s.depth)
	}
	view, err := binding.Get(t.Context(), s.deps.Client, types.NamespacedName{Namespace: "ns", Name: "a"})
	if err != nil {
		t.Fatal(err)
	}
	task := view.Spec.GracefulEvictionTasks[0]
	if !eviction.AnyWaiting(view.Spec) || task.FromCluster != "m1" || *task.Replicas != 2 || task.Producer != names.EvictionProducerTaint ||
		task.Reason != names.EvictionReasonTaint || task.PurgeMode != policyv1alpha1.PurgeModeGracefully {
		t.Errorf("the task is %+v, the targets %v", task, view.Spec.Clusters)
	}
}

// TestModes holds how a binding leaves against what was asked for.
func TestModes(t *testing.T) {
	directly := bound("ns", "a", 0, "m1", "m2")
	view, _ := binding.Of(directly)
	view.Spec.Failover = &policyv1alpha1.FailoverBehavior{Cluster: &policyv1alpha1.ClusterFailoverBehavior{PurgeMode: policyv1alpha1.PurgeModeDirectly}}
	ended := func() client.Object {
		job, _ := binding.Of(bound("ns", "a", 0, "m1", "m2"))
		job.Spec.Resource.APIVersion, job.Spec.Resource.Kind = "batch/v1", "Job"
		job.Status.AggregatedStatus = []workv1alpha2.AggregatedStatusItem{{
			ClusterName: "m1", Status: &runtime.RawExtension{Raw: []byte(`{"conditions":[{"type":"Complete","status":"True"}]}`)},
		}}
		return job.Object
	}
	for name, c := range map[string]struct {
		change  func(*eviction.Options)
		binding client.Object
		targets int
		tasks   int
	}{
		"a Job that has ended":                {nil, ended(), 2, 0},
		"a Job that has ended, the reference": {func(o *eviction.Options) { o.Reference = true }, ended(), 1, 1},
		"waits":                               {nil, bound("ns", "a", 0, "m1", "m2"), 2, 1},
		"the binding directly":                {nil, directly, 1, 1},
		"all directly":                        {func(o *eviction.Options) { o.PurgeMode = policyv1alpha1.PurgeModeDirectly }, bound("ns", "a", 0, "m1", "m2"), 1, 1},
		"the reference":                       {func(o *eviction.Options) { o.Reference = true }, bound("ns", "a", 0, "m1", "m2"), 1, 1},
		"not gracefully":                      {func(o *eviction.Options) { o.GracefulEviction = false }, bound("ns", "a", 0, "m1", "m2"), 1, 0},
		"taints do not count":                 {func(o *eviction.Options) { o.NoExecute = false }, bound("ns", "a", 0, "m1", "m2"), 2, 0},
		"never scheduled":                     {nil, &workv1alpha2.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "a"}}, 0, 0},
	} {
		s := newStage(t, c.change, clusterOf("m1", "True", leave), clusterOf("m2", "True"), c.binding)
		s.pass(t, time.Second)
		got, err := binding.Get(t.Context(), s.deps.Client, types.NamespacedName{Namespace: "ns", Name: "a"})
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Spec.Clusters) != c.targets || len(got.Spec.GracefulEvictionTasks) != c.tasks {
			t.Errorf("%s: targets %v, tasks %v", name, got.Spec.Clusters, got.Spec.GracefulEvictionTasks)
		}
	}
}

// TestBrake loses three of four clusters, then the last: evictions get slow, then stop. A tainted one that is well is left all the
// same, and when the clusters come back what has not taken effect is withdrawn.
func TestBrake(t *testing.T) {
	objects := []client.Object{clusterOf("m1", "False"), clusterOf("m2", "Unknown"), clusterOf("m3", "False"), clusterOf("m4", "True", leave), bound("ns", "tainted", 0, "m4")}
	for i := range 30 {
		objects = append(objects, bound("ns", fmt.Sprintf("lost-%02d", i), 0, fmt.Sprintf("m%d", i%3+1)))
	}
	s := newStage(t, func(o *eviction.Options) { o.StopFrom = 0.9 }, objects...)
	s.pass(t, 5*time.Minute-time.Second)
	if got := s.leaving(t); !slices.Equal(got, []string{"tainted"}) {
		t.Fatalf("within what is tolerated %v leave", got)
	}
	s.pass(t, time.Minute)
	if got := len(s.leaving(t)); got < 6 || got > 9 {
		t.Errorf("%d left in a minute at 0.1 a second", got)
	}
	if told := strings.Join(s.events, "\n"); !strings.Contains(told, "m1: 3 of 4 clusters are not healthy") || strings.Count(told, "are not healthy") != 3 {
		t.Errorf("users are told:\n%s", told)
	}
	s.set(t, "m4", func(c *clusterv1alpha1.Cluster) { c.Status.Conditions[0].Status = metav1.ConditionFalse })
	before := len(s.leaving(t))
	s.pass(t, time.Hour)
	if got := len(s.leaving(t)); got != before {
		t.Errorf("%d more left while all clusters looked lost", got-before)
	}
	for _, name := range []string{"m1", "m2", "m3", "m4"} {
		s.set(t, name, func(c *clusterv1alpha1.Cluster) {
			c.Status.Conditions[0].Status, c.Spec.Taints = metav1.ConditionTrue, nil
		})
	}
	s.pass(t, time.Minute)
	if got := s.leaving(t); len(got) > 0 {
		t.Errorf("%v leave clusters that are well", got)
	}
	if s.depth != 0 {
		t.Errorf("%d wait to leave clusters that are well", s.depth)
	}
}

// TestRefusedWriteHoldsNobodyUp lets one binding's write fail again and again.
func TestRefusedWriteHoldsNobodyUp(t *testing.T) {
	s := newStage(t, nil, clusterOf("m1", "True", leave), bound("ns", "a", 9, "m1"), bound("ns", "b", 0, "m1"), bound("ns", "c", 0, "m1"))
	s.refuse = func(name string) error {
		if name == "a" {
			return apierrors.NewForbidden(workv1alpha2.GroupVersion.WithResource("resourcebindings").GroupResource(), name, nil)
		}
		return nil
	}
	s.pass(t, 10*time.Second)
	if got := s.leaving(t); !slices.Equal(got, []string{"b", "c"}) {
		t.Errorf("%v leave, want b and c", got)
	}
	if told := strings.Join(s.events, "\n"); s.failed == 0 || !strings.Contains(told, "Warning EvictWorkloadFromClusterFailed a: evict from cluster m1: ") {
		t.Errorf("%d failures; users are told:\n%s", s.failed, told)
	}
	s.refuse = nil
	s.pass(t, 10*time.Second)
	if got := s.leaving(t); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("%v leave, want all", got)
	}
}

// TestMoveIsCompleted: a cluster that comes back too late is left all the same.
func TestMoveIsCompleted(t *testing.T) {
	moved := bound("ns", "a", 0, "m2")
	view, _ := binding.Of(moved)
	view.Spec.GracefulEvictionTasks = []workv1alpha2.GracefulEvictionTask{{FromCluster: "m1", Producer: names.EvictionProducerTaint, Reason: names.EvictionReasonTaint}}
	s := newStage(t, nil, clusterOf("m1", "True"), clusterOf("m2", "True"), moved)
	s.pass(t, time.Minute)
	if got := s.leaving(t); len(got) != 1 {
		t.Error("the task was withdrawn after a replacement was assigned")
	}
}

// TestWakes: what cannot change a verdict wakes nobody.
func TestWakes(t *testing.T) {
	s := newStage(t, nil, clusterOf("m1", "True"), bound("ns", "a", 0, "m1"), bound("ns", "b", 0, "m2"))
	tainted, reported := clusterOf("m1", "True", leave), clusterOf("m1", "True")
	reported.Status.KubernetesVersion = "v1.36.0"
	for _, c := range []struct {
		name     string
		old, new client.Object
		off      bool
		want     int
	}{
		{"a taint", clusterOf("m1", "True"), tainted, false, 2},
		{"health", clusterOf("m1", "True"), clusterOf("m1", "False"), false, 2},
		{"a status", clusterOf("m1", "True"), reported, false, 0},
		{"failover is off", clusterOf("m1", "True"), tainted, true, 0},
	} {
		s.options.Failover = !c.off
		if keys := s.onCluster(t.Context(), s.deps.Client, control.Event{Old: c.old, New: c.new}); len(keys) != c.want {
			t.Errorf("%s wakes %v, want %d", c.name, keys, c.want)
		}
	}
	s.options.Failover = true
	before, after := bound("ns", "a", 0, "m1"), bound("ns", "a", 0, "m1")
	if keys := s.onBinding(t.Context(), nil, control.Event{Old: before, New: after}); len(keys) != 0 {
		t.Errorf("a status change wakes %v", keys)
	}
	after.SetGeneration(2)
	if keys := s.onBinding(t.Context(), nil, control.Event{Old: before, New: after}); len(keys) != 1 {
		t.Errorf("a change of the spec wakes %v", keys)
	}
}
