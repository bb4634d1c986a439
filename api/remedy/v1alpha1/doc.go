// Package v1alpha1 holds version v1alpha1 of the API group remedy.karmada.io:
// automatic countermeasures for ailing clusters: the Remedy.
//
// +kubebuilder:object:generate=true
// +groupName=remedy.karmada.io
package v1alpha1
