package render

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	testclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/internal/byhand"
	"github.com/seatrial/seatrial/workload"
)

// rendered are the replicas in the Works of clusters, as "m1:2 m2:3".
func rendered(t *testing.T, plane *byhand.Plane) string {
	t.Helper()
	list := &workv1alpha1.WorkList{}
	plane.Must(plane.Store.List(t.Context(), list))
	var parts []string
	for i := range list.Items {
		manifests, err := workload.Manifests(&list.Items[i])
		plane.Must(err)
		replicas, _, err := unstructured.NestedInt64(manifests[0].Object, "spec", "replicas")
		plane.Must(err)
		parts = append(parts, fmt.Sprintf("%s:%d", strings.TrimPrefix(list.Items[i].Namespace, names.ExecutionSpace("")), replicas))
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// TestWhatDoesNotCountMovesWhole: nobody could tell when a part of it is ready, so what it is to have elsewhere comes at once.
func TestWhatDoesNotCountMovesWhole(t *testing.T) {
	bound := binding.New("default", "ray")
	bound.Spec.Resource = workv1alpha2.ObjectReference{APIVersion: "ray.io/v1", Kind: "RayCluster", Namespace: "default", Name: "ray"}
	bound.Spec.Replicas, bound.Spec.Clusters = 8, []workv1alpha2.TargetCluster{{Name: "m2", Replicas: 8}}
	bound.Spec.Placement = &policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided}}
	bound.Spec.GracefulEvictionTasks = []workv1alpha2.GracefulEvictionTask{{FromCluster: "m1", Producer: names.EvictionProducerScheduler, Replicas: ptr.To(int32(8))}}
	for status, want := range map[string]string{`{"state":"ready"}`: "m2:8 m1:8", `{"readyReplicas":8}`: "m2:5 m1:4"} {
		bound.Status.AggregatedStatus = []workv1alpha2.AggregatedStatusItem{{ClusterName: "m1", Applied: true, Health: workv1alpha2.ResourceHealthy, Status: &runtime.RawExtension{Raw: []byte(status)}}}
		r, deps := &renderer{options: eviction.Defaults()}, control.Deps{Clock: testclock.NewFakePassiveClock(time.Unix(0, 0))}
		template := &unstructured.Unstructured{Object: map[string]any{"kind": "RayCluster"}}
		within, _, err := r.withinSurge(t.Context(), deps, bound, template, nil, targets(bound.Spec))
		if err != nil {
			t.Fatal(err)
		}
		var parts []string
		for _, target := range within {
			parts = append(parts, fmt.Sprintf("%s:%d", target.Name, target.Replicas))
		}
		if got := strings.Join(parts, " "); got != want {
			t.Errorf("%s: %s, want %s", status, got, want)
		}
	}
}

// TestMovesStayWithinTheirSurge follows a workload of ten from m1 to m2 and m3. New replicas come as far as the surge allows, and more of
// them whenever a task gives up some.
func TestMovesStayWithinTheirSurge(t *testing.T) {
	m := newMove(t, 2, map[string]int32{"m2": 6, "m3": 4})
	for _, step := range []struct {
		name, want string
		held       int32
		ready      map[string]int32
	}{
		{"at first", "m1:10", 0, nil},
		{"all are held", "m1:10 m2:1 m3:1", 10, nil},
		{"nothing has changed", "m1:10 m2:1 m3:1", 10, nil},
		{"two are given up", "m1:8 m2:2 m3:2", 8, map[string]int32{"m2": 1, "m3": 1}},
		{"five more", "m1:3 m2:5 m3:4", 3, map[string]int32{"m2": 2, "m3": 2}},
		{"the last is held", "m1:1 m2:6 m3:4", 1, map[string]int32{"m2": 5, "m3": 4}},
		{"nothing is", "m2:6 m3:4", 0, map[string]int32{"m2": 6, "m3": 4}},
	} {
		m.hold(step.held)
		m.report(step.ready)
		for range 3 {
			m.turn()
		}
		m.expect(step.name, step.want)
	}
}

// TestSurgeGoesToWhoeverGetsOn follows a workload of six from m1 to m2, which is full, and to m3. The surge is one: m2 has it first, and
// gives it up after the timeout. As long as m3 brings up what it gets, m2 is not asked again.
func TestSurgeGoesToWhoeverGetsOn(t *testing.T) {
	m := newMove(t, 1, map[string]int32{"m2": 3, "m3": 3})
	timeout := m.options.Timeout
	m.hold(0)
	m.turn()
	m.hold(6)
	for _, step := range []struct {
		name, want string
		held       int32
		ready      map[string]int32
		after      time.Duration
		again      time.Duration
	}{
		{"m2 is first", "m1:6 m2:1", 6, nil, 0, timeout},
		{"it may take its time", "m1:6 m2:1", 6, nil, timeout - time.Second, time.Second},
		{"then it is the turn of m3", "m1:6 m2:0 m3:1", 6, nil, time.Second, timeout},
		{"for twice as long", "m1:6 m2:1 m3:0", 6, nil, timeout, 2 * timeout},
		{"and again", "m1:6 m2:0 m3:1", 6, nil, 2 * timeout, 4 * timeout},
		{"which brings one up", "m1:5 m2:0 m3:2", 5, map[string]int32{"m2": 0, "m3": 1}, 0, timeout},
		{"and another", "m1:4 m2:0 m3:3", 4, map[string]int32{"m2": 0, "m3": 2}, 0, timeout},
		{"m3 has its part", "m1:3 m2:1 m3:3", 3, map[string]int32{"m2": 0, "m3": 3}, 0, timeout},
		{"nobody else wants it", "m1:3 m2:1 m3:3", 3, map[string]int32{"m2": 0, "m3": 3}, timeout, timeout},
	} {
		m.now = m.now.Add(step.after)
		if step.held != m.held {
			m.hold(step.held)
		}
		m.report(step.ready)
		if again := m.turn().RequeueAfter; again != step.again {
			t.Errorf("%s: again in %s, want %s", step.name, again, step.again)
		}
		m.expect(step.name, step.want)
	}
}

