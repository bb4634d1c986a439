package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ServiceImport stands for a Service that other clusters export. In a cluster that has it, clients reach the endpoints of
// all exporting clusters under one name.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=serviceimports,scope=Namespaced,shortName=svcim
// +kubebuilder:printcolumn:name="Type",type=string,JSONPath=`.spec.type`
// +kubebuilder:printcolumn:name="IP",type=string,JSONPath=`.spec.ips`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ServiceImport struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says how the imported Service looks to its clients.
	// +optional
	Spec ServiceImportSpec `json:"spec,omitempty"`

	// Status tells where the Service comes from.
	// +optional
	Status ServiceImportStatus `json:"status,omitempty"`
}

// ServiceImportType is the way clients reach an imported Service.
type ServiceImportType string

const (
	// ClusterSetIP gives the Service one virtual address.
	ClusterSetIP ServiceImportType = "ClusterSetIP"
	// Headless gives clients the addresses of the endpoints themselves.
	Headless ServiceImportType = "Headless"
)

// ServiceImportSpec describes the imported Service as its clients see it.
type ServiceImportSpec struct {
	// Ports are the ports of the imported Service.
	// +listType=atomic
	// +required
	Ports []ServicePort `json:"ports"`

	// IPs holds the virtual address when the type is ClusterSetIP. At most one.
	// +kubebuilder:validation:MaxItems=1
	// +optional
	IPs []string `json:"ips,omitempty"`

	// Type is ClusterSetIP for a Service with one virtual address, Headless for one without.
	// +kubebuilder:validation:Enum=ClusterSetIP;Headless
	// +required
	Type ServiceImportType `json:"type"`

	// SessionAffinity is ClientIP to send all connections of one client address to the same endpoint, or None. It is not
	// used when the type is Headless. Default: None.
	// +optional
	SessionAffinity corev1.ServiceAffinity `json:"sessionAffinity,omitempty"`

	// SessionAffinityConfig refines the session affinity, such as how many seconds it lasts.
	// +optional
	SessionAffinityConfig *corev1.SessionAffinityConfig `json:"sessionAffinityConfig,omitempty"`
}

// ServicePort is one port of an imported Service.
type ServicePort struct {
	// Name is the name of the port, a DNS label that is unique within the Service. It may be empty when there is a single
	// port.
	// +optional
	Name string `json:"name,omitempty"`

	// Protocol is TCP, UDP or SCTP. Default: TCP.
	// +optional
	Protocol corev1.Protocol `json:"protocol,omitempty"`

	// AppProtocol is the protocol spoken on top, as a hint for proxies: an IANA service name such as "https", or a name
	// with a prefix such as "example.com/protocol".
	// +optional
	AppProtocol *string `json:"appProtocol,omitempty"`

	// Port is the number clients connect to, 1 to 65535.
	// +required
	Port int32 `json:"port"`
}

// ServiceImportStatus tells where an imported Service comes from.
type ServiceImportStatus struct {
	// Clusters are the clusters that export the Service.
	// +listType=map
	// +listMapKey=cluster
	// +optional
	Clusters []ClusterStatus `json:"clusters,omitempty"`
}

// ClusterStatus is one exporting cluster.
type ClusterStatus struct {
	// Cluster is the name of the exporting cluster.
	// +required
	Cluster string `json:"cluster"`
}

// ServiceImportList is a list of ServiceImport objects.
//
// +kubebuilder:object:root=true
type ServiceImportList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items are the objects of this page.
	Items []ServiceImport `json:"items"`
}
