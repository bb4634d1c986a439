// Package v1alpha1 holds the wire types of policy.karmada.io/v1alpha1: what to propagate, where to, how to adapt the
// copies to each cluster, how much a namespace may use across the fleet, and which taints clusters get.
//
// +kubebuilder:object:generate=true
// +groupName=policy.karmada.io
package v1alpha1
