package autoscale

import (
	"fmt"
	"math"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	autoscalingv1alpha1 "github.com/seatrial/seatrial/api/autoscaling/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
)

// Input is what a decision is made from.
type Input struct {
	Spec     *autoscalingv1alpha1.FederatedHPASpec
	Workload Workload
	// Readings are those of the metrics of the specification, in their order. They are not needed where NeedsReadings says so.
	Readings []Reading
	History  History
	Now      time.Time
}

// Decision is what shall become of a workload, and what there is to tell.
type Decision struct {
	// Replicas is what the template shall ask for.
	Replicas int32
	// Reason tells why it shall ask for another number.
	Reason string
	// Metrics are the current values of those that have one.
	Metrics    []autoscalingv2.MetricStatus
	Conditions []Condition
	// Failure tells which metrics could not be followed; the others may have decided alone.
	Failure error
	History History
}

// Condition is one that the status of an autoscaler shall have.
type Condition struct {
	Type    autoscalingv2.HorizontalPodAutoscalerConditionType
	Status  corev1.ConditionStatus
	Reason  string
	Message string
}

// NeedsReadings tells whether metrics decide about a workload: it is not switched off, and within its bounds.
func NeedsReadings(spec *autoscalingv1alpha1.FederatedHPASpec, replicas int32) bool {
	return replicas >= least(spec) && replicas <= spec.MaxReplicas
}

func least(spec *autoscalingv1alpha1.FederatedHPASpec) int32 { return ptr.Deref(spec.MinReplicas, 1) }

// Decide is what an autoscaler does now.
func (o Options) Decide(in Input) Decision {
	r := &round{options: o, in: &in}
	r.up, r.down = o.rules(in.Spec)
	d := Decision{Replicas: in.Workload.Replicas, History: in.History}
	switch current := in.Workload.Replicas; {
	case current == 0 && least(in.Spec) > 0:
		d.tell(autoscalingv2.ScalingActive, false, names.ReasonScalingDisabled, "the target asks for no replicas, which switches scaling off")
	case current > in.Spec.MaxReplicas:
		d.bound(in.Spec.MaxReplicas, in, "there are more replicas than maxReplicas")
	case current < least(in.Spec):
		d.bound(least(in.Spec), in, "there are fewer replicas than minReplicas")
	default:
		r.follow(&d)
	}
	return d
}

// bound brings replicas to one of their bounds. Metrics are not asked, so what was needed until now counts as needed.
func (d *Decision) bound(replicas int32, in Input, reason string) {
	d.Replicas, d.Reason, d.History = replicas, reason, in.History.recommend(replicas, in.Now)
}

// follow lets the metrics decide.
func (r *round) follow(d *Decision) {
	best, failed := r.gather(d)
	current := r.in.Workload.Replicas
	// A metric that is not known might have asked for more than the others.
	if best.about == "" || failed != nil && best.replicas < current {
		d.tell(autoscalingv2.ScalingActive, false, failed.reason, "the replicas that are needed could not be told: %v", failed.err)
		return
	}
	d.tell(autoscalingv2.ScalingActive, true, names.ReasonValidMetricFound, "the replicas that are needed were told from %s", best.about)
	steady := r.stabilize(d, best.replicas)
	d.Replicas = r.limit(d, steady)
	switch {
	case d.Replicas > current:
		d.Reason = best.about + " is above its target"
	case d.Replicas < current:
		d.Reason = "all metrics are below their targets"
	}
}

// failure is the first metric that could not be followed.
type failure struct {
	reason string
	err    error
}

// gather asks all metrics; the one that wants most wins.
func (r *round) gather(d *Decision) (best proposal, first *failure) {
	failed := 0
	for i := range r.in.Spec.Metrics {
		spec := &r.in.Spec.Metrics[i]
		proposed, err := r.propose(spec, r.in.Readings[i])
		if err != nil {
			if failed++; first == nil {
				first = &failure{reasonOf(spec.Type), fmt.Errorf("metric %d of %d: %w", i+1, len(r.in.Spec.Metrics), err)}
			}
			continue
		}
		d.Metrics = append(d.Metrics, proposed.status)
		if best.about == "" || proposed.replicas > best.replicas {
			best = proposed
		}
	}
	if first == nil && best.about == "" {
		first = &failure{names.ReasonInvalidMetricSourceType, fmt.Errorf("there are no metrics")}
	}
	if first != nil {
		d.Failure = fmt.Errorf("%d of %d metrics could not be followed; the first: %w", failed, len(r.in.Spec.Metrics), first.err)
	}
	return best, first
}

func reasonOf(source autoscalingv2.MetricSourceType) string {
	switch source {
	case autoscalingv2.ResourceMetricSourceType:
		return names.ReasonFailedGetResourceMetric
	case autoscalingv2.ContainerResourceMetricSourceType:
		return names.ReasonFailedGetContainerResourceMetric
	case autoscalingv2.PodsMetricSourceType:
		return names.ReasonFailedGetPodsMetric
	case autoscalingv2.ObjectMetricSourceType:
		return names.ReasonFailedGetObjectMetric
	case autoscalingv2.ExternalMetricSourceType:
		return names.ReasonFailedGetExternalMetric
	}
	return names.ReasonInvalidMetricSourceType
}

