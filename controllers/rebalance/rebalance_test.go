package rebalance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	testclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "github.com/seatrial/seatrial/api/apps/v1alpha1"
	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/internal/byhand"
)

// stage is a control plane with two clusters, on which a test plays the scheduler and the members.
type stage struct {
	*byhand.Plane
	t     *testing.T
	clock *testclock.FakePassiveClock
}

func newStage(t *testing.T, options eviction.Options) *stage {
	s := &stage{Plane: byhand.New(t, New(options, 1)), t: t}
	s.clock = s.Clock.(*testclock.FakePassiveClock)
	for _, name := range []string{"m1", "m2"} {
		cluster := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: clusterv1alpha1.ClusterSpec{SyncMode: clusterv1alpha1.Push}}
		s.Create(cluster)
		cluster.Status.Conditions = []metav1.Condition{{
			Type: names.ConditionClusterReady, Status: metav1.ConditionTrue, Reason: names.ReasonClusterReady, LastTransitionTime: metav1.NewTime(s.clock.Now()),
		}}
		s.Must(s.Store.Status().Update(t.Context(), cluster))
	}
	return s
}

// workload makes a Deployment of two replicas that runs in m1.
func (s *stage) workload(name string, labels map[string]string) {
	pods := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": name}}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}}}
	template := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Labels: labels},
		Spec:       appsv1.DeploymentSpec{Replicas: ptr.To[int32](2), Selector: &metav1.LabelSelector{MatchLabels: pods.Labels}, Template: pods},
	}
	s.Create(template)
	bound := &workv1alpha2.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: names.Binding("Deployment", name)}}
	bound.Spec.Resource = workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "default", Name: name}
	bound.Spec.Replicas, bound.Spec.Clusters = 2, []workv1alpha2.TargetCluster{{Name: "m1", Replicas: 2}}
	bound.Spec.Placement = &policyv1alpha1.Placement{}
	s.Create(bound)
	s.report(name, "m1", 2)
}

func (s *stage) bound(name string) binding.Binding {
	view := binding.New("default", names.Binding("Deployment", name))
	s.Read(view.Object)
	return view
}

// report lets the copy in a cluster have so many ready replicas.
func (s *stage) report(name, cluster string, ready int) {
	view := s.bound(name)
	health := workv1alpha2.ResourceUnhealthy
	if ready == 2 {
		health = workv1alpha2.ResourceHealthy
	}
	view.Status.AggregatedStatus = []workv1alpha2.AggregatedStatusItem{{
		ClusterName: cluster, Health: health, Applied: true, Status: &runtime.RawExtension{Raw: fmt.Appendf(nil, `{"replicas":2,"readyReplicas":%d}`, ready)},
	}}
	s.Must(s.Store.Status().Update(s.t.Context(), view.Object))
}

// answer lets the scheduler move a workload to m2.
func (s *stage) answer(name string) {
	view := s.bound(name)
	view.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: "m2", Replicas: 2}}
	s.Must(s.Store.Update(s.t.Context(), view.Object))
	at := metav1.NewTime(s.clock.Now())
	view.Status.LastScheduledTime, view.Status.SchedulerObservedGeneration = &at, view.GetGeneration()
	s.Must(s.Store.Status().Update(s.t.Context(), view.Object))
}

func reference(name string) appsv1alpha1.ObjectReference {
	return appsv1alpha1.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "default", Name: name}
}

func (s *stage) request(annotations map[string]string, workloads ...string) *appsv1alpha1.WorkloadRebalancer {
	request := &appsv1alpha1.WorkloadRebalancer{ObjectMeta: metav1.ObjectMeta{Name: "batch", Annotations: annotations}}
	for _, name := range workloads {
		request.Spec.Workloads = append(request.Spec.Workloads, reference(name))
	}
	s.Create(request)
	return request
}

// turns lets the controller take a turn, and those that its own writes bring, and tells what became of the request.
func (s *stage) turns(request *appsv1alpha1.WorkloadRebalancer) string {
	s.t.Helper()
	for {
		s.Read(request)
		before := request.DeepCopy()
		s.Turn(control.KeyOf(request))
		s.Read(request)
		if len(onRequest(s.t.Context(), nil, control.Event{Old: before, New: request})) == 0 {
			break
		}
	}
	var parts []string
	for _, seen := range request.Status.ObservedWorkloads {
		state := string(seen.Result) + string(seen.Reason)
		if state == "" {
			state = "waits"
			if s.bound(seen.Workload.Name).Spec.RescheduleTriggeredAt != nil {
				state = "moves"
			}
		}
		parts = append(parts, seen.Workload.Name+" "+state)
	}
	if request.Status.FinishTime != nil {
		parts = append(parts, "finished")
	}
	return strings.Join(parts, ", ")
}

