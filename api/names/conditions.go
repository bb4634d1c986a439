package names

// Conditions of a Cluster.
const (
	ConditionClusterReady           = "Ready"
	ReasonClusterReady              = "ClusterReady"
	ReasonClusterNotReady           = "ClusterNotReady"
	ReasonClusterNotReachable       = "ClusterNotReachable"
	ReasonStatusCollectionFailed    = "StatusCollectionFailed"
	ReasonClusterStatusNeverUpdated = "ClusterStatusNeverUpdated"
	ReasonClusterStatusUnknown      = "ClusterStatusUnknown"

	ConditionCompleteAPIEnablements = "CompleteAPIEnablements"
	ReasonAPIEnablementsComplete    = "Complete"
	ReasonAPIEnablementsPartial     = "Partial"
	ReasonAPIEnablementsEmpty       = "Empty"

	ConditionServiceDomainNameResolutionReady = "ServiceDomainNameResolutionReady"
)

// Conditions of a ResourceBinding or ClusterResourceBinding.
const (
	ConditionScheduled     = "Scheduled"
	ReasonScheduled        = "Success"
	ReasonNoClusterFit     = "NoClusterFit"
	ReasonUnschedulable    = "Unschedulable"
	ReasonQuotaExceeded    = "QuotaExceeded"
	ReasonSchedulerError   = "SchedulerError"
	ConditionFullyApplied  = "FullyApplied"
	ReasonFullyApplied     = "FullyAppliedSuccess"
	ReasonFullyApplyFailed = "FullyAppliedFailed"
)

// MessageKept stands in the message of ConditionScheduled, before the reason why a workload stays in a cluster that it is to leave.
const MessageKept = "what is to be evicted stays, as others cannot take its place: "

// Conditions of a Work. Progressing, Available and Degraded are reserved: the control plane does not write them.
const (
	ConditionWorkApplied      = "Applied"
	ReasonWorkApplied         = "AppliedSuccessful"
	ReasonWorkApplyFailed     = "AppliedFailed"
	ConditionWorkDispatching  = "Dispatching"
	ReasonWorkDispatching     = "Dispatching"
	ReasonWorkSuspendDispatch = "SuspendDispatching"
	ConditionWorkProgressing  = "Progressing"
	ConditionWorkAvailable    = "Available"
	ConditionWorkDegraded     = "Degraded"
	// ConditionStatusReflected stands on a Work only while an interpreter cannot tell how a member object is, with status False.
	ConditionStatusReflected = "StatusReflected"
)

// ReasonRebalanceBindingGone explains a failed entry of a WorkloadRebalancer.
const ReasonRebalanceBindingGone = "ReferencedBindingNotFound"

// Reasons and producers of graceful eviction tasks.
const (
	EvictionReasonTaint         = "TaintUntolerated"
	EvictionReasonApplication   = "ApplicationFailure"
	EvictionReasonMoved         = "ReplicasMoved"
	EvictionReasonDrained       = "ClusterDrained"
	EvictionProducerTaint       = "TaintManager"
	EvictionProducerScheduler   = "scheduler"
	EvictionProducerDrain       = "drain"
	EvictionProducerBinding     = "resource-binding-application-failover-controller"
	EvictionProducerClusterWide = "cluster-resource-binding-application-failover-controller"
)

// Conditions of a MultiClusterService.
const (
	ConditionServiceApplied            = "ServiceApplied"
	ReasonServiceApplied               = "ServiceAppliedSucceed"
	ReasonServiceApplyFailed           = "ServiceAppliedFailed"
	ConditionEndpointSliceDispatched   = "EndpointSliceDispatched"
	ReasonEndpointSliceDispatched      = "EndpointSliceDispatchedSucceed"
	ReasonEndpointSliceDispatchedError = "EndpointSliceDispatchedFailed"
)
