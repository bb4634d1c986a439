package kube

import (
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	configv1 "k8s.io/kube-scheduler/config/v1"
	"k8s.io/utils/ptr"
)

func spec(change func(*corev1.PodSpec)) func(*appsv1.Deployment) {
	return func(d *appsv1.Deployment) { change(&d.Spec.Template.Spec) }
}

func affinity(change func(*corev1.Affinity)) func(*appsv1.Deployment) {
	return spec(func(s *corev1.PodSpec) {
		if s.Affinity == nil {
			s.Affinity = &corev1.Affinity{}
		}
		change(s.Affinity)
	})
}

func spreadOver(key string, skew int32, action corev1.UnsatisfiableConstraintAction) func(*appsv1.Deployment) {
	return spec(func(s *corev1.PodSpec) {
		s.TopologySpreadConstraints = append(s.TopologySpreadConstraints, corev1.TopologySpreadConstraint{
			MaxSkew: skew, TopologyKey: key, WhenUnsatisfiable: action, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "app"}}})
	})
}

func apart(key string) func(*appsv1.Deployment) {
	return affinity(func(a *corev1.Affinity) {
		a.PodAntiAffinity = &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{with("app", key)}}
	})
}

func with(app, key string) corev1.PodAffinityTerm {
	return corev1.PodAffinityTerm{TopologyKey: key, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}}
}

func tainted(effect corev1.TaintEffect) func(*NodePool) {
	return func(p *NodePool) { p.Taints = []corev1.Taint{{Key: "dedicated", Value: "yes", Effect: effect}} }
}

func zoneTerm(values ...string) corev1.NodeSelectorTerm {
	return corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: values}}}
}

