package kube

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// chaos does random things to a cluster.
type chaos struct {
	*world
	random *rand.Rand
}

func newChaos(t testing.TB, seed uint64) *chaos {
	return newChaosOf(t, Options{Seed: seed})
}

func newChaosOf(t testing.TB, options Options) *chaos {
	options.Timing = Timing{Decision: time.Millisecond}
	c := &chaos{world: newWorld(t, options), random: rand.New(rand.NewPCG(options.Seed, 99))}
	c.must(c.AddPool(NodePool{Name: "main", Count: 6, Zones: []string{"a", "b"}, Allocatable: list("4", "16Gi", "8")}))
	c.pool("burst", 1, func(p *NodePool) { p.Min, p.Max = 1, 3 })
	return c
}

func (c *chaos) one(of int) bool { return c.random.IntN(of) == 0 }

// app is a Deployment with random wishes.
func (c *chaos) app() *appsv1.Deployment {
	name := fmt.Sprint("app-", c.random.IntN(6))
	d := deployment(name, int32(c.random.IntN(10)), []string{"100m", "500m", "1", "2"}[c.random.IntN(4)],
		rolling(c.random.IntN(3), c.random.IntN(3)), priority(int32(c.random.IntN(3))), withImage(fmt.Sprint("v", c.random.IntN(3))))
	if c.one(5) {
		recreating(d)
	}
	if c.one(4) {
		d.Spec.MinReadySeconds = 5
	}
	if c.one(4) {
		affinity(func(a *corev1.Affinity) {
			a.PodAntiAffinity = &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{with(name, corev1.LabelHostname)}}
		})(d)
	}
	if c.one(4) {
		spreadOver(corev1.LabelTopologyZone, 2, corev1.DoNotSchedule)(d)
		d.Spec.Template.Spec.TopologySpreadConstraints[0].LabelSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
	}
	return d
}

func (c *chaos) node() string {
	nodes := c.Nodes()
	return nodes[c.random.IntN(len(nodes))].Name
}

func (c *chaos) step() {
	switch c.random.IntN(16) {
	case 0, 1, 2, 3:
		c.must(c.Apply(c.app()))
	case 4:
		c.Delete(key(KindDeployment, fmt.Sprint("app-", c.random.IntN(6))))
	case 5:
		c.must(c.Apply(statefulSet(int32(c.random.IntN(5)), fmt.Sprint("v", c.random.IntN(2)))))
	case 6:
		agent := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "agent"}}
		agent.Spec.Template = podTemplate("agent", "50m")
		agent.Spec.Template.Spec.Containers[0].Image = fmt.Sprint("v", c.random.IntN(2))
		c.must(c.Apply(agent))
	case 7:
		j := testJob(func(s *batchv1.JobSpec) { s.TTLSecondsAfterFinished = ptr.To[int32](30) })
		j.Name = fmt.Sprint("job-", c.random.IntN(3))
		j.Spec.Template.Annotations = map[string]string{AnnotationFailRate: "0.2", AnnotationRunSeconds: "20"}
		c.Delete(Key{KindJob, "ns", j.Name})
		c.must(c.Apply(j))
	case 8:
		c.must(c.FailNode(c.node(), c.one(2)))
	case 9, 10:
		c.must(c.HealNode(c.node()))
	case 11:
		c.must(c.DrainNode(c.node()))
	case 12:
		c.must(c.Cordon(c.node(), false))
	case 13:
		if len(c.Nodes()) > 4 {
			c.must(c.RemoveNode(c.node()))
		}
	case 14:
		c.must(c.Resize("main-a", 2+c.random.IntN(3)))
	case 15:
		switch c.random.IntN(4) {
		case 0:
			c.Kill()
		case 1:
			c.Pause()
		default:
			c.Resume()
			c.Revive()
		}
	}
}

// TestInvariants counts everything anew after each of many random steps.
func TestInvariants(t *testing.T) {
	var bound, preempted, evicted, lost, added uint64
	for seed := range uint64(40) {
		c := newChaos(t, seed)
		for range 120 {
			c.step()
			c.loop.step(c.loop.now)
			c.check()
			c.loop.run(time.Duration(c.random.IntN(40000)) * time.Millisecond)
			c.check()
		}
		s := c.Stats()
		bound, preempted, evicted, lost, added = bound+s.Bound, preempted+s.Preempted, evicted+s.Evicted, lost+s.NodesLost, added+s.NodesAdded
		c.heal()
	}
	t.Logf("%d pods placed, %d preempted, %d evicted, %d nodes lost, %d added", bound, preempted, evicted, lost, added)
	if bound == 0 || preempted == 0 || evicted == 0 || lost == 0 || added == 0 {
		t.Error("something did not happen")
	}
}

