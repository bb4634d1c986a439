package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// MultiClusterService makes the Service of the same name and namespace reachable beyond the clusters that run it: from
// other clusters, or from outside through a load balancer.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=multiclusterservices,scope=Namespaced,shortName=mcs,categories={karmada-io}
type MultiClusterService struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says how and between which clusters the Service is exposed.
	// +required
	Spec MultiClusterServiceSpec `json:"spec"`

	// Status reports how far the exposure got.
	// +optional
	Status MultiClusterServiceStatus `json:"status,omitempty"`
}

// MultiClusterServiceSpec describes the exposure of one Service.
type MultiClusterServiceSpec struct {
	// Types says how the Service is exposed: CrossCluster lets other clusters reach it, LoadBalancer lets the outside reach
	// it. Both cannot be combined, and the choice is final.
	// +required
	Types []ExposureType `json:"types"`

	// Ports are the ports to expose. Empty means every port of the Service.
	// +optional
	Ports []ExposurePort `json:"ports,omitempty"`

	// Range narrows the clusters taking part.
	//
	// Deprecated: use providerClusters and consumerClusters.
	// +optional
	Range *ExposureRange `json:"range,omitempty"`

	// ServiceProvisionClusters are the names of the clusters whose endpoints serve the traffic. Empty means all clusters.
	//
	// Deprecated: use providerClusters.
	// +optional
	ServiceProvisionClusters []string `json:"serviceProvisionClusters,omitempty"`

	// ServiceConsumptionClusters are the names of the clusters that can reach the Service. Empty means all clusters.
	//
	// Deprecated: use consumerClusters.
	// +optional
	ServiceConsumptionClusters []string `json:"serviceConsumptionClusters,omitempty"`

	// ProviderClusters are the clusters whose endpoints serve the traffic. Empty means every cluster the Service runs in.
	// +optional
	ProviderClusters []ClusterSelector `json:"providerClusters,omitempty"`

	// ConsumerClusters are the clusters that can reach the Service. Empty means all clusters.
	// +optional
	ConsumerClusters []ClusterSelector `json:"consumerClusters,omitempty"`
}

// ClusterSelector chooses a cluster.
type ClusterSelector struct {
	// Name is the name of the cluster.
	// +required
	Name string `json:"name"`
}

// ExposureType is a way to expose a Service.
type ExposureType string

const (
	// ExposureTypeCrossCluster lets other clusters reach the Service.
	ExposureTypeCrossCluster ExposureType = "CrossCluster"
	// ExposureTypeLoadBalancer lets the outside reach the Service through a load balancer.
	ExposureTypeLoadBalancer ExposureType = "LoadBalancer"
)

const (
	// MCSServiceAppliedConditionType is the condition that tells whether the Service reached its clusters.
	MCSServiceAppliedConditionType = "ServiceApplied"
	// EndpointSliceDispatched is the condition that tells whether the endpoints reached the consumer clusters.
	EndpointSliceDispatched = "EndpointSliceDispatched"
)

// ExposurePort is one exposed port.
type ExposurePort struct {
	// Name is the name of the port in the Service. It may be empty when the Service has a single port.
	// +optional
	Name string `json:"name,omitempty"`

	// Port is the number of the port in the Service, 1 to 65535.
	// +required
	Port int32 `json:"port"`
}

// ExposureRange narrows the clusters taking part in an exposure.
type ExposureRange struct {
	// ClusterNames are the names of the clusters taking part. Empty means all clusters.
	// +optional
	ClusterNames []string `json:"clusterNames,omitempty"`
}

// MultiClusterServiceStatus is the state of an exposure.
type MultiClusterServiceStatus struct {
	// LoadBalancer reports the addresses of the load balancer, when the type is LoadBalancer.
	// +optional
	LoadBalancer corev1.LoadBalancerStatus `json:"loadBalancer,omitempty"`

	// Conditions report the steps: ServiceApplied for the Service, EndpointSliceDispatched for its endpoints.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// MultiClusterServiceList is a list of MultiClusterService objects.
//
// +kubebuilder:object:root=true
type MultiClusterServiceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items are the objects of this page.
	Items []MultiClusterService `json:"items"`
}
