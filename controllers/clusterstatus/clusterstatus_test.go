package clusterstatus

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fieldpatch"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/simulator"
)

func resources(cpu, memory, pods string) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory), corev1.ResourcePods: resource.MustParse(pods),
	}
}

func node(name string, ready bool, allocatable corev1.ResourceList) corev1.Node {
	made := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.NodeStatus{Allocatable: allocatable}}
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	made.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeMemoryPressure, Status: corev1.ConditionTrue}, {Type: corev1.NodeReady, Status: status}}
	return made
}

func pod(node string, phase corev1.PodPhase, cpu string) corev1.Pod {
	return corev1.Pod{
		Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}},
		}}},
		Status: corev1.PodStatus{Phase: phase},
	}
}

func TestSummaries(t *testing.T) {
	nodes := []corev1.Node{node("a", true, resources("4", "8Gi", "10")), node("b", false, resources("2", "4Gi", "5"))}
	if got := summariseNodes(nodes); got.TotalNum != 2 || got.ReadyNum != 1 {
		t.Errorf("nodes: %+v, want 1 of 2 ready", got)
	}
	summary := summariseResources(nodes, []corev1.Pod{
		pod("a", corev1.PodRunning, "500m"), pod("b", corev1.PodPending, "1"), pod("", corev1.PodPending, "2"),
		pod("a", corev1.PodSucceeded, "100"), pod("a", corev1.PodFailed, "100"),
	})
	for _, c := range []struct {
		what           string
		list           corev1.ResourceList
		cpu, mem, pods string
	}{
		{"allocatable", summary.Allocatable, "6", "12Gi", "15"},
		{"allocated", summary.Allocated, "1500m", "0", "2"},
		{"allocating", summary.Allocating, "2", "0", "1"},
	} {
		for name, want := range resources(c.cpu, c.mem, c.pods) {
			if got := c.list[name]; got.Cmp(want) != 0 {
				t.Errorf("%s %s: %s, want %s", c.what, name, got.String(), want.String())
			}
		}
	}
}

func model(grade uint, cpuMin, cpuMax, memoryMin, memoryMax string) clusterv1alpha1.ResourceModel {
	return clusterv1alpha1.ResourceModel{Grade: grade, Ranges: []clusterv1alpha1.ResourceModelRange{
		{Name: corev1.ResourceCPU, Min: resource.MustParse(cpuMin), Max: resource.MustParse(cpuMax)},
		{Name: corev1.ResourceMemory, Min: resource.MustParse(memoryMin), Max: resource.MustParse(memoryMax)},
	}}
}

func TestGrades(t *testing.T) {
	models := []clusterv1alpha1.ResourceModel{
		model(0, "0", "1", "0", "4Gi"), model(1, "1", "2", "4Gi", "16Gi"), model(2, "2", "9223372036854775807", "16Gi", "9223372036854775807"),
	}
	for _, c := range []struct {
		name  string
		nodes []corev1.Node
		pods  []corev1.Pod
		want  []int
	}{
		{"no nodes", nil, nil, []int{0, 0, 0}},
		{"the lower bound belongs to a grade", []corev1.Node{node("a", true, resources("2", "16Gi", "1"))}, nil, []int{0, 0, 1}},
		{"the scarcest resource decides", []corev1.Node{node("a", true, resources("8", "5Gi", "1"))}, nil, []int{0, 1, 0}},
		{"what pods hold is not free", []corev1.Node{node("a", true, resources("2", "16Gi", "9"))}, []corev1.Pod{pod("a", corev1.PodRunning, "1500m")}, []int{1, 0, 0}},
		{"finished pods hold nothing", []corev1.Node{node("a", true, resources("2", "16Gi", "9"))}, []corev1.Pod{pod("a", corev1.PodFailed, "1500m")}, []int{0, 0, 1}},
		{"more held than there is", []corev1.Node{node("a", true, resources("2", "16Gi", "9"))}, []corev1.Pod{pod("a", corev1.PodRunning, "5")}, []int{1, 0, 0}},
		{"no room for a pod", []corev1.Node{node("a", true, resources("8", "64Gi", "1"))}, []corev1.Pod{pod("a", corev1.PodRunning, "1m")}, []int{0, 0, 0}},
	} {
		counts := countGrades(models, c.nodes, c.pods)
		for i, count := range counts {
			if int(count.Grade) != i || count.Count != c.want[i] {
				t.Errorf("%s: grade %d has %d nodes, want %d", c.name, count.Grade, count.Count, c.want[i])
			}
		}
	}
	if counts := countGrades(nil, []corev1.Node{node("a", true, resources("1", "1", "1"))}, nil); counts != nil {
		t.Errorf("without models: %v", counts)
	}
}

