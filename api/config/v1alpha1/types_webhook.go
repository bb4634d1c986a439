package v1alpha1

import (
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ResourceInterpreterWebhookConfiguration registers webhooks that answer questions about resource kinds, for kinds whose
// logic does not fit into a script.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=resourceinterpreterwebhookconfigurations,scope=Cluster,categories={karmada-io}
type ResourceInterpreterWebhookConfiguration struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Webhooks are the webhooks, each with the kinds and operations it answers for.
	// +required
	Webhooks []ResourceInterpreterWebhook `json:"webhooks"`
}

// ResourceInterpreterWebhook is one webhook with the questions it answers.
type ResourceInterpreterWebhook struct {
	// Name identifies the webhook. It is a fully qualified domain name such as "replicas.example.com", unique within the
	// object.
	// +required
	Name string `json:"name"`

	// ClientConfig says how the webhook is reached: by a URL or by a Service, exactly one of them.
	// +required
	ClientConfig admissionregistrationv1.WebhookClientConfig `json:"clientConfig"`

	// Rules are the kinds and operations sent to this webhook. A question that matches any rule is sent. Without rules
	// nothing is sent.
	// +optional
	Rules []RuleWithOperations `json:"rules,omitempty"`

	// TimeoutSeconds is how long the webhook may take to answer, in seconds, 1 to 30. Without an answer in time the
	// operation fails and is tried again later. Default: 10.
	// +optional
	TimeoutSeconds *int32 `json:"timeoutSeconds,omitempty"`

	// InterpreterContextVersions are the versions of ResourceInterpreterContext the webhook understands, in order of
	// preference. The first one the control plane knows is used. The list must include "v1alpha1".
	// +required
	InterpreterContextVersions []string `json:"interpreterContextVersions"`
}

// RuleWithOperations matches questions by operation and kind.
type RuleWithOperations struct {
	// Operations are the matched operations, such as "InterpretReplica". "*" matches all of them and stands alone.
	// +required
	Operations []InterpreterOperation `json:"operations"`

	// Rule matches the kind of the object.
	Rule `json:",inline"`
}

// Rule matches the kind of an object: its group, version and kind must each be in the list of that name.
type Rule struct {
	// APIGroups are the matched API groups; "" is the core group. "*" matches all groups and stands alone.
	// +required
	APIGroups []string `json:"apiGroups"`

	// APIVersions are the matched versions, such as "v1". "*" matches all versions and stands alone.
	// +required
	APIVersions []string `json:"apiVersions"`

	// Kinds are the matched kinds, such as "Deployment". "*" matches all kinds and stands alone.
	// +required
	Kinds []string `json:"kinds"`
}

// InterpreterOperation is a question about a resource, or a change of it, that an interpreter carries out.
type InterpreterOperation string

const (
	// InterpreterOperationAll stands for every operation.
	InterpreterOperationAll InterpreterOperation = "*"
	// InterpreterOperationInterpretReplica reads the number of replicas and the needs of one replica.
	InterpreterOperationInterpretReplica InterpreterOperation = "InterpretReplica"
	// InterpreterOperationInterpretComponent reads the components of a workload with several pod templates.
	InterpreterOperationInterpretComponent InterpreterOperation = "InterpretComponent"
	// InterpreterOperationReviseReplica writes a number of replicas into the object.
	InterpreterOperationReviseReplica InterpreterOperation = "ReviseReplica"
	// InterpreterOperationRetain keeps values that the member cluster set.
	InterpreterOperationRetain InterpreterOperation = "Retain"
	// InterpreterOperationAggregateStatus combines the statuses of member clusters into that of the template.
	InterpreterOperationAggregateStatus InterpreterOperation = "AggregateStatus"
	// InterpreterOperationInterpretStatus picks the status to report from a member cluster.
	InterpreterOperationInterpretStatus InterpreterOperation = "InterpretStatus"
	// InterpreterOperationInterpretHealth decides whether the object is healthy.
	InterpreterOperationInterpretHealth InterpreterOperation = "InterpretHealth"
	// InterpreterOperationInterpretDependency lists the objects that must go along.
	InterpreterOperationInterpretDependency InterpreterOperation = "InterpretDependency"
	// InterpreterOperationPrune removes fields that must not reach a member cluster. The name is reserved; nothing sends it.
	InterpreterOperationPrune InterpreterOperation = "Prune"
)

// ResourceInterpreterWebhookConfigurationList is a list of ResourceInterpreterWebhookConfiguration objects.
//
// +kubebuilder:object:root=true
type ResourceInterpreterWebhookConfigurationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items are the objects of this page.
	Items []ResourceInterpreterWebhookConfiguration `json:"items"`
}