// TestPlacement places a Deployment on pools a and b of two nodes with 4 CPUs each, in a zone each.
func TestPlacement(t *testing.T) {
	host, zone := corev1.LabelHostname, corev1.LabelTopologyZone
	never, maybe := corev1.DoNotSchedule, corev1.ScheduleAnyway
	for name, c := range map[string]struct {
		poolB   func(*NodePool)
		app     *appsv1.Deployment
		want    string
		pending int32
	}{
		"evenly by default":   {nil, deployment("app", 4, "1"), "a:2 b:2", 0},
		"full":                {nil, deployment("app", 20, "1"), "a:8 b:8", 4},
		"too large":           {nil, deployment("app", 1, "5"), "", 1},
		"node selector":       {nil, deployment("app", 9, "1", spec(func(s *corev1.PodSpec) { s.NodeSelector = map[string]string{zone: "b"} })), "b:8", 1},
		"one node by name":    {nil, deployment("app", 5, "1", spec(func(s *corev1.PodSpec) { s.NodeSelector = map[string]string{host: "b-1"} })), "b:4", 1},
		"taint keeps away":    {tainted(corev1.TaintEffectNoSchedule), deployment("app", 9, "1"), "a:8", 1},
		"taint tolerated":     {tainted(corev1.TaintEffectNoSchedule), deployment("app", 16, "1", spec(func(s *corev1.PodSpec) { s.Tolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}} })), "a:8 b:8", 0},
		"taint to be shunned": {tainted(corev1.TaintEffectPreferNoSchedule), deployment("app", 4, "1"), "a:4", 0},
		"required affinity": {nil, deployment("app", 9, "1", affinity(func(a *corev1.Affinity) {
			a.NodeAffinity = &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{zoneTerm("a")}}}
		})), "a:8", 1},
		"preferred affinity": {nil, deployment("app", 3, "100m", affinity(func(a *corev1.Affinity) {
			a.NodeAffinity = &corev1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{Weight: 1, Preference: zoneTerm("b")}}}
		}), spreadOver(host, 100, never)), "b:3", 0},
		"host port":     {nil, deployment("app", 6, "100m", spec(func(s *corev1.PodSpec) { s.Containers[0].Ports = []corev1.ContainerPort{{HostPort: 80}} })), "a:2 b:2", 2},
		"apart by node": {nil, deployment("app", 6, "100m", apart(host)), "a:2 b:2", 2},
		"apart by zone": {nil, deployment("app", 6, "100m", apart(zone)), "a:1 b:1", 4},
		"beside each other": {nil, deployment("app", 10, "1", affinity(func(a *corev1.Affinity) {
			a.PodAffinity = &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{with("app", zone)}}
		}), spec(func(s *corev1.PodSpec) { s.NodeSelector = map[string]string{zone: "b"} })), "b:8", 2},
		"beside nobody": {nil, deployment("app", 2, "1", affinity(func(a *corev1.Affinity) {
			a.PodAffinity = &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{with("db", zone)}}
		})), "", 2},
		"skew of one in a small zone":   {func(p *NodePool) { p.Count = 1 }, deployment("app", 12, "1", spreadOver(zone, 1, never)), "a:5 b:4", 3},
		"skew of three":                 {func(p *NodePool) { p.Count = 1 }, deployment("app", 12, "1", spreadOver(zone, 3, never)), "a:7 b:4", 1},
		"skew over nodes":               {nil, deployment("app", 8, "100m", spreadOver(host, 1, never)), "a:4 b:4", 0},
		"soft skew":                     {func(p *NodePool) { p.Count = 1 }, deployment("app", 12, "1", spreadOver(zone, 1, maybe)), "a:8 b:4", 0},
		"more domains than there are":   {nil, deployment("app", 6, "100m", spreadOver(zone, 1, never), spec(func(s *corev1.PodSpec) { s.TopologySpreadConstraints[0].MinDomains = ptr.To[int32](3) })), "a:1 b:1", 4},
		"label that no node has":        {nil, deployment("app", 2, "100m", spreadOver("rack", 1, never)), "", 2},
		"skew in the selected zone":     {nil, deployment("app", 4, "100m", spreadOver(zone, 1, never), spec(func(s *corev1.PodSpec) { s.NodeSelector = map[string]string{zone: "a"} })), "a:4", 0},
		"a scheduler that is not there": {nil, deployment("app", 2, "100m", spec(func(s *corev1.PodSpec) { s.SchedulerName = "other" })), "", 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Options{Seed: 7})
			w.pool("a", 2, zoned("a"))
			if c.poolB == nil {
				c.poolB = func(*NodePool) {}
			}
			w.pool("b", 2, zoned("b"), c.poolB)
			w.must(w.Apply(c.app))
			w.loop.run(time.Hour)
			w.check()
			s, _ := w.Status(key(KindDeployment, "app"))
			if got := w.placed("app"); got != c.want || s.Pending != c.pending {
				t.Errorf("placed %q with %d pending, want %q with %d", got, s.Pending, c.want, c.pending)
			}
		})
	}
}

func TestAffinityToOthers(t *testing.T) {
	w := newWorld(t, Options{})
	for _, zone := range []string{"a", "b", "c"} {
		w.pool(zone, 1, zoned(zone))
	}
	w.must(w.Apply(deployment("db", 1, "1", spec(func(s *corev1.PodSpec) { s.NodeSelector = map[string]string{corev1.LabelTopologyZone: "b"} }))))
	lonely := deployment("lonely", 1, "1", spec(func(s *corev1.PodSpec) { s.NodeSelector = map[string]string{corev1.LabelTopologyZone: "c"} }),
		affinity(func(a *corev1.Affinity) {
			a.PodAntiAffinity = &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{with("app", corev1.LabelTopologyZone)}}
		}))
	w.must(w.Apply(lonely))
	w.loop.run(time.Minute)
	app := deployment("app", 2, "1", affinity(func(a *corev1.Affinity) {
		a.PodAffinity = &corev1.PodAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{
			{Weight: 100, PodAffinityTerm: with("db", corev1.LabelTopologyZone)}}}
	}), spreadOver(corev1.LabelHostname, 9, corev1.DoNotSchedule))
	w.must(w.Apply(app))
	w.loop.run(time.Minute)
	if got := w.placed("app"); got != "b:2" {
		t.Errorf("those who want to be with the db are on %s", got)
	}
	w.must(w.Apply(deployment("app", 10, "1")))
	w.loop.run(time.Minute)
	if got := w.placed("app"); got != "a:4 b:3" {
		t.Errorf("beside a pod that wants to be without them, they are on %s", got)
	}
	w.Delete(key(KindDeployment, "lonely"))
	w.loop.run(time.Minute)
	if found := w.Placed(key(KindDeployment, "app")); found["c"] == 0 || found["a"]+found["b"]+found["c"] != 10 {
		t.Errorf("when that has gone, they are on %v", found)
	}
}

