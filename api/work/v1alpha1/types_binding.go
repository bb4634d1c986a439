package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// ResourceBinding ties a namespaced resource to the clusters that run it. This is the old form of the kind: objects are
// stored as v1alpha2 and converted when read.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=resourcebindings,scope=Namespaced,shortName=rb,categories={karmada-io}
type ResourceBinding struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the resource and the clusters that are to run it.
	// +required
	Spec ResourceBindingSpec `json:"spec"`

	// Status is what became of the resource in those clusters.
	// +optional
	Status ResourceBindingStatus `json:"status,omitempty"`
}

// ResourceBindingList is a list of ResourceBinding objects.
//
// +kubebuilder:object:root=true
type ResourceBindingList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items are the bindings of the list.
	Items []ResourceBinding `json:"items"`
}

// ClusterResourceBinding ties a cluster-scoped resource to the clusters that run it. This is the old form of the kind:
// objects are stored as v1alpha2 and converted when read.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=clusterresourcebindings,scope=Cluster,shortName=crb,categories={karmada-io}
type ClusterResourceBinding struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the resource and the clusters that are to run it.
	// +required
	Spec ResourceBindingSpec `json:"spec"`

	// Status is what became of the resource in those clusters.
	// +optional
	Status ResourceBindingStatus `json:"status,omitempty"`
}

// ClusterResourceBindingList is a list of ClusterResourceBinding objects.
//
// +kubebuilder:object:root=true
type ClusterResourceBindingList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items are the bindings of the list.
	Items []ClusterResourceBinding `json:"items"`
}

// ResourceBindingSpec is a resource and the clusters that are to run it.
type ResourceBindingSpec struct {
	// Resource is the resource to run.
	// +required
	Resource ObjectReference `json:"resource"`

	// Clusters are the clusters that are to run it, chosen by the scheduler.
	// +optional
	Clusters []TargetCluster `json:"clusters,omitempty"`
}

// ObjectReference is a reference to a resource in the control plane, with what one replica of it needs.
type ObjectReference struct {
	// APIVersion is the group and version of the resource, such as "apps/v1".
	// +required
	APIVersion string `json:"apiVersion"`

	// Kind is the kind of the resource.
	// +required
	Kind string `json:"kind"`

	// Namespace is the namespace of the resource. Empty for cluster-scoped resources.
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// Name is the name of the resource.
	// +required
	Name string `json:"name"`

	// ResourceVersion is the version of the resource the binding was last made from.
	// +optional
	ResourceVersion string `json:"resourceVersion,omitempty"`

	// ReplicaResourceRequirements is what one replica requests, by resource, such as cpu and memory.
	// +optional
	ReplicaResourceRequirements corev1.ResourceList `json:"resourcePerReplicas,omitempty"`

	// Replicas is the number of replicas in all clusters together. 0 for resources without replicas.
	// +optional
	Replicas int32 `json:"replicas,omitempty"`
}

// TargetCluster is a cluster that is to run a resource.
type TargetCluster struct {
	// Name is the name of the cluster.
	// +required
	Name string `json:"name"`

	// Replicas is the number of replicas in this cluster. 0 for resources without replicas.
	// +optional
	Replicas int32 `json:"replicas,omitempty"`
}

// ResourceBindingStatus is what became of a resource in the clusters.
type ResourceBindingStatus struct {
	// Conditions summarise the state of the binding: "Scheduled" tells whether clusters were found, "FullyApplied"
	// whether all of them have the resource.
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// AggregatedStatus is the state of the resource in each cluster.
	// +optional
	AggregatedStatus []AggregatedStatusItem `json:"aggregatedStatus,omitempty"`
}

// AggregatedStatusItem is the state of a resource in one cluster.
type AggregatedStatusItem struct {
	// ClusterName is the name of the cluster.
	// +required
	ClusterName string `json:"clusterName"`

	// Status is the status of the resource in that cluster, reduced to what the resource interpreter reports.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	Status *runtime.RawExtension `json:"status,omitempty"`

	// Applied tells whether the resource is in the cluster in its present form. Defaults to false.
	// +optional
	Applied bool `json:"applied,omitempty"`

	// AppliedMessage explains in words why the resource is not applied. Empty when it is.
	// +optional
	AppliedMessage string `json:"appliedMessage,omitempty"`
}