func (s *stage) expect(when string, request *appsv1alpha1.WorkloadRebalancer, want string) {
	s.t.Helper()
	if got := s.turns(request); got != want {
		s.t.Errorf("%s: %s; want %s", when, got, want)
	}
}

// TestDoneWhenHealthyAgain follows a move to its true end, and the request to the end of its time.
func TestDoneWhenHealthyAgain(t *testing.T) {
	s := newStage(t, eviction.Defaults())
	s.workload("web", nil)
	request := s.request(nil, "web", "gone")
	s.expect("asked", request, "gone FailedReferencedBindingNotFound, web moves")
	s.expect("the scheduler has not answered", request, "gone FailedReferencedBindingNotFound, web moves")
	s.clock.SetTime(s.clock.Now().Add(time.Minute))
	s.answer("web")
	s.expect("nothing runs there", request, "gone FailedReferencedBindingNotFound, web moves")
	s.report("web", "m2", 1)
	s.expect("not all are ready", request, "gone FailedReferencedBindingNotFound, web moves")
	s.report("web", "m2", 2)
	s.expect("all are ready", request, "gone FailedReferencedBindingNotFound, web Successful, finished")
	trigger := s.bound("web").Spec.RescheduleTriggeredAt
	s.clock.SetTime(s.clock.Now().Add(time.Hour))
	s.expect("much later", request, "gone FailedReferencedBindingNotFound, web Successful, finished")
	if again := s.bound("web").Spec.RescheduleTriggeredAt; !again.Equal(trigger) {
		t.Errorf("asked again at %s after %s", again, trigger)
	}
	request.Spec.TTLSecondsAfterFinished = ptr.To(int32(7200))
	s.Must(s.Store.Update(t.Context(), request))
	s.turns(request)
	if result := s.Turn(control.KeyOf(request)); result.RequeueAfter != time.Hour {
		t.Errorf("it is looked at again after %s, want the rest of its time", result.RequeueAfter)
	}
	s.clock.SetTime(s.clock.Now().Add(time.Hour))
	s.Turn(control.KeyOf(request))
	if err := s.Store.Get(t.Context(), client.ObjectKeyFromObject(request), request); !apierrors.IsNotFound(err) {
		t.Errorf("it is still there: %v", err)
	}
}

// TestHeldReplicasAreNotDone: a workload that is held elsewhere has not moved yet.
func TestHeldReplicasAreNotDone(t *testing.T) {
	s := newStage(t, eviction.Defaults())
	s.workload("web", nil)
	request := s.request(nil, "web")
	s.turns(request)
	s.clock.SetTime(s.clock.Now().Add(time.Minute))
	view := s.bound("web")
	view.Spec.GracefulEvictionTasks = []workv1alpha2.GracefulEvictionTask{{FromCluster: "m1", Producer: names.EvictionProducerScheduler, Reason: names.EvictionReasonMoved}}
	s.Must(s.Store.Update(t.Context(), view.Object))
	s.answer("web")
	s.report("web", "m2", 2)
	s.expect("held", request, "web moves")
	view = s.bound("web")
	view.Spec.GracefulEvictionTasks = nil
	s.Must(s.Store.Update(t.Context(), view.Object))
	s.answer("web")
	s.expect("let go", request, "web Successful, finished")
}

// TestFinishedJobStays: a Job that has come to its end in a part of its clusters has nothing to do in another place, and others do not wait for
// it. The reference has it run again.
func TestFinishedJobStays(t *testing.T) {
	for _, c := range []struct {
		status          string
		reference       bool
		asks, succeeded bool
	}{
		{`{"active":2}`, false, true, false},
		{`{"succeeded":2,"conditions":[{"type":"Complete","status":"True"}]}`, false, false, true},
		{`{"failed":7,"conditions":[{"type":"Failed","status":"True"}]}`, false, false, true},
		{`{"succeeded":2,"conditions":[{"type":"Complete","status":"True"}]}`, true, true, true},
	} {
		options := eviction.Defaults()
		options.Reference = c.reference
		s := newStage(t, options)
		s.workload("work", nil)
		job := &workv1alpha2.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: names.Binding("Job", "work")}}
		job.Spec = *s.bound("work").Spec.DeepCopy()
		job.Spec.Resource = workv1alpha2.ObjectReference{APIVersion: "batch/v1", Kind: "Job", Namespace: "default", Name: "work"}
		s.Must(s.Store.Delete(t.Context(), s.bound("work").Object))
		s.Create(job)
		job.Status.AggregatedStatus = []workv1alpha2.AggregatedStatusItem{{ClusterName: "m1", Applied: true, Status: &runtime.RawExtension{Raw: []byte(c.status)}}}
		s.Must(s.Store.Status().Update(t.Context(), job))
		request := &appsv1alpha1.WorkloadRebalancer{ObjectMeta: metav1.ObjectMeta{Name: "batch"}}
		request.Spec.Workloads = []appsv1alpha1.ObjectReference{{APIVersion: "batch/v1", Kind: "Job", Namespace: "default", Name: "work"}}
		s.Create(request)
		for range 2 {
			s.Turn(control.KeyOf(request))
		}
		s.Read(request)
		s.Read(job)
		result := request.Status.ObservedWorkloads[0].Result
		if (job.Spec.RescheduleTriggeredAt != nil) != c.asks || (result == appsv1alpha1.RebalanceSuccessful) != c.succeeded {
			t.Errorf("%s, reference %t: asked for another placement at %s, result %q", c.status, c.reference, job.Spec.RescheduleTriggeredAt, result)
		}
	}
}

