package names

// Event reasons of a Cluster.
const (
	EventCreateExecutionSpaceSucceed    = "CreateExecutionSpaceSucceed"
	EventCreateExecutionSpaceFailed     = "CreateExecutionSpaceFailed"
	EventRemoveExecutionSpaceSucceed    = "RemoveExecutionSpaceSucceed"
	EventRemoveExecutionSpaceFailed     = "RemoveExecutionSpaceFailed"
	EventTaintClusterSucceed            = "TaintClusterSucceed"
	EventTaintClusterFailed             = "TaintClusterFailed"
	EventSyncImpersonationConfigSucceed = "SyncImpersonationConfigSucceed"
	EventSyncImpersonationConfigFailed  = "SyncImpersonationConfigFailed"
)

// Event reasons of a Work and the object it carries.
const (
	EventReflectStatusSucceed   = "ReflectStatusSucceed"
	EventReflectStatusFailed    = "ReflectStatusFailed"
	EventInterpretHealthSucceed = "InterpretHealthSucceed"
	EventInterpretHealthFailed  = "InterpretHealthFailed"
	EventSyncSucceed            = "SyncSucceed"
	EventSyncFailed             = "SyncFailed"
	EventWorkDispatching        = "WorkDispatching"
)

// Event reasons of a binding and of its template.
const (
	EventSyncScheduleResultToDependenciesSucceed = "SyncScheduleResultToDependenciesSucceed"
	EventSyncScheduleResultToDependenciesFailed  = "SyncScheduleResultToDependenciesFailed"
	EventSyncWorkSucceed                         = "SyncWorkSucceed"
	EventSyncWorkFailed                          = "SyncWorkFailed"
	EventAggregateStatusSucceed                  = "AggregateStatusSucceed"
	EventAggregateStatusFailed                   = "AggregateStatusFailed"
	EventScheduleBindingSucceed                  = "ScheduleBindingSucceed"
	EventScheduleBindingFailed                   = "ScheduleBindingFailed"
	EventDescheduleBindingSucceed                = "DescheduleBindingSucceed"
	EventDescheduleBindingFailed                 = "DescheduleBindingFailed"
	EventEvictWorkloadFromClusterSucceed         = "EvictWorkloadFromClusterSucceed"
	EventEvictWorkloadFromClusterFailed          = "EvictWorkloadFromClusterFailed"
	EventCleanupWorkFailed                       = "CleanupWorkFailed"
	EventDependencyPolicyConflict                = "DependencyPolicyConflict"
)

// Event reasons of a FederatedResourceQuota, besides those of Works and of status aggregation.
const (
	EventCollectOverallStatusSucceed = "CollectOverallStatusSucceed"
	EventCollectOverallStatusFailed  = "CollectOverallStatusFailed"
)

// Event reasons of a template.
const (
	EventApplyPolicySucceed         = "ApplyPolicySucceed"
	EventApplyPolicyFailed          = "ApplyPolicyFailed"
	EventApplyOverridePolicySucceed = "ApplyOverridePolicySucceed"
	EventApplyOverridePolicyFailed  = "ApplyOverridePolicyFailed"
	EventGetDependenciesSucceed     = "GetDependenciesSucceed"
	EventGetDependenciesFailed      = "GetDependenciesFailed"
	EventGetComponentsSucceed       = "GetComponentsSucceed"
	EventGetComponentsFailed        = "GetComponentsFailed"
	EventGetReplicasSucceed         = "GetReplicasSucceed"
	EventGetReplicasFailed          = "GetReplicasFailed"
	EventPreemptPolicySucceed       = "PreemptPolicySucceed"
	EventPreemptPolicyFailed        = "PreemptPolicyFailed"
)

// Event reasons of a ServiceImport.
const (
	EventSyncDerivedServiceSucceed = "SyncDerivedServiceSucceed"
	EventSyncDerivedServiceFailed  = "SyncDerivedServiceFailed"
)

// Event reasons of a MultiClusterService.
const (
	EventSyncServiceSucceed           = "SyncServiceSucceed"
	EventSyncServiceFailed            = "SyncServiceFailed"
	EventDispatchEndpointSliceSucceed = "DispatchEndpointSliceSucceed"
	EventDispatchEndpointSliceFailed  = "DispatchEndpointSliceFailed"
	EventClusterNotFound              = "ClusterNotFound"
	EventAPIIncompatible              = "APIIncompatible"
)

// EventOfEnd is the reason of the event which tells that a failure has ended, by the reason of the failure. It is empty for failures
// whose end shows in events anyway, since something is written then.
func EventOfEnd(failure string) string {
	switch failure {
	case EventApplyPolicyFailed:
		return EventApplyPolicySucceed
	case EventGetReplicasFailed:
		return EventGetReplicasSucceed
	case EventGetComponentsFailed:
		return EventGetComponentsSucceed
	case EventGetDependenciesFailed:
		return EventGetDependenciesSucceed
	case EventAggregateStatusFailed:
		return EventAggregateStatusSucceed
	case EventReflectStatusFailed:
		return EventReflectStatusSucceed
	case EventInterpretHealthFailed:
		return EventInterpretHealthSucceed
	}
	return ""
}
