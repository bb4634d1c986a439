package v1alpha1

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FederatedHPA scales one workload by metrics that are gathered from all clusters it runs in. It decides the total number
// of replicas on the control plane; how they spread over clusters stays with the propagation policy.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=federatedhpas,scope=Namespaced,shortName=fhpa,categories={karmada-io}
// +kubebuilder:printcolumn:name="REFERENCE-KIND",type=string,JSONPath=`.spec.scaleTargetRef.kind`
// +kubebuilder:printcolumn:name="REFERENCE-NAME",type=string,JSONPath=`.spec.scaleTargetRef.name`
// +kubebuilder:printcolumn:name="MINPODS",type=integer,JSONPath=`.spec.minReplicas`
// +kubebuilder:printcolumn:name="MAXPODS",type=integer,JSONPath=`.spec.maxReplicas`
// +kubebuilder:printcolumn:name="REPLICAS",type=integer,JSONPath=`.status.currentReplicas`
// +kubebuilder:printcolumn:name="AGE",type=date,JSONPath=`.metadata.creationTimestamp`
type FederatedHPA struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says what to scale, between which bounds and by which metrics.
	// +required
	Spec FederatedHPASpec `json:"spec"`

	// Status reports the present and the wanted number of replicas, the metric readings and the state of scaling.
	// +optional
	Status autoscalingv2.HorizontalPodAutoscalerStatus `json:"status,omitempty"`
}

// FederatedHPASpec describes the scaling of one workload. It has the fields of a HorizontalPodAutoscaler v2 with the same
// meaning, summed over clusters.
type FederatedHPASpec struct {
	// ScaleTargetRef names the workload on the control plane, in the namespace of this object. Its kind must have a scale
	// subresource.
	// +required
	ScaleTargetRef autoscalingv2.CrossVersionObjectReference `json:"scaleTargetRef"`

	// MinReplicas is the lowest total number of replicas over all clusters that scaling down may reach. Default: 1.
	// +optional
	MinReplicas *int32 `json:"minReplicas,omitempty"`

	// MaxReplicas is the highest total number of replicas over all clusters that scaling up may reach. It must not be
	// lower than minReplicas.
	// +required
	MaxReplicas int32 `json:"maxReplicas"`

	// Metrics are the readings that drive scaling, each with its target. Every metric proposes a number of replicas and
	// the highest proposal wins. Default: an average CPU utilization of 80 percent of the request.
	// +optional
	Metrics []autoscalingv2.MetricSpec `json:"metrics,omitempty"`

	// Behavior limits how fast the number of replicas may rise and fall. Default: the limits of a
	// HorizontalPodAutoscaler v2.
	// +optional
	Behavior *autoscalingv2.HorizontalPodAutoscalerBehavior `json:"behavior,omitempty"`
}

// FederatedHPAList is a list of FederatedHPA objects.
//
// +kubebuilder:object:root=true
type FederatedHPAList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items are the objects of this page.
	Items []FederatedHPA `json:"items"`
}
