package admission

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

func validatePlacement(placement *policyv1alpha1.Placement, path *field.Path) field.ErrorList {
	var faults field.ErrorList
	if placement.ClusterAffinity != nil && len(placement.ClusterAffinities) > 0 {
		faults = append(faults, field.Invalid(path.Child("clusterAffinities"), len(placement.ClusterAffinities),
			"must be empty when clusterAffinity is given"))
	}
	faults = append(faults, validateAffinity(placement.ClusterAffinity, path.Child("clusterAffinity"))...)
	faults = append(faults, validateTerms(placement, path.Child("clusterAffinities"))...)
	faults = append(faults, validateTolerations(placement.ClusterTolerations, path.Child("clusterTolerations"))...)
	faults = append(faults, validateSpread(placement.SpreadConstraints, path.Child("spreadConstraints"))...)
	return append(faults, validateWorkloadAffinity(placement.WorkloadAffinity, path.Child("workloadAffinity"))...)
}

// validateAffinity checks the field selector: only locations of clusters can be selected by.
func validateAffinity(affinity *policyv1alpha1.ClusterAffinity, path *field.Path) field.ErrorList {
	if affinity == nil || affinity.FieldSelector == nil {
		return nil
	}
	keys := []string{"provider", "region", "zone"}
	operators := []corev1.NodeSelectorOperator{corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn}
	var faults field.ErrorList
	for i, expression := range affinity.FieldSelector.MatchExpressions {
		at := path.Child("fieldSelector", "matchExpressions").Index(i)
		if !slices.Contains(keys, expression.Key) {
			faults = append(faults, field.NotSupported(at.Child("key"), expression.Key, keys))
		}
		if !slices.Contains(operators, expression.Operator) {
			faults = append(faults, field.NotSupported(at.Child("operator"), expression.Operator, operators))
		}
	}
	return faults
}

func validateTerms(placement *policyv1alpha1.Placement, path *field.Path) field.ErrorList {
	var faults field.ErrorList
	seen := sets.New[string]()
	for i := range placement.ClusterAffinities {
		term, at := &placement.ClusterAffinities[i], path.Index(i)
		faults = append(faults, validateTermName(term.AffinityName, seen, at.Child("affinityName"))...)
		faults = append(faults, validateAffinity(&term.ClusterAffinity, at)...)
		faults = append(faults, validateOverflow(placement, term, at)...)
	}
	return faults
}

// validateTermName checks the name and adds it to those seen.
func validateTermName(name string, seen sets.Set[string], path *field.Path) field.ErrorList {
	faults := validateQualifiedName(name, path)
	if seen.Has(name) {
		faults = append(faults, field.Duplicate(path, name))
	}
	seen.Insert(name)
	return faults
}

func validateQualifiedName(name string, path *field.Path) field.ErrorList {
	var faults field.ErrorList
	for _, fault := range validation.IsQualifiedName(name) {
		faults = append(faults, field.Invalid(path, name, fault))
	}
	return faults
}

// validateOverflow checks the groups that take what does not fit. They need a division that looks at capacity, and a first
// group that is narrower than everything.
func validateOverflow(
	placement *policyv1alpha1.Placement, term *policyv1alpha1.ClusterAffinityTerm, path *field.Path,
) field.ErrorList {
	if len(term.OverflowAffinities) == 0 {
		return nil
	}
	var faults field.ErrorList
	path = path.Child("overflowAffinities")
	if !dividesByCapacity(placement.ReplicaScheduling) {
		faults = append(faults, field.Forbidden(path,
			"overflow needs replicas that are Divided and Aggregated, or Divided and Weighted by a dynamic weight"))
	}
	own := term.ClusterAffinity
	if own.LabelSelector == nil && own.FieldSelector == nil && len(own.ClusterNames) == 0 && len(own.ExcludeClusters) == 0 {
		faults = append(faults, field.Forbidden(path, "nothing can overflow from an affinity that selects every cluster"))
	}
	seen := sets.New(term.AffinityName)
	for i := range term.OverflowAffinities {
		overflow, at := &term.OverflowAffinities[i], path.Index(i)
		faults = append(faults, validateTermName(overflow.AffinityName, seen, at.Child("affinityName"))...)
		faults = append(faults, validateAffinity(&overflow.ClusterAffinity, at)...)
	}
	return faults
}

