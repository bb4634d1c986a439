// Package v1alpha1 holds version v1alpha1 of the API group config.karmada.io:
// how the control plane learns the meaning of a resource kind: Lua
// customizations, webhooks, and the message exchanged with those webhooks.
//
// +kubebuilder:object:generate=true
// +groupName=config.karmada.io
package v1alpha1
