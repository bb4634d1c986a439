package eviction

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// describe reads "m1:2 m2:3 | m1 x2".
func describe(spec *workv1alpha2.ResourceBindingSpec) string {
	var parts []string
	for _, target := range spec.Clusters {
		parts = append(parts, fmt.Sprintf("%s:%d", target.Name, target.Replicas))
	}
	parts = append(parts, "|")
	for _, task := range spec.GracefulEvictionTasks {
		parts = append(parts, fmt.Sprintf("%s x%d", task.FromCluster, ptr.Deref(task.Replicas, 0)))
	}
	return strings.Join(parts, " ")
}

func byTaint(cluster string) workv1alpha2.GracefulEvictionTask {
	return workv1alpha2.GracefulEvictionTask{FromCluster: cluster, Producer: names.EvictionProducerTaint, PurgeMode: policyv1alpha1.PurgeModeGracefully}
}

func TestLeaveAndWithdraw(t *testing.T) {
	moved := workv1alpha2.GracefulEvictionTask{FromCluster: "m1", Producer: names.EvictionProducerScheduler, Replicas: ptr.To(int32(9))}
	for _, c := range []struct {
		name    string
		tasks   []workv1alpha2.GracefulEvictionTask
		cluster string
		waits   bool
		left    bool
		want    string
		// kept is what Withdraw leaves when nothing calls for an eviction any more.
		kept string
	}{
		{"waits", nil, "m1", true, true, "m1:2 m2:3 | m1 x2", "m1:2 m2:3 |"},
		{"waits for nothing", nil, "m1", false, true, "m2:3 | m1 x2", "m2:3 | m1 x2"},
		{"is no target", nil, "m3", true, false, "m1:2 m2:3 |", "m1:2 m2:3 |"},
		{"leaves already", []workv1alpha2.GracefulEvictionTask{byTaint("m1")}, "m1", true, false, "m1:2 m2:3 | m1 x0", "m1:2 m2:3 |"},
		{"need not wait any more", []workv1alpha2.GracefulEvictionTask{byTaint("m1")}, "m1", false, true, "m2:3 | m1 x0", "m2:3 | m1 x0"},
		{"was only held", []workv1alpha2.GracefulEvictionTask{moved}, "m1", true, true, "m1:2 m2:3 | m1 x2", "m1:2 m2:3 |"},
	} {
		spec := &workv1alpha2.ResourceBindingSpec{Clusters: targets("m1", 2, "m2", 3), GracefulEvictionTasks: c.tasks}
		clusters, tasks := slices.Clone(spec.Clusters), slices.Clone(spec.GracefulEvictionTasks)
		before := &workv1alpha2.ResourceBindingSpec{Clusters: spec.Clusters, GracefulEvictionTasks: spec.GracefulEvictionTasks}
		if left := Leave(spec, byTaint(c.cluster), c.waits); left != c.left || describe(spec) != c.want {
			t.Errorf("%s: changed %t, %s; want %t, %s", c.name, left, describe(spec), c.left, c.want)
		}
		if describe(before) != describe(&workv1alpha2.ResourceBindingSpec{Clusters: clusters, GracefulEvictionTasks: tasks}) {
			t.Errorf("%s: the lists of the binding were written to", c.name)
		}
		if c.waits && c.left && !AnyWaiting(spec) {
			t.Errorf("%s: nothing waits", c.name)
		}
		Withdraw(spec, names.EvictionProducerBinding, func(string) bool { return false })
		if describe(spec) != c.want {
			t.Errorf("%s: another's task was withdrawn", c.name)
		}
		Withdraw(spec, names.EvictionProducerTaint, func(string) bool { return true })
		if describe(spec) != c.want {
			t.Errorf("%s: a task that stands was withdrawn", c.name)
		}
		Withdraw(spec, names.EvictionProducerTaint, func(string) bool { return false })
		if describe(spec) != c.kept {
			t.Errorf("%s: withdrawn to %s, want %s", c.name, describe(spec), c.kept)
		}
	}
}

// TestWithdrawWhenNothingIsLeft: a replacement that is gone in its turn is no reason to stay away, nor to take away what serves. What
// is still called for stays.
func TestWithdrawWhenNothingIsLeft(t *testing.T) {
	serving, elsewhere := byTaint("m1"), byTaint("m2")
	serving.Replicas = ptr.To(int32(2))
	spec := &workv1alpha2.ResourceBindingSpec{GracefulEvictionTasks: []workv1alpha2.GracefulEvictionTask{serving, elsewhere}}
	kept := Withdraw(spec, names.EvictionProducerTaint, func(cluster string) bool { return cluster == "m2" })
	if got, want := describe(spec), "| m2 x0 m1 x2"; got != want || len(kept) != 1 || !Holds(&spec.GracefulEvictionTasks[1]) {
		t.Errorf("kept %v, %s; want %s", kept, got, want)
	}
}

