package eviction

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

func held(cluster string, replicas int32) workv1alpha2.GracefulEvictionTask {
	return workv1alpha2.GracefulEvictionTask{
		FromCluster: cluster, Producer: names.EvictionProducerScheduler, Replicas: &replicas, CreationTimestamp: &metav1.Time{Time: began},
	}
}

// moving is a view of a workload that is divided among the targets.
func moving(after []workv1alpha2.TargetCluster, tasks []workv1alpha2.GracefulEvictionTask, copies ...workv1alpha2.AggregatedStatusItem) *View {
	spec := &workv1alpha2.ResourceBindingSpec{
		Clusters: after, GracefulEvictionTasks: tasks,
		Placement: &policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided}},
	}
	for _, target := range after {
		spec.Replicas += target.Replicas
	}
	return &View{
		Spec: spec, Decided: true, Copies: copies, Now: began,
		Seen: func(string) bool { return true }, Gone: func(string) bool { return false }, Least: func() int64 { return int64(spec.Replicas) },
	}
}

func TestStep(t *testing.T) {
	type tasks = []workv1alpha2.GracefulEvictionTask
	type copies = []workv1alpha2.AggregatedStatusItem
	for _, c := range []struct {
		name   string
		after  []workv1alpha2.TargetCluster
		tasks  tasks
		copies copies
		passed time.Duration
		least  int64
		unseen string
		// asked are the replicas of the binding; 0 for those of its targets.
		asked int32
		want  string
		next  time.Duration
	}{
		{name: "nothing is ready there", after: targets("m2", 4), tasks: tasks{held("m1", 4)}, copies: copies{reports("m1", healthy, 4, 4)}, want: "m1 x4", next: 5 * time.Minute},
		{
			name: "some are", after: targets("m2", 4), tasks: tasks{held("m1", 4)},
			copies: copies{reports("m1", healthy, 4, 4), reports("m2", unhealthy, 4, 3)}, want: "m1 x1", next: 5 * time.Minute,
		},
		{
			name: "the last one goes with its task", after: targets("m2", 4), tasks: tasks{held("m1", 4)},
			copies: copies{reports("m1", healthy, 4, 4), reports("m2", unhealthy, 4, 4)}, want: "m1 x1", next: 5 * time.Minute,
		},
		{
			name: "what cannot be seen is not ready", after: targets("m2", 4), tasks: tasks{held("m1", 4)}, unseen: "m2",
			copies: copies{reports("m1", healthy, 4, 4), reports("m2", unhealthy, 4, 3)}, want: "m1 x4", next: 5 * time.Minute,
		},
		{
			name: "a target that shrinks", after: targets("m1", 2, "m2", 4), tasks: tasks{held("m1", 6)},
			copies: copies{reports("m1", healthy, 6, 6), reports("m2", unhealthy, 4, 1)}, want: "m1 x5", next: 5 * time.Minute,
		},
		{
			name: "what is not ready goes first", after: targets("m3", 6), tasks: tasks{held("m1", 3), held("m2", 3)},
			copies: copies{reports("m1", healthy, 3, 3), reports("m2", unhealthy, 3, 1), reports("m3", unhealthy, 6, 2)}, want: "m1 x3 m2 x1", next: 5 * time.Minute,
		},
		{
			name: "more wait than are ready", after: targets("m2", 4), tasks: tasks{held("m1", 2)},
			copies: copies{reports("m1", unhealthy, 4, 2), reports("m2", unhealthy, 4, 1)}, want: "m1 x2", next: 5 * time.Minute,
		},
		{
			name: "no room: down to the floor", after: targets("m2", 4), tasks: tasks{held("m1", 4)}, passed: 5 * time.Minute, least: 3,
			copies: copies{reports("m1", healthy, 4, 4)}, want: "m1 x3",
		},
		{
			name: "no room: not below it", after: targets("m2", 4), tasks: tasks{held("m1", 3)}, passed: time.Hour, least: 3,
			copies: copies{reports("m1", healthy, 3, 3)}, want: "m1 x3",
		},
		{
			name: "a target has left the fleet", after: targets("m2", 4), tasks: tasks{held("m1", 2)}, asked: 8,
			copies: copies{reports("m1", healthy, 2, 2), reports("m2", healthy, 4, 4)}, want: "m1 x2", next: 5 * time.Minute,
		},
		{
			name: "a target has left the fleet: down to the floor", after: targets("m2", 4), tasks: tasks{held("m1", 4)}, asked: 8, passed: time.Hour, least: 6,
			copies: copies{reports("m1", healthy, 4, 4), reports("m2", healthy, 4, 4)}, want: "m1 x2",
		},
		{
			name: "an eviction is no move", after: targets("m2", 4), tasks: tasks{byTaint("m1")},
			copies: copies{reports("m2", unhealthy, 4, 3)}, want: "m1 x0",
		},
		{
			name: "a report that may count what is gone", after: targets("m3", 11), tasks: tasks{held("m3", 3), held("m4", 8)},
			copies: copies{reports("m3", healthy, 9, 9), reports("m4", healthy, 8, 8)}, want: "m3 x3 m4 x8", next: 5 * time.Minute,
		},
	} {
		options := Defaults()
		view := moving(c.after, c.tasks, c.copies...)
		view.Now, view.Seen = began.Add(c.passed), func(cluster string) bool { return cluster != c.unseen }
		if c.least > 0 {
			view.Least = func() int64 { return c.least }
		}
		if c.asked > 0 {
			view.Spec.Replicas = c.asked
		}
		kept := (&workv1alpha2.ResourceBindingSpec{GracefulEvictionTasks: c.tasks}).DeepCopy().GracefulEvictionTasks
		before := tasksOf(kept)
		stepped, next := options.Step(kept, view)
		if got := tasksOf(kept); got != c.want || next != c.next || stepped != (got != before) {
			t.Errorf("%s: %s, stepped %t, next %s; want %s, next %s", c.name, got, stepped, next, c.want, c.next)
		}
		options.Reference = true
		if stepped, next := options.Step(kept, view); stepped || next != 0 {
			t.Errorf("%s: the reference takes steps", c.name)
		}
	}
}

