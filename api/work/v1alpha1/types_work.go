package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// ResourceKindWork is the kind of Work.
const ResourceKindWork = "Work"

// Work is the set of manifests that one cluster is to run, and what became of them there. It lives in the execution
// namespace of that cluster. The control plane writes it; users rarely do.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=works,scope=Namespaced,shortName=wk,categories={karmada-io}
// +kubebuilder:printcolumn:JSONPath=`.spec.workload.manifests[*].kind`,name="WORKLOAD-KIND",type=string
// +kubebuilder:printcolumn:JSONPath=`.status.conditions[?(@.type=="Applied")].status`,name="APPLIED",type=string
// +kubebuilder:printcolumn:JSONPath=`.metadata.creationTimestamp`,name="AGE",type=date
type Work struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what the cluster is to run.
	// +required
	Spec WorkSpec `json:"spec"`

	// Status is what became of it in the cluster.
	// +optional
	Status WorkStatus `json:"status,omitempty"`
}

// WorkList is a list of Work objects.
//
// +kubebuilder:object:root=true
type WorkList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items are the works of the list.
	Items []Work `json:"items"`
}

// WorkSpec is what a cluster is to run.
type WorkSpec struct {
	// Workload is the set of manifests to apply.
	// +optional
	Workload WorkloadTemplate `json:"workload,omitempty"`

	// SuspendDispatching pauses sending changes to the cluster; what runs there keeps running. Defaults to false.
	// +optional
	SuspendDispatching *bool `json:"suspendDispatching,omitempty"`

	// PreserveResourcesOnDeletion keeps the objects in the cluster when this Work is deleted. Defaults to false: they
	// are deleted with it.
	// +optional
	PreserveResourcesOnDeletion *bool `json:"preserveResourcesOnDeletion,omitempty"`
}

// WorkloadTemplate is a set of manifests.
type WorkloadTemplate struct {
	// Manifests are complete Kubernetes objects, applied in the order given.
	// +optional
	Manifests []Manifest `json:"manifests,omitempty"`
}

// Manifest is one Kubernetes object of any kind, with apiVersion, kind and metadata.
//
// +kubebuilder:pruning:PreserveUnknownFields
type Manifest struct {
	runtime.RawExtension `json:",inline"`
}

// WorkStatus is what became of the manifests in the cluster.
type WorkStatus struct {
	// Conditions summarise the state of the whole set: "Applied" tells whether all manifests are in the cluster,
	// "Dispatching" whether changes are sent.
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// ManifestStatuses are the states of the single manifests, as observed in the cluster.
	// +optional
	ManifestStatuses []ManifestStatus `json:"manifestStatuses,omitempty"`
}

// ManifestStatus is the state of one manifest in the cluster.
type ManifestStatus struct {
	// Identifier tells which manifest this is the state of.
	// +required
	Identifier ResourceIdentifier `json:"identifier"`

	// Status is the status of the object in the cluster, reduced to what the resource interpreter reports.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	Status *runtime.RawExtension `json:"status,omitempty"`

	// Health is "Healthy" or "Unhealthy" as the resource interpreter judges the object, or "Unknown" when it cannot
	// judge objects of this kind.
	// +optional
	// +kubebuilder:validation:Enum=Healthy;Unhealthy;Unknown
	Health ResourceHealth `json:"health,omitempty"`
}

// ResourceIdentifier tells which manifest of a Work is meant.
type ResourceIdentifier struct {
	// Ordinal is the position of the manifest in the set, counted from 0. It identifies a manifest that could not be
	// read any further.
	// +required
	Ordinal int `json:"ordinal"`

	// Group is the API group of the object. Empty for the core group.
	// +optional
	Group string `json:"group,omitempty"`

	// Version is the API version of the object within its group.
	// +required
	Version string `json:"version"`

	// Kind is the kind of the object.
	// +required
	Kind string `json:"kind"`

	// Resource is the plural resource name of the kind, such as "deployments".
	// +required
	Resource string `json:"resource"`

	// Namespace is the namespace of the object. Empty for cluster-scoped objects.
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// Name is the name of the object.
	// +required
	Name string `json:"name"`
}

// ResourceHealth is the judgement of the resource interpreter on an object.
type ResourceHealth string

const (
	// ResourceHealthy means that the object works as it should.
	ResourceHealthy ResourceHealth = "Healthy"
	// ResourceUnhealthy means that the object does not work as it should.
	ResourceUnhealthy ResourceHealth = "Unhealthy"
	// ResourceUnknown means that nobody can judge the object.
	ResourceUnknown ResourceHealth = "Unknown"
)
