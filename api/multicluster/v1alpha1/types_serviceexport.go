package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ServiceExport publishes the Service of the same name and namespace, so that other clusters can import it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=serviceexports,scope=Namespaced,shortName=svcex
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ServiceExport struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Status tells whether the Service could be published.
	// +optional
	Status ServiceExportStatus `json:"status,omitempty"`
}

// ServiceExportStatus is the state of an export.
type ServiceExportStatus struct {
	// Conditions report the state of the export: Valid when the Service can be published, Conflict when exports of
	// different clusters contradict each other.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

const (
	// ServiceExportValid is the condition that tells whether the Service exists and can be exported.
	ServiceExportValid = "Valid"
	// ServiceExportConflict is the condition that tells whether exports of different clusters contradict each other.
	ServiceExportConflict = "Conflict"
)

// ServiceExportList is a list of ServiceExport objects.
//
// +kubebuilder:object:root=true
type ServiceExportList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items are the objects of this page.
	Items []ServiceExport `json:"items"`
}