func dividesByCapacity(scheduling *policyv1alpha1.ReplicaSchedulingStrategy) bool {
	if scheduling == nil || scheduling.ReplicaSchedulingType != policyv1alpha1.ReplicaSchedulingTypeDivided {
		return false
	}
	switch scheduling.ReplicaDivisionPreference {
	case policyv1alpha1.ReplicaDivisionPreferenceAggregated:
		return true
	case policyv1alpha1.ReplicaDivisionPreferenceWeighted:
		return scheduling.WeightPreference != nil && scheduling.WeightPreference.DynamicWeight != ""
	default:
		return false
	}
}

func validateTolerations(tolerations []corev1.Toleration, path *field.Path) field.ErrorList {
	operators := []corev1.TolerationOperator{corev1.TolerationOpEqual, corev1.TolerationOpExists}
	var faults field.ErrorList
	for i, toleration := range tolerations {
		if toleration.Operator != "" && !slices.Contains(operators, toleration.Operator) {
			faults = append(faults, field.NotSupported(path.Index(i).Child("operator"), toleration.Operator, operators))
		}
	}
	return faults
}

func validateSpread(constraints []policyv1alpha1.SpreadConstraint, path *field.Path) field.ErrorList {
	var faults field.ErrorList
	seen := sets.New[policyv1alpha1.SpreadFieldValue]()
	for i, constraint := range constraints {
		at := path.Index(i)
		if constraint.SpreadByField != "" && constraint.SpreadByLabel != "" {
			faults = append(faults, field.Invalid(at.Child("spreadByLabel"), constraint.SpreadByLabel,
				"must be empty when spreadByField is given"))
		}
		if constraint.MinGroups < 0 {
			faults = append(faults, field.Invalid(at.Child("minGroups"), constraint.MinGroups, "must not be negative"))
		}
		if constraint.MaxGroups < 0 {
			faults = append(faults, field.Invalid(at.Child("maxGroups"), constraint.MaxGroups, "must not be negative"))
		}
		if constraint.MaxGroups > 0 && constraint.MaxGroups < constraint.MinGroups {
			fault := fmt.Sprintf("must not be less than minGroups, %d", constraint.MinGroups)
			faults = append(faults, field.Invalid(at.Child("maxGroups"), constraint.MaxGroups, fault))
		}
		if constraint.SpreadByField == "" {
			continue
		}
		if seen.Has(constraint.SpreadByField) {
			faults = append(faults, field.Duplicate(at.Child("spreadByField"), constraint.SpreadByField))
		}
		seen.Insert(constraint.SpreadByField)
	}
	if seen.Len() > 0 && !seen.Has(policyv1alpha1.SpreadByFieldCluster) {
		faults = append(faults, field.Required(path, "one constraint must spread by the field cluster"))
	}
	return faults
}

func validateWorkloadAffinity(affinity *policyv1alpha1.WorkloadAffinity, path *field.Path) field.ErrorList {
	if affinity == nil {
		return nil
	}
	var faults field.ErrorList
	together, apart := path.Child("affinity", "groupByLabelKey"), path.Child("antiAffinity", "groupByLabelKey")
	if affinity.Affinity != nil {
		faults = append(faults, metav1validation.ValidateLabelName(affinity.Affinity.GroupByLabelKey, together)...)
	}
	if affinity.AntiAffinity != nil {
		faults = append(faults, metav1validation.ValidateLabelName(affinity.AntiAffinity.GroupByLabelKey, apart)...)
	}
	if affinity.Affinity != nil && affinity.AntiAffinity != nil &&
		affinity.Affinity.GroupByLabelKey == affinity.AntiAffinity.GroupByLabelKey {
		faults = append(faults, field.Invalid(apart, affinity.AntiAffinity.GroupByLabelKey,
			"the same group cannot be kept together and apart"))
	}
	return faults
}
