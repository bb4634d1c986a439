// Package v1alpha1 holds the wire types of work.karmada.io/v1alpha1: Work, the manifests for one cluster, and the old
// form of the bindings, which is served but no longer stored.
//
// +kubebuilder:object:generate=true
// +groupName=work.karmada.io
package v1alpha1
