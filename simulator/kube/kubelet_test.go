package kube

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// TestLatency draws the median and the 99th percentile that a latency promises.
func TestLatency(t *testing.T) {
	source := rand.NewPCG(1, 2)
	latency := Latency{Delay: time.Second, Jitter: time.Microsecond, Median: 2 * time.Second, P99: 10 * time.Second}
	drawn := make([]time.Duration, 20000)
	for i := range drawn {
		drawn[i] = latency.draw(source)
	}
	slices.Sort(drawn)
	near := func(got, want time.Duration) bool { return got > want*19/20 && got < want*21/20 }
	if median, p99 := drawn[10000], drawn[19800]; !near(median, 3*time.Second) || !near(p99, 11*time.Second) {
		t.Errorf("median %v, 99th percentile %v", median, p99)
	}
	if got := (Latency{Delay: Never}).draw(source); got != 0 {
		t.Errorf("no latency is %v", got)
	}
	if timing := (Timing{Grace: Never}).WithDefaults(); timing.Grace != 0 || timing.Monitor != 5*time.Second || timing.Start.Median != time.Second {
		t.Errorf("defaults %+v", timing)
	}
}

// TestStartUp: an image is pulled once for each node, decisions take their time, and ends are rounded up to the grain.
func TestStartUp(t *testing.T) {
	timing := quick()
	timing.Pull, timing.Ready = Latency{Delay: 5 * time.Second}, Latency{Delay: 2 * time.Second}
	timing.Decision, timing.Grain = 10*time.Millisecond, 100*time.Millisecond
	w := newWorld(t, Options{Timing: timing})
	w.pool("pool", 1)
	w.must(w.Apply(deployment("app", 2, "100m")))
	w.loop.run(7 * time.Second)
	if pod := w.Pods("", nil)[0]; pod.Status.Phase != corev1.PodRunning || pod.Status.Conditions[1].Status != corev1.ConditionFalse {
		t.Errorf("before it is ready, a pod is %+v", pod.Status)
	}
	w.loop.run(13 * time.Second)
	w.must(w.Apply(deployment("app", 3, "100m")))
	w.loop.run(20 * time.Second)
	want := "0s app 2/2/0/0, 8.1s app 2/2/2/2, 20s app 3/3/2/2, 23.1s app 3/3/3/3"
	if got := strings.Join(w.told, ", "); got != want {
		t.Errorf("told %s, want %s", got, want)
	}
	if s := w.Stats(); s.Pulled != 1 || s.Started != 3 {
		t.Errorf("%+v", s)
	}
}

func TestStopBoundedByGracePeriod(t *testing.T) {
	timing := quick()
	timing.Stop = Latency{Delay: time.Hour}
	w := newWorld(t, Options{Timing: timing})
	w.pool("pool", 1)
	w.must(w.Apply(deployment("app", 1, "100m", spec(func(s *corev1.PodSpec) { s.TerminationGracePeriodSeconds = ptr.To[int64](7) }))))
	w.loop.run(time.Minute)
	w.Delete(key(KindDeployment, "app"))
	w.loop.run(6 * time.Second)
	if len(w.Pods("", nil)) != 1 {
		t.Error("the pod went before its grace period")
	}
	w.loop.run(time.Second)
	if len(w.Pods("", nil)) != 0 {
		t.Error("the pod outlived its grace period")
	}
}

// TestNoExecute: a taint ends pods that do not tolerate it at once, others after the time they tolerate it.
func TestNoExecute(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("spot", 2)
	toleration := func(seconds *int64) func(*appsv1.Deployment) {
		return spec(func(s *corev1.PodSpec) {
			s.Tolerations = []corev1.Toleration{{Key: "reclaim", Operator: corev1.TolerationOpExists, TolerationSeconds: seconds, Effect: corev1.TaintEffectNoExecute}}
		})
	}
	w.must(w.Apply(deployment("now", 1, "1")))
	w.must(w.Apply(deployment("later", 1, "1", toleration(ptr.To[int64](30)))))
	w.must(w.Apply(deployment("never", 1, "1", toleration(nil))))
	w.loop.run(time.Minute)
	w.must(w.Taint("spot", []corev1.Taint{{Key: "reclaim", Effect: corev1.TaintEffectNoExecute}}))
	for _, c := range []struct {
		wait time.Duration
		want [3]int32
	}{{time.Second, [3]int32{0, 1, 1}}, {28 * time.Second, [3]int32{0, 1, 1}}, {1500 * time.Millisecond, [3]int32{0, 0, 1}}} {
		w.loop.run(c.wait)
		var got [3]int32
		for i, name := range []string{"now", "later", "never"} {
			s, _ := w.Status(key(KindDeployment, name))
			got[i] = s.Ready
		}
		if got != c.want {
			t.Errorf("after %v %v are ready, want %v", c.wait, got, c.want)
		}
	}
	w.check()
	if w.Taint("none", nil) == nil {
		t.Error("a pool that is not there was tainted")
	}
}

