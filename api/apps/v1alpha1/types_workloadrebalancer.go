package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// WorkloadRebalancer asks the scheduler for a fresh placement of chosen workloads: their present distribution counts for
// nothing, as if they were scheduled for the first time. One object is one request; create another one to repeat it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=workloadrebalancers,scope=Cluster
type WorkloadRebalancer struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec lists the workloads to place anew.
	// +required
	Spec WorkloadRebalancerSpec `json:"spec"`

	// Status reports for each workload whether a fresh placement was requested from the scheduler.
	// +optional
	Status WorkloadRebalancerStatus `json:"status,omitempty"`
}

// WorkloadRebalancerSpec is the request: which workloads, and how long the finished object is kept.
type WorkloadRebalancerSpec struct {
	// Workloads are the resource templates to place anew. At least one is needed. A workload added later is handled as
	// well; one that was handled already is not handled twice.
	// +kubebuilder:validation:MinItems=1
	// +required
	Workloads []ObjectReference `json:"workloads"`

	// TTLSecondsAfterFinished is how many seconds this object is kept after every workload was handled; then it is
	// deleted. 0 deletes it at once. When unset, the object stays until somebody deletes it.
	// +optional
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`
}

// ObjectReference names one resource template of the control plane.
type ObjectReference struct {
	// APIVersion is the group and version of the template, such as "apps/v1".
	// +required
	APIVersion string `json:"apiVersion"`

	// Kind is the kind of the template, such as "Deployment".
	// +required
	Kind string `json:"kind"`

	// Name is the name of the template.
	// +required
	Name string `json:"name"`

	// Namespace is the namespace of the template. Leave it empty for a cluster-scoped template.
	// +optional
	Namespace string `json:"namespace,omitempty"`
}

// WorkloadRebalancerStatus is what became of the request.
type WorkloadRebalancerStatus struct {
	// ObservedWorkloads holds one entry for each workload of the spec, with its outcome.
	// +optional
	ObservedWorkloads []ObservedWorkload `json:"observedWorkloads,omitempty"`

	// ObservedGeneration is the metadata.generation that this status answers. When it is lower than the generation of the
	// object, the latest change of the spec was not handled yet.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// FinishTime is when the last workload got an outcome. The time to live counts from here.
	// +optional
	FinishTime *metav1.Time `json:"finishTime,omitempty"`
}

// ObservedWorkload is the outcome for one workload.
type ObservedWorkload struct {
	// Workload is the reference as given in the spec.
	// +required
	Workload ObjectReference `json:"workload"`

	// Result is Successful when a fresh placement was requested, Failed when that is impossible. It is empty while the
	// workload waits for its turn or for another attempt.
	// +optional
	Result RebalanceResult `json:"result,omitempty"`

	// Reason says in one word why Result is Failed.
	// +optional
	Reason RebalanceFailedReason `json:"reason,omitempty"`
}

// RebalanceResult is the outcome for one workload: Successful or Failed.
type RebalanceResult string

const (
	// RebalanceSuccessful says that the scheduler was asked for a fresh placement.
	RebalanceSuccessful RebalanceResult = "Successful"
	// RebalanceFailed says that the request cannot be carried out and is not tried again.
	RebalanceFailed RebalanceResult = "Failed"
)

// RebalanceFailedReason is the one-word cause of a failed rebalance.
type RebalanceFailedReason string

// RebalanceObjectNotFound says that the workload has no ResourceBinding or ClusterResourceBinding, so nothing placed it.
const RebalanceObjectNotFound RebalanceFailedReason = "ReferencedBindingNotFound"

// WorkloadRebalancerList is a list of WorkloadRebalancer objects.
//
// +kubebuilder:object:root=true
type WorkloadRebalancerList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items are the objects of this page.
	Items []WorkloadRebalancer `json:"items"`
}
