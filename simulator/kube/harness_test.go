package kube

import (
	"container/heap"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// testLoop is a loop that tests step through.
type testLoop struct {
	now    time.Time
	seq    int
	events loopHeap
}

type loopEvent struct {
	at  time.Time
	seq int
	run func()
}

type loopHeap []loopEvent

func (h loopHeap) Len() int { return len(h) }
func (h loopHeap) Less(i, j int) bool {
	return h[i].at.Before(h[j].at) || h[i].at.Equal(h[j].at) && h[i].seq < h[j].seq
}
func (h loopHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *loopHeap) Push(x any)   { *h = append(*h, x.(loopEvent)) }
func (h *loopHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

func (l *testLoop) Now() time.Time { return l.now }
func (l *testLoop) After(delay time.Duration, run func()) {
	l.seq++
	heap.Push(&l.events, loopEvent{l.now.Add(delay), l.seq, run})
}

func (l *testLoop) step(limit time.Time) bool {
	if len(l.events) == 0 || l.events[0].at.After(limit) {
		return false
	}
	next := heap.Pop(&l.events).(loopEvent)
	l.now = next.at
	next.run()
	return true
}

// run lets time pass.
func (l *testLoop) run(d time.Duration) {
	limit := l.now.Add(d)
	for l.step(limit) {
	}
	l.now = limit
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// quick has latencies that tests can count with: one second to start, one to stop, no grain, heartbeats without phase.
func quick() Timing {
	return Timing{
		Decision: Never, Grain: Never, Heartbeat: Never, Monitor: Never,
		Pull: Latency{Delay: Never}, Start: Latency{Delay: time.Second}, Stop: Latency{Delay: time.Second}, Run: Latency{Delay: time.Minute},
		Provision: Latency{Delay: time.Minute},
	}
}

type world struct {
	*Cluster
	t    testing.TB
	loop *testLoop
	told []string
}

func newWorld(t testing.TB, options Options) *world {
	t.Helper()
	w := &world{t: t, loop: &testLoop{now: epoch}}
	if options.Timing == (Timing{}) {
		options.Timing = quick()
	}
	options.Events.Status = func(key Key) {
		s, _ := w.Status(key)
		w.told = append(w.told, fmt.Sprintf("%v %s %d/%d/%d/%d", w.loop.now.Sub(epoch), key.Name, s.Replicas, s.Updated, s.Ready, s.Available))
	}
	c, err := New(w.loop, options)
	if err != nil {
		t.Fatal(err)
	}
	w.Cluster = c
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// pool adds nodes of 4 CPUs and 16Gi.
func (w *world) pool(name string, count int, change ...func(*NodePool)) {
	w.t.Helper()
	spec := NodePool{Name: name, Count: count, Allocatable: list("4", "16Gi", "110")}
	for _, c := range change {
		c(&spec)
	}
	w.must(w.AddPool(spec))
}

func labelled(key, value string) func(*NodePool) {
	return func(p *NodePool) {
		if p.Labels == nil {
			p.Labels = map[string]string{}
		}
		p.Labels[key] = value
	}
}

func zoned(zone string) func(*NodePool) { return labelled(corev1.LabelTopologyZone, zone) }

func list(cpu, memory, pods string) corev1.ResourceList {
	return corev1.ResourceList{"cpu": resource.MustParse(cpu), "memory": resource.MustParse(memory), "pods": resource.MustParse(pods)}
}

// podTemplate requests CPUs and a quarter of the memory that belongs to them on the nodes of tests.
func podTemplate(app, cpu string) corev1.PodTemplateSpec {
	quantity := resource.MustParse(cpu)
	memory := *resource.NewQuantity(quantity.MilliValue()*(4<<30)/1000, resource.BinarySI)
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": app}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: app + ":1",
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": quantity, "memory": memory}}}}},
	}
}

func deployment(name string, replicas int32, cpu string, change ...func(*appsv1.Deployment)) *appsv1.Deployment {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, Generation: 1}}
	d.Spec.Replicas = &replicas
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
	d.Spec.Template = podTemplate(name, cpu)
	for _, c := range change {
		c(d)
	}
	return d
}

func rolling(surge, unavailable int) func(*appsv1.Deployment) {
	return func(d *appsv1.Deployment) {
		d.Spec.Strategy.RollingUpdate = &appsv1.RollingUpdateDeployment{
			MaxSurge: ptr.To(intstr.FromInt32(int32(surge))), MaxUnavailable: ptr.To(intstr.FromInt32(int32(unavailable)))}
	}
}

func withImage(name string) func(*appsv1.Deployment) {
	return func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = name }
}

func priority(p int32) func(*appsv1.Deployment) {
	return func(d *appsv1.Deployment) { d.Spec.Template.Spec.Priority = &p }
}

func key(kind, name string) Key { return Key{kind, "ns", name} }

