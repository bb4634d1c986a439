package autoscale

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	autoscalingv1alpha1 "github.com/seatrial/seatrial/api/autoscaling/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// running makes pods that have been ready for an hour and request 100m of CPU.
func ready(cluster string, count int) []Pod {
	var pods []Pod
	for i := range count {
		pods = append(pods, podAged(cluster, fmt.Sprintf("web-%d", i), time.Hour, true))
	}
	return pods
}

func podAged(cluster, name string, age time.Duration, isReady bool) Pod {
	started := metav1.NewTime(noon.Add(-age))
	condition := corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: started}
	if isReady {
		condition.Status = corev1.ConditionTrue
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}}
	pod.Spec.Containers = []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("100m"),
	}}}}
	pod.Status = corev1.PodStatus{Phase: corev1.PodRunning, StartTime: &started, Conditions: []corev1.PodCondition{condition}}
	return Pod{Cluster: cluster, Pod: pod}
}

func pending(cluster, name string) Pod {
	pod := podAged(cluster, name, 0, false)
	pod.Status = corev1.PodStatus{Phase: corev1.PodPending}
	return pod
}

// used gives all pods the same sample, of the last half minute.
func used(pods []Pod, value int64) Reading {
	samples := Samples{}
	for _, pod := range pods {
		samples[pod.key()] = Sample{Value: value, At: noon, Window: 30 * time.Second}
	}
	return Reading{Samples: samples}
}

func utilization(percent int32) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
		Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &percent},
	}}
}

func external(value, average string) autoscalingv2.MetricSpec {
	source := &autoscalingv2.ExternalMetricSource{Metric: autoscalingv2.MetricIdentifier{Name: "queue"}}
	source.Target.Type = autoscalingv2.ValueMetricType
	if average != "" {
		source.Target.Type, source.Target.AverageValue = autoscalingv2.AverageValueMetricType, ptr.To(resource.MustParse(average))
	} else {
		source.Target.Value = ptr.To(resource.MustParse(value))
	}
	return autoscalingv2.MetricSpec{Type: autoscalingv2.ExternalMetricSourceType, External: source}
}

func perPod(average string) autoscalingv2.MetricSpec {
	return autoscalingv2.MetricSpec{Type: autoscalingv2.PodsMetricSourceType, Pods: &autoscalingv2.PodsMetricSource{
		Metric: autoscalingv2.MetricIdentifier{Name: "requests"},
		Target: autoscalingv2.MetricTarget{Type: autoscalingv2.AverageValueMetricType, AverageValue: ptr.To(resource.MustParse(average))},
	}}
}

// input is a workload of which all is known, and that has needed what it has for an hour.
func input(replicas int32, pods []Pod, metrics ...autoscalingv2.MetricSpec) Input {
	return Input{
		Spec:     &autoscalingv1alpha1.FederatedHPASpec{MinReplicas: ptr.To[int32](1), MaxReplicas: 20, Metrics: metrics},
		Workload: Workload{Replicas: replicas, Desired: replicas, Observed: replicas, Pods: pods},
		History:  Begin(replicas, time.Time{}, noon.Add(-time.Hour)), Now: noon,
	}
}