func TestHold(t *testing.T) {
	type copies = []workv1alpha2.AggregatedStatusItem
	all := copies{reports("m1", healthy, 4, 4)}
	both := copies{reports("m1", healthy, 4, 4), reports("m2", healthy, 4, 4)}
	for _, c := range []struct {
		name   string
		before []workv1alpha2.TargetCluster
		after  []workv1alpha2.TargetCluster
		copies copies
		tasks  []workv1alpha2.GracefulEvictionTask
		gone   string
		want   string
	}{
		{name: "a move", before: targets("m1", 4), after: targets("m2", 4), copies: all, want: "m1 x4"},
		{name: "part of a cluster", before: targets("m1", 4, "m2", 4), after: targets("m1", 1, "m2", 7), copies: both, want: "m1 x4"},
		{name: "no more than others grow", before: targets("m1", 4, "m2", 4), after: targets("m2", 2, "m3", 3), copies: both, want: "m1 x3"},
		{name: "from several", before: targets("m1", 4, "m2", 4), after: targets("m3", 8), copies: both, want: "m1 x4 m2 x4"},
		{name: "scaling down", before: targets("m1", 4, "m2", 4), after: targets("m1", 2, "m2", 2), copies: both},
		{name: "scaling up", before: targets("m1", 4), after: targets("m1", 4, "m2", 4), copies: all},
		{name: "what is not ready", before: targets("m1", 4), after: targets("m2", 4), copies: copies{reports("m1", unhealthy, 4, 1)}, want: "m1 x1"},
		{name: "what never reported", before: targets("m1", 4), after: targets("m2", 4)},
		{name: "what leaves the fleet", before: targets("m1", 4), after: targets("m2", 4), copies: all, gone: "m1"},
		{name: "what is evicted", before: targets("m1", 4), after: targets("m2", 4), copies: all, tasks: []workv1alpha2.GracefulEvictionTask{byTaint("m1")}, want: "m1 x0"},
		{name: "nothing fits any more", before: targets("m1", 4), copies: all},
		{
			name: "what is held for longer", before: targets("m1", 2, "m2", 4), after: targets("m2", 6), copies: both,
			tasks: []workv1alpha2.GracefulEvictionTask{{FromCluster: "m1", Producer: names.EvictionProducerScheduler, Replicas: ptr.To(int32(4))}}, want: "m1 x4",
		},
		{
			name: "more than is held", before: targets("m1", 4), after: targets("m2", 4), copies: all,
			tasks: []workv1alpha2.GracefulEvictionTask{{FromCluster: "m1", Producer: names.EvictionProducerScheduler, Replicas: ptr.To(int32(1))}}, want: "m1 x4",
		},
		{name: "a report of what is gone", before: targets("m1", 4), after: targets("m2", 4), copies: both, want: "m1 x4 m2 x0"},
		{
			name: "a report of what is gone in part", before: targets("m1", 4), after: targets("m1", 1, "m2", 4), copies: both,
			tasks: []workv1alpha2.GracefulEvictionTask{{FromCluster: "m2", Producer: names.EvictionProducerScheduler, Replicas: ptr.To(int32(3))}}, want: "m2 x3 m1 x4",
		},
		{
			name: "what may be gone is held twice", before: targets("m1", 4, "m2", 4), after: targets("m3", 4), copies: both,
			tasks: []workv1alpha2.GracefulEvictionTask{{FromCluster: "m1", Producer: names.EvictionProducerScheduler, Replicas: ptr.To(int32(1))}}, want: "m1 x4 m2 x3",
		},
	} {
		spec := &workv1alpha2.ResourceBindingSpec{Clusters: c.before, GracefulEvictionTasks: c.tasks}
		tasks := Hold(spec, c.after, c.copies, func(cluster string) bool { return cluster != c.gone }, metav1.Time{Time: began})
		got := strings.TrimPrefix(strings.TrimPrefix(describe(&workv1alpha2.ResourceBindingSpec{GracefulEvictionTasks: tasks}), "|"), " ")
		if got != c.want {
			t.Errorf("%s: holds %q, want %q", c.name, got, c.want)
		}
		spec.GracefulEvictionTasks = tasks
		if again := Hold(spec, c.after, c.copies, func(cluster string) bool { return cluster != c.gone }, metav1.Time{Time: began.Add(time.Hour)}); !reflect.DeepEqual(again, tasks) {
			t.Errorf("%s: decided on once more it holds %v", c.name, again)
		}
		after := &workv1alpha2.ResourceBindingSpec{Clusters: c.after, GracefulEvictionTasks: WithoutWaiting(&workv1alpha2.ResourceBindingSpec{Clusters: c.after, GracefulEvictionTasks: tasks})}
		for _, target := range c.after {
			held := HeldReplicas(after, target)
			if task := slices.IndexFunc(tasks, func(t workv1alpha2.GracefulEvictionTask) bool { return t.FromCluster == target.Name }); held < target.Replicas ||
				task < 0 && held != target.Replicas || task >= 0 && held != max(target.Replicas, *tasks[task].Replicas) {
				t.Errorf("%s: %s has %d replicas for now", c.name, target.Name, held)
			}
		}
	}
}

