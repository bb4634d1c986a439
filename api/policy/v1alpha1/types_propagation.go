package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// ResourceKindPropagationPolicy is the kind of PropagationPolicy.
	ResourceKindPropagationPolicy = "PropagationPolicy"
	// ResourceKindClusterPropagationPolicy is the kind of ClusterPropagationPolicy.
	ResourceKindClusterPropagationPolicy = "ClusterPropagationPolicy"
)

// PropagationPolicy propagates resources of its own namespace to member clusters. It names the resources, describes
// the clusters that may run them, and says how replicas are spread, moved and cleaned up.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=propagationpolicies,scope=Namespaced,shortName=pp,categories={karmada-io}
// +kubebuilder:printcolumn:JSONPath=`.spec.conflictResolution`,name="CONFLICT-RESOLUTION",type=string
// +kubebuilder:printcolumn:JSONPath=`.spec.priority`,name="PRIORITY",type=string
// +kubebuilder:printcolumn:JSONPath=`.metadata.creationTimestamp`,name="AGE",type=date
type PropagationPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the propagation the user asks for.
	// +required
	Spec PropagationSpec `json:"spec"`
}

// PropagationPolicyList is a list of PropagationPolicy objects.
//
// +kubebuilder:object:root=true
type PropagationPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items are the policies of the list.
	Items []PropagationPolicy `json:"items"`
}

// ClusterPropagationPolicy propagates cluster-scoped resources, and resources of any namespace that is not reserved
// for the control plane, to member clusters. A PropagationPolicy that matches the same resource goes first.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=clusterpropagationpolicies,scope=Cluster,shortName=cpp,categories={karmada-io}
// +kubebuilder:printcolumn:JSONPath=`.spec.conflictResolution`,name="CONFLICT-RESOLUTION",type=string
// +kubebuilder:printcolumn:JSONPath=`.spec.priority`,name="PRIORITY",type=string
// +kubebuilder:printcolumn:JSONPath=`.metadata.creationTimestamp`,name="AGE",type=date
type ClusterPropagationPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the propagation the user asks for.
	// +required
	Spec PropagationSpec `json:"spec"`
}

// ClusterPropagationPolicyList is a list of ClusterPropagationPolicy objects.
//
// +kubebuilder:object:root=true
type ClusterPropagationPolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items are the policies of the list.
	Items []ClusterPropagationPolicy `json:"items"`
}

// PropagationSpec says which resources are propagated, and how.
type PropagationSpec struct {
	// ResourceSelectors choose the resources this policy propagates. A resource that matches any of them is taken;
	// at least one selector is needed.
	// +required
	// +kubebuilder:validation:MinItems=1
	ResourceSelectors []ResourceSelector `json:"resourceSelectors"`

	// Association is the former name of propagateDeps and has no effect. Use propagateDeps.
	// +optional
	Association bool `json:"association,omitempty"`

	// PropagateDeps also sends the objects a resource refers to, such as the ConfigMaps and Secrets a Deployment
	// mounts, to every cluster the resource is scheduled to. They follow the resource when it moves, and need no policy of
	// their own. Defaults to false.
	// +optional
	PropagateDeps bool `json:"propagateDeps,omitempty"`

	// Placement describes the clusters that may be chosen and how replicas are shared among them. When empty, every
	// cluster is a candidate.
	// +optional
	Placement Placement `json:"placement,omitempty"`

	// Priority decides between several policies of one kind that match the same resource: the highest value wins.
	// Among equal values the policy with the more specific selector wins (a name before a label selector before a
	// selector for all), then the name that comes first in the alphabet. May be negative. Defaults to 0.
	// +optional
	// +kubebuilder:default=0
	Priority *int32 `json:"priority,omitempty"`

	// Preemption says whether this policy may take over resources that a policy of lower priority has claimed
	// already. "Always" takes them over, "Never" leaves them alone. A PropagationPolicy may preempt any
	// ClusterPropagationPolicy, whatever the priorities. It needs the PropagationPolicyPreemption feature. Defaults to
	// "Never".
	// +optional
	// +kubebuilder:default=Never
	// +kubebuilder:validation:Enum=Always;Never
	Preemption PreemptionBehavior `json:"preemption,omitempty"`

	// DependentOverrides names override policies that must exist before this policy takes effect, so that no cluster
	// gets an unadapted copy when policies and resources are created together. Matching override policies that are
	// not named here are applied as well.
	// +optional
	DependentOverrides []string `json:"dependentOverrides,omitempty"`

	// SchedulerName names the scheduler that places the resources. It must not change once set. Defaults to
	// "default-scheduler".
	// +optional
	// +kubebuilder:default="default-scheduler"
	SchedulerName string `json:"schedulerName,omitempty"`

	// Failover says how a resource leaves a cluster in which it, or the cluster itself, has failed. When absent, an
	// unhealthy application is never moved, and cluster failures are handled with the settings of the control plane.
	// +optional
	Failover *FailoverBehavior `json:"failover,omitempty"`

	// ConflictResolution says what happens when a cluster already holds an object of the same name that the control
	// plane does not manage. "Abort" leaves that object as it is and reports the conflict, "Overwrite" takes it over.
	// An annotation on the resource itself goes first. Defaults to "Abort".
	// +optional
	// +kubebuilder:default=Abort
	// +kubebuilder:validation:Enum=Abort;Overwrite
	ConflictResolution ConflictResolution `json:"conflictResolution,omitempty"`

	// ActivationPreference says when a change of this policy reaches resources it already propagates. When empty it
	// does at once; with "Lazy" each resource picks the change up the next time it is itself changed.
	// +optional
	// +kubebuilder:validation:Enum=Lazy
	ActivationPreference ActivationPreference `json:"activationPreference,omitempty"`

	// Suspension pauses parts of the propagation. What clusters already run keeps running. When absent, nothing is
	// paused.
	// +optional
	Suspension *Suspension `json:"suspension,omitempty"`

	// PreserveResourcesOnDeletion keeps the copies in member clusters when the resource is deleted from the control
	// plane. Defaults to false: the copies are deleted with it.
	// +optional
	PreserveResourcesOnDeletion *bool `json:"preserveResourcesOnDeletion,omitempty"`

	// SchedulePriority sets the order in which resources wait for the scheduler: higher priorities are scheduled
	// first. When absent, the priority is 0. It needs the PriorityBasedScheduling feature.
	// +optional
	SchedulePriority *SchedulePriority `json:"schedulePriority,omitempty"`
}

