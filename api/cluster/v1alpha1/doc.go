// Package v1alpha1 holds the wire types of cluster.karmada.io/v1alpha1. An aggregated API server serves them, so no
// CustomResourceDefinition is generated from this package.
//
// +kubebuilder:object:generate=true
// +k8s:openapi-gen=true
// +groupName=cluster.karmada.io
package v1alpha1
