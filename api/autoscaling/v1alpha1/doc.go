// Package v1alpha1 holds version v1alpha1 of the API group autoscaling.karmada.io:
// scaling across clusters: by metrics with FederatedHPA, by time with CronFederatedHPA.
//
// +kubebuilder:object:generate=true
// +groupName=autoscaling.karmada.io
package v1alpha1
