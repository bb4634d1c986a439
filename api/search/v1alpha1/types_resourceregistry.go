package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// ResourceRegistry chooses resources of member clusters to be cached, so that they can be searched and read in one place.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=resourceregistries,scope=Cluster
type ResourceRegistry struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says what is cached, from which clusters and where.
	// +optional
	Spec ResourceRegistrySpec `json:"spec,omitempty"`

	// Status reports the state of the cache.
	// +optional
	Status ResourceRegistryStatus `json:"status,omitempty"`
}

// ResourceRegistrySpec describes a cache.
type ResourceRegistrySpec struct {
	// TargetCluster chooses the clusters to cache from. An empty value chooses all clusters.
	// +required
	TargetCluster policyv1alpha1.ClusterAffinity `json:"targetCluster"`

	// ResourceSelectors choose the resources to cache. A resource that matches any of them is cached.
	// +required
	ResourceSelectors []ResourceSelector `json:"resourceSelectors"`

	// BackendStore says where cached resources are kept. Unset keeps them in memory.
	// +optional
	BackendStore *BackendStoreConfig `json:"backendStore,omitempty"`
}

// ResourceSelector chooses the objects of one kind.
type ResourceSelector struct {
	// APIVersion is the group and version of the kind, such as "apps/v1".
	// +required
	APIVersion string `json:"apiVersion"`

	// Kind is the kind, such as "Deployment".
	// +required
	Kind string `json:"kind"`

	// Namespace narrows the choice to one namespace. Empty means all namespaces.
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// BackendStoreConfig says where cached resources are kept.
type BackendStoreConfig struct {
	// OpenSearch keeps them in an OpenSearch service.
	// +optional
	OpenSearch *OpenSearchConfig `json:"openSearch,omitempty"`
}

// OpenSearchConfig says how an OpenSearch service is reached.
type OpenSearchConfig struct {
	// Addresses are the URLs of the service.
	// +required
	Addresses []string `json:"addresses"`

	// SecretRef names the Secret with the credentials, in the keys "username" and "password".
	// +required
	SecretRef clusterv1alpha1.LocalSecretReference `json:"secretRef"`
}

// ResourceRegistryStatus is the state of a cache.
type ResourceRegistryStatus struct {
	// Conditions report the state of the cache.
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// ResourceRegistryList is a list of ResourceRegistry objects.
//
// +kubebuilder:object:root=true
type ResourceRegistryList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items are the objects of this page.
	Items []ResourceRegistry `json:"items"`
}
