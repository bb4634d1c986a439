package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// ResourceKindOverridePolicy is the kind of OverridePolicy.
	ResourceKindOverridePolicy = "OverridePolicy"
	// ResourceKindClusterOverridePolicy is the kind of ClusterOverridePolicy.
	ResourceKindClusterOverridePolicy = "ClusterOverridePolicy"
)

// OverridePolicy changes the copies of resources of its own namespace before they are sent to a cluster: another
// image registry here, a storage class there. It is applied after every ClusterOverridePolicy that matches.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=overridepolicies,scope=Namespaced,shortName=op,categories={karmada-io}
type OverridePolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the set of changes and the resources and clusters they are for.
	// +required
	Spec OverrideSpec `json:"spec"`
}

// OverridePolicyList is a list of OverridePolicy objects.
//
// +kubebuilder:object:root=true
type OverridePolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items are the policies of the list.
	Items []OverridePolicy `json:"items"`
}

// ClusterOverridePolicy changes the copies of resources of any namespace, and of cluster-scoped resources, before they
// are sent to a cluster.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=clusteroverridepolicies,scope=Cluster,shortName=cop,categories={karmada-io}
type ClusterOverridePolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is the set of changes and the resources and clusters they are for.
	// +required
	Spec OverrideSpec `json:"spec"`
}

// ClusterOverridePolicyList is a list of ClusterOverridePolicy objects.
//
// +kubebuilder:object:root=true
type ClusterOverridePolicyList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items are the policies of the list.
	Items []ClusterOverridePolicy `json:"items"`
}

// OverrideSpec says which resources are changed, for which clusters, and how.
type OverrideSpec struct {
	// ResourceSelectors choose the resources to change. When empty, all resources are: in a namespaced policy all of
	// its namespace.
	// +optional
	ResourceSelectors []ResourceSelector `json:"resourceSelectors,omitempty"`

	// OverrideRules are sets of changes, each for some clusters. Rules that match a cluster are applied in the order
	// given. It excludes targetCluster and overriders.
	// +optional
	OverrideRules []RuleWithCluster `json:"overrideRules,omitempty"`

	// TargetCluster matches the clusters that overriders are for. When absent, all clusters match. Kept for older
	// manifests; new ones use overrideRules.
	// +optional
	TargetCluster *ClusterAffinity `json:"targetCluster,omitempty"`

	// Overriders are the changes for the clusters of targetCluster. Kept for older manifests; new ones use
	// overrideRules.
	// +optional
	Overriders Overriders `json:"overriders,omitempty"`
}

// RuleWithCluster is a set of changes for some clusters.
type RuleWithCluster struct {
	// TargetCluster matches the clusters the changes are for. When absent, all clusters match.
	// +optional
	TargetCluster *ClusterAffinity `json:"targetCluster,omitempty"`

	// Overriders are the changes.
	// +required
	Overriders Overriders `json:"overriders"`
}

// Overriders are changes to a manifest, sorted by what they act on. They are applied kind by kind: images, commands,
// arguments, labels, annotations, fields, and plain text last.
type Overriders struct {
	// Plaintext are changes to any place of the manifest, given by a path.
	// +optional
	Plaintext []PlaintextOverrider `json:"plaintext,omitempty"`

	// ImageOverrider are changes to parts of container image names.
	// +optional
	ImageOverrider []ImageOverrider `json:"imageOverrider,omitempty"`

	// CommandOverrider are changes to the command of containers.
	// +optional
	CommandOverrider []CommandArgsOverrider `json:"commandOverrider,omitempty"`

	// ArgsOverrider are changes to the arguments of containers.
	// +optional
	ArgsOverrider []CommandArgsOverrider `json:"argsOverrider,omitempty"`

	// LabelsOverrider are changes to the labels of the resource.
	// +optional
	LabelsOverrider []LabelAnnotationOverrider `json:"labelsOverrider,omitempty"`

	// AnnotationsOverrider are changes to the annotations of the resource.
	// +optional
	AnnotationsOverrider []LabelAnnotationOverrider `json:"annotationsOverrider,omitempty"`

	// FieldOverrider are changes inside a string field that itself holds JSON or YAML text, such as a key of a
	// ConfigMap.
	// +optional
	FieldOverrider []FieldOverrider `json:"fieldOverrider,omitempty"`
}

// OverriderOperator is a way of changing a value.
type OverriderOperator string

const (
	// OverriderOpAdd adds a value.
	OverriderOpAdd OverriderOperator = "add"
	// OverriderOpRemove removes a value.
	OverriderOpRemove OverriderOperator = "remove"
	// OverriderOpReplace puts a value in the place of another.
	OverriderOpReplace OverriderOperator = "replace"
)

