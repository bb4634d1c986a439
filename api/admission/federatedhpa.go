package admission

import (
	"fmt"
	"slices"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/util/validation/field"

	autoscalingv1alpha1 "github.com/seatrial/seatrial/api/autoscaling/v1alpha1"
)

const (
	defaultUtilization         = int32(80)
	maxStabilizationSeconds    = int32(3600)
	maxScalingPeriodSeconds    = int32(1800)
	defaultScalingPeriod       = int32(15)
	defaultScaleUpPods         = int32(4)
	defaultScalingPercent      = int32(100)
	defaultScaleUpStabilizeSec = int32(0)
)

// DefaultFederatedHPA completes the scaler like a Kubernetes HPA v2.
func DefaultFederatedHPA(scaler *autoscalingv1alpha1.FederatedHPA) {
	spec := &scaler.Spec
	if spec.MinReplicas == nil {
		spec.MinReplicas = pointerTo(int32(1))
	}
	if len(spec.Metrics) == 0 {
		spec.Metrics = []autoscalingv2.MetricSpec{{
			Type: autoscalingv2.ResourceMetricSourceType,
			Resource: &autoscalingv2.ResourceMetricSource{
				Name: corev1.ResourceCPU,
				Target: autoscalingv2.MetricTarget{
					Type: autoscalingv2.UtilizationMetricType, AverageUtilization: pointerTo(defaultUtilization),
				},
			},
		}}
	}
	if spec.Behavior == nil {
		return
	}
	percent := autoscalingv2.HPAScalingPolicy{
		Type: autoscalingv2.PercentScalingPolicy, Value: defaultScalingPercent, PeriodSeconds: defaultScalingPeriod,
	}
	pods := autoscalingv2.HPAScalingPolicy{
		Type: autoscalingv2.PodsScalingPolicy, Value: defaultScaleUpPods, PeriodSeconds: defaultScalingPeriod,
	}
	spec.Behavior.ScaleUp = withScalingDefaults(spec.Behavior.ScaleUp, pointerTo(defaultScaleUpStabilizeSec), pods, percent)
	spec.Behavior.ScaleDown = withScalingDefaults(spec.Behavior.ScaleDown, nil, percent)
}

// withScalingDefaults fills what a rule leaves open. Without a window, the scaler's own default for that direction counts.
func withScalingDefaults(
	rules *autoscalingv2.HPAScalingRules, window *int32, policies ...autoscalingv2.HPAScalingPolicy,
) *autoscalingv2.HPAScalingRules {
	if rules == nil {
		rules = &autoscalingv2.HPAScalingRules{}
	}
	if rules.SelectPolicy == nil {
		rules.SelectPolicy = pointerTo(autoscalingv2.MaxChangePolicySelect)
	}
	if rules.StabilizationWindowSeconds == nil {
		rules.StabilizationWindowSeconds = window
	}
	if len(rules.Policies) == 0 {
		rules.Policies = policies
	}
	return rules
}

func pointerTo[T any](value T) *T { return &value }

// ValidateFederatedHPA checks a scaler by the rules of a Kubernetes HPA v2.
func ValidateFederatedHPA(scaler *autoscalingv1alpha1.FederatedHPA) field.ErrorList {
	spec, at := &scaler.Spec, field.NewPath("spec")
	faults := validateScaleTarget(spec.ScaleTargetRef, at.Child("scaleTargetRef"))
	if spec.MinReplicas != nil && *spec.MinReplicas < 1 {
		faults = append(faults, field.Invalid(at.Child("minReplicas"), *spec.MinReplicas, "must be at least 1"))
	}
	if spec.MaxReplicas < 1 {
		faults = append(faults, field.Invalid(at.Child("maxReplicas"), spec.MaxReplicas, "must be greater than 0"))
	}
	if spec.MinReplicas != nil && spec.MaxReplicas < *spec.MinReplicas {
		faults = append(faults, field.Invalid(at.Child("maxReplicas"), spec.MaxReplicas, "must not be less than minReplicas"))
	}
	for i := range spec.Metrics {
		faults = append(faults, validateMetric(&spec.Metrics[i], at.Child("metrics").Index(i))...)
	}
	if spec.Behavior != nil {
		faults = append(faults, validateScaling(spec.Behavior.ScaleUp, at.Child("behavior", "scaleUp"))...)
		faults = append(faults, validateScaling(spec.Behavior.ScaleDown, at.Child("behavior", "scaleDown"))...)
	}
	return faults
}

