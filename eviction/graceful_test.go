package eviction

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

var began = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func reports(cluster string, health workv1alpha2.ResourceHealth, replicas, ready int) workv1alpha2.AggregatedStatusItem {
	return workv1alpha2.AggregatedStatusItem{
		ClusterName: cluster, Applied: true, Health: health,
		Status: &runtime.RawExtension{Raw: fmt.Appendf(nil, `{"replicas":%d,"readyReplicas":%d}`, replicas, ready)},
	}
}

func targets(pairs ...any) []workv1alpha2.TargetCluster {
	var list []workv1alpha2.TargetCluster
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, workv1alpha2.TargetCluster{Name: pairs[i].(string), Replicas: int32(pairs[i+1].(int))})
	}
	return list
}

// leaving is a task of a copy of two replicas in m1, ten minutes old unless a case says otherwise.
func leaving(change func(*workv1alpha2.GracefulEvictionTask)) workv1alpha2.GracefulEvictionTask {
	task := workv1alpha2.GracefulEvictionTask{
		FromCluster: "m1", PurgeMode: policyv1alpha1.PurgeModeGracefully, Replicas: ptr.To(int32(2)),
		CreationTimestamp: &metav1.Time{Time: began},
	}
	if change != nil {
		change(&task)
	}
	return task
}

const (
	healthy   = workv1alpha2.ResourceHealthy
	unhealthy = workv1alpha2.ResourceUnhealthy
)