// TestNewWorkKeepsItsReplicas: what has yet to be reported of a Work that was made just now is not taken for missing.
func TestNewWorkKeepsItsReplicas(t *testing.T) {
	m := newMove(t, 1, map[string]int32{"m2": 3, "m3": 3})
	start := m.now
	m.now = start.Add(-m.options.Timeout * 3 / 2)
	m.hold(6)
	m.now = start
	m.turn()
	m.expect("the turn of m3", "m1:6 m3:1")
	m.now = start.Add(m.options.Timeout / 2)
	m.turn()
	m.expect("the turn of m2, but m3 is new", "m1:6 m3:1")
	m.report(map[string]int32{"m3": 0})
	m.turn()
	m.expect("m3 reports", "m1:6 m2:1 m3:0")
}

// move is a binding of a Deployment that leaves m1 for others, without anything that applies its Works.
type move struct {
	*byhand.Plane
	t       *testing.T
	options eviction.Options
	now     time.Time
	made    *workv1alpha2.ResourceBinding
	after   []workv1alpha2.TargetCluster
	held    int32
}

func newMove(t *testing.T, surge int32, after map[string]int32) *move {
	t.Helper()
	options := eviction.Defaults()
	options.Surge = intstr.FromInt32(surge)
	m := &move{Plane: byhand.New(t, New(options, 1)), t: t, options: options}
	m.now = m.Clock.Now()
	for _, name := range []string{"m1", "m2", "m3"} {
		m.Create(&clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: clusterv1alpha1.ClusterSpec{SyncMode: clusterv1alpha1.Push}})
		m.Create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: names.ExecutionSpace(name)}})
	}
	total := int32(0)
	for _, name := range slices.Sorted(maps.Keys(after)) {
		m.after = append(m.after, workv1alpha2.TargetCluster{Name: name, Replicas: after[name]})
		total += after[name]
	}
	pods := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}}}
	m.Create(&appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"},
		Spec:       appsv1.DeploymentSpec{Replicas: &total, Selector: &metav1.LabelSelector{MatchLabels: pods.Labels}, Template: pods},
	})
	m.made = &workv1alpha2.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web-deployment", Finalizers: []string{names.FinalizerResourceBinding}}}
	m.made.Spec.Resource = workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "default", Name: "web"}
	m.made.Spec.Replicas = total
	m.made.Spec.Placement = &policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided}}
	m.made.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: "m1", Replicas: total}}
	m.Create(m.made)
	m.turn()
	return m
}

// hold has m1 hold so many replicas from now on. Before the first is held the workload has not moved.
func (m *move) hold(replicas int32) {
	m.t.Helper()
	m.Read(m.made)
	if m.made.Spec.GracefulEvictionTasks != nil || replicas > 0 {
		m.made.Spec.Clusters = m.after
	}
	m.made.Spec.GracefulEvictionTasks = nil
	if replicas > 0 {
		m.made.Spec.GracefulEvictionTasks = []workv1alpha2.GracefulEvictionTask{{
			FromCluster: "m1", Producer: names.EvictionProducerScheduler, Reason: names.EvictionReasonMoved, Replicas: ptr.To(replicas),
			PurgeMode: policyv1alpha1.PurgeModeGracefully, CreationTimestamp: &metav1.Time{Time: m.now},
		}}
	}
	m.held = replicas
	m.Must(m.Store.Update(m.t.Context(), m.made))
}

func (m *move) report(ready map[string]int32) {
	m.t.Helper()
	m.Read(m.made)
	m.made.Status.AggregatedStatus = nil
	for _, name := range slices.Sorted(maps.Keys(ready)) {
		m.made.Status.AggregatedStatus = append(m.made.Status.AggregatedStatus, workv1alpha2.AggregatedStatusItem{
			ClusterName: name, Applied: true, Status: &runtime.RawExtension{Raw: fmt.Appendf(nil, `{"replicas":9,"readyReplicas":%d}`, ready[name])},
		})
	}
	m.Must(m.Store.Status().Update(m.t.Context(), m.made))
}

// turn renders, and lets go of what that deletes, for nobody else does.
func (m *move) turn() control.Result {
	m.t.Helper()
	m.Clock = testclock.NewFakePassiveClock(m.now)
	result := m.Turn(control.KeyOf(m.made))
	list := &workv1alpha1.WorkList{}
	m.Must(m.Store.List(m.t.Context(), list))
	for i := range list.Items {
		if work := &list.Items[i]; !work.DeletionTimestamp.IsZero() {
			work.Finalizers = nil
			m.Must(m.Store.Update(m.t.Context(), work))
		}
	}
	return result
}

func (m *move) expect(when, want string) {
	m.t.Helper()
	if got := rendered(m.t, m.Plane); got != want {
		m.t.Errorf("%s: %s, want %s", when, got, want)
	}
}