func TestDecide(t *testing.T) {
	three := ready("m1", 3)
	both := append(ready("m1", 2), ready("m2", 2)...)
	for _, c := range []struct {
		name   string
		in     Input
		change func(*Input)
		want   int32
		says   string // part of the reasons of the conditions
	}{
		{"load doubles", with(input(3, three, utilization(50)), used(three, 100)), nil, 6, "ValidMetricFound ReadyForNewScale DesiredWithinRange"},
		{"within tolerance", with(input(3, three, utilization(50)), used(three, 55)), nil, 3, names.ReasonDesiredWithinRange},
		{"own tolerance", with(input(3, three, utilization(50)), used(three, 55)), func(in *Input) {
			in.Spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: policy(4, 15)}
			in.Spec.Behavior.ScaleUp.Tolerance = ptr.To(resource.MustParse("0.05"))
		}, 4, names.ReasonDesiredWithinRange},
		{"load ends", with(input(3, three, utilization(50)), used(three, 10)), nil, 1, names.ReasonDesiredWithinRange},
		{"doubles at most", with(input(3, three, utilization(50)), used(three, 500)), nil, 6, names.ReasonScaleUpLimit},
		{"four from one", with(input(1, three[:1], utilization(50)), used(three[:1], 500)), nil, 4, names.ReasonScaleUpLimit},
		{"most", with(input(3, three, utilization(50)), used(three, 500)), func(in *Input) { in.Spec.MaxReplicas = 5 }, 5, names.ReasonTooManyReplicas},
		{"fewest", with(input(3, three, utilization(50)), used(three, 1)), func(in *Input) { in.Spec.MinReplicas = ptr.To[int32](2) }, 2, names.ReasonTooFewReplicas},
		{"above the most", input(30, nil, utilization(50)), nil, 20, ""},
		{"below the fewest", input(1, nil, utilization(50)), func(in *Input) { in.Spec.MinReplicas = ptr.To[int32](2) }, 2, ""},
		{"switched off", input(0, nil, utilization(50)), nil, 0, names.ReasonScalingDisabled},
		{"pods of two clusters", with(input(4, both, utilization(50)), used(both, 75)), nil, 6, names.ReasonValidMetricFound},
		{"a third of the fleet is lost", with(input(6, both, utilization(50)), used(both, 75)), func(in *Input) { in.Workload.Desired = 4 }, 9, ""},
		{"each cluster has all", with(input(2, both, utilization(50)), used(both, 75)), func(in *Input) { in.Workload.Desired = 4 }, 3, ""},
		{"placement lags behind", with(input(6, three, utilization(50)), used(three, 100)), func(in *Input) { in.Workload.Desired, in.Workload.Given = 3, 3 }, 6, ""},
		{"busiest of two", with(input(3, three, utilization(50), perPod("1")), used(three, 60), used(three, 2000)), nil, 6, ""},
		{"one metric lost, more wanted", with(input(3, three, utilization(50), perPod("1")), used(three, 100), lost()), nil, 6, names.ReasonValidMetricFound},
		{"one metric lost, fewer wanted", with(input(3, three, utilization(50), perPod("1")), used(three, 10), lost()), nil, 3, names.ReasonFailedGetPodsMetric},
		{"all metrics lost", with(input(3, three, utilization(50)), lost()), nil, 3, names.ReasonFailedGetResourceMetric},
		{"no pods", with(input(3, nil, utilization(50)), Reading{}), nil, 3, names.ReasonFailedGetResourceMetric},
		{"a value outside", with(input(3, three, external("10", "")), Reading{Total: Total{Value: 20_000}}), nil, 6, ""},
		{"a value outside, for each", with(input(3, three, external("", "10")), Reading{Total: Total{Value: 41_000}}), nil, 5, ""},
		{"a value outside for each, within tolerance", with(input(3, three, external("", "10")), Reading{Total: Total{Value: 31_000}}), nil, 3, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.change != nil {
				c.change(&c.in)
			}
			d := Defaults().Decide(c.in)
			if d.Replicas != c.want {
				t.Errorf("%d replicas, want %d; %+v", d.Replicas, c.want, d)
			}
			var reasons []string
			for _, condition := range d.Conditions {
				reasons = append(reasons, condition.Reason)
			}
			if !strings.Contains(strings.Join(reasons, " "), c.says) {
				t.Errorf("reasons %q, want %q", reasons, c.says)
			}
			if (d.Replicas != c.in.Workload.Replicas) != (d.Reason != "") {
				t.Errorf("%d replicas of %d for the reason %q", d.Replicas, c.in.Workload.Replicas, d.Reason)
			}
		})
	}
}

func with(in Input, readings ...Reading) Input {
	in.Readings = readings
	return in
}

func lost() Reading { return Reading{Err: errors.New("no answer")} }

func policy(value, period int32) *autoscalingv2.HPAScalingRules {
	return &autoscalingv2.HPAScalingRules{
		SelectPolicy: ptr.To(autoscalingv2.MaxChangePolicySelect),
		Policies:     []autoscalingv2.HPAScalingPolicy{{Type: autoscalingv2.PodsScalingPolicy, Value: value, PeriodSeconds: period}},
	}
}

// TestTotalsAreThoseOfAllClusters: a metric that is there once is not more for each replica because some cannot be seen.
func TestTotalsAreThoseOfAllClusters(t *testing.T) {
	half := func(in *Input) { in.Workload.Desired, in.Workload.Observed, in.Workload.Placed = 2, 2, 4 }
	twice := func(in *Input) { in.Workload.Desired, in.Workload.Observed, in.Workload.Placed = 8, 8, 8 }
	for _, c := range []struct {
		name    string
		metric  autoscalingv2.MetricSpec
		total   Total
		change  func(*Input)
		want    int32
		current string
	}{
		{"for each, half is seen, on target", external("", "10"), Total{Value: 40_000}, half, 4, "10"},
		{"for each, half is seen, load doubles", external("", "10"), Total{Value: 80_000}, half, 8, "20"},
		{"for each, half is seen, load halves", external("", "10"), Total{Value: 20_000}, half, 2, "5"},
		{"for each, in both clusters", external("", "10"), Total{Value: 120_000}, twice, 6, "15"},
		{"a value, half is seen, load doubles", external("10", ""), Total{Value: 20_000}, half, 8, "20"},
		{"a part of the clusters is not known, load up", external("", "10"), Total{Value: 80_000, Partial: true}, half, 8, "20"},
		{"a part of the clusters is not known, load down", external("", "10"), Total{Value: 20_000, Partial: true}, half, 4, "5"},
	} {
		in := with(input(4, ready("m1", 2), c.metric), Reading{Total: c.total})
		c.change(&in)
		in.Spec.Behavior = &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: policy(20, 15)}
		in.Spec.Behavior.ScaleDown.StabilizationWindowSeconds = ptr.To[int32](0)
		decision := Defaults().Decide(in)
		current := decision.Metrics[0].External.Current
		shown := current.Value
		if current.AverageValue != nil {
			shown = current.AverageValue
		}
		if decision.Replicas != c.want || shown.String() != c.current {
			t.Errorf("%s: %d replicas at %s, want %d at %s", c.name, decision.Replicas, shown, c.want, c.current)
		}
	}
}

