package kube

import (
	"fmt"
	"slices"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// TestClusterAutoscaler: nodes come a minute after the scan that found pods waiting, as many as they fill, and go when they
// have been empty for ten minutes.
func TestClusterAutoscaler(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("fixed", 1)
	w.pool("gpu", 0, tainted(corev1.TaintEffectNoSchedule), func(p *NodePool) { p.Max = 5 })
	w.pool("burst", 0, func(p *NodePool) { p.Max = 3 })
	w.must(w.Apply(deployment("app", 10, "1")))
	w.loop.run(69 * time.Second)
	w.expect("app", "10/10/4/4")
	w.loop.run(3 * time.Second)
	w.expect("app", "10/10/10/10")
	if s := w.NodeSummary(); s.TotalNum != 3 || w.Placed(key(KindDeployment, "app"))["burst"] != 6 {
		t.Errorf("%d nodes, placed %s", s.TotalNum, w.placed("app"))
	}
	w.must(w.Apply(deployment("app", 40, "1")))
	w.loop.run(time.Hour)
	if s, _ := w.Status(key(KindDeployment, "app")); s.Ready != 16 || s.Pending != 24 {
		t.Errorf("with the pool at its most: %+v", s)
	}
	w.must(w.Apply(deployment("app", 0, "1")))
	w.loop.run(9 * time.Minute)
	if s := w.NodeSummary(); s.TotalNum != 4 {
		t.Errorf("after nine minutes without need there are %d nodes", s.TotalNum)
	}
	w.loop.run(4 * time.Minute)
	if s := w.NodeSummary(); s.TotalNum != 1 {
		t.Errorf("later there are %d nodes", s.TotalNum)
	}
	w.check()
}

func TestHorizontalAutoscaler(t *testing.T) {
	var scaled []string
	var w *world
	w = newWorld(t, Options{Events: Events{Scaled: func(_ Key, replicas int32) {
		scaled = append(scaled, fmt.Sprintf("%v %d", w.loop.now.Sub(epoch), replicas))
	}}})
	w.pool("pool", 10)
	w.must(w.Apply(deployment("app", 2, "100m")))
	hpa := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "app"}}
	hpa.Spec = autoscalingv2.HorizontalPodAutoscalerSpec{MinReplicas: ptr.To[int32](2), MaxReplicas: 20,
		ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{Kind: KindDeployment, Name: "app"}}
	w.must(w.Apply(hpa))
	for _, load := range []float64{2.1, 30, 4.2} {
		w.must(w.SetLoad(key(KindHorizontalPodAutoscaler, "app"), load))
		w.loop.run(10 * time.Minute)
	}
	w.check()
	want := []string{"10m15s 6", "10m30s 12", "10m45s 20", "25m0s 5"}
	if !slices.Equal(scaled, want) {
		t.Errorf("scaled %v, want %v", scaled, want)
	}
	w.expect("app", "5/5/5/5")
	timers := w.Stats().Timers
	w.loop.run(24 * time.Hour)
	if more := w.Stats().Timers - timers; more > 1 {
		t.Errorf("at rest it ran %d timers", more)
	}
	if w.SetLoad(key(KindHorizontalPodAutoscaler, "other"), 1) == nil {
		t.Error("the load of no autoscaler was set")
	}
}
