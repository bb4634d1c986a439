package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Search is the kind under which what is cached is searched. It has no objects.
//
// +kubebuilder:object:root=true
type Search struct {
	metav1.TypeMeta `json:",inline"`
}

// Proxying is the kind under which the fleet is spoken to as one cluster. It has no objects.
//
// +kubebuilder:object:root=true
type Proxying struct {
	metav1.TypeMeta `json:",inline"`
}