// PlaintextOverrider changes any place of a manifest, like one step of a JSON Patch (RFC 6902).
type PlaintextOverrider struct {
	// Path is a JSON Pointer (RFC 6901) to the place in the manifest, such as "/spec/replicas".
	// +required
	Path string `json:"path"`

	// Operator is "add", "remove" or "replace".
	// +required
	// +kubebuilder:validation:Enum=add;remove;replace
	Operator OverriderOperator `json:"operator"`

	// Value is the JSON value to add or to put in place. It is not used with "remove".
	// +optional
	Value apiextensionsv1.JSON `json:"value,omitempty"`
}

// ImageOverrider changes one part of container image names.
type ImageOverrider struct {
	// Predicate says which image is changed. When absent, the images of all containers and init containers of a Pod,
	// ReplicaSet, Deployment, DaemonSet, StatefulSet or Job are changed; resources of other kinds then stay as they are.
	// +optional
	Predicate *ImagePredicate `json:"predicate,omitempty"`

	// Component is the part of the image name to change: in "registry.example/team/app:v1" the Registry is
	// "registry.example", the Repository "team/app" and the Tag "v1". A digest counts as Tag.
	// +required
	// +kubebuilder:validation:Enum=Registry;Repository;Tag
	Component ImageComponent `json:"component"`

	// Operator is "add" to append the value to the part, "replace" to put it in the place of the part, or "remove" to
	// drop the part.
	// +required
	// +kubebuilder:validation:Enum=add;remove;replace
	Operator OverriderOperator `json:"operator"`

	// Value is the text to append or to put in place. It must not be empty for "add" and "replace", and is not used
	// with "remove".
	// +optional
	Value string `json:"value,omitempty"`
}

// ImagePredicate says where in a manifest an image name stands.
type ImagePredicate struct {
	// Path is a JSON Pointer (RFC 6901) to the image name in the manifest, such as
	// "/spec/template/spec/containers/0/image".
	// +required
	Path string `json:"path"`
}

// ImageComponent is a part of an image name.
type ImageComponent string

const (
	// Registry is the host, with its port, that serves the image.
	Registry ImageComponent = "Registry"
	// Repository is the path of the image in the registry.
	Repository ImageComponent = "Repository"
	// Tag is the tag or digest of the image.
	Tag ImageComponent = "Tag"
)

// CommandArgsOverrider changes the command or the arguments of a container.
type CommandArgsOverrider struct {
	// ContainerName is the name of the container to change.
	// +required
	ContainerName string `json:"containerName"`

	// Operator is "add" to append the values, or "remove" to drop them wherever they occur.
	// +required
	// +kubebuilder:validation:Enum=add;remove
	Operator OverriderOperator `json:"operator"`

	// Value are the words to append or to drop. When empty, nothing changes.
	// +optional
	Value []string `json:"value,omitempty"`
}

// LabelAnnotationOverrider changes labels or annotations.
type LabelAnnotationOverrider struct {
	// Operator is "add" to set the entries, "replace" to set those whose key exists already, or "remove" to drop
	// them by key.
	// +required
	// +kubebuilder:validation:Enum=add;remove;replace
	Operator OverriderOperator `json:"operator"`

	// Value are the entries, key to value. With "remove" the values do not matter.
	// +required
	Value map[string]string `json:"value"`
}

// FieldOverrider changes a document that is kept as text in a string field. Exactly one of json and yaml is given.
type FieldOverrider struct {
	// FieldPath is a JSON Pointer (RFC 6901) to the string field in the manifest, such as "/data/config.yaml".
	// +required
	FieldPath string `json:"fieldPath"`

	// JSON are changes to a field that holds JSON text.
	// +optional
	JSON []JSONPatchOperation `json:"json,omitempty"`

	// YAML are changes to a field that holds YAML text.
	// +optional
	YAML []YAMLPatchOperation `json:"yaml,omitempty"`
}

// JSONPatchOperation is one change to a JSON document.
type JSONPatchOperation struct {
	// SubPath is a JSON Pointer (RFC 6901) to the place inside the document.
	// +required
	SubPath string `json:"subPath"`

	// Operator is "add", "remove" or "replace".
	// +required
	// +kubebuilder:validation:Enum=add;remove;replace
	Operator OverriderOperator `json:"operator"`

	// Value is the value to add or to put in place. It must be absent with "remove", and present otherwise.
	// +optional
	Value apiextensionsv1.JSON `json:"value,omitempty"`
}

// YAMLPatchOperation is one change to a YAML document.
type YAMLPatchOperation struct {
	// SubPath is a JSON Pointer (RFC 6901) to the place inside the document.
	// +required
	SubPath string `json:"subPath"`

	// Operator is "add", "remove" or "replace".
	// +required
	// +kubebuilder:validation:Enum=add;remove;replace
	Operator OverriderOperator `json:"operator"`

	// Value is the value to add or to put in place. It must be absent with "remove", and present otherwise.
	// +optional
	Value apiextensionsv1.JSON `json:"value,omitempty"`
}
