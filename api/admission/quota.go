package admission

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// maxQuotaName lets the name of the quota stand in a label value.
const maxQuotaName = 63

// ValidateFederatedResourceQuota checks names, quantities and that the parts of clusters fit in the whole.
func ValidateFederatedResourceQuota(quota *policyv1alpha1.FederatedResourceQuota) field.ErrorList {
	var faults field.ErrorList
	if len(quota.Name) > maxQuotaName {
		faults = append(faults, field.TooLong(field.NewPath("metadata", "name"), quota.Name, maxQuotaName))
	}
	path := field.NewPath("spec")
	faults = append(faults, validateQuantities(quota.Spec.Overall, path.Child("overall"))...)
	total := corev1.ResourceList{}
	for i, assignment := range quota.Spec.StaticAssignments {
		at := path.Child("staticAssignments").Index(i)
		for _, fault := range ClusterNameFaults(assignment.ClusterName) {
			faults = append(faults, field.Invalid(at.Child("clusterName"), assignment.ClusterName, fault))
		}
		faults = append(faults, validateQuantities(assignment.Hard, at.Child("hard"))...)
		for _, name := range sortedResources(assignment.Hard) {
			if _, found := quota.Spec.Overall[name]; !found {
				faults = append(faults, field.Invalid(at.Child("hard").Key(string(name)), name, "is not listed in overall"))
			}
			sum := total[name]
			sum.Add(assignment.Hard[name])
			total[name] = sum
		}
	}
	for _, name := range sortedResources(total) {
		overall, sum := quota.Spec.Overall[name], total[name]
		if sum.Cmp(overall) > 0 {
			fault := fmt.Sprintf("the static assignments add up to %s", sum.String())
			faults = append(faults, field.Invalid(path.Child("overall").Key(string(name)), overall.String(), fault))
		}
	}
	return faults
}

// sortedResources keeps the order of faults the same from run to run.
func sortedResources(list corev1.ResourceList) []corev1.ResourceName {
	resources := make([]corev1.ResourceName, 0, len(list))
	for name := range list {
		resources = append(resources, name)
	}
	slices.Sort(resources)
	return resources
}

// validateQuantities follows the rules of a ResourceQuota.
func validateQuantities(list corev1.ResourceList, path *field.Path) field.ErrorList {
	var faults field.ErrorList
	for _, name := range sortedResources(list) {
		at, quantity := path.Key(string(name)), list[name]
		for _, fault := range validation.IsQualifiedName(string(name)) {
			faults = append(faults, field.Invalid(at, name, fault))
		}
		if !strings.Contains(string(name), "/") && !isQuotaResource(name) {
			faults = append(faults, field.Invalid(at, name, "must be a standard resource or have a domain"))
		}
		if quantity.Sign() < 0 {
			faults = append(faults, field.Invalid(at, quantity.String(), "must not be negative"))
		}
		if countsObjects(name) && quantity.MilliValue()%1000 != 0 {
			faults = append(faults, field.Invalid(at, quantity.String(), "must be an integer"))
		}
	}
	return faults
}

// countsObjects tells whether a resource is a number of objects.
func countsObjects(name corev1.ResourceName) bool {
	switch name {
	case corev1.ResourcePods, corev1.ResourceQuotas, corev1.ResourceServices, corev1.ResourceReplicationControllers,
		corev1.ResourceSecrets, corev1.ResourcePersistentVolumeClaims, corev1.ResourceConfigMaps,
		corev1.ResourceServicesNodePorts, corev1.ResourceServicesLoadBalancers:
		return true
	}
	return strings.HasPrefix(string(name), "count/")
}

func isQuotaResource(name corev1.ResourceName) bool {
	switch name {
	case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage,
		corev1.ResourceRequestsCPU, corev1.ResourceRequestsMemory, corev1.ResourceRequestsStorage,
		corev1.ResourceRequestsEphemeralStorage,
		corev1.ResourceLimitsCPU, corev1.ResourceLimitsMemory, corev1.ResourceLimitsEphemeralStorage:
		return true
	}
	text := string(name)
	return countsObjects(name) || strings.HasPrefix(text, corev1.ResourceHugePagesPrefix) ||
		strings.HasPrefix(text, corev1.ResourceRequestsHugePagesPrefix)
}
