package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ResourceKindFederatedResourceQuota is the kind of FederatedResourceQuota.
const ResourceKindFederatedResourceQuota = "FederatedResourceQuota"

// FederatedResourceQuota limits what its namespace may use across all clusters together, and optionally in single
// clusters.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=federatedresourcequotas,scope=Namespaced,categories={karmada-io}
// +kubebuilder:printcolumn:JSONPath=`.status.overall`,name="OVERALL",type=string
// +kubebuilder:printcolumn:JSONPath=`.status.overallUsed`,name="OVERALL_USED",type=string
type FederatedResourceQuota struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the limits the user sets.
	// +required
	Spec FederatedResourceQuotaSpec `json:"spec"`

	// Status is the limits in force and what is used of them.
	// +optional
	Status FederatedResourceQuotaStatus `json:"status,omitempty"`
}

// FederatedResourceQuotaList is a list of FederatedResourceQuota objects.
//
// +kubebuilder:object:root=true
type FederatedResourceQuotaList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items are the quotas of the list.
	Items []FederatedResourceQuota `json:"items"`
}

// FederatedResourceQuotaSpec is the limits of a namespace.
type FederatedResourceQuotaSpec struct {
	// Overall is the largest amount of each resource that the namespace may use in all clusters together. Names and
	// quantities are those of a ResourceQuota.
	// +required
	Overall corev1.ResourceList `json:"overall"`

	// StaticAssignments reserve a part of the overall amount for single clusters; a ResourceQuota enforces it there.
	// All of them together must not exceed the overall amount. A cluster without one has no limit of its own.
	// +optional
	StaticAssignments []StaticClusterAssignment `json:"staticAssignments,omitempty"`
}

// StaticClusterAssignment is the limit of one cluster.
type StaticClusterAssignment struct {
	// ClusterName is the name of the cluster.
	// +required
	ClusterName string `json:"clusterName"`

	// Hard is the largest amount of each resource in that cluster. Only resources that overall lists are allowed.
	// +required
	Hard corev1.ResourceList `json:"hard"`
}

// FederatedResourceQuotaStatus is the limits in force and what is used of them.
type FederatedResourceQuotaStatus struct {
	// Overall is the limits in force, by resource, for all clusters together.
	// +optional
	Overall corev1.ResourceList `json:"overall,omitempty"`

	// OverallUsed is what the namespace uses at the moment, by resource, in all clusters together.
	// +optional
	OverallUsed corev1.ResourceList `json:"overallUsed,omitempty"`

	// AggregatedStatus is the limits and the use in each cluster that has an assignment.
	// +optional
	AggregatedStatus []ClusterQuotaStatus `json:"aggregatedStatus,omitempty"`
}

// ClusterQuotaStatus is the limits and the use in one cluster.
type ClusterQuotaStatus struct {
	// ClusterName is the name of the cluster.
	// +required
	ClusterName string `json:"clusterName"`

	corev1.ResourceQuotaStatus `json:",inline"`
}
