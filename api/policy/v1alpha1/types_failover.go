package v1alpha1

// FailoverBehavior says how a resource leaves a failed cluster.
type FailoverBehavior struct {
	// Application moves the resource when the resource itself is unhealthy in a cluster. When absent, an unhealthy
	// resource stays where it is. It needs propagateDeps, so that the new cluster has everything the resource uses.
	// +optional
	Application *ApplicationFailoverBehavior `json:"application,omitempty"`

	// Cluster says how the resource leaves a cluster that failed as a whole. When absent, the settings of the control
	// plane apply.
	// +optional
	Cluster *ClusterFailoverBehavior `json:"cluster,omitempty"`
}

// ApplicationFailoverBehavior says when an unhealthy resource is moved, and how.
type ApplicationFailoverBehavior struct {
	// DecisionConditions say when the resource counts as failed in a cluster.
	// +required
	DecisionConditions DecisionConditions `json:"decisionConditions"`

	// PurgeMode says what becomes of the copy in the failed cluster. "Directly" deletes it at once, "Gracefully"
	// deletes it when the replacement is healthy or gracePeriodSeconds have passed, "Never" leaves it to the user.
	// Defaults to "Gracefully".
	// +optional
	// +kubebuilder:default=Gracefully
	// +kubebuilder:validation:Enum=Directly;Gracefully;Never
	PurgeMode PurgeMode `json:"purgeMode,omitempty"`

	// GracePeriodSeconds is the longest time, in seconds, that the copy in the failed cluster waits for a healthy
	// replacement. Only allowed, and then positive, with purgeMode "Gracefully", where it defaults to 600.
	// +optional
	GracePeriodSeconds *int32 `json:"gracePeriodSeconds,omitempty"`

	// StatePreservation carries facts from the status of the failed copy over to its replacement. When absent,
	// nothing is carried over.
	// +optional
	StatePreservation *StatePreservation `json:"statePreservation,omitempty"`
}

// DecisionConditions say when a resource counts as failed in a cluster.
type DecisionConditions struct {
	// TolerationSeconds is the time, in seconds, that the resource may be unhealthy before it is moved. Must not be
	// negative. Defaults to 300.
	// +optional
	// +kubebuilder:default=300
	TolerationSeconds *int32 `json:"tolerationSeconds,omitempty"`
}

// ClusterFailoverBehavior says how a resource leaves a cluster that failed as a whole.
type ClusterFailoverBehavior struct {
	// PurgeMode says what becomes of the copy in the failed cluster. "Directly" deletes it at once, "Gracefully"
	// deletes it when the replacement is healthy or the grace period of the control plane has passed. Defaults to
	// "Gracefully".
	// +optional
	// +kubebuilder:default=Gracefully
	// +kubebuilder:validation:Enum=Directly;Gracefully
	PurgeMode PurgeMode `json:"purgeMode,omitempty"`

	// StatePreservation carries facts from the status of the failed copy over to its replacement. When absent,
	// nothing is carried over.
	// +optional
	StatePreservation *StatePreservation `json:"statePreservation,omitempty"`
}

// PurgeMode says what becomes of the copy that is left behind in a failed cluster.
type PurgeMode string

const (
	// PurgeModeDirectly deletes the copy at once, whether or not a replacement runs.
	PurgeModeDirectly PurgeMode = "Directly"
	// PurgeModeGracefully deletes the copy when the replacement is healthy or the grace period has passed.
	PurgeModeGracefully PurgeMode = "Gracefully"
	// PurgeModeNever leaves the copy until the user confirms its deletion.
	PurgeModeNever PurgeMode = "Never"
)

// StatePreservation carries facts from the status of a failed copy over to its replacement.
type StatePreservation struct {
	// Rules are read one by one. Each turns one value of the failed copy's status into one label of the replacement. If
	// a value is missing, the label is left out.
	// +required
	Rules []StatePreservationRule `json:"rules"`
}

// StatePreservationRule turns one value of a status into one label.
type StatePreservationRule struct {
	// AliasLabelName is the key of the label that the replacement gets. It must be a valid label key.
	// +required
	AliasLabelName string `json:"aliasLabelName"`

	// JSONPath finds the value in the status of the failed copy, for example "{.jobStatus.jobID}". It is a JSONPath
	// template as in kubectl, relative to the status; it must lead to a single value.
	// +required
	JSONPath string `json:"jsonPath"`
}