func TestAssess(t *testing.T) {
	const timeout = 10 * time.Minute
	serving := reports("m1", healthy, 2, 2)
	grace := func(seconds int32) func(*workv1alpha2.GracefulEvictionTask) {
		return func(task *workv1alpha2.GracefulEvictionTask) { task.GracePeriodSeconds = &seconds }
	}
	suppressed := func(suppress bool) func(*workv1alpha2.GracefulEvictionTask) {
		return func(task *workv1alpha2.GracefulEvictionTask) { task.SuppressDeletion = &suppress }
	}
	undated := func(task *workv1alpha2.GracefulEvictionTask) { task.CreationTimestamp = nil }
	directly := func(task *workv1alpha2.GracefulEvictionTask) { task.PurgeMode = policyv1alpha1.PurgeModeDirectly }
	type copies = []workv1alpha2.AggregatedStatusItem
	unjudged := workv1alpha2.AggregatedStatusItem{
		ClusterName: "m2", Applied: true, Health: workv1alpha2.ResourceUnknown, Status: &runtime.RawExtension{Raw: []byte(`{"active":4}`)},
	}
	unheard := workv1alpha2.AggregatedStatusItem{ClusterName: "m2", Applied: true, Health: workv1alpha2.ResourceUnknown}
	for _, c := range []struct {
		name      string
		group     string
		task      func(*workv1alpha2.GracefulEvictionTask)
		targets   []workv1alpha2.TargetCluster
		copies    copies
		after     time.Duration
		undecided bool
		letGo     bool
		unseen    string
		gone      string
		ends      bool
		wait      time.Duration
		// reference is what the reference does, where that differs.
		reference *bool
	}{
		{name: "the replacement is healthy", targets: targets("m2", 4), copies: copies{serving, reports("m2", healthy, 4, 4)}, ends: true},
		{name: "the replacement has yet to start", targets: targets("m2", 4), copies: copies{serving}, after: time.Minute, wait: timeout - time.Minute},
		{name: "the scheduler has yet to answer", targets: targets("m2", 4), copies: copies{reports("m2", healthy, 4, 4)}, undecided: true, wait: timeout},
		{
			name: "no scheduler will answer", targets: targets("m2", 4), copies: copies{reports("m2", healthy, 4, 4)}, undecided: true, letGo: true,
			ends: true, reference: ptr.To(false),
		},
		{
			name: "the report is older than the decision", targets: targets("m2", 4), copies: copies{serving, reports("m2", healthy, 2, 2)},
			wait: timeout, reference: ptr.To(true),
		},
		{
			name: "the replacement cannot be seen", targets: targets("m2", 4), copies: copies{serving, reports("m2", healthy, 4, 4)}, unseen: "m2",
			wait: timeout, reference: ptr.To(true),
		},
		{name: "one of two is not healthy", targets: targets("m2", 2, "m3", 2), copies: copies{reports("m2", healthy, 2, 2), reports("m3", unhealthy, 2, 0)}, wait: timeout},
		{
			name: "one of two has nothing yet, and does not count that", targets: targets("m2", 2, "m3", 2),
			copies: copies{serving, reports("m2", healthy, 2, 2), {ClusterName: "m3", Applied: true, Health: healthy, Status: &runtime.RawExtension{Raw: []byte(`{}`)}}},
			wait:   timeout, reference: ptr.To(true),
		},
		{name: "nobody can judge the replacement", targets: targets("m2", 4), copies: copies{unjudged}, ends: true, reference: ptr.To(false)},
		{name: "nobody has judged the replacement", targets: targets("m2", 4), copies: copies{unheard}, wait: timeout},
		{name: "a Job goes before its replacement comes", group: "batch/v1", targets: targets("m2", 4), copies: copies{serving}, ends: true, reference: ptr.To(false)},
		{name: "a Job stays until there is a place for it", group: "batch/v1", copies: copies{serving}, wait: timeout, reference: ptr.To(true)},
		{name: "a Job waits for that", group: "batch/v1", task: undated, targets: targets("m1", 2), copies: copies{serving}, wait: Never},
		{
			name: "that a Job left directly is known until it has begun", group: "batch/v1", task: directly, targets: targets("m2", 4), copies: copies{serving},
			after: timeout, wait: Never, reference: ptr.To(true),
		},
		{
			name: "and no longer", group: "batch/v1", task: directly, targets: targets("m2", 4), copies: copies{serving, reports("m2", healthy, 4, 4)},
			undecided: true, ends: true, reference: ptr.To(false),
		},
		{name: "no target", copies: copies{serving}, wait: timeout, reference: ptr.To(true)},

		{
			name: "the timeout spares the last copy that serves", targets: targets("m2", 4), copies: copies{serving, reports("m2", unhealthy, 4, 0)},
			after: timeout, wait: Never, reference: ptr.To(true),
		},
		{
			name: "the timeout spares it when too little would be left", targets: targets("m2", 4), copies: copies{serving, reports("m2", unhealthy, 4, 3)},
			after: timeout, wait: Never, reference: ptr.To(true),
		},
		{name: "the timeout takes a copy that is not missed", targets: targets("m2", 5), copies: copies{serving, reports("m2", unhealthy, 5, 4)}, after: timeout, ends: true},
		{name: "the timeout takes a copy that does not serve", targets: targets("m2", 4), copies: copies{reports("m1", unhealthy, 2, 0)}, after: timeout, ends: true},
		{
			name: "a copy that cannot be seen may serve", targets: targets("m2", 4), copies: copies{reports("m1", unhealthy, 2, 0)}, unseen: "m1",
			after: timeout, wait: Never, reference: ptr.To(true),
		},
		{name: "no copy was ever there", targets: targets("m2", 4), after: timeout, ends: true},

		{name: "a grace period of the user runs", task: grace(60), targets: targets("m2", 4), copies: copies{serving}, after: 30 * time.Second, wait: 30 * time.Second},
		{name: "a grace period of the user ends it", task: grace(60), targets: targets("m2", 4), copies: copies{serving}, after: time.Minute, ends: true},
		{name: "also without a replacement", task: grace(60), targets: targets("m1", 2), copies: copies{serving}, after: time.Minute, ends: true},
		{name: "what left directly is not held", task: directly, targets: targets("m2", 4), copies: copies{serving}, after: timeout, ends: true},

		{name: "deletion is suppressed", task: suppressed(true), targets: targets("m2", 4), copies: copies{reports("m2", healthy, 4, 4)}, after: time.Hour, wait: Never},
		{name: "deletion is confirmed", task: suppressed(false), targets: targets("m2", 4), ends: true, wait: Never},

		{name: "no replacement is assigned", task: undated, targets: targets("m1", 2, "m2", 2), copies: copies{serving, reports("m2", healthy, 2, 2)}, wait: Never},
		{
			name: "no timeout before a replacement is assigned", targets: targets("m1", 2), copies: copies{reports("m1", unhealthy, 2, 0)}, after: time.Hour,
			wait: Never, reference: ptr.To(true),
		},
		{name: "the cluster is no member any more", task: undated, targets: targets("m2", 4), gone: "m1", ends: true},
	} {
		for _, reference := range []bool{false, true} {
			options := Defaults()
			options.Reference = reference
			task := leaving(c.task)
			spec := &workv1alpha2.ResourceBindingSpec{Resource: workv1alpha2.ObjectReference{APIVersion: c.group, Kind: "Job"}, Replicas: 5, Clusters: c.targets, GracefulEvictionTasks: []workv1alpha2.GracefulEvictionTask{task}}
			if len(c.targets) == 1 && c.targets[0].Name == "m2" {
				spec.Replicas = c.targets[0].Replicas
			}
			view := &View{
				Spec: spec, Decided: !c.undecided, LetGo: c.letGo, Once: Once(spec, nil), Copies: c.copies, Now: began.Add(c.after),
				Seen: func(cluster string) bool { return cluster != c.unseen && cluster != c.gone },
				Gone: func(cluster string) bool { return cluster == c.gone }, Least: func() int64 { return 4 },
			}
			ends, wait := options.Assess(&task, view)
			want := c.ends
			if reference && c.reference != nil {
				want = *c.reference
			}
			if ends != want || !ends && !reference && wait != c.wait {
				t.Errorf("%s (reference: %t): ends %t after another %s, want %t after %s", c.name, reference, ends, wait, want, c.wait)
			}
		}
	}
}