// heal makes the cluster whole; then every workload gets what it wants, and nothing happens any more.
func (c *chaos) heal() {
	c.Resume()
	c.Revive()
	c.loop.run(0)
	for _, node := range c.Nodes() {
		c.must(c.HealNode(node.Name))
		c.must(c.Cordon(node.Name, false))
	}
	for _, k := range c.Workloads() {
		if k.Kind == KindDeployment {
			c.must(c.Apply(deployment(k.Name, 2, "100m")))
		}
	}
	c.must(c.Resize("main-a", 6))
	c.loop.run(2 * time.Hour)
	c.check()
	var serving int64
	for _, k := range c.Workloads() {
		s, _ := c.Status(k)
		serving += int64(s.Serving)
		if k.Kind != KindJob && (s.Ready != s.Desired || s.Updated != s.Desired || s.Serving != s.Desired || s.Replicas != s.Desired || s.Terminating > 0) {
			c.t.Errorf("%s does not settle: %+v", k, s)
		}
	}
	if all := c.Serving(); all != serving {
		c.t.Errorf("%d pods serve, and %d by the workloads", all, serving)
	}
	timers := c.Stats().Timers
	c.loop.run(24 * time.Hour)
	if more := c.Stats().Timers - timers; more > 0 {
		c.t.Errorf("a cluster at rest ran %d timers in a day", more)
	}
}

// TestBeside plays the same with turns in the loop, on another goroutine, and never begun by anybody but those who wait.
func TestBeside(t *testing.T) {
	work := make(chan func(), 100)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for next := range work {
			next()
		}
	}()
	defer func() { close(work); <-done }()
	ways := map[string]func(func()){"in the loop": nil, "aside": func(next func()) { work <- next }, "late": func(func()) {}}
	for seed := range uint64(20) {
		var first string
		for _, way := range slices.Sorted(maps.Keys(ways)) {
			c := newChaosOf(t, Options{Seed: seed, Lag: 70 * time.Millisecond, Beside: ways[way]})
			for range 60 {
				c.step()
				c.loop.run(time.Duration(c.random.IntN(30000)) * time.Millisecond)
			}
			c.heal()
			history := c.Digest() + fmt.Sprint(c.told, c.Stats())
			if first == "" {
				first = history
			}
			if history != first {
				t.Errorf("seed %d has another history with turns %s", seed, way)
			}
		}
	}
}

// TestDeterminism plays the same twice, and something else with another seed.
func TestDeterminism(t *testing.T) {
	play := func(seed uint64) (string, string) {
		c := newChaos(t, seed)
		for range 100 {
			c.step()
			c.loop.run(time.Duration(c.random.IntN(30000)) * time.Millisecond)
		}
		return c.Digest(), fmt.Sprint(c.told)
	}
	for seed := range uint64(5) {
		digest, told := play(seed)
		again, toldAgain := play(seed)
		if digest != again || told != toldAgain {
			t.Errorf("seed %d gives %s and %s", seed, digest, again)
		}
		if other, _ := play(seed + 1000); other == digest {
			t.Errorf("seeds %d and %d give the same", seed, seed+1000)
		}
	}
}

// TestRollingBounds changes the template of Deployments again and again, in the middle of roll-outs, too: at no instant are
// there more replicas than surge allows, or fewer available than demanded.
func TestRollingBounds(t *testing.T) {
	for seed := range uint64(60) {
		random := rand.New(rand.NewPCG(seed, 5))
		w := newWorld(t, Options{Seed: seed, Timing: Timing{Decision: time.Millisecond}})
		w.pool("pool", 10)
		replicas, surge, unavailable := int32(1+random.IntN(12)), random.IntN(4), random.IntN(4)
		apply := func(version int) {
			w.must(w.Apply(deployment("app", replicas, "100m", rolling(surge, unavailable), withImage(fmt.Sprint("v", version)))))
		}
		apply(0)
		w.loop.run(10 * time.Minute)
		most, least := replicas+int32(surge), replicas-int32(unavailable)
		if surge == 0 && unavailable == 0 {
			least--
		}
		for range 20 {
			apply(random.IntN(4))
			for limit := w.loop.now.Add(time.Duration(random.IntN(20000)) * time.Millisecond); w.loop.step(limit); {
				s, _ := w.Status(key(KindDeployment, "app"))
				if s.Replicas > most || s.Available < least || s.Ready > s.Replicas {
					t.Fatalf("seed %d: %d replicas, at most %d; %d available, at least %d", seed, s.Replicas, most, s.Available, least)
				}
			}
		}
		w.loop.run(10 * time.Minute)
		w.check()
		w.expect("app", fmt.Sprintf("%d/%d/%d/%d", replicas, replicas, replicas, replicas))
	}
}
