package v1alpha2

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// GracefulEvictionTask takes a resource out of one cluster without dropping it before its replacement works.
type GracefulEvictionTask struct {
	// FromCluster is the name of the cluster the resource leaves.
	// +required
	FromCluster string `json:"fromCluster"`

	// PurgeMode says when the copy in that cluster is deleted. "Directly" means at once, "Gracefully" when the
	// replacement is healthy or the grace period has passed, "Never" leaves it until the user confirms.
	// +optional
	// +kubebuilder:validation:Enum=Directly;Gracefully;Never
	PurgeMode policyv1alpha1.PurgeMode `json:"purgeMode,omitempty"`

	// Replicas is the number of replicas the cluster had when the task was made. Absent for resources without
	// replicas.
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`

	// Reason is a short name for why the resource leaves, such as "TaintUntolerated" or "ApplicationFailure". Between
	// 1 and 32 characters.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$`
	Reason string `json:"reason"`

	// Message explains the reason in words. At most 1024 characters.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// Producer is the name of the controller that made the task.
	// +required
	Producer string `json:"producer"`

	// GracePeriodSeconds is the longest time, in seconds, that the copy waits for a healthy replacement. When absent,
	// the setting of the control plane applies.
	// +optional
	GracePeriodSeconds *int32 `json:"gracePeriodSeconds,omitempty"`

	// SuppressDeletion keeps the copy for as long as it is true. Setting it to false confirms the deletion. It
	// excludes gracePeriodSeconds.
	// +optional
	SuppressDeletion *bool `json:"suppressDeletion,omitempty"`

	// CreationTimestamp is the time the task was made. The control plane sets it; the grace period counts from it.
	// +optional
	CreationTimestamp *metav1.Time `json:"creationTimestamp,omitempty"`

	// PreservedLabelState is the labels, key to value, that carry the state of the failed copy over to its
	// replacement.
	// +optional
	PreservedLabelState map[string]string `json:"preservedLabelState,omitempty"`

	// ClustersBeforeFailover are the names of the clusters that ran the resource when the task was made. Only a
	// cluster that is not among them gets the preserved labels.
	// +optional
	ClustersBeforeFailover []string `json:"clustersBeforeFailover,omitempty"`
}