// TestPodsThatSayNothing: what is not known counts against any change.
func TestPodsThatSayNothing(t *testing.T) {
	young := podAged("m1", "young", 10*time.Second, true)
	crashed := podAged("m1", "crashed", time.Hour, false)
	crashed.Status.Conditions[0].LastTransitionTime = metav1.NewTime(noon.Add(-time.Minute))
	ending := podAged("m1", "ending", time.Hour, true)
	ending.DeletionTimestamp = &metav1.Time{Time: noon}
	for _, c := range []struct {
		name     string
		extra    Pod
		measured bool
		used     int64
		want     int32
	}{
		{"one without a reading, load up", podAged("m1", "mute", time.Hour, true), false, 100, 6},
		{"one without a reading, load down", podAged("m1", "mute", time.Hour, true), false, 10, 3},
		{"one without a reading, load way down", podAged("m1", "mute", time.Hour, true), false, 0, 2},
		{"one that is pending, load up", pending("m1", "new"), false, 100, 6},
		{"one that is pending, load down", pending("m1", "new"), false, 10, 1},
		{"one that starts and is busy with that", young, true, 100, 6},
		{"one that has crashed works still", crashed, true, 100, 8},
		{"one that ends", ending, true, 100, 6},
	} {
		pods := append(ready("m1", 3), c.extra)
		reading := used(pods[:3], c.used)
		if c.measured {
			reading.Samples[c.extra.key()] = Sample{Value: c.used, At: noon, Window: 30 * time.Second}
		}
		in := with(input(4, pods, utilization(50)), reading)
		in.Workload.Replicas, in.Workload.Desired = 3, 3
		if c.extra.Name == "crashed" || c.extra.Name == "mute" || c.extra.Name == "new" {
			in.Workload.Replicas, in.Workload.Desired = 4, 4
		}
		if got := Defaults().Decide(in).Replicas; got != c.want {
			t.Errorf("%s: %d replicas, want %d", c.name, got, c.want)
		}
	}
}

// TestSameNamesInClusters: members name the pods of StatefulSets alike.
func TestSameNamesInClusters(t *testing.T) {
	pods := append(ready("m1", 2), ready("m2", 2)...)
	told := Reading{Samples: Samples{
		{"m1", "web-0"}: {Value: 400}, {"m1", "web-1"}: {Value: 0}, {"m2", "web-0"}: {Value: 0}, {"m2", "web-1"}: {Value: 0},
	}}
	added := Reading{Samples: Samples{{"", "web-0"}: {Value: 400}, {"", "web-1"}: {Value: 0}, {"", "another"}: {Value: 9000}}}
	for name, reading := range map[string]Reading{"told apart": told, "added up": added} {
		in := with(input(4, pods, perPod("50m")), reading)
		if got := Defaults().Decide(in).Replicas; got != 8 {
			t.Errorf("%s: %d replicas, want 8 for twice the target", name, got)
		}
	}
}

func TestRequestsThatAreNotThere(t *testing.T) {
	pods := ready("m1", 2)
	pods[1].Spec.Containers = append(pods[1].Spec.Containers, corev1.Container{Name: "side"})
	d := Defaults().Decide(with(input(2, pods, utilization(50)), used(pods, 100)))
	if d.Replicas != 2 || d.Failure == nil || !strings.Contains(d.Failure.Error(), "container side of pod web-1 in cluster m1 requests no cpu") {
		t.Errorf("%d replicas: %v", d.Replicas, d.Failure)
	}
	inside := autoscalingv2.MetricSpec{Type: autoscalingv2.ContainerResourceMetricSourceType, ContainerResource: &autoscalingv2.ContainerResourceMetricSource{
		Name: corev1.ResourceCPU, Container: "main", Target: utilization(50).Resource.Target,
	}}
	if d := Defaults().Decide(with(input(2, pods, inside), used(pods, 100))); d.Replicas != 4 {
		t.Errorf("by one container: %d replicas, want 4: %v", d.Replicas, d.Failure)
	}
}