// TestStrategies fills two nodes of which one is larger.
func TestStrategies(t *testing.T) {
	strategy := func(text string) *configv1.KubeSchedulerConfiguration {
		return &configv1.KubeSchedulerConfiguration{Profiles: []configv1.KubeSchedulerProfile{{
			Plugins: &configv1.Plugins{Score: configv1.PluginSet{
				Disabled: []configv1.Plugin{{Name: "PodTopologySpread"}, {Name: "NodeResourcesBalancedAllocation"}}}},
			PluginConfig: []configv1.PluginConfig{{Name: "NodeResourcesFit", Args: runtime.RawExtension{Raw: []byte(`{"scoringStrategy":` + text + `}`)}}},
		}}}
	}
	weights := `"resources":[{"name":"cpu","weight":1}]`
	for text, want := range map[string]string{
		`{"type":"LeastAllocated",` + weights + `}`: "small:1 large:3",
		`{"type":"MostAllocated",` + weights + `}`:  "small:4",
		`{"type":"RequestedToCapacityRatio",` + weights + `,"requestedToCapacityRatio":{"shape":[{"utilization":0,"score":10},{"utilization":100,"score":0}]}}`: "small:1 large:3",
	} {
		w := newWorld(t, Options{Scheduler: strategy(text)})
		w.pool("small", 1)
		w.pool("large", 1, func(p *NodePool) { p.Allocatable = list("12", "48Gi", "110") })
		w.must(w.Apply(deployment("app", 4, "1")))
		w.loop.run(time.Minute)
		if got := w.placed("app"); got != want {
			t.Errorf("%s: placed %s, want %s", text, got, want)
		}
	}
	for _, bad := range []*configv1.KubeSchedulerConfiguration{
		strategy(`{"type":"Random"}`), strategy(`{"type":"RequestedToCapacityRatio"}`), strategy(`7`),
		{Extenders: []configv1.Extender{{}}, Profiles: []configv1.KubeSchedulerProfile{{}}},
		{Profiles: []configv1.KubeSchedulerProfile{{PercentageOfNodesToScore: ptr.To[int32](101)}}},
		{Profiles: []configv1.KubeSchedulerProfile{{Plugins: &configv1.Plugins{Filter: configv1.PluginSet{Enabled: []configv1.Plugin{{Name: "Mine"}}}}}}},
	} {
		if _, err := New(&testLoop{now: epoch}, Options{Scheduler: bad}); err == nil {
			t.Errorf("%+v was not refused", bad)
		}
	}
}

func TestEnough(t *testing.T) {
	for _, c := range [][3]int{{99, 0, 99}, {100, 0, 100}, {1000, 0, 420}, {5000, 0, 500}, {15000, 0, 750}, {1000, 5, 100}, {5000, 20, 1000}, {5000, 100, 5000}} {
		if got := (&profile{percentage: c[1]}).enough(c[0]); got != c[2] {
			t.Errorf("%d nodes at %d%%: %d are enough, want %d", c[0], c[1], got, c[2])
		}
	}
}

