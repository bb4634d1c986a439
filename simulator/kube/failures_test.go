package kube

import (
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// TestNodeLoss follows a Deployment with a pod on each of three nodes while one of them is down, to the second: 50 seconds
// until the control plane notices, 300 more until the pod is replaced.
func TestNodeLoss(t *testing.T) {
	for name, c := range map[string]struct {
		crash bool
		app   *appsv1.Deployment
		// down lasts so long; zero is for ever.
		down time.Duration
		// want are ready, serving and replicas by the second.
		want map[int]string
	}{
		"crash": {true, deployment("app", 3, "3"), 0, map[int]string{0: "3 2 3", 49: "3 2 3", 50: "2 2 3", 349: "2 2 3", 350: "2 2 3", 351: "3 3 3"}},
		"cut":   {false, deployment("app", 3, "3"), 0, map[int]string{0: "3 3 3", 49: "3 3 3", 50: "2 3 3", 349: "2 3 3", 350: "2 2 3", 351: "3 3 3"}},
		"a pod with less patience": {true, deployment("app", 3, "3", tolerating(20)), 0,
			map[int]string{49: "3 2 3", 50: "2 2 3", 69: "2 2 3", 71: "3 3 3"}},
		"a short crash":       {true, deployment("app", 3, "3"), 30 * time.Second, map[int]string{29: "3 2 3", 30: "2 2 3", 31: "3 3 3", 400: "3 3 3"}},
		"a crash of a minute": {true, deployment("app", 3, "3"), time.Minute, map[int]string{59: "2 2 3", 60: "2 2 3", 61: "3 3 3", 400: "3 3 3"}},
		"a cut of a minute":   {false, deployment("app", 3, "3"), time.Minute, map[int]string{59: "2 3 3", 60: "3 3 3", 400: "3 3 3"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Options{})
			w.pool("pool", 4)
			w.must(w.Apply(c.app))
			w.loop.run(time.Hour)
			var name string
			for _, node := range w.Nodes() {
				if len(w.PodsOn(node.Name)) > 0 {
					name = node.Name
				}
			}
			w.must(w.FailNode(name, c.crash))
			if c.down > 0 {
				w.loop.After(c.down, func() { w.must(w.HealNode(name)) })
			}
			for second := range 401 {
				w.loop.run(0)
				s, _ := w.Status(key(KindDeployment, "app"))
				if want, ok := c.want[second]; ok && want != fmt.Sprint(s.Ready, s.Serving, s.Replicas) {
					t.Errorf("after %ds ready, serving and replicas are %d %d %d, want %s", second, s.Ready, s.Serving, s.Replicas, want)
				}
				w.check()
				w.loop.run(time.Second)
			}
		})
	}
}

func tolerating(seconds int64) func(*appsv1.Deployment) {
	return spec(func(s *corev1.PodSpec) {
		s.Tolerations = []corev1.Toleration{{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: &seconds}}
	})
}

// TestNodeLossTiming has heartbeats every ten seconds and looks every five: a loss is seen 40 to 55 seconds after.
func TestNodeLossTiming(t *testing.T) {
	timing := quick()
	timing.Heartbeat, timing.Monitor = 0, 0
	w := newWorld(t, Options{Timing: timing})
	w.pool("pool", 40)
	w.loop.run(time.Hour)
	for i := range 20 {
		w.must(w.FailNode(fmt.Sprint("pool-", i), true))
		seen := w.NodeSummary().ReadyNum
		took := 0
		for ; w.NodeSummary().ReadyNum == seen && took < 100; took++ {
			w.loop.run(time.Second)
		}
		if took < 40 || took > 56 {
			t.Errorf("node %d was seen to be lost after %ds", i, took)
		}
	}
}

// TestZoneLoss: of a zone, one node loses its pods every ten seconds; of a small zone with most nodes lost, none; and none
// when every node is lost.
func TestZoneLoss(t *testing.T) {
	for name, c := range map[string]struct {
		fail []int
		want map[int]uint64
	}{
		"two of ten": {[]int{0, 1}, map[int]uint64{349: 0, 350: 1, 359: 1, 360: 2}},
		"most":       {[]int{0, 1, 2, 3, 4, 5, 6, 7}, map[int]uint64{350: 0, 400: 0, 1000: 0}},
		"all":        {[]int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, map[int]uint64{1000: 0}},
	} {
		w := newWorld(t, Options{})
		w.pool("pool", 10)
		w.must(w.Apply(deployment("app", 10, "3")))
		w.loop.run(time.Hour)
		w.must(w.Apply(deployment("app", 10, "3")))
		for _, i := range c.fail {
			w.must(w.FailNode(fmt.Sprint("pool-", i), true))
		}
		for second := range 1001 {
			w.loop.run(0)
			if want, ok := c.want[second]; ok && want != w.Stats().Evicted {
				t.Errorf("%s: after %ds %d pods are evicted, want %d", name, second, w.Stats().Evicted, want)
			}
			w.loop.run(time.Second)
		}
		w.check()
	}
}

func TestRemovedNode(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("pool", 3)
	w.must(w.Apply(deployment("app", 3, "3")))
	w.loop.run(time.Minute)
	w.must(w.RemoveNode("pool-1"))
	w.loop.run(59 * time.Second)
	if s, _ := w.Status(key(KindDeployment, "app")); s.Ready != 3 || s.Serving != 2 || w.NodeSummary().TotalNum != 2 {
		t.Errorf("before the pods are collected: %+v, %+v", s, w.NodeSummary())
	}
	w.loop.run(2 * time.Second)
	if s, _ := w.Status(key(KindDeployment, "app")); s.Ready != 2 || s.Pending != 1 {
		t.Errorf("after the pods are collected: %+v", s)
	}
	w.must(w.Resize("pool", 3))
	w.loop.run(time.Minute)
	w.expect("app", "3/3/3/3")
	w.check()
	if w.Node("pool-1") != nil || w.Node("pool-3") == nil {
		t.Error("a new node should have a new name")
	}
	if err := w.RemoveNode("pool-1"); err == nil {
		t.Error("a node was removed twice")
	}
}