// TestThresholds follows the readiness that is written while a cluster fails and recovers.
func TestThresholds(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	clock := clocktesting.NewFakePassiveClock(start)
	collector := &collector{options: Options{FailureThreshold: 30 * time.Second, SuccessThreshold: 20 * time.Second}, pending: map[string]observation{}}
	status := &clusterv1alpha1.ClusterStatus{}
	up, silent, sick := names.ReasonClusterReady, names.ReasonClusterNotReachable, names.ReasonClusterNotReady
	for _, step := range []struct {
		second         int
		observed, want string
		waits          bool
	}{
		{0, up, up, false},
		{10, silent, up, true},
		{39, silent, up, true},
		{40, silent, silent, false},
		{41, sick, sick, false},
		{50, up, sick, true},
		{60, silent, silent, false},
		{65, up, silent, true},
		{84, up, silent, true},
		{85, up, up, false},
		{90, silent, up, true},
		{100, up, up, false},
		{110, silent, up, true},
		{130, sick, up, true},
		{140, sick, sick, false},
	} {
		clock.SetTime(start.Add(time.Duration(step.second) * time.Second))
		err := collector.setReady("m1", status, readiness(step.observed, ""), control.Deps{Clock: clock})
		written := meta.FindStatusCondition(status.Conditions, names.ConditionClusterReady)
		if written == nil || written.Reason != step.want || errors.Is(err, errThreshold) != step.waits {
			t.Fatalf("after %d s and %s: %+v, error %v; want %s, waiting: %t", step.second, step.observed, written, err, step.want, step.waits)
		}
	}
}

func TestFirstObservationCounts(t *testing.T) {
	collector := &collector{options: Defaults(), pending: map[string]observation{}}
	status := &clusterv1alpha1.ClusterStatus{}
	deps := control.Deps{Clock: clocktesting.NewFakePassiveClock(time.Unix(0, 0))}
	if err := collector.setReady("m1", status, readiness(names.ReasonClusterNotReachable, "no route"), deps); err != nil {
		t.Fatal(err)
	}
	if !meta.IsStatusConditionFalse(status.Conditions, names.ConditionClusterReady) {
		t.Errorf("conditions %v", status.Conditions)
	}
}

func TestEnablements(t *testing.T) {
	api := func(group string) clusterv1alpha1.APIEnablement {
		return clusterv1alpha1.APIEnablement{GroupVersion: group}
	}
	for _, c := range []struct {
		name      string
		before    []clusterv1alpha1.APIEnablement
		found     control.Discovery
		want      int
		condition string
	}{
		{"complete", []clusterv1alpha1.APIEnablement{api("a"), api("b")}, control.Discovery{APIs: []clusterv1alpha1.APIEnablement{api("a")}, Complete: true}, 1, names.ReasonAPIEnablementsComplete},
		{"partial keeps what was known", []clusterv1alpha1.APIEnablement{api("a"), api("b")}, control.Discovery{APIs: []clusterv1alpha1.APIEnablement{api("a")}}, 2, names.ReasonAPIEnablementsPartial},
		{"partial is better than nothing", nil, control.Discovery{APIs: []clusterv1alpha1.APIEnablement{api("a")}}, 1, names.ReasonAPIEnablementsPartial},
		{"empty", nil, control.Discovery{}, 0, names.ReasonAPIEnablementsEmpty},
	} {
		status := &clusterv1alpha1.ClusterStatus{APIEnablements: c.before}
		setEnablements(status, c.found, control.Deps{Clock: clocktesting.NewFakePassiveClock(time.Unix(0, 0))})
		condition := meta.FindStatusCondition(status.Conditions, names.ConditionCompleteAPIEnablements)
		if len(status.APIEnablements) != c.want || condition.Reason != c.condition {
			t.Errorf("%s: %v, %s; want %d groups, %s", c.name, status.APIEnablements, condition.Reason, c.want, c.condition)
		}
	}
}

