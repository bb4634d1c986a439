package autoscale

import (
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/utils/ptr"

	autoscalingv1alpha1 "github.com/seatrial/seatrial/api/autoscaling/v1alpha1"
)

// Options are what holds for all autoscalers that do not say otherwise.
type Options struct {
	// Tolerance is how far a metric may be from its target before anything is done, as a part of the target.
	Tolerance float64
	// Stabilization is how long the highest recommendation holds replicas up.
	Stabilization time.Duration
	// CPUInitializationPeriod is the age up to which a pod's use of CPU counts only from the time on when it is ready.
	CPUInitializationPeriod time.Duration
	// InitialReadinessDelay is the age up to which a pod that is not ready counts as one that has never been.
	InitialReadinessDelay time.Duration
}

// Defaults are those of the reference.
func Defaults() Options {
	return Options{Tolerance: 0.1, Stabilization: 5 * time.Minute, CPUInitializationPeriod: 5 * time.Minute, InitialReadinessDelay: 30 * time.Second}
}

// rules are what holds for one autoscaler in one direction.
type rules struct {
	window    time.Duration
	tolerance float64
	selects   autoscalingv2.ScalingPolicySelect
	policies  []autoscalingv2.HPAScalingPolicy
}

// rules completes what an autoscaler says for both directions.
func (o *Options) rules(spec *autoscalingv1alpha1.FederatedHPASpec) (up, down rules) {
	up, down = rules{tolerance: o.Tolerance}, rules{tolerance: o.Tolerance, window: o.Stabilization}
	if spec.Behavior != nil {
		up.take(spec.Behavior.ScaleUp)
		down.take(spec.Behavior.ScaleDown)
	}
	return up, down
}

func (r *rules) take(given *autoscalingv2.HPAScalingRules) {
	if given == nil {
		return
	}
	if given.StabilizationWindowSeconds != nil {
		r.window = seconds(*given.StabilizationWindowSeconds)
	}
	if given.Tolerance != nil {
		r.tolerance = given.Tolerance.AsApproximateFloat64()
	}
	r.selects, r.policies = ptr.Deref(given.SelectPolicy, autoscalingv2.MaxChangePolicySelect), given.Policies
}

func seconds(count int32) time.Duration { return time.Duration(count) * time.Second }
