package admission

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// ValidateClusterTaintPolicy checks the taints; noExecute permits those that evict.
func ValidateClusterTaintPolicy(policy *policyv1alpha1.ClusterTaintPolicy, noExecute bool) field.ErrorList {
	type identity struct {
		key    string
		effect corev1.TaintEffect
	}
	path := field.NewPath("spec")
	faults := validateAffinity(policy.Spec.TargetClusters, path.Child("targetClusters"))
	seen := sets.New[identity]()
	for i, taint := range policy.Spec.Taints {
		at := path.Child("taints").Index(i)
		if taint.Effect == corev1.TaintEffectNoExecute && !noExecute {
			faults = append(faults, field.Forbidden(at.Child("effect"), "policies may not set NoExecute in this installation"))
		}
		this := identity{taint.Key, taint.Effect}
		if seen.Has(this) {
			faults = append(faults, field.Duplicate(at, fmt.Sprintf("%s:%s", taint.Key, taint.Effect)))
		}
		seen.Insert(this)
	}
	return faults
}
