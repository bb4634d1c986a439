package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ResourceKindCluster is the kind of Cluster.
const ResourceKindCluster = "Cluster"

// Cluster is a member of the fleet: how to reach it, where it is, and what it has to offer. Its name is a DNS label of
// at most 48 characters.
//
// +kubebuilder:object:root=true
type Cluster struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is how to reach the cluster and what is known about it beforehand.
	// +required
	Spec ClusterSpec `json:"spec"`

	// Status is what was last observed of the cluster.
	// +optional
	Status ClusterStatus `json:"status,omitempty"`
}

// ClusterList is a list of Cluster objects.
//
// +kubebuilder:object:root=true
type ClusterList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items are the clusters of the list.
	Items []Cluster `json:"items"`
}

// ClusterProxyOptions are the query parameters of the proxy subresource of a Cluster.
//
// +kubebuilder:object:root=true
type ClusterProxyOptions struct {
	metav1.TypeMeta `json:",inline"`

	// Path is the URL path, with its query, that the request is forwarded to in the member cluster, such as
	// "api/v1/nodes". Empty means the root.
	// +optional
	Path string `json:"path,omitempty"`
}

// ClusterSpec is how to reach a cluster and what is known about it beforehand.
type ClusterSpec struct {
	// ID is the unique id of the cluster: the UID of its kube-system namespace. The control plane uses it to refuse
	// the same cluster under a second name.
	// +optional
	ID string `json:"id,omitempty"`

	// SyncMode says who carries changes into the cluster. With "Push" the control plane connects to the cluster, with
	// "Pull" an agent in the cluster connects to the control plane.
	// +required
	SyncMode ClusterSyncMode `json:"syncMode"`

	// APIEndpoint is the URL of the API server of the cluster, without user, query and fragment, such as
	// "https://10.0.0.1:6443".
	// +optional
	APIEndpoint string `json:"apiEndpoint,omitempty"`

	// SecretRef refers to the secret with the credentials for the cluster: the bearer token under "token" and the CA
	// certificate under "caBundle".
	// +optional
	SecretRef *LocalSecretReference `json:"secretRef,omitempty"`

	// ImpersonatorSecretRef refers to the secret with the token, under "token", that the control plane uses to act in
	// the cluster in the name of its users.
	// +optional
	ImpersonatorSecretRef *LocalSecretReference `json:"impersonatorSecretRef,omitempty"`

	// InsecureSkipTLSVerification accepts any serving certificate from the cluster, which leaves the connection open
	// to eavesdroppers. Defaults to false.
	// +optional
	InsecureSkipTLSVerification bool `json:"insecureSkipTLSVerification,omitempty"`

	// ProxyURL is the proxy to reach the cluster through. The scheme is http, https or socks5. When empty, the
	// connection is direct, or through the proxy named in the environment of the control plane.
	// +optional
	ProxyURL string `json:"proxyURL,omitempty"`

	// ProxyHeader is the HTTP headers, name to value, to send to the proxy when connecting through it.
	// +optional
	ProxyHeader map[string]string `json:"proxyHeader,omitempty"`

	// Provider is the name of the cloud provider of the cluster.
	// +optional
	Provider string `json:"provider,omitempty"`

	// Region is the region the cluster is in.
	// +optional
	Region string `json:"region,omitempty"`

	// Zone is the former way to give the only zone of the cluster. It excludes zones, and its value is moved there.
	// Use zones.
	// +optional
	Zone string `json:"zone,omitempty"`

	// Zones are the failure zones the cluster extends over.
	// +optional
	Zones []string `json:"zones,omitempty"`

	// Taints keep resources without a matching toleration out of the cluster, like the taints of a node do for pods.
	// No two may share both key and effect.
	// +optional
	Taints []corev1.Taint `json:"taints,omitempty"`

	// ResourceModels sort the nodes of the cluster into grades by size, so that room can be estimated without
	// looking at every node. When empty, and the feature is on, nine grades by cpu and memory are set.
	// +optional
	ResourceModels []ResourceModel `json:"resourceModels,omitempty"`
}

// ClusterSyncMode says who carries changes into a cluster.
type ClusterSyncMode string

const (
	// Push means that the control plane connects to the cluster.
	Push ClusterSyncMode = "Push"
	// Pull means that an agent in the cluster connects to the control plane.
	Pull ClusterSyncMode = "Pull"
)