// TestBatches: no more workloads move at once than the request allows, and the next one when one is done.
func TestBatches(t *testing.T) {
	for _, limit := range []string{"2", "40%"} {
		s := newStage(t, eviction.Defaults())
		workloads := []string{"a", "b", "c", "d", "e"}
		for _, name := range workloads {
			s.workload(name, nil)
		}
		request := s.request(map[string]string{names.AnnotationAtOnce: limit}, workloads...)
		s.expect("begin", request, "a moves, b moves, c waits, d waits, e waits")
		s.clock.SetTime(s.clock.Now().Add(time.Minute))
		s.answer("b")
		s.report("b", "m2", 2)
		s.expect("one is done", request, "a moves, b Successful, c moves, d waits, e waits")
	}
	s := newStage(t, eviction.Defaults())
	s.workload("a", nil)
	request := s.request(map[string]string{names.AnnotationAtOnce: "0"}, "a")
	s.expect("no limit at all", request, "a waits")
	if !s.Told.Has(names.EventRebalanceRefused, names.AnnotationAtOnce) {
		t.Errorf("nobody is told:\n%s", s.Told)
	}
}

// TestSelected: one reference stands for all workloads of a kind with the labels, as they are when the request is first seen.
func TestSelected(t *testing.T) {
	s := newStage(t, eviction.Defaults())
	s.workload("a", map[string]string{"tier": "web"})
	s.workload("b", map[string]string{"tier": "db"})
	s.workload("c", map[string]string{"tier": "web"})
	s.Create(&appsv1.Deployment{ // nobody placed it
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "d", Labels: map[string]string{"tier": "web"}},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "d"}},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "d"}}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}}},
		},
	})
	request := s.request(map[string]string{names.AnnotationWorkloadSelector: "tier=web", names.AnnotationAtOnce: "1"}, names.RebalanceEvery)
	s.expect("selected", request, "a moves, c waits")
	s.workload("e", map[string]string{"tier": "web"})
	s.expect("one more", request, "a moves, c waits")
	request.Annotations[names.AnnotationWorkloadSelector] = "tier in"
	request.Spec.Workloads = append(request.Spec.Workloads, reference("b"))
	s.Must(s.Store.Update(t.Context(), request))
	s.expect("what cannot be read", request, "b moves")
	if !s.Told.Has(names.EventRebalanceRefused, names.AnnotationWorkloadSelector) {
		t.Errorf("nobody is told:\n%s", s.Told)
	}
}

// TestUnknownKind: a reference to all of a kind that there is not holds nothing else up.
func TestUnknownKind(t *testing.T) {
	s := newStage(t, eviction.Defaults())
	s.workload("a", nil)
	request := s.request(nil, "a")
	request.Spec.Workloads = append(request.Spec.Workloads, appsv1alpha1.ObjectReference{APIVersion: "example.com/v1", Kind: "Nothing", Name: names.RebalanceEvery})
	s.Must(s.Store.Update(t.Context(), request))
	s.expect("asked", request, "a moves")
	if !s.Told.Has(names.EventRebalanceRefused, "example.com/v1 Nothing") {
		t.Errorf("nobody is told:\n%s", s.Told)
	}
}

// TestSpecChanges: what was moved stays listed, what was not and is not wanted any more goes, what is new moves.
func TestSpecChanges(t *testing.T) {
	s := newStage(t, eviction.Defaults())
	for _, name := range []string{"a", "b", "c"} {
		s.workload(name, nil)
	}
	request := s.request(nil, "a", "b")
	s.turns(request)
	s.clock.SetTime(s.clock.Now().Add(time.Minute))
	s.answer("a")
	s.report("a", "m2", 2)
	s.expect("one is done", request, "a Successful, b moves")
	request.Spec.Workloads = []appsv1alpha1.ObjectReference{reference("c")}
	s.Must(s.Store.Update(t.Context(), request))
	s.expect("another one instead", request, "a Successful, c moves")
}

