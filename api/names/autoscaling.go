package names

// Reasons of the conditions of a FederatedHPA, those of a HorizontalPodAutoscaler, and of events about it. Those that tell of failures
// serve both.
const (
	// AbleToScale.
	ReasonSucceededGetScale       = "SucceededGetScale"
	ReasonSucceededRescale        = "SucceededRescale"
	ReasonReadyForNewScale        = "ReadyForNewScale"
	ReasonScaleUpStabilized       = "ScaleUpStabilized"
	ReasonScaleDownStabilized     = "ScaleDownStabilized"
	ReasonFailedGetScale          = "FailedGetScale"
	ReasonFailedGetScaleTargetRef = "FailedGetScaleTargetRef"
	ReasonFailedGetBinding        = "FailedGetBinding"
	ReasonFailedGetTargetClusters = "FailedGetTargetClusters"
	ReasonFailedUpdateScale       = "FailedUpdateScale"
	// ReasonMembersScale: the members keep replicas of their own, so that those of the template decide nothing.
	ReasonMembersScale = "MembersScale"

	// ScalingActive.
	ReasonScalingDisabled                  = "ScalingDisabled"
	ReasonValidMetricFound                 = "ValidMetricFound"
	ReasonInvalidSelector                  = "InvalidSelector"
	ReasonAmbiguousSelector                = "AmbiguousSelector"
	ReasonInvalidMetricSourceType          = "InvalidMetricSourceType"
	ReasonFailedGetResourceMetric          = "FailedGetResourceMetric"
	ReasonFailedGetContainerResourceMetric = "FailedGetContainerResourceMetric"
	ReasonFailedGetPodsMetric              = "FailedGetPodsMetric"
	ReasonFailedGetObjectMetric            = "FailedGetObjectMetric"
	ReasonFailedGetExternalMetric          = "FailedGetExternalMetric"

	// ScalingLimited.
	ReasonDesiredWithinRange = "DesiredWithinRange"
	ReasonTooManyReplicas    = "TooManyReplicas"
	ReasonTooFewReplicas     = "TooFewReplicas"
	ReasonScaleUpLimit       = "ScaleUpLimit"
	ReasonScaleDownLimit     = "ScaleDownLimit"
)

// Event reasons of a FederatedHPA, besides those of conditions that fail.
const (
	EventFailedGetBindings            = "FailedGetBindings"
	EventSelectorRequired             = "SelectorRequired"
	EventFailedComputeMetricsReplicas = "FailedComputeMetricsReplicas"
	EventFailedRescale                = "FailedRescale"
	EventSuccessfulRescale            = "SuccessfulRescale"
)

// Event reasons of a CronFederatedHPA.
const (
	EventStartRuleFailed              = "StartRuleFailed"
	EventScaleFailed                  = "ScaleFailed"
	EventUpdateStatusFailed           = "UpdateStatusFailed"
	EventUpdateCronFederatedHPAFailed = "UpdateCronFederatedHPAFailed"
)