func TestPreemption(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("a", 1)
	w.pool("b", 1)
	pinned := func(pool string) func(*appsv1.Deployment) {
		return spec(func(s *corev1.PodSpec) { s.NodeSelector = map[string]string{corev1.LabelHostname: pool + "-0"} })
	}
	w.must(w.Apply(deployment("low", 4, "1", priority(1), pinned("a"))))
	w.must(w.Apply(deployment("middle", 4, "1", priority(5), pinned("b"))))
	w.loop.run(time.Minute)
	w.must(w.Apply(deployment("polite", 1, "2", priority(10), spec(func(s *corev1.PodSpec) { s.PreemptionPolicy = ptr.To(corev1.PreemptNever) }))))
	w.loop.run(time.Minute)
	if s, _ := w.Status(key(KindDeployment, "polite")); s.Pending != 1 || w.Stats().Preempted > 0 {
		t.Errorf("a pod that never preempts: %+v", s)
	}
	w.Delete(key(KindDeployment, "polite"))
	w.must(w.Apply(deployment("high", 1, "2", priority(10))))
	w.loop.run(500 * time.Millisecond)
	if s, _ := w.Status(key(KindDeployment, "low")); s.Terminating != 2 || s.Available != 2 {
		t.Errorf("of the lowest pods, two should end: %+v", s)
	}
	w.loop.run(time.Minute)
	w.check()
	if got := w.placed("high") + ", " + w.placed("low") + ", " + w.placed("middle"); got != "a:1, a:2, b:4" || w.Stats().Preempted != 2 {
		t.Errorf("placed %s with %d preempted", got, w.Stats().Preempted)
	}
	budget := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "low"}}
	budget.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "low"}}
	budget.Spec.MaxUnavailable = ptr.To(intstr.FromInt32(0))
	w.must(w.Apply(budget))
	w.must(w.Apply(deployment("second", 1, "2", priority(10))))
	w.loop.run(time.Minute)
	if got := w.placed("second"); got != "b:1" {
		t.Errorf("a budget should send the second to b, it is on %q", got)
	}
}

// TestRetry: pods that found no node get one when room is made, after their back-off.
func TestRetry(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("a", 1)
	w.must(w.Apply(deployment("first", 1, "4")))
	w.must(w.Apply(deployment("second", 1, "4")))
	w.loop.run(10 * time.Second)
	w.Delete(key(KindDeployment, "first"))
	w.loop.run(2*time.Second + time.Millisecond)
	w.expect("second", "1/1/1/1")
	if w.queue.size != 0 || len(w.parking) != 0 {
		t.Errorf("%d pods in the queue, %d parked", w.queue.size, len(w.parking))
	}
}

func TestExtendedResources(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("plain", 2)
	w.must(w.Apply(deployment("before", 2, "1")))
	w.loop.run(time.Second)
	w.pool("gpu", 2, func(p *NodePool) { p.Allocatable["example.com/gpu"] = resource.MustParse("2") })
	w.must(w.Apply(deployment("app", 6, "100m", spec(func(s *corev1.PodSpec) {
		s.Containers[0].Resources.Requests["example.com/gpu"] = resource.MustParse("1")
	}))))
	w.loop.run(time.Minute)
	w.check()
	if s, _ := w.Status(key(KindDeployment, "app")); w.placed("app") != "gpu:4" || s.Pending != 2 {
		t.Errorf("placed %s, %d pending", w.placed("app"), s.Pending)
	}
	summary := w.ResourceSummary(nil)
	free, want := summary.Allocatable["example.com/gpu"], summary.Allocated["example.com/gpu"]
	waiting := summary.Allocating["example.com/gpu"]
	if got := fmt.Sprint(free.Value(), want.Value(), waiting.Value()); got != "4 4 2" {
		t.Errorf("gpus offered, held and waited for: %s", got)
	}
}

// TestStandardScore compares the short way to score cpu and memory with the general one.
func TestStandardScore(t *testing.T) {
	for seed := range uint64(5) {
		c := newChaos(t, seed)
		for range 60 {
			c.step()
			c.loop.run(10 * time.Second)
			for of := range c.sets {
				for row := range c.nodes {
					pods := c.sets[of].template
					if pods == nil || !c.nodes[row].is(nodeKnown) {
						continue
					}
					short, long := c.scoreStandard(pods, int32(row)), int16(c.scoreFit(pods, int32(row))+c.scoreBalance(pods, int32(row)))
					if short != long {
						t.Fatalf("seed %d: node %s scores %d in short, %d at length", seed, c.nodeName(int32(row)), short, long)
					}
				}
			}
		}
	}
}
