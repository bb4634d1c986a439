package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// ResourceInterpreterContext is the message between the control plane and an interpreter webhook: it goes out with a
// request and comes back with a response. It is never stored.
//
// +kubebuilder:object:root=true
type ResourceInterpreterContext struct {
	metav1.TypeMeta `json:",inline"`

	// Request is the question. It is set on the way to the webhook.
	// +optional
	Request *ResourceInterpreterRequest `json:"request,omitempty"`

	// Response is the answer. It is set on the way back.
	// +optional
	Response *ResourceInterpreterResponse `json:"response,omitempty"`
}

// ResourceInterpreterRequest is one question about one object.
type ResourceInterpreterRequest struct {
	// UID identifies this question. The response must repeat it.
	// +required
	UID types.UID `json:"uid"`

	// Kind is the group, version and kind of the object.
	// +required
	Kind metav1.GroupVersionKind `json:"kind"`

	// Name is the name of the object.
	// +required
	Name string `json:"name"`

	// Namespace is the namespace of the object, empty for a cluster-scoped one.
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// Operation is what is asked.
	// +required
	Operation InterpreterOperation `json:"operation"`

	// Object is the object the question is about.
	// +optional
	Object runtime.RawExtension `json:"object,omitempty"`

	// ObservedObject is the object found in the member cluster. Only Retain sends it.
	// +optional
	ObservedObject *runtime.RawExtension `json:"observedObject,omitempty"`

	// DesiredReplicas is the number of replicas to write into the object. Only ReviseReplica sends it.
	// +optional
	DesiredReplicas *int32 `json:"replicas,omitempty"`

	// AggregatedStatus are the statuses found in the member clusters. Only AggregateStatus sends them.
	// +optional
	AggregatedStatus []workv1alpha2.AggregatedStatusItem `json:"aggregatedStatus,omitempty"`
}

// ResourceInterpreterResponse is the answer to one question. Which of the fields count depends on the operation.
type ResourceInterpreterResponse struct {
	// UID is the identifier of the question.
	// +required
	UID types.UID `json:"uid"`

	// Successful says whether the question was answered. When false, status tells why and the rest is ignored.
	// +required
	Successful bool `json:"successful"`

	// Status gives details, mostly about a failure.
	// +optional
	Status *RequestStatus `json:"status,omitempty"`

	// Patch is the change of the object, in base64 on the wire. ReviseReplica, Retain and AggregateStatus answer with it;
	// without it the object stays as it is.
	// +optional
	Patch []byte `json:"patch,omitempty"`

	// PatchType is the format of the patch. It goes along with patch; only JSONPatch is known.
	// +optional
	PatchType *PatchType `json:"patchType,omitempty"`

	// ReplicaRequirements is what one replica needs. It is part of the answer to InterpretReplica.
	// +optional
	ReplicaRequirements *workv1alpha2.ReplicaRequirements `json:"replicaRequirements,omitempty"`

	// Replicas is the wanted number of replicas. InterpretReplica needs it, and 0 is a valid answer.
	// +optional
	Replicas *int32 `json:"replicas,omitempty"`

	// Components are the components of a workload with several pod templates. They answer InterpretComponent.
	// +optional
	Components []workv1alpha2.Component `json:"components,omitempty"`

	// Dependencies are the objects that must reach the same clusters. They answer InterpretDependency.
	// +optional
	Dependencies []DependentObjectReference `json:"dependencies,omitempty"`

	// RawStatus is the status to report, in any shape. It answers InterpretStatus.
	// +optional
	RawStatus *runtime.RawExtension `json:"rawStatus,omitempty"`

	// Healthy tells whether the object is healthy. InterpretHealth needs it.
	// +optional
	Healthy *bool `json:"healthy,omitempty"`
}

// RequestStatus gives details of an answer.
type RequestStatus struct {
	// Message is for people to read.
	// +optional
	Message string `json:"message,omitempty"`

	// Code is an HTTP status code that fits the outcome.
	// +optional
	Code int32 `json:"code,omitempty"`
}

// PatchType is the format of a patch.
type PatchType string

// PatchTypeJSONPatch is a list of operations as in RFC 6902.
const PatchTypeJSONPatch PatchType = "JSONPatch"

// DependentObjectReference names one object by its name, or several by labels. One of the two is needed; the name
// wins when both are given.
type DependentObjectReference struct {
	// APIVersion is the group and version of the object, such as "v1".
	// +required
	APIVersion string `json:"apiVersion"`

	// Kind is the kind of the object, such as "ConfigMap".
	// +required
	Kind string `json:"kind"`

	// Namespace is the namespace of the object, empty for a cluster-scoped one.
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// Name is the name of the object.
	// +optional
	Name string `json:"name,omitempty"`

	// LabelSelector chooses objects by their labels. It is not looked at when name is given.
	// +optional
	LabelSelector *metav1.LabelSelector `json:"labelSelector,omitempty"`
}
