package v1alpha2

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

const (
	// ResourceKindResourceBinding is the kind of ResourceBinding.
	ResourceKindResourceBinding = "ResourceBinding"
	// ResourceKindClusterResourceBinding is the kind of ClusterResourceBinding.
	ResourceKindClusterResourceBinding = "ClusterResourceBinding"
)

// ResourceBinding ties a namespaced resource, claimed by a policy, to the clusters that run it. The control plane
// writes it: first what the resource needs and what the policy asks for, then the clusters the scheduler chose.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:storageversion
// +kubebuilder:resource:path=resourcebindings,scope=Namespaced,shortName=rb,categories={karmada-io}
// +kubebuilder:printcolumn:JSONPath=`.status.conditions[?(@.type=="Scheduled")].status`,name="SCHEDULED",type=string
// +kubebuilder:printcolumn:JSONPath=`.status.conditions[?(@.type=="FullyApplied")].status`,name="FULLYAPPLIED",type=string
// +kubebuilder:printcolumn:JSONPath=`.metadata.creationTimestamp`,name="AGE",type=date
type ResourceBinding struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the resource, what it needs, and the clusters that are to run it.
	// +required
	Spec ResourceBindingSpec `json:"spec"`

	// Status is the outcome of scheduling, and what became of the resource in the clusters.
	// +optional
	Status ResourceBindingStatus `json:"status,omitempty"`
}

// ResourceBindingList is a list of ResourceBinding objects.
//
// +kubebuilder:object:root=true
type ResourceBindingList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items are the bindings of the list.
	Items []ResourceBinding `json:"items"`
}

// ClusterResourceBinding ties a cluster-scoped resource, claimed by a policy, to the clusters that run it. It works
// like a ResourceBinding.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:storageversion
// +kubebuilder:resource:path=clusterresourcebindings,scope=Cluster,shortName=crb,categories={karmada-io}
// +kubebuilder:printcolumn:JSONPath=`.status.conditions[?(@.type=="Scheduled")].status`,name="SCHEDULED",type=string
// +kubebuilder:printcolumn:JSONPath=`.status.conditions[?(@.type=="FullyApplied")].status`,name="FULLYAPPLIED",type=string
// +kubebuilder:printcolumn:JSONPath=`.metadata.creationTimestamp`,name="AGE",type=date
type ClusterResourceBinding struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the resource, what it needs, and the clusters that are to run it.
	// +required
	Spec ResourceBindingSpec `json:"spec"`

	// Status is the outcome of scheduling, and what became of the resource in the clusters.
	// +optional
	Status ResourceBindingStatus `json:"status,omitempty"`
}

// ClusterResourceBindingList is a list of ClusterResourceBinding objects.
//
// +kubebuilder:object:root=true
type ClusterResourceBindingList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items are the bindings of the list.
	Items []ClusterResourceBinding `json:"items"`
}

