package kube

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// The tests of this file hold what comparing with a real cluster has brought to light.

func daemons(name, cpu string, change ...func(*appsv1.DaemonSet)) *appsv1.DaemonSet {
	d := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}}
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
	d.Spec.Template = podTemplate(name, cpu)
	for _, c := range change {
		c(d)
	}
	return d
}

// holds fails unless a workload has as many ready and pending pods.
func (w *world) holds(kind, name string, ready, pending int32) {
	w.t.Helper()
	if s, _ := w.Status(key(kind, name)); s.Ready != ready || s.Pending != pending {
		w.t.Errorf("after %v %s has %d ready and %d pending, want %d and %d", w.loop.now.Sub(epoch), name, s.Ready, s.Pending, ready, pending)
	}
}

// TestLimitsBecomeRequests: templates keep limits without requests, pods do not.
func TestLimitsBecomeRequests(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("pool", 1)
	limited := deployment("limited", 3, "100m", spec(func(s *corev1.PodSpec) {
		s.Containers[0].Resources = corev1.ResourceRequirements{Limits: corev1.ResourceList{"cpu": resource.MustParse("2")}}
		s.Containers = append(s.Containers, corev1.Container{Name: "free", Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{"memory": resource.MustParse("1Mi")}}})
	}))
	w.must(w.Apply(limited))
	w.loop.run(time.Minute)
	w.holds(KindDeployment, "limited", 2, 1)
	for _, pod := range w.Pods("ns", nil) {
		if cpu := pod.Spec.Containers[0].Resources.Requests.Cpu().String(); cpu != "2" {
			t.Errorf("pod %s requests %s CPUs", pod.Name, cpu)
		}
	}
	if len(limited.Spec.Template.Spec.Containers[0].Resources.Requests) > 0 {
		t.Error("the caller's template was changed")
	}
}

func TestPriorityClassThatNeverPreempts(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("pool", 1)
	for name, policy := range map[string]corev1.PreemptionPolicy{"polite": corev1.PreemptNever, "rude": corev1.PreemptLowerPriority} {
		w.must(w.Apply(&schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Value: 10, PreemptionPolicy: &policy}))
	}
	class := func(name string) func(*appsv1.Deployment) {
		return spec(func(s *corev1.PodSpec) { s.PriorityClassName = name })
	}
	w.must(w.Apply(deployment("low", 4, "1")))
	w.loop.run(time.Minute)
	w.must(w.Apply(deployment("waits", 1, "1", class("polite"))))
	w.loop.run(time.Minute)
	w.holds(KindDeployment, "waits", 0, 1)
	w.must(w.Apply(deployment("goes", 1, "1", class("rude"))))
	w.loop.run(time.Minute)
	w.holds(KindDeployment, "goes", 1, 0)
	w.holds(KindDeployment, "low", 3, 1)
}

func TestSchedulingGates(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("pool", 1)
	w.must(w.Apply(deployment("gated", 2, "1", spec(func(s *corev1.PodSpec) {
		s.SchedulingGates = []corev1.PodSchedulingGate{{Name: "example.com/hold"}}
	}))))
	w.loop.run(time.Minute)
	w.holds(KindDeployment, "gated", 0, 2)
	if reason := w.Pods("ns", nil)[0].Status.Conditions[0].Reason; reason != corev1.PodReasonSchedulingGated {
		t.Errorf("a gated pod waits for %q", reason)
	}
}

// TestDaemonsPreempt: the pod of a DaemonSet ends others on its own node, and nowhere else.
func TestDaemonsPreempt(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("pool", 2)
	w.must(w.Apply(deployment("low", 8, "1", priority(1))))
	w.loop.run(time.Minute)
	w.must(w.Apply(daemons("agent", "1", func(d *appsv1.DaemonSet) { d.Spec.Template.Spec.Priority = ptr.To[int32](10) })))
	w.loop.run(time.Minute)
	w.check()
	w.holds(KindDaemonSet, "agent", 2, 0)
	w.holds(KindDeployment, "low", 6, 2)
}

// TestDaemonsStayOnLostNodes: what the DaemonSet controller tolerates forever outdoes the seconds of the template.
func TestDaemonsStayOnLostNodes(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("pool", 2)
	w.must(w.Apply(daemons("agent", "1", func(d *appsv1.DaemonSet) {
		for _, key := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
			d.Spec.Template.Spec.Tolerations = append(d.Spec.Template.Spec.Tolerations, corev1.Toleration{
				Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: ptr.To[int64](3)})
		}
	})))
	w.loop.run(time.Minute)
	w.must(w.FailNode("pool-0", true))
	w.loop.run(10 * time.Minute)
	if s, _ := w.Status(key(KindDaemonSet, "agent")); s.Ready != 1 || s.Terminating != 0 || w.Stats().Evicted != 0 {
		t.Errorf("%+v, %d evicted", s, w.Stats().Evicted)
	}
}

