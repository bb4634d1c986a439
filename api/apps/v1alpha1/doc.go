// Package v1alpha1 holds version v1alpha1 of the API group apps.karmada.io:
// on-demand work on placements: the WorkloadRebalancer.
//
// +kubebuilder:object:generate=true
// +groupName=apps.karmada.io
package v1alpha1
