package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Placement describes the clusters that may run a resource and how its replicas are shared among them.
type Placement struct {
	// ClusterAffinity limits the candidates to clusters that match. It excludes clusterAffinities. When both are
	// absent, every cluster is a candidate.
	// +optional
	ClusterAffinity *ClusterAffinity `json:"clusterAffinity,omitempty"`

	// ClusterAffinities are groups of candidates in order of preference. The first group that can take the resource
	// is used as a whole; the next one is tried only when the one before cannot satisfy the placement. It excludes
	// clusterAffinity.
	// +optional
	ClusterAffinities []ClusterAffinityTerm `json:"clusterAffinities,omitempty"`

	// ClusterTolerations let the resource into, and stay in, clusters with matching taints. They work like pod
	// tolerations towards node taints, without the operators Lt and Gt.
	// +optional
	ClusterTolerations []corev1.Toleration `json:"clusterTolerations,omitempty"`

	// SpreadConstraints say over how many clusters, or groups of clusters, the resource is spread. When any of them
	// groups by a field, one must group by "cluster".
	// +optional
	SpreadConstraints []SpreadConstraint `json:"spreadConstraints,omitempty"`

	// ReplicaScheduling says how replicas are shared among the chosen clusters. When absent, every cluster gets the
	// full number of replicas.
	// +optional
	ReplicaScheduling *ReplicaSchedulingStrategy `json:"replicaScheduling,omitempty"`

	// WorkloadAffinity attracts the resource to, or keeps it away from, clusters that run related resources. It needs
	// the WorkloadAffinity feature.
	// +optional
	WorkloadAffinity *WorkloadAffinity `json:"workloadAffinity,omitempty"`
}

