// Package v1alpha2 holds the wire types of work.karmada.io/v1alpha2: the bindings, which tie a resource to the clusters
// that run it.
//
// +kubebuilder:object:generate=true
// +groupName=work.karmada.io
package v1alpha2