func TestDates(t *testing.T) {
	options := Defaults()
	spec := &workv1alpha2.ResourceBindingSpec{Clusters: targets("m1", 2)}
	graced := func(task *workv1alpha2.GracefulEvictionTask) {
		task.CreationTimestamp, task.GracePeriodSeconds = nil, ptr.To(int32(60))
	}
	undated := func(task *workv1alpha2.GracefulEvictionTask) { task.CreationTimestamp = nil }
	for _, c := range []struct {
		name   string
		task   workv1alpha2.GracefulEvictionTask
		moved  bool
		starts bool
	}{
		{"waits for a replacement", leaving(undated), false, false},
		{"a replacement is assigned", leaving(undated), true, true},
		{"the time of a user runs from the start", leaving(graced), false, true},
		{"runs already", leaving(nil), true, false},
	} {
		spec.Clusters = targets("m1", 2)
		if c.moved {
			spec.Clusters = targets("m2", 2)
		}
		if got := options.Dates(spec, &c.task); got != c.starts {
			t.Errorf("%s: %t, want %t", c.name, got, c.starts)
		}
	}
}

// TestCountsReadyReplicas: a kind whose status tells no replicas goes by its health.
func TestCountsReadyReplicas(t *testing.T) {
	for raw, want := range map[string]struct {
		ready   int64
		counted bool
	}{
		`{"replicas":3,"readyReplicas":2}`: {2, true}, `{"replicas":3}`: {0, true}, `{"active":1,"succeeded":2}`: {0, false},
		`{}`: {0, false}, `{"readyReplicas":1}`: {1, true}, `{"replicas":"many"}`: {0, false}, `null`: {0, false},
	} {
		if !json.Valid([]byte(raw)) {
			t.Fatalf("%s is no JSON", raw)
		}
		ready, counted := readyReplicas(&workv1alpha2.AggregatedStatusItem{Status: &runtime.RawExtension{Raw: []byte(raw)}})
		if ready != want.ready || counted != want.counted {
			t.Errorf("%s: %d, %t", raw, ready, counted)
		}
	}
	if _, counted := readyReplicas(&workv1alpha2.AggregatedStatusItem{}); counted {
		t.Error("no status counts replicas")
	}
}