// stabilize holds what metrics propose against what they proposed a while ago: replicas are added once they were wanted all the time,
// and go once they were not wanted any time.
func (r *round) stabilize(d *Decision, proposed int32) int32 {
	current, now, before := r.in.Workload.Replicas, r.in.Now, r.in.History
	d.History = before.recommend(proposed, now)
	up, down := before.lowest(r.up.window, now, proposed), before.highest(r.down.window, now, proposed)
	steady := min(max(current, up), down)
	switch {
	case steady == proposed:
		d.tell(autoscalingv2.AbleToScale, true, names.ReasonReadyForNewScale, "the replicas that are needed have been the same for long enough")
	case proposed >= current:
		d.tell(autoscalingv2.AbleToScale, true, names.ReasonScaleUpStabilized, "a while ago fewer replicas were needed; the lowest number counts")
	default:
		d.tell(autoscalingv2.AbleToScale, true, names.ReasonScaleDownStabilized, "a while ago more replicas were needed; the highest number counts")
	}
	return steady
}

// limit keeps a number of replicas within the bounds, and the change to it within what policies allow.
func (r *round) limit(d *Decision, wanted int32) int32 {
	current := r.in.Workload.Replicas
	allowed, reason, limit := wanted, names.ReasonDesiredWithinRange, ""
	switch {
	case wanted > current:
		most, ceiling := r.in.Spec.MaxReplicas, max(r.ceiling(), current)
		if reason, limit = names.ReasonTooManyReplicas, "maxReplicas"; ceiling < most {
			most, reason, limit = ceiling, names.ReasonScaleUpLimit, "what may be added at a time"
		}
		allowed = min(wanted, most)
	case wanted < current:
		fewest, floor := least(r.in.Spec), min(r.floor(), current)
		if reason, limit = names.ReasonTooFewReplicas, "minReplicas"; floor > fewest {
			fewest, reason, limit = floor, names.ReasonScaleDownLimit, "what may be taken away at a time"
		}
		allowed = max(wanted, fewest)
	}
	if allowed == wanted {
		d.tell(autoscalingv2.ScalingLimited, false, names.ReasonDesiredWithinRange, "%d replicas are within all limits", wanted)
	} else {
		d.tell(autoscalingv2.ScalingLimited, true, reason, "%d replicas are needed, %d are allowed by %s", wanted, allowed, limit)
	}
	return allowed
}

// ceiling is the most replicas that there may be after this round: without a say of the user, the double or 4.
func (r *round) ceiling() int32 {
	current, now := r.in.Workload.Replicas, r.in.Now
	if r.in.Spec.Behavior == nil || len(r.up.policies) == 0 && r.up.selects == "" {
		return clamp(max(2*float64(current), 4))
	}
	if r.up.selects == autoscalingv2.DisabledPolicySelect {
		return current
	}
	chosen := int32(-1)
	for _, policy := range r.up.policies {
		start := float64(r.in.History.at(seconds(policy.PeriodSeconds), now, current))
		most := start + float64(policy.Value)
		if policy.Type == autoscalingv2.PercentScalingPolicy {
			most = math.Ceil(start*(1+float64(policy.Value)/100) - noise)
		}
		switch value := clamp(most); {
		case chosen < 0:
			chosen = value
		case r.up.selects == autoscalingv2.MinChangePolicySelect:
			chosen = min(chosen, value)
		default:
			chosen = max(chosen, value)
		}
	}
	return max(chosen, 0)
}

// floor is the fewest replicas that may be left after this round. A period of which not all is known allows nothing.
func (r *round) floor() int32 {
	current, now := r.in.Workload.Replicas, r.in.Now
	if r.in.Spec.Behavior == nil || len(r.down.policies) == 0 && r.down.selects == "" {
		return 0
	}
	if r.down.selects == autoscalingv2.DisabledPolicySelect {
		return current
	}
	chosen := int32(-1)
	for _, policy := range r.down.policies {
		fewest, period := current, seconds(policy.PeriodSeconds)
		if r.in.History.covers(period, now) {
			start := float64(r.in.History.at(period, now, current))
			left := start - float64(policy.Value)
			if policy.Type == autoscalingv2.PercentScalingPolicy {
				left = math.Floor(start*(1-float64(policy.Value)/100) + noise)
			}
			fewest = clamp(left)
		}
		switch {
		case chosen < 0:
			chosen = fewest
		case r.down.selects == autoscalingv2.MinChangePolicySelect:
			chosen = max(chosen, fewest)
		default:
			chosen = min(chosen, fewest)
		}
	}
	return max(chosen, 0)
}

func clamp(replicas float64) int32 { return int32(min(max(replicas, 0), math.MaxInt32)) }

// tell sets a condition, in the place of one of its type.
func (d *Decision) tell(kind autoscalingv2.HorizontalPodAutoscalerConditionType, holds bool, reason, format string, args ...any) {
	status := corev1.ConditionFalse
	if holds {
		status = corev1.ConditionTrue
	}
	d.Conditions = append(d.Conditions, Condition{kind, status, reason, fmt.Sprintf(format, args...)})
}
