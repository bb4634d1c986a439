package v1alpha2

import (
	corev1 "k8s.io/api/core/v1"
)

// ReplicaRequirements is what one replica needs of the node it runs on.
type ReplicaRequirements struct {
	// NodeClaim limits the nodes the replica can run on. When absent, any node will do.
	// +optional
	NodeClaim *NodeClaim `json:"nodeClaim,omitempty"`

	// ResourceRequest is what the replica requests, by resource, such as cpu and memory.
	// +optional
	ResourceRequest corev1.ResourceList `json:"resourceRequest,omitempty"`

	// Namespace is the namespace of the resource, whose quotas bound the replica.
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// PriorityClassName is the priority class of the pods. Quotas can be limited to a class.
	// +optional
	PriorityClassName string `json:"priorityClassName,omitempty"`
}

// Component is one set of alike pods in a resource that has several.
type Component struct {
	// Name names the component. It must be unique within the resource and have at most 32 characters.
	// +required
	// +kubebuilder:validation:MaxLength=32
	Name string `json:"name"`

	// Replicas is the number of pods of the component, in one copy of the resource.
	// +required
	Replicas int32 `json:"replicas"`

	// ReplicaRequirements is what one pod of the component needs of the node it runs on.
	// +optional
	ReplicaRequirements *ComponentReplicaRequirements `json:"replicaRequirements,omitempty"`
}

// ComponentReplicaRequirements is what one pod of a component needs of the node it runs on.
type ComponentReplicaRequirements struct {
	// NodeClaim limits the nodes the pod can run on. When absent, any node will do.
	// +optional
	NodeClaim *NodeClaim `json:"nodeClaim,omitempty"`

	// ResourceRequest is what the pod requests, by resource, such as cpu and memory.
	// +optional
	ResourceRequest corev1.ResourceList `json:"resourceRequest,omitempty"`

	// PriorityClassName is the priority class of the pods. Quotas can be limited to a class.
	// +optional
	PriorityClassName string `json:"priorityClassName,omitempty"`
}

// NodeClaim limits the nodes that a replica can run on. A node has to satisfy everything that is set.
type NodeClaim struct {
	// HardNodeAffinity is the required node affinity of the pods. Preferences are not part of it.
	// +optional
	HardNodeAffinity *corev1.NodeSelector `json:"hardNodeAffinity,omitempty"`

	// NodeSelector is the labels, key to value, that the node must have.
	// +optional
	NodeSelector map[string]string `json:"nodeSelector,omitempty"`

	// Tolerations let the replica onto nodes with matching taints.
	// +optional
	Tolerations []corev1.Toleration `json:"tolerations,omitempty"`
}
