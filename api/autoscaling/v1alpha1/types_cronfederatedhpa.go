package v1alpha1

import (
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CronFederatedHPA scales a workload, or moves the bounds of a FederatedHPA, at times given by cron expressions.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:path=cronfederatedhpas,scope=Namespaced,shortName=cronfhpa,categories={karmada-io}
// +kubebuilder:printcolumn:name="REFERENCE-KIND",type=string,JSONPath=`.spec.scaleTargetRef.kind`
// +kubebuilder:printcolumn:name="REFERENCE-NAME",type=string,JSONPath=`.spec.scaleTargetRef.name`
// +kubebuilder:printcolumn:name="AGE",type=date,JSONPath=`.metadata.creationTimestamp`
type CronFederatedHPA struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says what to scale and when.
	// +required
	Spec CronFederatedHPASpec `json:"spec"`

	// Status keeps the recent runs of every rule and the time of the next one.
	// +optional
	Status CronFederatedHPAStatus `json:"status,omitempty"`
}

// CronFederatedHPASpec names the target and the rules that change it.
type CronFederatedHPASpec struct {
	// ScaleTargetRef names what the rules scale, in the namespace of this object: a FederatedHPA, whose bounds are then
	// moved, or any kind with a scale subresource, whose replicas are then set.
	// +required
	ScaleTargetRef autoscalingv2.CrossVersionObjectReference `json:"scaleTargetRef"`

	// Rules are the scheduled changes. Their names are unique within the object. When two rules are due at the same
	// moment, no order between them is promised.
	// +required
	Rules []CronFederatedHPARule `json:"rules"`
}

// CronFederatedHPARule is one change that repeats by a schedule.
type CronFederatedHPARule struct {
	// Name identifies the rule within the object, with 1 to 32 characters.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +required
	Name string `json:"name"`

	// Schedule is when the rule runs, as a cron expression with the five fields minute, hour, day of month, month and day
	// of week, such as "0 8 * * 1-5".
	// +required
	Schedule string `json:"schedule"`

	// TargetReplicas is the number of replicas to set, 0 or more. It is needed unless the target is a FederatedHPA, and
	// not used then.
	// +optional
	TargetReplicas *int32 `json:"targetReplicas,omitempty"`

	// TargetMinReplicas is the minReplicas to set on a FederatedHPA, above 0 and not above the maximum. Unset leaves the
	// present value. A FederatedHPA target needs this field, targetMaxReplicas, or both.
	// +optional
	TargetMinReplicas *int32 `json:"targetMinReplicas,omitempty"`

	// TargetMaxReplicas is the maxReplicas to set on a FederatedHPA, above 0 and not below the minimum. Unset leaves the
	// present value.
	// +optional
	TargetMaxReplicas *int32 `json:"targetMaxReplicas,omitempty"`

	// Suspend stops the rule while true. Runs that fall into that time are skipped, not caught up. Default: false.
	// +kubebuilder:default=false
	// +optional
	Suspend *bool `json:"suspend,omitempty"`

	// TimeZone is the time zone the schedule is read in, as a name of the IANA time zone database such as "Asia/Shanghai".
	// Default: the time zone of the controller manager.
	// +optional
	TimeZone *string `json:"timeZone,omitempty"`

	// SuccessfulHistoryLimit is how many successful runs the status keeps for this rule, 1 to 32. Default: 3.
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=32
	// +optional
	SuccessfulHistoryLimit *int32 `json:"successfulHistoryLimit,omitempty"`

	// FailedHistoryLimit is how many failed runs the status keeps for this rule, 0 to 32. Default: 3.
	// +kubebuilder:default=3
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=32
	// +optional
	FailedHistoryLimit *int32 `json:"failedHistoryLimit,omitempty"`
}

// CronFederatedHPAStatus is the record of past and next runs.
type CronFederatedHPAStatus struct {
	// ExecutionHistories holds one record for each rule.
	// +optional
	ExecutionHistories []ExecutionHistory `json:"executionHistories,omitempty"`
}

// ExecutionHistory is the record of one rule.
type ExecutionHistory struct {
	// RuleName is the name of the rule this record belongs to.
	// +required
	RuleName string `json:"ruleName"`

	// NextExecutionTime is when the rule runs next. It is empty while the rule is suspended.
	// +optional
	NextExecutionTime *metav1.Time `json:"nextExecutionTime,omitempty"`

	// SuccessfulExecutions are the latest successful runs, as many as the successfulHistoryLimit of the rule allows.
	// +optional
	SuccessfulExecutions []SuccessfulExecution `json:"successfulExecutions,omitempty"`

	// FailedExecutions are the latest failed runs, as many as the failedHistoryLimit of the rule allows.
	// +optional
	FailedExecutions []FailedExecution `json:"failedExecutions,omitempty"`
}

// SuccessfulExecution is a run that reached the target.
type SuccessfulExecution struct {
	// ScheduleTime is when the run was due.
	// +required
	ScheduleTime *metav1.Time `json:"scheduleTime"`

	// ExecutionTime is when the run took place. It may be later than scheduleTime.
	// +required
	ExecutionTime *metav1.Time `json:"executionTime"`

	// AppliedReplicas is the number of replicas that was set on the target.
	// +optional
	AppliedReplicas *int32 `json:"appliedReplicas,omitempty"`

	// AppliedMaxReplicas is the maxReplicas that was set on the FederatedHPA.
	// +optional
	AppliedMaxReplicas *int32 `json:"appliedMaxReplicas,omitempty"`

	// AppliedMinReplicas is the minReplicas that was set on the FederatedHPA.
	// +optional
	AppliedMinReplicas *int32 `json:"appliedMinReplicas,omitempty"`
}

// FailedExecution is a run that could not change the target.
type FailedExecution struct {
	// ScheduleTime is when the run was due.
	// +required
	ScheduleTime *metav1.Time `json:"scheduleTime"`

	// ExecutionTime is when the run took place. It may be later than scheduleTime.
	// +required
	ExecutionTime *metav1.Time `json:"executionTime"`

	// Message tells what went wrong.
	// +required
	Message string `json:"message"`
}

// CronFederatedHPAList is a list of CronFederatedHPA objects.
//
// +kubebuilder:object:root=true
type CronFederatedHPAList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	// Items are the objects of this page.
	Items []CronFederatedHPA `json:"items"`
}