// ResourceSelector chooses resources by type, and optionally by namespace, name or labels.
type ResourceSelector struct {
	// APIVersion is the group and version of the resources, such as "apps/v1".
	// +required
	APIVersion string `json:"apiVersion"`

	// Kind is the kind of the resources, such as "Deployment".
	// +required
	Kind string `json:"kind"`

	// Namespace limits the choice to one namespace. In a namespaced policy it can only be the namespace of the policy,
	// which is also the default; in a cluster-scoped policy, empty means all namespaces.
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// Name limits the choice to one resource. Empty means all names.
	// +optional
	Name string `json:"name,omitempty"`

	// LabelSelector limits the choice to resources whose labels match. It is ignored when name is set.
	// +optional
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`
}

// PreemptionBehavior says whether a policy takes resources over from other policies.
type PreemptionBehavior string

const (
	// PreemptAlways takes resources over from policies of lower priority.
	PreemptAlways PreemptionBehavior = "Always"
	// PreemptNever leaves claimed resources with the policy that holds them.
	PreemptNever PreemptionBehavior = "Never"
)

// ConflictResolution says what happens to an unmanaged object that stands where a propagated one should be.
type ConflictResolution string

const (
	// ConflictOverwrite takes the unmanaged object over.
	ConflictOverwrite ConflictResolution = "Overwrite"
	// ConflictAbort leaves the unmanaged object as it is and reports the conflict.
	ConflictAbort ConflictResolution = "Abort"
)

// ActivationPreference says when a changed policy reaches the resources it already propagates.
type ActivationPreference string

const (
	// LazyActivation waits until the resource itself is changed.
	LazyActivation ActivationPreference = "Lazy"
)

// Suspension pauses parts of the propagation.
type Suspension struct {
	// Dispatching pauses sending changes to every cluster. It excludes dispatchingOnClusters. Defaults to false.
	// +optional
	Dispatching *bool `json:"dispatching,omitempty"`

	// DispatchingOnClusters pauses sending changes to some clusters only.
	// +optional
	DispatchingOnClusters *SuspendClusters `json:"dispatchingOnClusters,omitempty"`
}

// SuspendClusters is a set of clusters to which nothing is sent.
type SuspendClusters struct {
	// ClusterNames are the names of the paused clusters.
	// +optional
	ClusterNames []string `json:"clusterNames,omitempty"`
}

// SchedulePriority says where the scheduling priority of a resource comes from.
type SchedulePriority struct {
	// PriorityClassSource is the kind of priority class to look up. "KubePriorityClass" is a PriorityClass of group
	// scheduling.k8s.io in the control plane.
	// +required
	// +kubebuilder:validation:Enum=KubePriorityClass
	PriorityClassSource PriorityClassSource `json:"priorityClassSource"`

	// PriorityClassName is the name of that priority class. The value of the class becomes the priority.
	// +required
	PriorityClassName string `json:"priorityClassName"`
}

// PriorityClassSource is a kind of priority class.
type PriorityClassSource string

const (
	// KubePriorityClass stands for PriorityClass objects of group scheduling.k8s.io in the control plane.
	KubePriorityClass PriorityClassSource = "KubePriorityClass"
	// PodPriorityClass stands for the class named in the pod template. It is reserved: the API refuses it.
	PodPriorityClass PriorityClassSource = "PodPriorityClass"
	// FederatedPriorityClass stands for a fleet-wide priority class. It is reserved: the API refuses it.
	FederatedPriorityClass PriorityClassSource = "FederatedPriorityClass"
)