func validateScaleTarget(target autoscalingv2.CrossVersionObjectReference, at *field.Path) field.ErrorList {
	return append(validatePathSegment(target.Kind, at.Child("kind")), validatePathSegment(target.Name, at.Child("name"))...)
}

// validatePathSegment keeps names usable in request paths.
func validatePathSegment(text string, at *field.Path) field.ErrorList {
	if text == "" {
		return field.ErrorList{field.Required(at, "must not be empty")}
	}
	var faults field.ErrorList
	for _, fault := range content.IsPathSegmentName(text) {
		faults = append(faults, field.Invalid(at, text, fault))
	}
	return faults
}

// validateMetric checks that exactly the source named by the type is given.
func validateMetric(metric *autoscalingv2.MetricSpec, at *field.Path) field.ErrorList {
	var faults field.ErrorList
	given := map[autoscalingv2.MetricSourceType]bool{
		autoscalingv2.ObjectMetricSourceType:            metric.Object != nil,
		autoscalingv2.PodsMetricSourceType:              metric.Pods != nil,
		autoscalingv2.ResourceMetricSourceType:          metric.Resource != nil,
		autoscalingv2.ContainerResourceMetricSourceType: metric.ContainerResource != nil,
		autoscalingv2.ExternalMetricSourceType:          metric.External != nil,
	}
	present, known := given[metric.Type]
	if !known {
		faults = append(faults, field.Invalid(at.Child("type"), metric.Type, "is no known source of metrics"))
	} else if !present {
		faults = append(faults, field.Required(at, fmt.Sprintf("needs the source of type %s", metric.Type)))
	}
	count := 0
	for _, is := range given {
		if is {
			count++
		}
	}
	if count > 1 {
		faults = append(faults, field.Forbidden(at, "must have one source only"))
	}
	if metric.Object != nil {
		faults = append(faults, validateScaleTarget(metric.Object.DescribedObject, at.Child("object", "describedObject"))...)
		faults = append(faults, validateIdentifier(metric.Object.Metric, at.Child("object", "metric"))...)
		faults = append(faults, validateTarget(metric.Object.Target, false, at.Child("object", "target"))...)
	}
	if metric.Pods != nil {
		faults = append(faults, validateIdentifier(metric.Pods.Metric, at.Child("pods", "metric"))...)
		faults = append(faults, validateTarget(metric.Pods.Target, false, at.Child("pods", "target"))...)
	}
	if metric.External != nil {
		faults = append(faults, validateIdentifier(metric.External.Metric, at.Child("external", "metric"))...)
		faults = append(faults, validateTarget(metric.External.Target, false, at.Child("external", "target"))...)
	}
	return append(faults, validateResourceMetric(metric, at)...)
}

func validateResourceMetric(metric *autoscalingv2.MetricSpec, at *field.Path) field.ErrorList {
	var faults field.ErrorList
	if source := metric.Resource; source != nil {
		if source.Name == "" {
			faults = append(faults, field.Required(at.Child("resource", "name"), "must name a resource"))
		}
		faults = append(faults, validateTarget(source.Target, true, at.Child("resource", "target"))...)
	}
	if source := metric.ContainerResource; source != nil {
		if source.Name == "" {
			faults = append(faults, field.Required(at.Child("containerResource", "name"), "must name a resource"))
		}
		if source.Container == "" {
			faults = append(faults, field.Required(at.Child("containerResource", "container"), "must name a container"))
		}
		faults = append(faults, validateTarget(source.Target, true, at.Child("containerResource", "target"))...)
	}
	return faults
}