// ResourceBindingSpec is a resource, what it needs, and the clusters that are to run it.
type ResourceBindingSpec struct {
	// Resource is the resource to run.
	// +required
	Resource ObjectReference `json:"resource"`

	// PropagateDeps also sends the objects the resource refers to, such as ConfigMaps and Secrets, to the same
	// clusters. Taken from the policy. Defaults to false.
	// +optional
	PropagateDeps bool `json:"propagateDeps,omitempty"`

	// ReplicaRequirements is what one replica needs of the node it runs on. Absent for resources without replicas,
	// and for those with several components.
	// +optional
	ReplicaRequirements *ReplicaRequirements `json:"replicaRequirements,omitempty"`

	// Replicas is the number of replicas the resource asks for, in all clusters together. 0 for resources without
	// replicas.
	// +optional
	Replicas int32 `json:"replicas,omitempty"`

	// Components are the parts of a resource that is made of several sets of alike pods, such as the job manager and
	// the task managers of a FlinkDeployment. It needs the MultiplePodTemplatesScheduling feature.
	// +optional
	Components []Component `json:"components,omitempty"`

	// Clusters are the clusters that are to run the resource, chosen by the scheduler.
	// +optional
	Clusters []TargetCluster `json:"clusters,omitempty"`

	// GracefulEvictionTasks are the clusters the resource is leaving. Their copies still run until the task is
	// assessed as done.
	// +optional
	GracefulEvictionTasks []GracefulEvictionTask `json:"gracefulEvictionTasks,omitempty"`

	// RequiredBy are the bindings of resources that refer to this one. Their clusters get this resource too, besides
	// those of its own.
	// +optional
	RequiredBy []BindingSnapshot `json:"requiredBy,omitempty"`

	// SchedulerName names the scheduler that places the resource. Taken from the policy.
	// +optional
	SchedulerName string `json:"schedulerName,omitempty"`

	// Failover says how the resource leaves a cluster in which it, or the cluster itself, has failed. Taken from the
	// policy.
	// +optional
	Failover *policyv1alpha1.FailoverBehavior `json:"failover,omitempty"`

	// Placement describes the clusters that may be chosen and how replicas are shared among them. Taken from the
	// policy.
	// +optional
	Placement *policyv1alpha1.Placement `json:"placement,omitempty"`

	// RescheduleTriggeredAt is the last time somebody asked for the resource to be scheduled afresh. The scheduler
	// acts when it is later than lastScheduledTime.
	// +optional
	RescheduleTriggeredAt *metav1.Time `json:"rescheduleTriggeredAt,omitempty"`

	// Suspension pauses parts of the propagation. What clusters already run keeps running. When absent, nothing is
	// paused.
	// +optional
	Suspension *Suspension `json:"suspension,omitempty"`

	// PreserveResourcesOnDeletion keeps the copies in member clusters when the resource is deleted from the control
	// plane. Taken from the policy. Defaults to false: the copies are deleted with it.
	// +optional
	PreserveResourcesOnDeletion *bool `json:"preserveResourcesOnDeletion,omitempty"`

	// ConflictResolution says what happens when a cluster already holds an object of the same name that the control
	// plane does not manage. "Abort" leaves that object as it is and reports the conflict, "Overwrite" takes it over.
	// Taken from the policy. Defaults to "Abort".
	// +optional
	// +kubebuilder:default=Abort
	// +kubebuilder:validation:Enum=Abort;Overwrite
	ConflictResolution policyv1alpha1.ConflictResolution `json:"conflictResolution,omitempty"`

	// SchedulePriority sets the order in which resources wait for the scheduler. When absent, the priority is 0.
	// +optional
	SchedulePriority *SchedulePriority `json:"schedulePriority,omitempty"`

	// WorkloadAffinityGroups are the groups that the resource belongs to for attracting and keeping away related
	// resources. Absent when the policy relates it to none.
	// +optional
	WorkloadAffinityGroups *WorkloadAffinityGroups `json:"workloadAffinityGroups,omitempty"`
}

// ObjectReference is a reference to a resource in the control plane.
type ObjectReference struct {
	// APIVersion is the group and version of the resource, such as "apps/v1".
	// +required
	APIVersion string `json:"apiVersion"`

	// Kind is the kind of the resource.
	// +required
	Kind string `json:"kind"`

	// Namespace is the namespace of the resource. Empty for cluster-scoped resources.
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// Name is the name of the resource.
	// +required
	Name string `json:"name"`

	// UID is the unique id of the resource. It tells a resource from an earlier one of the same name.
	// +optional
	UID types.UID `json:"uid,omitempty"`

	// ResourceVersion is the version of the resource the binding was last made from.
	// +optional
	ResourceVersion string `json:"resourceVersion,omitempty"`
}

// TargetCluster is a cluster that is to run a resource.
type TargetCluster struct {
	// Name is the name of the cluster.
	// +required
	Name string `json:"name"`

	// Replicas is the number of replicas in this cluster. 0 for resources without replicas.
	// +optional
	Replicas int32 `json:"replicas,omitempty"`

	// Components are the numbers of replicas in this cluster of the single components, found by name in the
	// components of the spec. Empty for resources without components.
	// +optional
	Components []TargetComponent `json:"components,omitempty"`
}

// TargetComponent is the number of replicas of one component in a cluster.
type TargetComponent struct {
	// Name is the name of the component.
	// +required
	Name string `json:"name"`

	// Replicas is the number of replicas of the component in the cluster.
	// +required
	Replicas int32 `json:"replicas"`
}