// TestDrain empties a node one pod at a time, since a budget asks for one of two to be available.
func TestDrain(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("old", 1)
	w.must(w.Apply(deployment("app", 2, "1")))
	budget := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "app"}}
	budget.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "app"}}
	budget.Spec.MinAvailable = ptr.To(intstr.FromInt32(1))
	w.must(w.Apply(budget))
	agent := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "agent"}}
	agent.Spec.Template = podTemplate("agent", "100m")
	w.must(w.Apply(agent))
	w.loop.run(time.Minute)
	w.must(w.DrainNode("old-0"))
	w.pool("new", 1)
	for range 30 {
		w.loop.run(500 * time.Millisecond)
		if s, _ := w.Status(key(KindDeployment, "app")); s.Available < 1 {
			t.Errorf("%d are available", s.Available)
		}
	}
	w.check()
	s, _ := w.Status(key(KindDaemonSet, "agent"))
	if got := w.placed("app"); got != "new:2" || s.Ready != 2 || w.Stats().Evicted != 2 {
		t.Errorf("drained onto %s with %d evictions, %d agents are ready", got, w.Stats().Evicted, s.Ready)
	}
	if node := w.Node("old-0"); !node.Spec.Unschedulable {
		t.Error("a drained node should be cordoned")
	}
}

// TestPause: nothing is decided while the control plane is down, and what was missed is made up for.
func TestPause(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("pool", 4)
	w.must(w.Apply(deployment("app", 3, "3")))
	w.loop.run(time.Minute)
	w.Pause()
	w.told = nil
	w.must(w.FailNode("pool-0", true))
	w.must(w.Apply(deployment("app", 4, "3")))
	w.loop.run(time.Hour)
	if s, _ := w.Status(key(KindDeployment, "app")); len(w.told) > 0 || s.Replicas != 3 || w.NodeSummary().ReadyNum != 4 {
		t.Errorf("while paused: told %v, %+v", w.told, s)
	}
	w.Resume()
	w.loop.run(49 * time.Second)
	if w.NodeSummary().ReadyNum != 4 {
		t.Error("a node was lost before its grace")
	}
	w.loop.run(time.Second)
	if s, _ := w.Status(key(KindDeployment, "app")); s.Replicas != 4 || w.NodeSummary().ReadyNum != 3 {
		t.Errorf("after the pause: %+v, %+v", s, w.NodeSummary())
	}
	w.check()
}

// TestKill: pods of a dead cluster serve nobody, and start anew when it is revived.
func TestKill(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("pool", 3)
	w.must(w.Apply(deployment("app", 6, "1")))
	w.loop.run(time.Minute)
	w.must(w.Apply(deployment("app", 5, "1")))
	w.loop.run(500 * time.Millisecond)
	w.Kill()
	w.loop.run(time.Hour)
	if s, _ := w.Status(key(KindDeployment, "app")); s.Serving != 0 || s.Ready != 5 || s.Terminating != 1 {
		t.Errorf("while dead: %+v", s)
	}
	w.Revive()
	w.loop.run(500 * time.Millisecond)
	if s, _ := w.Status(key(KindDeployment, "app")); s.Serving != 0 || s.Ready != 0 || s.Terminating != 0 || s.Replicas != 5 {
		t.Errorf("half a second after: %+v", s)
	}
	w.loop.run(time.Second)
	w.expect("app", "5/5/5/5")
	if s, _ := w.Status(key(KindDeployment, "app")); s.Serving != 5 || w.NodeSummary().ReadyNum != 3 {
		t.Errorf("after: %+v", s)
	}
	w.check()
}

// TestTaintNode empties one node of a pool by a taint, keeps it empty, and lets it be used again.
func TestTaintNode(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("pool", 3)
	w.must(w.Apply(deployment("app", 3, "3")))
	w.loop.run(time.Hour)
	taint := corev1.Taint{Key: "broken", Effect: corev1.TaintEffectNoExecute}
	w.must(w.TaintNode("pool-1", taint, true))
	w.loop.run(time.Hour)
	if on := w.PodsOn("pool-1"); len(on) != 0 || len(w.Node("pool-1").Spec.Taints) != 1 || len(w.Node("pool-0").Spec.Taints) != 0 {
		t.Errorf("%d pods on the tainted node, its taints are %v", len(on), w.Node("pool-1").Spec.Taints)
	}
	if s, _ := w.Status(key(KindDeployment, "app")); s.Ready != 2 || s.Pending != 1 {
		t.Errorf("%d ready, %d pending; want 2 and 1, for there are two nodes left", s.Ready, s.Pending)
	}
	w.check()
	w.must(w.TaintNode("pool-1", taint, false))
	w.loop.run(time.Hour)
	if s, _ := w.Status(key(KindDeployment, "app")); s.Ready != 3 || len(w.Node("pool-1").Spec.Taints) != 0 {
		t.Errorf("%d ready after the taint is gone", s.Ready)
	}
	w.check()
	if w.TaintNode("nowhere", taint, true) == nil {
		t.Error("a node that does not exist was tainted")
	}
	if w.PoolSize("pool") != 3 || w.PoolSize("nowhere") != 0 {
		t.Errorf("pool sizes %d and %d", w.PoolSize("pool"), w.PoolSize("nowhere"))
	}
}
