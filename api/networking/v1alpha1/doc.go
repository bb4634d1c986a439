// Package v1alpha1 holds version v1alpha1 of the API group networking.karmada.io:
// traffic that crosses clusters: MultiClusterIngress and MultiClusterService.
//
// +kubebuilder:object:generate=true
// +groupName=networking.karmada.io
package v1alpha1