// TestSoonAfterADecision: a trigger in the second of the last decision would ask for nothing.
func TestSoonAfterADecision(t *testing.T) {
	s := newStage(t, eviction.Defaults())
	s.workload("web", nil)
	s.answer("web")
	s.clock.SetTime(s.clock.Now().Add(300 * time.Millisecond))
	request := s.request(nil, "web")
	s.Turn(control.KeyOf(request))
	if result := s.Turn(control.KeyOf(request)); result.RequeueAfter != 700*time.Millisecond || s.bound("web").Spec.RescheduleTriggeredAt != nil {
		t.Errorf("asked at %v, looked at again after %s", s.bound("web").Spec.RescheduleTriggeredAt, result.RequeueAfter)
	}
	s.clock.SetTime(s.clock.Now().Add(700 * time.Millisecond))
	s.expect("a second later", request, "web moves")
	if s.bound("web").Answered() {
		t.Error("the scheduler would take it for answered")
	}
}

// TestClockBehind: by a clock that is behind the API server's a workload is asked to move as well, and once.
func TestClockBehind(t *testing.T) {
	s := newStage(t, eviction.Defaults())
	s.workload("web", nil)
	request := s.request(nil, "web")
	s.clock.SetTime(request.CreationTimestamp.Add(-3 * time.Minute))
	s.expect("asked", request, "web moves")
	if trigger := s.bound("web").Spec.RescheduleTriggeredAt; !trigger.Equal(&request.CreationTimestamp) {
		t.Errorf("asked at %s by a request of %s", trigger, request.CreationTimestamp)
	}
	s.clock.SetTime(request.CreationTimestamp.Add(time.Minute))
	s.answer("web")
	s.report("web", "m2", 2)
	s.expect("all are ready", request, "web Successful, finished")
}

// TestBeginsWithTheFirstGroup: a fresh placement tries the affinity groups from the first on. The reference goes on from the present one.
func TestBeginsWithTheFirstGroup(t *testing.T) {
	for _, reference := range []bool{false, true} {
		options := eviction.Defaults()
		options.Reference = reference
		s := newStage(t, options)
		s.workload("web", nil)
		view := s.bound("web")
		view.Status.SchedulerObservedAffinityName = "away"
		s.Must(s.Store.Status().Update(t.Context(), view.Object))
		s.turns(s.request(nil, "web"))
		view = s.bound("web")
		if kept := view.Status.SchedulerObservedAffinityName != ""; kept != reference || view.Spec.RescheduleTriggeredAt == nil {
			t.Errorf("reference %t: the group is %q, asked at %v", reference, view.Status.SchedulerObservedAffinityName, view.Spec.RescheduleTriggeredAt)
		}
	}
}

// TestReference: a workload counts as moved when its move was asked for.
func TestReference(t *testing.T) {
	options := eviction.Defaults()
	options.Reference = true
	s := newStage(t, options)
	s.workload("a", nil)
	s.workload("b", nil)
	request := s.request(map[string]string{names.AnnotationAtOnce: "1"}, "a", "b")
	s.expect("asked", request, "a Successful, b Successful, finished")
	if s.bound("a").Spec.RescheduleTriggeredAt == nil {
		t.Error("nothing was asked for")
	}
}

// TestWhoIsWoken: bindings wake the requests that wait for them.
func TestWhoIsWoken(t *testing.T) {
	s := newStage(t, eviction.Defaults())
	s.workload("a", nil)
	s.workload("b", nil)
	request := s.request(map[string]string{names.AnnotationAtOnce: "1"}, "a", "b")
	s.turns(request)
	woken := func(name string) []control.Key {
		return onBinding(t.Context(), s.Store, control.Event{New: s.bound(name).Object})
	}
	if got := woken("a"); !slices.Equal(got, []control.Key{control.KeyOf(request)}) {
		t.Errorf("a binding that moves wakes %v", got)
	}
	if got := woken("b"); len(got) > 0 {
		t.Errorf("a binding that waits for its turn wakes %v", got)
	}
	elsewise := s.bound("a")
	elsewise.Spec.Resource.APIVersion = "apps/v1beta1"
	if got := onBinding(t.Context(), s.Store, control.Event{New: elsewise.Object}); len(got) != 1 {
		t.Errorf("a binding of another version of the kind wakes %v", got)
	}
	s.clock.SetTime(s.clock.Now().Add(time.Minute))
	s.answer("a")
	s.report("a", "m2", 2)
	s.turns(request)
	if got := woken("a"); len(got) > 0 {
		t.Errorf("a binding that has moved wakes %v", got)
	}
}
