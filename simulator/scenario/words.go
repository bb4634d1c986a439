package scenario

import "github.com/seatrial/seatrial/simulator/report"

// closed is a type of which there are only some values.
type closed interface{ values() []string }

// Capability is a part of a control plane that a scenario needs.
type Capability string

func (Capability) values() []string {
	return []string{"eviction", "failover", "rebalance", "pull", "estimator", "dependencies", "queues", "overcommitProtection"}
}

// SyncMode is who connects: the control plane to the cluster, or its agent to the control plane.
type SyncMode string

func (SyncMode) values() []string { return []string{"Push", "Pull"} }

// TaintEffect is that of Kubernetes.
type TaintEffect string

func (TaintEffect) values() []string { return []string{"NoSchedule", "PreferNoSchedule", "NoExecute"} }

// WorkloadKind is what is generated; Deployment unless given.
type WorkloadKind string

func (WorkloadKind) values() []string { return []string{"Deployment", "StatefulSet", "Job"} }

// ArrivalProcess is how times of arrival are drawn; AtOnce unless given.
type ArrivalProcess string

const (
	atOnce  ArrivalProcess = "AtOnce"
	uniform ArrivalProcess = "Uniform"
	poisson ArrivalProcess = "Poisson"
)

func (ArrivalProcess) values() []string { return words(atOnce, uniform, poisson) }

// TraceFormat is how a trace is written.
type TraceFormat string

const (
	traceCSV   TraceFormat = "CSV"
	traceJSONL TraceFormat = "JSONL"
	traceOpenB TraceFormat = "OpenB"
)

func (TraceFormat) values() []string { return words(traceCSV, traceJSONL, traceOpenB) }

// Shape is the kind of a distribution; Constant unless given.
type Shape string

const (
	constant    Shape = "Constant"
	uniformly   Shape = "Uniform"
	exponential Shape = "Exponential"
	normal      Shape = "Normal"
	logNormal   Shape = "LogNormal"
	pareto      Shape = "Pareto"
)

func (Shape) values() []string {
	return words(constant, uniformly, exponential, normal, logNormal, pareto)
}

// Fault is what an API server does.
type Fault string

const (
	DropWatch   Fault = "DropWatch"
	RepeatWatch Fault = "RepeatWatch"
	DelayWatch  Fault = "DelayWatch"
	Conflict    Fault = "Conflict"
	Unavailable Fault = "Unavailable"
	StaleReads  Fault = "StaleReads"
	ClockSkew   Fault = "ClockSkew"
)

func (Fault) values() []string {
	return words(DropWatch, RepeatWatch, DelayWatch, Conflict, Unavailable, StaleReads, ClockSkew)
}

// EstimatorError is what happens to an estimate.
type EstimatorError string

const (
	EstimateError   EstimatorError = "Error"
	EstimateTimeout EstimatorError = "Timeout"
	EstimateStale   EstimatorError = "Stale"
	EstimateWrong   EstimatorError = "Wrong"
)

func (EstimatorError) values() []string {
	return words(EstimateError, EstimateTimeout, EstimateStale, EstimateWrong)
}

// EstimatorSource is where capacities come from.
type EstimatorSource string

const (
	bySummary EstimatorSource = "Summary"
	byNodes   EstimatorSource = "Nodes"
)

func (EstimatorSource) values() []string { return words(bySummary, byNodes) }

// Profile is whose defaults settings have.
type Profile string

const (
	ProfileSeatrial  Profile = "Seatrial"
	ProfileReference Profile = "Reference"
)

func (Profile) values() []string { return words(ProfileSeatrial, ProfileReference) }

// Component is a process of the control plane, or the agent of clusters in Pull mode.
type Component string

func (Component) values() []string { return []string{"controller-manager", "scheduler", "agent"} }

// Measure is one of the measures of the report.
type Measure string

func (Measure) values() []string {
	var all []string
	for _, measure := range report.Measures() {
		if measure != report.Invariant {
			all = append(all, string(measure))
		}
	}
	return all
}

// featureGates are the names that settings can have.
func featureGates() []string {
	return []string{
		"AllAlpha", "AllBeta", "ControllerPriorityQueue", "CustomizedClusterResourceModeling", "Failover", "FederatedQuotaEnforcement",
		"GracefulEviction", "MultiClusterService", "MultiplePodTemplatesScheduling", "PriorityBasedScheduling", "PropagateDeps",
		"PropagationPolicyPreemption", "ResourceQuotaEstimate", "SchedulingOvercommitProtection", "StatefulFailoverInjection", "WorkloadAffinity",
	}
}

func words[T ~string](all ...T) []string {
	texts := make([]string, len(all))
	for i, word := range all {
		texts[i] = string(word)
	}
	return texts
}