func (w *world) expect(name string, want string) {
	w.t.Helper()
	s, ok := w.Status(key(KindDeployment, name))
	if got := fmt.Sprintf("%d/%d/%d/%d", s.Replicas, s.Updated, s.Ready, s.Available); !ok || got != want {
		w.t.Errorf("after %v %s has %s replicas/updated/ready/available, want %s", w.loop.now.Sub(epoch), name, got, want)
	}
}

// placed tells how many pods of a Deployment run where, such as "a:2 b:1".
func (w *world) placed(name string) string {
	var parts []string
	found := w.Placed(key(KindDeployment, name))
	for i := range w.pools {
		if n := found[w.pools[i].spec.Name]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s:%d", w.pools[i].spec.Name, n))
		}
	}
	return strings.Join(parts, " ")
}

// check counts everything anew and compares with the counters of the cluster.
func (w *world) check() {
	w.t.Helper()
	c := w.Cluster
	tallies := make([]tally, len(c.sets))
	used := make([]int64, len(c.used))
	onNode := make([]int32, len(c.nodes))
	var waiting, held int64
	live := 0
	for id := range c.pods {
		p := &c.pods[id]
		if p.set == none {
			continue
		}
		live++
		s := &c.sets[p.set]
		if s.pods[p.slot] != int32(id) {
			w.t.Fatalf("pod %d is not at its place in set %d", id, p.set)
		}
		before := s.tally
		c.count(p, 1)
		after := s.tally
		s.tally = before
		addTally(&tallies[p.set], after, before)
		switch {
		case p.node == none:
			waiting++
		case !p.finished():
			held++
			onNode[p.node]++
			for _, a := range s.template.requests {
				used[int(p.node)*c.stride+int(a.column)] += a.value
			}
		}
	}
	for of := range c.sets {
		if c.sets[of].template != nil && c.sets[of].tally != tallies[of] {
			w.t.Fatalf("set %d counts %+v, has %+v", of, c.sets[of].tally, tallies[of])
		}
	}
	if live != c.live || waiting != c.waiting.pods || held != c.held.pods {
		w.t.Fatalf("%d pods, %d waiting, %d on nodes; counted %d, %d, %d", live, waiting, held, c.live, c.waiting.pods, c.held.pods)
	}
	w.checkNodes(used, onNode)
	w.checkBounds()
}

func addTally(to *tally, after, before tally) {
	to.active += after.active - before.active
	to.scheduled += after.scheduled - before.scheduled
	to.ready += after.ready - before.ready
	to.available += after.available - before.available
	to.terminating += after.terminating - before.terminating
	to.serving += after.serving - before.serving
	to.succeeded += after.succeeded - before.succeeded
	to.failed += after.failed - before.failed
}

func (w *world) checkNodes(used []int64, onNode []int32) {
	w.t.Helper()
	c := w.Cluster
	known, healthy := 0, 0
	for row := range c.nodes {
		n := &c.nodes[row]
		if n.pool == none {
			continue
		}
		p := &c.pools[n.pool]
		if n.pods != onNode[row] || n.is(nodeKnown) && int64(n.pods) > p.pods {
			w.t.Fatalf("node %s has %d pods, counts %d, may have %d", c.nodeName(int32(row)), onNode[row], n.pods, p.pods)
		}
		for column := range c.stride {
			at := row*c.stride + column
			if used[at] != c.used[at] || column < len(p.capacity) && used[at] > p.capacity[column] {
				w.t.Fatalf("node %s uses %d of column %d, counts %d, has %d", c.nodeName(int32(row)), used[at], column, c.used[at], p.capacity[column])
			}
		}
		if n.is(nodeKnown) {
			known++
			if !n.is(nodeLost) {
				healthy++
			}
		}
	}
	if known != c.known || healthy != c.healthy {
		w.t.Fatalf("%d nodes, %d of them well; counted %d, %d", known, healthy, c.known, c.healthy)
	}
}

// checkBounds holds rolling Deployments to their surge, and ready pods to replicas.
func (w *world) checkBounds() {
	w.t.Helper()
	c := w.Cluster
	for id := range c.works {
		work := &c.works[id]
		d, ok := work.object.(*appsv1.Deployment)
		if !ok || !work.known || c.down() {
			continue
		}
		s := c.statusOf(work)
		if s.Ready > s.Replicas || s.Available > s.Ready || s.Updated > s.Replicas {
			w.t.Fatalf("%s: %+v", work.key, s)
		}
		surge, _ := rollingLimits(d, work.replicas)
		if d.Spec.Strategy.Type != appsv1.RecreateDeploymentStrategyType && s.Replicas > work.replicas+surge {
			w.t.Fatalf("%s has %d replicas, may have %d and a surge of %d", work.key, s.Replicas, work.replicas, surge)
		}
	}
}