// LocalSecretReference refers to a secret in the control plane.
type LocalSecretReference struct {
	// Namespace is the namespace of the secret.
	// +required
	Namespace string `json:"namespace"`

	// Name is the name of the secret.
	// +required
	Name string `json:"name"`
}

// ResourceModel is one grade of node sizes.
type ResourceModel struct {
	// Grade numbers the grades from small to large, starting at 0. No two may be equal.
	// +required
	Grade uint `json:"grade"`

	// Ranges are the amounts of each resource that make up this grade. All grades list the same resources in the same
	// order.
	// +required
	Ranges []ResourceModelRange `json:"ranges"`
}

// ResourceModelRange is the amounts of one resource that belong to a grade: from min, included, to max, excluded.
type ResourceModelRange struct {
	// Name is the name of the resource, such as "cpu".
	// +required
	Name corev1.ResourceName `json:"name"`

	// Min is the smallest amount in the grade. It is 0 in the lowest grade, and equal to the max of the grade below in
	// the others.
	// +required
	Min resource.Quantity `json:"min"`

	// Max is the amount at which the next grade begins. In the highest grade it is 9223372036854775807, meaning no
	// bound.
	// +required
	Max resource.Quantity `json:"max"`
}

// ClusterStatus is what was last observed of a cluster.
type ClusterStatus struct {
	// KubernetesVersion is the version of the API server of the cluster, such as "v1.34.0".
	// +optional
	KubernetesVersion string `json:"kubernetesVersion,omitempty"`

	// APIEnablements are the API resources the cluster serves, by group and version.
	// +optional
	APIEnablements []APIEnablement `json:"apiEnablements,omitempty"`

	// Conditions summarise the state of the cluster: "Ready" tells whether it answers and is healthy,
	// "CompleteAPIEnablements" whether apiEnablements is complete.
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// NodeSummary counts the nodes of the cluster.
	// +optional
	NodeSummary *NodeSummary `json:"nodeSummary,omitempty"`

	// ResourceSummary sums up the resources of the nodes of the cluster.
	// +optional
	ResourceSummary *ResourceSummary `json:"resourceSummary,omitempty"`

	// RemedyActions are what Remedy objects ask to be done for the cluster in its present state, such as
	// "TrafficControl".
	// +optional
	RemedyActions []string `json:"remedyActions,omitempty"`
}

// APIEnablement is the API resources of one group and version.
type APIEnablement struct {
	// GroupVersion is the API group and version, such as "apps/v1", or "v1" for the core group.
	// +required
	GroupVersion string `json:"groupVersion"`

	// Resources are the resources served under it.
	// +optional
	Resources []APIResource `json:"resources,omitempty"`
}

// APIResource is one API resource.
type APIResource struct {
	// Name is the plural name of the resource, such as "deployments".
	// +required
	Name string `json:"name"`

	// Kind is the kind of its objects, such as "Deployment".
	// +required
	Kind string `json:"kind"`
}

// NodeSummary counts the nodes of a cluster.
type NodeSummary struct {
	// TotalNum is the number of nodes.
	// +optional
	TotalNum int32 `json:"totalNum,omitempty"`

	// ReadyNum is the number of nodes that are ready.
	// +optional
	ReadyNum int32 `json:"readyNum,omitempty"`
}

// ResourceSummary sums up the resources of the nodes of a cluster.
type ResourceSummary struct {
	// Allocatable is what all nodes together offer to pods, by resource.
	// +optional
	Allocatable corev1.ResourceList `json:"allocatable,omitempty"`

	// Allocating is what pods that wait for a node request, by resource.
	// +optional
	Allocating corev1.ResourceList `json:"allocating,omitempty"`

	// Allocated is what pods that have a node request, by resource.
	// +optional
	Allocated corev1.ResourceList `json:"allocated,omitempty"`

	// AllocatableModelings counts the nodes in each grade of resourceModels, by what is still free on them.
	// +optional
	AllocatableModelings []AllocatableModeling `json:"allocatableModelings,omitempty"`
}

// AllocatableModeling counts the nodes in one grade.
type AllocatableModeling struct {
	// Grade is the number of the grade in resourceModels.
	// +required
	Grade uint `json:"grade"`

	// Count is the number of nodes in this grade.
	// +required
	Count int `json:"count"`
}
