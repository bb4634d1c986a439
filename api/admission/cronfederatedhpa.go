package admission

import (
	"time"

	"github.com/robfig/cron/v3"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	autoscalingv1alpha1 "github.com/seatrial/seatrial/api/autoscaling/v1alpha1"
)

// ValidateCronFederatedHPA checks the rules against the kind of their target.
func ValidateCronFederatedHPA(scaler *autoscalingv1alpha1.CronFederatedHPA) field.ErrorList {
	path := field.NewPath("spec")
	target := scaler.Spec.ScaleTargetRef
	faults := validateScaleTarget(target, path.Child("scaleTargetRef"))
	version, err := schema.ParseGroupVersion(target.APIVersion)
	if err != nil {
		faults = append(faults, field.Invalid(path.Child("scaleTargetRef", "apiVersion"), target.APIVersion, err.Error()))
	}
	scalesAutoscaler := version.Group == autoscalingv1alpha1.GroupVersion.Group
	if scalesAutoscaler && target.Kind != "FederatedHPA" {
		faults = append(faults, field.NotSupported(path.Child("scaleTargetRef", "kind"), target.Kind, []string{"FederatedHPA"}))
	}
	seen := sets.New[string]()
	for i := range scaler.Spec.Rules {
		rule, at := &scaler.Spec.Rules[i], path.Child("rules").Index(i)
		if seen.Has(rule.Name) {
			faults = append(faults, field.Duplicate(at.Child("name"), rule.Name))
		}
		seen.Insert(rule.Name)
		faults = append(faults, validateSchedule(rule, at)...)
		if scalesAutoscaler {
			faults = append(faults, validateBounds(rule, at)...)
		} else {
			faults = append(faults, validateTargetReplicas(rule, at)...)
		}
	}
	return faults
}

func validateSchedule(rule *autoscalingv1alpha1.CronFederatedHPARule, path *field.Path) field.ErrorList {
	var faults field.ErrorList
	if _, err := cron.ParseStandard(rule.Schedule); err != nil {
		faults = append(faults, field.Invalid(path.Child("schedule"), rule.Schedule, err.Error()))
	}
	if rule.TimeZone != nil {
		if _, err := time.LoadLocation(*rule.TimeZone); err != nil {
			faults = append(faults, field.Invalid(path.Child("timeZone"), *rule.TimeZone, err.Error()))
		}
	}
	return faults
}

// validateBounds checks a rule that moves the bounds of an autoscaler.
func validateBounds(rule *autoscalingv1alpha1.CronFederatedHPARule, path *field.Path) field.ErrorList {
	least, most := rule.TargetMinReplicas, rule.TargetMaxReplicas
	if least == nil && most == nil {
		return field.ErrorList{field.Required(path, "needs targetMinReplicas or targetMaxReplicas for a FederatedHPA")}
	}
	var faults field.ErrorList
	if least != nil && *least <= 0 {
		faults = append(faults, field.Invalid(path.Child("targetMinReplicas"), *least, "must be greater than 0"))
	}
	if most != nil && *most <= 0 {
		faults = append(faults, field.Invalid(path.Child("targetMaxReplicas"), *most, "must be greater than 0"))
	}
	if least != nil && most != nil && *least > *most {
		faults = append(faults, field.Invalid(path.Child("targetMinReplicas"), *least, "must not exceed targetMaxReplicas"))
	}
	return faults
}

// validateTargetReplicas checks a rule that sets the scale of a workload.
func validateTargetReplicas(rule *autoscalingv1alpha1.CronFederatedHPARule, path *field.Path) field.ErrorList {
	if rule.TargetReplicas == nil {
		return field.ErrorList{field.Required(path.Child("targetReplicas"), "needs the replicas to scale to")}
	}
	if *rule.TargetReplicas < 0 {
		return field.ErrorList{field.Invalid(path.Child("targetReplicas"), *rule.TargetReplicas, "must not be negative")}
	}
	return nil
}