// TestDaemonsSurge: new pods come beside old ones, which end once those are available, as many at once as may surge.
func TestDaemonsSurge(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("roomy", 2)
	w.pool("tight", 1, func(p *NodePool) { p.Allocatable = list("1", "16Gi", "110") })
	surging := func(image string) func(*appsv1.DaemonSet) {
		return func(d *appsv1.DaemonSet) {
			d.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateDaemonSet{MaxUnavailable: ptr.To(intstr.FromInt32(0)), MaxSurge: ptr.To(intstr.FromInt32(1))}
			d.Spec.Template.Spec.Containers[0].Image = image
		}
	}
	w.must(w.Apply(daemons("agent", "1", surging("agent:1"))))
	w.loop.run(time.Minute)
	w.must(w.Apply(daemons("agent", "1", surging("agent:2"))))
	w.loop.run(500 * time.Millisecond)
	if s, _ := w.Status(key(KindDaemonSet, "agent")); len(w.Pods("ns", nil)) != 4 || s.Ready != 3 || s.Misscheduled != 0 {
		t.Errorf("%d pods while one surges: %+v", len(w.Pods("ns", nil)), s)
	}
	w.loop.run(time.Minute)
	w.check()
	w.holds(KindDaemonSet, "agent", 3, 1)
	if got := w.Placed(key(KindDaemonSet, "agent")); got["roomy"] != 2 || got["tight"] != 1 {
		t.Errorf("placed %v", got)
	}
}

// TestStatefulSetInParallelUpdatesOneByOne: the policy of making pods is not that of updating them.
func TestStatefulSetInParallelUpdatesOneByOne(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("pool", 4)
	set := func(cpu string) *appsv1.StatefulSet {
		s := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "db"}}
		s.Spec.Replicas, s.Spec.PodManagementPolicy = ptr.To[int32](4), appsv1.ParallelPodManagement
		s.Spec.Selector, s.Spec.Template = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}, podTemplate("db", cpu)
		return s
	}
	w.must(w.Apply(set("1")))
	w.loop.run(time.Minute)
	w.must(w.Apply(set("5")))
	w.loop.run(time.Minute)
	w.holds(KindStatefulSet, "db", 3, 1)
}

// TestScaleOfPausedAndUpdated: the one set that has replicas is scaled, though it is not the newest.
func TestScaleOfPausedAndUpdated(t *testing.T) {
	for name, paused := range map[string]bool{"paused": true, "updated": false} {
		w := newWorld(t, Options{})
		w.pool("pool", 3)
		w.must(w.Apply(deployment("app", 4, "100m")))
		w.loop.run(time.Minute)
		w.must(w.Apply(deployment("app", 8, "100m", func(d *appsv1.Deployment) {
			d.Spec.Paused = paused
			d.Spec.Template.Spec.NodeSelector = map[string]string{"no": "such-node"}
		})))
		w.loop.run(time.Minute)
		if paused {
			w.holds(KindDeployment, "app", 8, 0)
		} else {
			// Eight old ones less a quarter, and a quarter above eight in all.
			w.holds(KindDeployment, "app", 6, 4)
		}
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// TestCrowdedAcrossRevisions: pods that share their node with new ones of the same Deployment go first.
func TestCrowdedAcrossRevisions(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("a", 1, labelled("group", "a"))
	w.pool("b", 1, labelled("group", "b"))
	w.must(w.Apply(deployment("app", 4, "1", rolling(2, 0))))
	w.loop.run(time.Minute)
	w.must(w.Apply(deployment("app", 4, "1", rolling(2, 0), spec(func(s *corev1.PodSpec) { s.NodeSelector = map[string]string{"group": "a"} }))))
	w.loop.run(time.Minute)
	w.holds(KindDeployment, "app", 4, 0)
	if got := w.placed("app"); got != "a:4" {
		t.Errorf("placed on %s", got)
	}
}

// TestEqualVictims: among nodes with equally good victims none is favoured.
func TestEqualVictims(t *testing.T) {
	nodes := map[string]bool{}
	for seed := range uint64(20) {
		w := newWorld(t, Options{Seed: seed})
		w.pool("a", 1)
		w.pool("b", 1)
		w.must(w.Apply(deployment("low", 2, "4", priority(1))))
		w.loop.run(time.Minute)
		w.must(w.Apply(deployment("high", 1, "1", priority(2))))
		w.loop.run(time.Minute)
		nodes[w.placed("high")] = true
	}
	if len(nodes) != 2 {
		t.Errorf("twenty seeds chose %v", nodes)
	}
}
