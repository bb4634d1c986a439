package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Remedy prescribes actions for clusters whose conditions show a known trouble. While a cluster matches, the actions stand
// in its status.remedyActions, and the components concerned carry them out; they vanish when the cluster no longer matches.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=remedies,scope=Cluster,categories={karmada-io}
type Remedy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says which clusters are watched, for what, and what is done about it.
	// +required
	Spec RemedySpec `json:"spec"`
}

// RemedySpec ties clusters and conditions to actions.
type RemedySpec struct {
	// ClusterAffinity chooses the clusters this remedy watches. Unset means all clusters.
	// +optional
	ClusterAffinity *ClusterAffinity `json:"clusterAffinity,omitempty"`

	// DecisionMatches are the signs of trouble. One match is enough. Empty means that the actions always apply.
	// +optional
	DecisionMatches []DecisionMatch `json:"decisionMatches,omitempty"`

	// Actions are the countermeasures, such as TrafficControl, which takes the cluster out of multi-cluster traffic.
	// +optional
	Actions []RemedyAction `json:"actions,omitempty"`
}

// DecisionMatch is one sign of trouble.
type DecisionMatch struct {
	// ClusterConditionMatch compares one condition in the status of the cluster.
	// +optional
	ClusterConditionMatch *ClusterConditionRequirement `json:"clusterConditionMatch,omitempty"`
}

// ClusterConditionRequirement compares the status of one cluster condition with a value. A cluster without a condition of
// that type does not match.
type ClusterConditionRequirement struct {
	// ConditionType is the type of the cluster condition to look at, such as "ServiceDomainNameResolutionReady".
	// +required
	ConditionType ConditionType `json:"conditionType"`

	// Operator is Equal to match when the condition has the given status, NotEqual to match when it has another one.
	// +kubebuilder:validation:Enum=Equal;NotEqual
	// +required
	Operator ClusterConditionOperator `json:"operator"`

	// ConditionStatus is the status to compare with: "True", "False" or "Unknown".
	// +required
	ConditionStatus string `json:"conditionStatus"`
}

// ConditionType is the type of a cluster condition that remedies look at.
type ConditionType string

// ServiceDomainNameResolutionReady tells whether service names resolve inside the cluster; a detector in the cluster sets it.
const ServiceDomainNameResolutionReady ConditionType = "ServiceDomainNameResolutionReady"

// ClusterConditionOperator compares a condition status with a value.
type ClusterConditionOperator string

const (
	// ClusterConditionEqual matches when both are the same.
	ClusterConditionEqual ClusterConditionOperator = "Equal"
	// ClusterConditionNotEqual matches when they differ.
	ClusterConditionNotEqual ClusterConditionOperator = "NotEqual"
)

// ClusterAffinity chooses clusters for a remedy.
type ClusterAffinity struct {
	// ClusterNames are the names of the chosen clusters.
	// +optional
	ClusterNames []string `json:"clusterNames,omitempty"`
}

// RemedyAction is a countermeasure.
type RemedyAction string

// TrafficControl takes the cluster out of the multi-cluster traffic.
const TrafficControl RemedyAction = "TrafficControl"

// RemedyList is a list of Remedy objects.
//
// +kubebuilder:object:root=true
type RemedyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items are the objects of this page.
	Items []Remedy `json:"items"`
}