func validateIdentifier(metric autoscalingv2.MetricIdentifier, at *field.Path) field.ErrorList {
	return validatePathSegment(metric.Name, at.Child("name"))
}

// validateTarget checks that a target has one positive number; utilization is meaningful for resources only.
func validateTarget(target autoscalingv2.MetricTarget, resources bool, at *field.Path) field.ErrorList {
	var faults field.ErrorList
	types := []autoscalingv2.MetricTargetType{
		autoscalingv2.UtilizationMetricType, autoscalingv2.ValueMetricType, autoscalingv2.AverageValueMetricType,
	}
	if !slices.Contains(types, target.Type) {
		faults = append(faults, field.NotSupported(at.Child("type"), target.Type, types))
	}
	if target.Value != nil && target.Value.Sign() != 1 {
		faults = append(faults, field.Invalid(at.Child("value"), target.Value.String(), "must be positive"))
	}
	if target.AverageValue != nil && target.AverageValue.Sign() != 1 {
		faults = append(faults, field.Invalid(at.Child("averageValue"), target.AverageValue.String(), "must be positive"))
	}
	if target.AverageUtilization != nil {
		if *target.AverageUtilization < 1 {
			faults = append(faults, field.Invalid(at.Child("averageUtilization"), *target.AverageUtilization, "must be positive"))
		}
		if !resources {
			faults = append(faults, field.Forbidden(at.Child("averageUtilization"), "only resources have a utilization"))
		}
	}
	if target.AverageUtilization != nil && target.AverageValue != nil {
		faults = append(faults, field.Forbidden(at.Child("averageValue"), "must not stand beside averageUtilization"))
	}
	if target.Value == nil && target.AverageValue == nil && target.AverageUtilization == nil {
		faults = append(faults, field.Required(at, "needs a value"))
	}
	return faults
}

func validateScaling(rules *autoscalingv2.HPAScalingRules, at *field.Path) field.ErrorList {
	if rules == nil {
		return nil
	}
	var faults field.ErrorList
	if window := rules.StabilizationWindowSeconds; window != nil && (*window < 0 || *window > maxStabilizationSeconds) {
		fault := fmt.Sprintf("must be between 0 and %d", maxStabilizationSeconds)
		faults = append(faults, field.Invalid(at.Child("stabilizationWindowSeconds"), *window, fault))
	}
	selections := []autoscalingv2.ScalingPolicySelect{
		autoscalingv2.MaxChangePolicySelect, autoscalingv2.MinChangePolicySelect, autoscalingv2.DisabledPolicySelect,
	}
	if rules.SelectPolicy != nil && !slices.Contains(selections, *rules.SelectPolicy) {
		faults = append(faults, field.NotSupported(at.Child("selectPolicy"), *rules.SelectPolicy, selections))
	}
	if rules.Tolerance != nil && rules.Tolerance.Sign() < 0 {
		faults = append(faults, field.Invalid(at.Child("tolerance"), rules.Tolerance.String(), "must not be negative"))
	}
	if len(rules.Policies) == 0 {
		faults = append(faults, field.Required(at.Child("policies"), "needs at least one policy"))
	}
	types := []autoscalingv2.HPAScalingPolicyType{autoscalingv2.PodsScalingPolicy, autoscalingv2.PercentScalingPolicy}
	for i, policy := range rules.Policies {
		each := at.Child("policies").Index(i)
		if !slices.Contains(types, policy.Type) {
			faults = append(faults, field.NotSupported(each.Child("type"), policy.Type, types))
		}
		if policy.Value <= 0 {
			faults = append(faults, field.Invalid(each.Child("value"), policy.Value, "must be greater than 0"))
		}
		if policy.PeriodSeconds <= 0 || policy.PeriodSeconds > maxScalingPeriodSeconds {
			fault := fmt.Sprintf("must be between 1 and %d", maxScalingPeriodSeconds)
			faults = append(faults, field.Invalid(each.Child("periodSeconds"), policy.PeriodSeconds, fault))
		}
	}
	return faults
}