// TestHoldWhatDoesNotCount: a kind with replicas that does not report how many are ready is held while its copy is well, or applied where nobody
// judges it.
func TestHoldWhatDoesNotCount(t *testing.T) {
	running := func(health workv1alpha2.ResourceHealth, status string) []workv1alpha2.AggregatedStatusItem {
		item := workv1alpha2.AggregatedStatusItem{ClusterName: "m1", Applied: true, Health: health}
		if status != "" {
			item.Status = &runtime.RawExtension{Raw: []byte(status)}
		}
		return []workv1alpha2.AggregatedStatusItem{item}
	}
	for _, c := range []struct {
		name, kind    string
		before, after []workv1alpha2.TargetCluster
		copies        []workv1alpha2.AggregatedStatusItem
		want          string
	}{
		{"a Pod that is well", "v1", targets("m1", 1), targets("m2", 1), running(healthy, `{"phase":"Running"}`), "m1 x1"},
		{"a Pod that is not", "v1", targets("m1", 1), targets("m2", 1), running(unhealthy, `{"phase":"Pending"}`), ""},
		{"part of it", "ray.io/v1", targets("m1", 4), targets("m1", 2, "m2", 2), running(healthy, `{"state":"ready"}`), "m1 x4"},
		{"fewer of it", "ray.io/v1", targets("m1", 4), targets("m1", 2), running(healthy, `{"state":"ready"}`), ""},
		{"nobody judges it", "example.com/v1", targets("m1", 4), targets("m2", 4), running(workv1alpha2.ResourceUnknown, `{}`), "m1 x4"},
		{"nobody has judged it", "example.com/v1", targets("m1", 4), targets("m2", 4), running(workv1alpha2.ResourceUnknown, ""), ""},
		{"none is ready where they count", "example.com/v1", targets("m1", 4), targets("m2", 4), running(healthy, `{"replicas":4}`), ""},
		{"a Deployment that has counted none yet", "apps/v1", targets("m1", 4), targets("m2", 4), running(healthy, `{}`), ""},
	} {
		spec := &workv1alpha2.ResourceBindingSpec{Resource: workv1alpha2.ObjectReference{APIVersion: c.kind}, Clusters: c.before}
		tasks := Hold(spec, c.after, c.copies, func(string) bool { return true }, metav1.Time{Time: began})
		if got := strings.TrimPrefix(strings.TrimPrefix(describe(&workv1alpha2.ResourceBindingSpec{GracefulEvictionTasks: tasks}), "|"), " "); got != c.want {
			t.Errorf("%s: holds %q, want %q", c.name, got, c.want)
		}
	}
}

// TestHoldWhatHasNoReplicas: a Service stays where it serves until it is where it goes.
func TestHoldWhatHasNoReplicas(t *testing.T) {
	applied := func(clusters ...string) (copies []workv1alpha2.AggregatedStatusItem) {
		for _, cluster := range clusters {
			copies = append(copies, workv1alpha2.AggregatedStatusItem{ClusterName: cluster, Applied: true, Health: workv1alpha2.ResourceUnknown})
		}
		return copies
	}
	all := applied("m1", "m2", "m3")
	for _, c := range []struct {
		name          string
		before, after []workv1alpha2.TargetCluster
		copies        []workv1alpha2.AggregatedStatusItem
		tasks         []workv1alpha2.GracefulEvictionTask
		gone          string
		want          string
	}{
		{name: "a move", before: targets("m1", 0), after: targets("m2", 0), copies: all, want: "m1"},
		{name: "one of two", before: targets("m1", 0, "m2", 0), after: targets("m2", 0, "m3", 0), copies: all, want: "m1"},
		{name: "fewer clusters", before: targets("m1", 0, "m2", 0), after: targets("m2", 0), copies: all},
		{name: "more clusters", before: targets("m1", 0), after: targets("m1", 0, "m2", 0), copies: all},
		{name: "no cluster any more", before: targets("m1", 0), copies: all},
		{name: "what was not applied", before: targets("m1", 0), after: targets("m2", 0), copies: []workv1alpha2.AggregatedStatusItem{{ClusterName: "m1"}}},
		{name: "what never reported", before: targets("m1", 0), after: targets("m2", 0)},
		{name: "what leaves the fleet", before: targets("m1", 0), after: targets("m2", 0), copies: all, gone: "m1"},
		{name: "what is evicted", before: targets("m1", 0), after: targets("m2", 0), copies: all, tasks: []workv1alpha2.GracefulEvictionTask{byTaint("m1")}, want: "m1"},
	} {
		spec := &workv1alpha2.ResourceBindingSpec{Clusters: c.before, GracefulEvictionTasks: c.tasks}
		tasks := Hold(spec, c.after, c.copies, func(cluster string) bool { return cluster != c.gone }, metav1.Time{Time: began})
		var got []string
		for i := range tasks {
			got = append(got, tasks[i].FromCluster)
			if tasks[i].Replicas != nil || len(c.tasks) == 0 && !Holds(&tasks[i]) {
				t.Errorf("%s: task %+v", c.name, tasks[i])
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: holds %q, want %q", c.name, got, c.want)
		}
	}
}
