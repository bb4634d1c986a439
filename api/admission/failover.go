package admission

import (
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/eviction/floor"
)

// validateFloor checks the availability floor that a policy asks for. An empty one asks for nothing.
func validateFloor(annotations map[string]string) field.ErrorList {
	text := annotations[names.AnnotationFloor]
	if text == "" {
		return nil
	}
	if _, err := floor.Parse(text); err != nil {
		return field.ErrorList{field.Invalid(field.NewPath("metadata", "annotations").Key(names.AnnotationFloor), text, err.Error())}
	}
	return nil
}

// validateStatefulMoves checks how StatefulSets are to move.
func validateStatefulMoves(annotations map[string]string) field.ErrorList {
	text := annotations[names.AnnotationStatefulMoves]
	if text == "" || text == names.MakeBeforeBreak {
		return nil
	}
	at := field.NewPath("metadata", "annotations").Key(names.AnnotationStatefulMoves)
	return field.ErrorList{field.NotSupported(at, text, []string{names.MakeBeforeBreak})}
}

func validateFailover(spec *policyv1alpha1.PropagationSpec, path *field.Path) field.ErrorList {
	if spec.Failover == nil {
		return nil
	}
	var faults field.ErrorList
	if application := spec.Failover.Application; application != nil {
		at := path.Child("application")
		if !spec.PropagateDeps {
			faults = append(faults, field.Forbidden(at, "an application moves with its dependencies: needs propagateDeps"))
		}
		faults = append(faults, validateApplicationFailover(application, at)...)
	}
	if cluster := spec.Failover.Cluster; cluster != nil {
		at := path.Child("cluster", "statePreservation")
		faults = append(faults, validateStatePreservation(cluster.StatePreservation, at)...)
	}
	return faults
}

func validateApplicationFailover(application *policyv1alpha1.ApplicationFailoverBehavior, path *field.Path) field.ErrorList {
	var faults field.ErrorList
	if seconds := application.DecisionConditions.TolerationSeconds; seconds != nil && *seconds < 0 {
		faults = append(faults, field.Invalid(path.Child("decisionConditions", "tolerationSeconds"), *seconds,
			"must not be negative"))
	}
	graceful, grace := application.PurgeMode == policyv1alpha1.PurgeModeGracefully, application.GracePeriodSeconds
	at := path.Child("gracePeriodSeconds")
	switch {
	case graceful && grace == nil:
		faults = append(faults, field.Required(at, "purge mode Gracefully needs a grace period"))
	case !graceful && grace != nil:
		faults = append(faults, field.Invalid(at, *grace, "only purge mode Gracefully has a grace period"))
	case grace != nil && *grace <= 0:
		faults = append(faults, field.Invalid(at, *grace, "must be greater than 0"))
	}
	return append(faults, validateStatePreservation(application.StatePreservation, path.Child("statePreservation"))...)
}

func validateStatePreservation(preservation *policyv1alpha1.StatePreservation, path *field.Path) field.ErrorList {
	if preservation == nil {
		return nil
	}
	var faults field.ErrorList
	for i, rule := range preservation.Rules {
		faults = append(faults, validateQualifiedName(rule.AliasLabelName, path.Child("rules").Index(i).Child("aliasLabelName"))...)
	}
	return faults
}
