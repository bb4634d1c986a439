// Package v1alpha1 holds version v1alpha1 of the API group multicluster.x-k8s.io:
// exporting a Service from clusters and importing it into others.
// The shapes are those of the Multi-Cluster Services API that the control plane installs.
//
// +kubebuilder:object:generate=true
// +groupName=multicluster.x-k8s.io
package v1alpha1
