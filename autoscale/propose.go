package autoscale

import (
	"errors"
	"fmt"
	"maps"
	"math"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Workload is what an autoscaler scales, as far as its clusters can be asked.
type Workload struct {
	// Replicas is what the template asks for.
	Replicas int32
	// Given is what the template asked for when its replicas were last handed out to clusters; 0 when that is the same.
	Given int32
	// Desired and Observed are the replicas that were placed in the clusters that can be asked, and that they have, added up.
	Desired, Observed int32
	// Placed are the replicas that were placed in all clusters, those that cannot be asked included; 0 when that is Desired.
	Placed int32
	// Pods are theirs.
	Pods []Pod
}

// share is how many replicas the clusters that can be asked have for each one of the template: less than 1 when some cannot be
// asked, more when each cluster has all of them.
func (w *Workload) share() float64 {
	given := w.Given
	if given == 0 {
		given = w.Replicas
	}
	if given == 0 || w.Desired == 0 {
		return 1
	}
	return float64(w.Desired) / float64(given)
}

// seen is the part of the replicas of all clusters that is in those which can be asked.
func (w *Workload) seen() float64 {
	if w.Placed == 0 || w.Desired == 0 {
		return 1
	}
	return float64(w.Desired) / float64(w.Placed)
}

// round is one look at a workload.
type round struct {
	options  Options
	in       *Input
	up, down rules
}

// proposal is what one metric asks for.
type proposal struct {
	replicas int32
	// about names the metric in messages.
	about  string
	status autoscalingv2.MetricStatus
}

// propose is what one metric asks for.
func (r *round) propose(spec *autoscalingv2.MetricSpec, reading Reading) (proposal, error) {
	if reading.Err != nil {
		return proposal{}, reading.Err
	}
	p := proposal{status: autoscalingv2.MetricStatus{Type: spec.Type}}
	var current autoscalingv2.MetricValueStatus
	var err error
	switch spec.Type {
	case autoscalingv2.ResourceMetricSourceType:
		p.about = fmt.Sprintf("resource %s", spec.Resource.Name)
		p.replicas, current, err = r.ofResource(spec.Resource.Target, reading.Samples, spec.Resource.Name, "")
		p.status.Resource = &autoscalingv2.ResourceMetricStatus{Name: spec.Resource.Name, Current: current}
	case autoscalingv2.ContainerResourceMetricSourceType:
		source := spec.ContainerResource
		p.about = fmt.Sprintf("resource %s of container %s", source.Name, source.Container)
		p.replicas, current, err = r.ofResource(source.Target, reading.Samples, source.Name, source.Container)
		p.status.ContainerResource = &autoscalingv2.ContainerResourceMetricStatus{Name: source.Name, Container: source.Container, Current: current}
	case autoscalingv2.PodsMetricSourceType:
		p.about = "pods metric " + spec.Pods.Metric.Name
		p.replicas, current, err = r.ofPods(spec.Pods.Target, reading.Samples, "")
		p.status.Pods = &autoscalingv2.PodsMetricStatus{Metric: spec.Pods.Metric, Current: current}
	case autoscalingv2.ObjectMetricSourceType:
		p.about = fmt.Sprintf("%s metric %s", spec.Object.DescribedObject.Kind, spec.Object.Metric.Name)
		p.replicas, current, err = r.ofTotal(spec.Object.Target, reading.Total)
		p.status.Object = &autoscalingv2.ObjectMetricStatus{Metric: spec.Object.Metric, DescribedObject: spec.Object.DescribedObject, Current: current}
	case autoscalingv2.ExternalMetricSourceType:
		p.about = "external metric " + spec.External.Metric.Name
		p.replicas, current, err = r.ofTotal(spec.External.Target, reading.Total)
		p.status.External = &autoscalingv2.ExternalMetricStatus{Metric: spec.External.Metric, Current: current}
	}
	return p, err
}

// ofResource follows a resource, by what is used of the requests or by what is used.
func (r *round) ofResource(target autoscalingv2.MetricTarget, samples Samples, name corev1.ResourceName, container string) (int32, autoscalingv2.MetricValueStatus, error) {
	if target.AverageValue != nil {
		return r.ofPods(target, samples, name)
	}
	none := autoscalingv2.MetricValueStatus{}
	if target.AverageUtilization == nil || *target.AverageUtilization <= 0 {
		return 0, none, errors.New("the metric has neither an average utilization nor an average value as its target")
	}
	wanted := int64(*target.AverageUtilization)
	asked, err := requests(r.alive(), name, container)
	if err != nil {
		return 0, none, err
	}
	fill := func(used Samples) float64 {
		sum := int64(0)
		for key := range used {
			sum += asked[key]
		}
		if sum == 0 {
			return math.NaN()
		}
		return float64(total(used)*100/sum) / float64(wanted)
	}
	// A pod without a reading is taken to use all that it may, where replicas would go.
	silent := func(key PodKey) int64 { return asked[key] * max(100, wanted) / 100 }
	replicas, used, err := r.byPods(samples, name, fill, silent)
	if err != nil {
		return 0, none, err
	}
	current := average(used)
	percent := int32(min(math.Round(fill(used)*float64(wanted)), math.MaxInt32))
	current.AverageUtilization = &percent
	return replicas, current, nil
}

// ofPods follows a metric of pods by its average.
func (r *round) ofPods(target autoscalingv2.MetricTarget, samples Samples, name corev1.ResourceName) (int32, autoscalingv2.MetricValueStatus, error) {
	if target.AverageValue == nil || target.AverageValue.MilliValue() <= 0 {
		return 0, autoscalingv2.MetricValueStatus{}, errors.New("the metric has no average value as its target")
	}
	wanted := target.AverageValue.MilliValue()
	fill := func(used Samples) float64 { return float64(total(used)/int64(len(used))) / float64(wanted) }
	replicas, used, err := r.byPods(samples, name, fill, func(PodKey) int64 { return wanted })
	if err != nil {
		return 0, autoscalingv2.MetricValueStatus{}, err
	}
	return replicas, average(used), nil
}

// byPods compares what pods use with the target. Fill tells how much of the target samples are, and silent what a pod without a sample
// is taken to use where replicas would go. It returns the samples that counted.
func (r *round) byPods(samples Samples, resource corev1.ResourceName, fill func(Samples) float64, silent func(PodKey) int64) (int32, Samples, error) {
	pods := r.in.Workload.Pods
	known := samples.of(pods)
	g := r.options.group(pods, known, resource, r.in.Now)
	counted := make(Samples, len(g.counted))
	for _, key := range g.counted {
		counted[key] = known[key]
	}
	if len(counted) == 0 {
		return 0, nil, fmt.Errorf("of %d pods none is ready and has a reading", len(pods))
	}
	ratio := fill(counted)
	if math.IsNaN(ratio) {
		return 0, nil, fmt.Errorf("the pods request nothing of %s, of which no part can be told", resource)
	}
	more := ratio > 1
	if len(g.missing) == 0 && (!more || len(g.unready) == 0) {
		return r.scaled(ratio, float64(len(counted))), counted, nil
	}
	// What is not known counts against any change.
	assumed := maps.Clone(counted)
	for _, key := range g.missing {
		if more {
			assumed[key] = Sample{}
		} else if ratio < 1 {
			assumed[key] = Sample{Value: silent(key)}
		}
	}
	if more {
		for _, key := range g.unready {
			assumed[key] = Sample{}
		}
	}
	careful := fill(assumed)
	if ratio < 1 && careful > 1 || more && careful < 1 {
		careful = 1
	}
	return r.scaled(careful, float64(len(assumed))), counted, nil
}

// ofTotal follows a metric that is there once: by itself, or by its part for each replica. It is that of all clusters, whether or not
// they can be asked; only what is counted in them stands for the others.
func (r *round) ofTotal(target autoscalingv2.MetricTarget, total Total) (int32, autoscalingv2.MetricValueStatus, error) {
	w := &r.in.Workload
	var wanted int32
	var current autoscalingv2.MetricValueStatus
	switch {
	case target.AverageValue != nil && target.Type != autoscalingv2.ValueMetricType && target.AverageValue.MilliValue() > 0:
		observed := max(float64(w.Observed), 1) / w.seen()
		current.AverageValue = milli(int64(math.Ceil(float64(total.Value)/observed - noise)))
		needed := float64(total.Value) / float64(target.AverageValue.MilliValue())
		wanted = r.scaled(needed/observed, observed*w.seen())
	case target.Value != nil && target.Value.MilliValue() > 0:
		current.Value = milli(total.Value)
		wanted = r.scaled(float64(total.Value)/float64(target.Value.MilliValue()), float64(readyPods(w.Pods)))
	default:
		return 0, current, errors.New("the metric has neither a value nor an average value as its target")
	}
	if total.Partial {
		// There may be more of it than is known.
		wanted = max(wanted, w.Replicas)
	}
	return wanted, current, nil
}

// noise is what sums of parts may be off by: it must not cost a replica.
const noise = 1e-9

// scaled is what the template shall ask for when so many replicas are filled to that part of the target.
func (r *round) scaled(ratio, replicas float64) int32 {
	current := r.in.Workload.Replicas
	if 1-r.down.tolerance <= ratio && ratio <= 1+r.up.tolerance {
		return current
	}
	wanted := int32(min(math.Ceil(ratio*replicas/r.in.Workload.share()-noise), math.MaxInt32))
	if ratio > 1 {
		return max(wanted, current)
	}
	return min(wanted, current)
}

// alive are the pods that any sample may count for.
func (r *round) alive() []Pod {
	var alive []Pod
	for _, pod := range r.in.Workload.Pods {
		if pod.DeletionTimestamp == nil && pod.Status.Phase != corev1.PodFailed && pod.Status.Phase != corev1.PodSucceeded {
			alive = append(alive, pod)
		}
	}
	return alive
}

func total(samples Samples) int64 {
	sum := int64(0)
	for _, sample := range samples {
		sum += sample.Value
	}
	return sum
}

func average(samples Samples) autoscalingv2.MetricValueStatus {
	return autoscalingv2.MetricValueStatus{AverageValue: milli(total(samples) / int64(len(samples)))}
}

func milli(value int64) *resource.Quantity {
	return resource.NewMilliQuantity(value, resource.DecimalSI)
}