func tasksOf(tasks []workv1alpha2.GracefulEvictionTask) string {
	return strings.TrimPrefix(describe(&workv1alpha2.ResourceBindingSpec{GracefulEvictionTasks: tasks}), "| ")
}

// TestStepsKeepWhatIsReady plays random moves: clusters follow what they are granted within a surge, new replicas become ready one by
// one within minutes, or never in clusters that are full. At no time are fewer ready than the floor says; when there is room, not fewer than
// before. Clusters with room get all that is meant for them, whatever waits for the others.
func TestStepsKeepWhatIsReady(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		clusters, total := 2+random.IntN(4), 1+random.IntN(20)
		split := func() []workv1alpha2.TargetCluster {
			counts, list := make([]int, clusters), []workv1alpha2.TargetCluster(nil)
			for range total {
				counts[random.IntN(clusters)]++
			}
			for i, count := range counts {
				if count > 0 {
					list = append(list, targets(fmt.Sprint("m", i), count)...)
				}
			}
			return list
		}
		m := &march{before: split(), after: split(), random: random, least: int64(1 + random.IntN(total)), full: map[string]bool{}}
		if random.IntN(2) == 0 {
			m.least = int64(total)
		}
		for i := range clusters {
			m.full[fmt.Sprint("m", i)] = random.IntN(3) == 0 && seed%2 == 0
		}
		if lowest, done := m.play(total); int64(lowest) < m.least || seed%2 == 1 && lowest < total || !done {
			t.Fatalf("seed %d: from %v to %v, full %v, floor %d: down to %d, done %t", seed, m.before, m.after, m.full, m.least, lowest, done)
		}
	}
}

// march is a move of a workload. In full clusters nothing new becomes ready.
type march struct {
	before, after []workv1alpha2.TargetCluster
	random        *rand.Rand
	least         int64
	full          map[string]bool
}