// BindingSnapshot is another binding, as far as it matters here.
type BindingSnapshot struct {
	// Namespace is the namespace of the other binding. Empty when it is cluster-scoped.
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// Name is the name of the other binding.
	// +required
	Name string `json:"name"`

	// Clusters are the clusters chosen for the other binding.
	// +optional
	Clusters []TargetCluster `json:"clusters,omitempty"`
}

// Suspension pauses parts of the propagation.
type Suspension struct {
	policyv1alpha1.Suspension `json:",inline"`

	// Scheduling pauses scheduling, for instance until a queue admits the resource. Clusters that were chosen before
	// stay chosen. Defaults to false.
	// +optional
	Scheduling *bool `json:"scheduling,omitempty"`
}

// SchedulePriority is the place of a resource among those that wait for the scheduler.
type SchedulePriority struct {
	// Priority is the value of the priority class that the policy names: higher values are scheduled first. Defaults
	// to 0.
	// +optional
	// +kubebuilder:default=0
	Priority int32 `json:"priority,omitempty"`
}

// WorkloadAffinityGroups are the groups a resource belongs to for workload affinity.
type WorkloadAffinityGroups struct {
	// AffinityGroup is the group whose members attract the resource, written as the label "key=value" that it comes
	// from. Empty for none.
	// +optional
	AffinityGroup string `json:"affinityGroup,omitempty"`

	// AntiAffinityGroup is the group whose members keep the resource away, written as the label "key=value" that it
	// comes from. Empty for none.
	// +optional
	AntiAffinityGroup string `json:"antiAffinityGroup,omitempty"`
}

// ResourceBindingStatus is the outcome of scheduling, and what became of a resource in the clusters.
type ResourceBindingStatus struct {
	// SchedulerObservedGeneration is the generation of the binding that the scheduler handled last. While it is
	// behind metadata.generation, the clusters may not be up to date.
	// +optional
	SchedulerObservedGeneration int64 `json:"schedulerObservedGeneration,omitempty"`

	// SchedulerObservedAffinityName is the name of the group of candidate clusters in use. Empty when the placement
	// lists no groups.
	// +optional
	SchedulerObservedAffinityName string `json:"schedulerObservingAffinityName,omitempty"`

	// LastScheduledTime is the last time the scheduler chose clusters successfully.
	// +optional
	LastScheduledTime *metav1.Time `json:"lastScheduledTime,omitempty"`

	// Conditions summarise the state of the binding: "Scheduled" tells whether clusters were found, "FullyApplied"
	// whether all of them have the resource.
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// AggregatedStatus is the state of the resource in each cluster.
	// +optional
	AggregatedStatus []AggregatedStatusItem `json:"aggregatedStatus,omitempty"`
}

// AggregatedStatusItem is the state of a resource in one cluster.
type AggregatedStatusItem struct {
	// ClusterName is the name of the cluster.
	// +required
	ClusterName string `json:"clusterName"`

	// Status is the status of the resource in that cluster, reduced to what the resource interpreter reports.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	Status *runtime.RawExtension `json:"status,omitempty"`

	// Applied tells whether the resource is in the cluster in its present form. Defaults to false.
	// +optional
	Applied bool `json:"applied,omitempty"`

	// AppliedMessage explains in words why the resource is not applied. Empty when it is.
	// +optional
	AppliedMessage string `json:"appliedMessage,omitempty"`

	// Health is "Healthy" or "Unhealthy" as the resource interpreter judges the resource, or "Unknown" when it cannot
	// judge resources of this kind.
	// +optional
	// +kubebuilder:validation:Enum=Healthy;Unhealthy;Unknown
	Health ResourceHealth `json:"health,omitempty"`
}

// ResourceHealth is the judgement of the resource interpreter on a resource.
type ResourceHealth string

const (
	// ResourceHealthy means that the resource works as it should.
	ResourceHealthy ResourceHealth = "Healthy"
	// ResourceUnhealthy means that the resource does not work as it should.
	ResourceUnhealthy ResourceHealth = "Unhealthy"
	// ResourceUnknown means that nobody can judge the resource.
	ResourceUnknown ResourceHealth = "Unknown"
)