// TestWriteKeepsConditionsOfOthers writes a status from a view in which a detector's condition is not there yet.
func TestWriteKeepsConditionsOfOthers(t *testing.T) {
	env, err := simulator.New(t.Context(), simulator.Options{Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Checked: true})
	if err != nil {
		t.Fatal(err)
	}
	c, err := env.Client(t.Context(), fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	stale := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "m1"}, Spec: clusterv1alpha1.ClusterSpec{SyncMode: clusterv1alpha1.Push}}
	if err := c.Create(t.Context(), stale); err != nil {
		t.Fatal(err)
	}
	detected := stale.DeepCopy()
	meta.SetStatusCondition(&detected.Status.Conditions, metav1.Condition{Type: "ServiceDomainNameResolutionReady", Status: metav1.ConditionTrue, Reason: "Test"})
	if err := c.Status().Update(t.Context(), detected); err != nil {
		t.Fatal(err)
	}
	deps := control.Deps{Client: c, Clock: clocktesting.NewFakePassiveClock(time.Unix(0, 0))}
	status := stale.Status.DeepCopy()
	setCondition(status, readiness(names.ReasonClusterReady, ""), deps)
	if err := write(t.Context(), deps, stale, fieldpatch.Between(&stale.Status, status)); !control.Stale(err) {
		t.Errorf("error %v, want a stale read", err)
	}
}

// TestReturnAfterPartition loses sight of a member in which nothing changes meanwhile: that its answers are the old ones must not
// keep its readiness from being written again.
func TestReturnAfterPartition(t *testing.T) {
	env, err := simulator.New(t.Context(), simulator.Options{Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Checked: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := env.AddColumnar(t.Context(), fleet.Spec{Name: "m1", Role: fleet.Member}, simulator.Columns{}); err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(env.Run(New(Defaults())))
	must(env.Join(t.Context(), "m1"))
	plane, err := env.Client(t.Context(), fleet.ControlPlaneName)
	must(err)
	await := func(wanted metav1.ConditionStatus) {
		t.Helper()
		must(env.Await(t.Context(), 3*time.Minute, "Ready "+string(wanted), func(ctx context.Context) (bool, error) {
			cluster := &clusterv1alpha1.Cluster{}
			err := plane.Get(ctx, client.ObjectKey{Name: "m1"}, cluster)
			return meta.IsStatusConditionPresentAndEqual(cluster.Status.Conditions, names.ConditionClusterReady, wanted), err
		}))
	}
	await(metav1.ConditionTrue)
	must(env.Partition(t.Context(), "m1"))
	await(metav1.ConditionFalse)
	must(env.Heal(t.Context(), "m1"))
	await(metav1.ConditionTrue)
}

// TestJoiningIsNoFailure: who joins a cluster makes its Cluster first, which is not judged until it says how the member is reached, or
// has not said so for long.
func TestJoiningIsNoFailure(t *testing.T) {
	env, err := simulator.New(t.Context(), simulator.Options{Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Checked: true})
	if err != nil {
		t.Fatal(err)
	}
	plane, err := env.Client(t.Context(), fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	if err := env.Run(New(Defaults())); err != nil {
		t.Fatal(err)
	}
	for name, endpoint := range map[string]string{"begun": "", "gone": "https://gone.example.com"} {
		cluster := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: clusterv1alpha1.ClusterSpec{SyncMode: clusterv1alpha1.Push, APIEndpoint: endpoint}}
		if err := plane.Create(t.Context(), cluster); err != nil {
			t.Fatal(err)
		}
	}
	judged := func(name string) bool {
		cluster := &clusterv1alpha1.Cluster{}
		if err := plane.Get(t.Context(), client.ObjectKey{Name: name}, cluster); err != nil {
			t.Fatal(err)
		}
		return meta.IsStatusConditionFalse(cluster.Status.Conditions, names.ConditionClusterReady)
	}
	end := env.Now().Add(25 * time.Second)
	passed := func(context.Context) (bool, error) { return !env.Now().Before(end), nil }
	if err := env.Await(t.Context(), time.Minute, "time to pass", passed); err != nil || judged("begun") || !judged("gone") {
		t.Errorf("%v; judged begun %t, gone %t", err, judged("begun"), judged("gone"))
	}
	if err := env.Await(t.Context(), 10*time.Second, "judgement", func(context.Context) (bool, error) { return judged("begun"), nil }); err != nil {
		t.Error(err)
	}
}