// play tells how few replicas were ready at a time, and whether all are in the end that can be.
func (m *march) play(total int) (lowest int, done bool) {
	options, now := Defaults(), began
	spec := &workv1alpha2.ResourceBindingSpec{Clusters: m.before}
	running, ready := map[string]int32{}, map[string]int32{}
	for _, target := range m.before {
		running[target.Name], ready[target.Name] = target.Replicas, target.Replicas
	}
	copies := func() (list []workv1alpha2.AggregatedStatusItem) {
		for cluster := range running {
			list = append(list, reports(cluster, healthy, int(running[cluster]), int(ready[cluster])))
		}
		return list
	}
	view := moving(m.after, Hold(spec, m.after, copies(), func(string) bool { return true }, metav1.Time{Time: now}))
	view.Least = func() int64 { return m.least }
	lowest = total
	surge := 1 + m.random.IntN(3)
	for minute := range 2500 {
		granted := Granted(view.Spec)
		if Holding(view.Spec) {
			granted, _ = options.Within(view.Spec, func(cluster string) Standing {
				return Standing{Replicas: running[cluster], Ready: ready[cluster], Idle: running[cluster] - ready[cluster]}
			}, int32(total+surge), now)
		}
		wanted := map[string]int32{}
		for _, target := range granted {
			wanted[target.Name] = target.Replicas
		}
		sum := int32(0)
		for i := range 6 {
			cluster := fmt.Sprint("m", i)
			running[cluster] = wanted[cluster]
			ready[cluster] = min(ready[cluster], running[cluster])
			if starting := int(running[cluster] - ready[cluster]); !m.full[cluster] && starting > 0 {
				ready[cluster] += int32(min(m.random.IntN(starting+1)+minute%2, starting))
			}
			sum += ready[cluster]
		}
		lowest = min(lowest, int(sum))
		now = now.Add(time.Minute)
		view.Copies, view.Now = copies(), now
		if options.allHealthy(view) {
			view.Spec.GracefulEvictionTasks = nil
		}
		options.Step(view.Spec.GracefulEvictionTasks, view)
		if len(view.Spec.GracefulEvictionTasks) == 0 {
			return lowest, true
		}
	}
	return lowest, !slices.ContainsFunc(m.after, func(target workv1alpha2.TargetCluster) bool {
		return !m.full[target.Name] && ready[target.Name] < target.Replicas
	})
}

func TestBeyond(t *testing.T) {
	deployment := func(surge *intstr.IntOrString) *unstructured.Unstructured {
		object := &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Strategy: appsv1.DeploymentStrategy{RollingUpdate: &appsv1.RollingUpdateDeployment{MaxSurge: surge}}}}
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			t.Fatal(err)
		}
		template := &unstructured.Unstructured{Object: content}
		template.SetKind("Deployment")
		return template
	}
	set := &unstructured.Unstructured{Object: map[string]any{"kind": "StatefulSet"}}
	for name, c := range map[string]struct {
		template *unstructured.Unstructured
		surge    intstr.IntOrString
		want     int32
	}{
		"a quarter, rounded up":     {deployment(nil), intstr.IntOrString{}, 3},
		"its own part":              {deployment(ptr.To(intstr.FromString("50%"))), intstr.IntOrString{}, 5},
		"its own number":            {deployment(ptr.To(intstr.FromInt32(7))), intstr.IntOrString{}, 7},
		"one at least":              {deployment(ptr.To(intstr.FromInt32(0))), intstr.IntOrString{}, 1},
		"another kind":              {set, intstr.IntOrString{}, 1},
		"the installation says":     {deployment(nil), intstr.FromString("10%"), 1},
		"the installation says 6":   {set, intstr.FromInt32(6), 6},
		"what nobody can read is 1": {deployment(ptr.To(intstr.FromString("many"))), intstr.IntOrString{}, 1},
	} {
		options := Options{Surge: c.surge}
		if got := options.Beyond(c.template, 10); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestSettled(t *testing.T) {
	options := Defaults()
	for name, c := range map[string]struct {
		change func(*View)
		want   bool
	}{
		"healthy":        {func(*View) {}, true},
		"undecided":      {func(v *View) { v.Decided = false }, false},
		"held elsewhere": {func(v *View) { v.Spec.GracefulEvictionTasks = []workv1alpha2.GracefulEvictionTask{held("m2", 1)} }, false},
		"not all ready":  {func(v *View) { v.Copies = []workv1alpha2.AggregatedStatusItem{reports("m1", healthy, 4, 3)} }, false},
	} {
		view := moving(targets("m1", 4), nil, reports("m1", healthy, 4, 4))
		c.change(view)
		if got := options.Settled(view); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
