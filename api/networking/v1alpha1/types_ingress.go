package v1alpha1

import (
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MultiClusterIngress routes HTTP traffic from one load balancer to Services in several clusters. Its rules are those of a
// Kubernetes Ingress; a load balancer controller outside the control plane carries them out and writes the status.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=multiclusteringresses,scope=Namespaced,shortName=mci,categories={karmada-io}
type MultiClusterIngress struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec holds the rules, as in a Kubernetes Ingress.
	// +optional
	Spec networkingv1.IngressSpec `json:"spec,omitempty"`

	// Status reports the load balancer and the clusters behind it.
	// +optional
	Status MultiClusterIngressStatus `json:"status,omitempty"`
}

// MultiClusterIngressStatus is the state of the load balancer and of the clusters behind it.
type MultiClusterIngressStatus struct {
	networkingv1.IngressStatus `json:",inline"`

	// TrafficBlockClusters are the clusters that a remedy took out of the traffic.
	// +optional
	TrafficBlockClusters []string `json:"trafficBlockClusters,omitempty"`

	// ServiceLocations tell for each Service of the rules which clusters run it.
	// +optional
	ServiceLocations []ServiceLocation `json:"serviceLocations,omitempty"`
}

// ServiceLocation tells where one Service runs.
type ServiceLocation struct {
	// Name is the name of the Service.
	// +required
	Name string `json:"name"`

	// Clusters are the names of the clusters that run it.
	// +optional
	Clusters []string `json:"clusters,omitempty"`
}

// MultiClusterIngressList is a list of MultiClusterIngress objects.
//
// +kubebuilder:object:root=true
type MultiClusterIngressList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items are the objects of this page.
	Items []MultiClusterIngress `json:"items"`
}
