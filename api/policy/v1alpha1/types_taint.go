package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ResourceKindClusterTaintPolicy is the kind of ClusterTaintPolicy.
const ResourceKindClusterTaintPolicy = "ClusterTaintPolicy"

// ClusterTaintPolicy adds taints to clusters, and removes them, as the conditions of the clusters change.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=clustertaintpolicies,scope=Cluster
type ClusterTaintPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the taints and the conditions that add and remove them.
	// +required
	Spec ClusterTaintPolicySpec `json:"spec"`
}

// ClusterTaintPolicyList is a list of ClusterTaintPolicy objects.
//
// +kubebuilder:object:root=true
type ClusterTaintPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items are the policies of the list.
	Items []ClusterTaintPolicy `json:"items"`
}

// ClusterTaintPolicySpec says which clusters get which taints, and when.
type ClusterTaintPolicySpec struct {
	// TargetClusters matches the clusters this policy looks after. When absent, all clusters match.
	// +optional
	TargetClusters *ClusterAffinity `json:"targetClusters,omitempty"`

	// AddOnConditions must all hold for a cluster to get the taints. When empty, this policy adds no taint.
	// +optional
	AddOnConditions []MatchCondition `json:"addOnConditions,omitempty"`

	// RemoveOnConditions must all hold for a cluster to lose the taints. When empty, this policy removes no taint.
	// +optional
	RemoveOnConditions []MatchCondition `json:"removeOnConditions,omitempty"`

	// Taints are added and removed together. At least one is needed, and no two may share both key and effect.
	// +required
	// +kubebuilder:validation:MinItems=1
	Taints []Taint `json:"taints"`
}

// MatchCondition tests one condition of a cluster.
type MatchCondition struct {
	// ConditionType is the type of the condition in the status of the cluster, such as "Ready".
	// +required
	ConditionType string `json:"conditionType"`

	// Operator relates the status of the condition to statusValues: "In" or "NotIn".
	// +required
	Operator MatchConditionOperator `json:"operator"`

	// StatusValues are the states to compare with: "True", "False" and "Unknown".
	// +required
	StatusValues []metav1.ConditionStatus `json:"statusValues"`
}

// MatchConditionOperator relates the status of a condition to a set of values.
type MatchConditionOperator string

const (
	// MatchConditionOpIn holds when the status is one of the values.
	MatchConditionOpIn MatchConditionOperator = "In"
	// MatchConditionOpNotIn holds when the status is none of the values.
	MatchConditionOpNotIn MatchConditionOperator = "NotIn"
)

// Taint is put on clusters; resources without a matching toleration stay away from them.
type Taint struct {
	// Key is the key of the taint.
	// +required
	Key string `json:"key"`

	// Effect is "NoSchedule" to keep new resources out, or "NoExecute" to move the running ones away as well. The
	// control plane must be configured to permit "NoExecute". "PreferNoSchedule" has no effect on scheduling.
	// +required
	Effect corev1.TaintEffect `json:"effect"`

	// Value is the value of the taint. Empty when absent.
	// +optional
	Value string `json:"value,omitempty"`
}