// ClusterAffinity matches clusters. A cluster matches when it satisfies everything that is set and is not excluded.
//
// +k8s:openapi-gen=true
type ClusterAffinity struct {
	// LabelSelector matches the labels of the cluster. When absent, all labels match.
	// +optional
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`

	// FieldSelector matches fields of the cluster: its provider, region and zones. When absent, all values match.
	// +optional
	FieldSelector *FieldSelector `json:"fieldSelector,omitempty"`

	// ClusterNames are the names that match. When empty, all names match.
	// +optional
	ClusterNames []string `json:"clusterNames,omitempty"`

	// ExcludeClusters are the names of clusters that never match, whatever else is set.
	// +optional
	ExcludeClusters []string `json:"exclude,omitempty"`
}

// FieldSelector matches fields of a cluster.
//
// +k8s:openapi-gen=true
type FieldSelector struct {
	// MatchExpressions must all hold. The key is "provider", "region" or "zone", the operator "In" or "NotIn". A
	// cluster in several zones satisfies "In" when all of its zones are listed, and "NotIn" when none is.
	// +optional
	MatchExpressions []corev1.NodeSelectorRequirement `json:"matchExpressions,omitempty"`
}

// ClusterAffinityTerm is one named group of candidate clusters, with the groups it may overflow into.
type ClusterAffinityTerm struct {
	// AffinityName names the group. It must look like a label key, be unique within the placement, and have between 1 and
	// 32 characters. The status of the binding tells by this name which group is in use.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	AffinityName string `json:"affinityName"`

	ClusterAffinity `json:",inline"`

	// OverflowAffinities are further groups that take the replicas for which the group itself has no room. They are
	// opened in the order given and emptied in reverse order. A cluster that several groups match belongs to the first of
	// them. Only allowed when replicas are divided by aggregation or by dynamic weight, and when the group itself is
	// limited by at least one setting.
	// +optional
	OverflowAffinities []OverflowClusterAffinity `json:"overflowAffinities,omitempty"`
}

// OverflowClusterAffinity is one named group of clusters that takes what the groups before it cannot hold.
type OverflowClusterAffinity struct {
	// AffinityName names the group. It must look like a label key, be unique within the term, differ from the name of the
	// term, and have between 1 and 32 characters.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	AffinityName string `json:"affinityName"`

	ClusterAffinity `json:",inline"`
}

// SpreadConstraint bounds the number of groups of clusters that a resource is spread over.
type SpreadConstraint struct {
	// SpreadByField groups clusters by one of their fields; with "cluster", each cluster is a group. It excludes
	// spreadByLabel. When both are empty it is set to "cluster".
	// +optional
	// +kubebuilder:validation:Enum=cluster;region;zone;provider
	SpreadByField SpreadFieldValue `json:"spreadByField,omitempty"`

	// SpreadByLabel groups clusters by the value of the label with this key. It excludes spreadByField.
	// +optional
	SpreadByLabel string `json:"spreadByLabel,omitempty"`

	// MaxGroups is the largest number of groups to use. It must not be below minGroups, unless it is 0: then no
	// group can be chosen and scheduling fails.
	// +optional
	MaxGroups int `json:"maxGroups,omitempty"`

	// MinGroups is the smallest number of groups to use. With fewer groups to choose from, scheduling fails. Defaults
	// to 1.
	// +optional
	MinGroups int `json:"minGroups,omitempty"`
}

// SpreadFieldValue is a field that clusters can be grouped by.
type SpreadFieldValue string

const (
	// SpreadByFieldCluster makes each cluster a group of its own.
	SpreadByFieldCluster SpreadFieldValue = "cluster"
	// SpreadByFieldRegion groups clusters by region.
	SpreadByFieldRegion SpreadFieldValue = "region"
	// SpreadByFieldZone groups clusters by zone.
	SpreadByFieldZone SpreadFieldValue = "zone"
	// SpreadByFieldProvider groups clusters by provider.
	SpreadByFieldProvider SpreadFieldValue = "provider"
)

// ReplicaSchedulingStrategy says how replicas are shared among the chosen clusters.
type ReplicaSchedulingStrategy struct {
	// ReplicaSchedulingType is "Duplicated" to give every cluster the full number of replicas, or "Divided" to share
	// that number among the clusters. Defaults to "Divided".
	// +optional
	// +kubebuilder:default=Divided
	// +kubebuilder:validation:Enum=Duplicated;Divided
	ReplicaSchedulingType ReplicaSchedulingType `json:"replicaSchedulingType,omitempty"`

	// ReplicaDivisionPreference says how "Divided" shares. "Aggregated" uses as few clusters as have room for all
	// replicas, "Weighted" shares in proportion to the weights of weightPreference. Defaults to "Weighted" when
	// replicas are divided.
	// +optional
	// +kubebuilder:validation:Enum=Aggregated;Weighted
	ReplicaDivisionPreference ReplicaDivisionPreference `json:"replicaDivisionPreference,omitempty"`

	// WeightPreference gives the weights for "Weighted". When absent, all clusters weigh the same.
	// +optional
	WeightPreference *ClusterPreferences `json:"weightPreference,omitempty"`
}

// ReplicaSchedulingType says whether clusters share the replicas or each get all of them.
type ReplicaSchedulingType string

const (
	// ReplicaSchedulingTypeDuplicated gives every cluster the full number of replicas.
	ReplicaSchedulingTypeDuplicated ReplicaSchedulingType = "Duplicated"
	// ReplicaSchedulingTypeDivided shares the number of replicas among the clusters.
	ReplicaSchedulingTypeDivided ReplicaSchedulingType = "Divided"
)

// ReplicaDivisionPreference says how replicas are divided.
type ReplicaDivisionPreference string

const (
	// ReplicaDivisionPreferenceAggregated uses as few clusters as have room for all replicas.
	ReplicaDivisionPreferenceAggregated ReplicaDivisionPreference = "Aggregated"
	// ReplicaDivisionPreferenceWeighted shares replicas in proportion to weights.
	ReplicaDivisionPreferenceWeighted ReplicaDivisionPreference = "Weighted"
)

// ClusterPreferences gives clusters their weights: fixed ones, or ones measured at scheduling time.
type ClusterPreferences struct {
	// StaticWeightList gives fixed weights. A cluster gets the largest weight among the entries that match it, and no
	// replicas when none does. When no entry matches any cluster, all clusters weigh the same. It is ignored when
	// dynamicWeight is set.
	// +optional
	StaticWeightList []StaticClusterWeight `json:"staticWeightList,omitempty"`

	// DynamicWeight measures the weights at scheduling time. "AvailableReplicas" weighs a cluster by the number of
	// replicas it still has room for.
	// +optional
	// +kubebuilder:validation:Enum=AvailableReplicas
	DynamicWeight DynamicWeightFactor `json:"dynamicWeight,omitempty"`
}

// StaticClusterWeight gives the clusters that match a fixed weight.
type StaticClusterWeight struct {
	// TargetCluster matches the clusters that get this weight.
	// +required
	TargetCluster ClusterAffinity `json:"targetCluster"`

	// Weight is the share of these clusters relative to the others. At least 1.
	// +required
	// +kubebuilder:validation:Minimum=1
	Weight int64 `json:"weight"`
}

// DynamicWeightFactor is a quantity that weights are measured by.
type DynamicWeightFactor string

const (
	// DynamicWeightByAvailableReplicas weighs a cluster by the number of replicas it still has room for.
	DynamicWeightByAvailableReplicas DynamicWeightFactor = "AvailableReplicas"
)

// WorkloadAffinity relates the placement of a resource to that of others. Both rules are firm: a cluster that breaks
// one is no candidate.
type WorkloadAffinity struct {
	// Affinity keeps the resource in clusters that run other members of its group. The first member of a group may
	// go anywhere.
	// +optional
	Affinity *WorkloadAffinityTerm `json:"affinity,omitempty"`

	// AntiAffinity keeps the resource out of clusters that run other members of its group.
	// +optional
	AntiAffinity *WorkloadAntiAffinityTerm `json:"antiAffinity,omitempty"`
}

// WorkloadAffinityTerm says which resources attract each other.
type WorkloadAffinityTerm struct {
	// GroupByLabelKey is the key of a label on the resource. Resources of one namespace with the same value of that
	// label form a group; a resource without the label is in no group.
	// +required
	GroupByLabelKey string `json:"groupByLabelKey"`
}

// WorkloadAntiAffinityTerm says which resources stay apart.
type WorkloadAntiAffinityTerm struct {
	// GroupByLabelKey is the key of a label on the resource. Resources of one namespace with the same value of that
	// label form a group; a resource without the label is in no group. It must differ from the key used for affinity.
	// +required
	GroupByLabelKey string `json:"groupByLabelKey"`
}