func TestSmallObjects(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("a", 1, zoned("a"))
	w.pool("b", 1, zoned("b"))
	w.must(w.Apply(&schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: "high"}, Value: 1000}))
	w.must(w.Apply(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "ns", Labels: map[string]string{"team": "x"}}}))
	own := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "own", Labels: map[string]string{"app": "app"}}, Spec: podTemplate("app", "4").Spec}
	own.Spec.NodeName = "b-0"
	w.must(w.Apply(own))
	w.loop.run(time.Minute)
	if pods := w.PodsOn("b-0"); len(pods) != 1 || pods[0].Name != "own" || pods[0].Status.Phase != corev1.PodRunning {
		t.Fatalf("on the named node: %v", pods)
	}
	alone := deployment("alone", 2, "1", affinity(func(a *corev1.Affinity) {
		term := with("app", corev1.LabelTopologyZone)
		term.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "x"}}
		a.PodAntiAffinity = &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{term}}
	}), spec(func(s *corev1.PodSpec) { s.PriorityClassName = "high" }))
	w.must(w.Apply(alone))
	w.loop.run(time.Minute)
	if got := w.placed("alone"); got != "a:2" {
		t.Errorf("apart from the namespace's pods they are on %q", got)
	}
	if pod := w.PodsOn("a-0")[0]; *pod.Spec.Priority != 1000 {
		t.Errorf("priority %d", *pod.Spec.Priority)
	}
	w.must(w.Apply(deployment("low", 1, "4")))
	w.must(w.Cordon("a-0", true))
	w.Delete(Key{KindPod, "ns", "own"})
	w.Delete(Key{Kind: KindPriorityClass, Name: "high"})
	w.Delete(Key{Kind: KindNamespace, Name: "ns"})
	w.loop.run(time.Minute)
	w.expect("low", "1/1/1/1")
	for _, bad := range []*appsv1.Deployment{
		deployment("bad", -1, "1"),
		deployment("bad", 1, "1", spreadOver("zone", 1, corev1.DoNotSchedule), spec(func(s *corev1.PodSpec) {
			s.TopologySpreadConstraints[0].LabelSelector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Like"}}
		})),
		deployment("bad", 1, "1", func(d *appsv1.Deployment) {
			d.Spec.Template.Annotations = map[string]string{AnnotationRunSeconds: "long"}
		}),
	} {
		if err := w.Apply(bad); err == nil || !strings.HasPrefix(err.Error(), "applying Deployment ns/bad: ") {
			t.Errorf("a bad Deployment gives %v", err)
		}
	}
	w.loop.run(time.Second)
	w.check()
	if _, ok := w.Status(key(KindDeployment, "bad")); ok {
		t.Error("a refused Deployment is there")
	}
}

// TestImageKnowsItsNodes compares with a set, beyond the number at which it becomes bits.
func TestImageKnowsItsNodes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	i, held := &image{}, map[int32]bool{}
	for range 3000 {
		row := int32(random.IntN(300))
		if random.IntN(3) == 0 {
			i.drop(row)
			delete(held, row)
			continue
		}
		if isNew := i.add(row); isNew == held[row] {
			t.Fatalf("adding node %d to %d: new %t", row, len(held), isNew)
		}
		held[row] = true
	}
	if i.many == nil || len(held) < fewNodes {
		t.Errorf("only %d nodes", len(held))
	}
}
