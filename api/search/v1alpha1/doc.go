// Package v1alpha1 holds version v1alpha1 of the API group search.karmada.io:
// caching resources of member clusters for search: the ResourceRegistry.
// It is served by an aggregated API server, so no CustomResourceDefinition exists for it.
//
// +kubebuilder:object:generate=true
// +k8s:openapi-gen=true
// +groupName=search.karmada.io
package v1alpha1
