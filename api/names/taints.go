package names

// Taints the system puts on clusters, all with effect NoSchedule.
const (
	// TaintNotReady stands while the Ready condition is False or missing.
	TaintNotReady = "cluster.karmada.io/not-ready"
	// TaintUnreachable stands while the Ready condition is Unknown.
	TaintUnreachable = "cluster.karmada.io/unreachable"
	// TaintUnschedulable is set and removed by hand.
	TaintUnschedulable = "cluster.karmada.io/unschedulable"
)
