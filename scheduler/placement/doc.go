// Package placement decides to which member clusters a workload goes and how many replicas each of them gets.
//
// It is a pure function: an immutable Snapshot of the fleet, a Request and the estimated capacities go in, a Decision comes
// out as data. The package does no I/O, reads no clock, keeps no state and calls no estimator. A caller runs
//
//	for _, attempt := range request.Attempts() {
//		candidates := placement.Candidates(attempt, snapshot)
//		decision = placement.Assign(candidates, estimate(candidates))
//		if decision.Err == nil {
//			break
//		}
//	}
//
// where estimate asks all capacity questions of one attempt in one batch; it answers in the order of the candidates.
//
// The stages are filter and score (Candidates), then select by spread constraints and divide the replicas (Assign). A Batch
// shares the work of equal requests.
//
// Answers equal those of the reference control plane wherever that gives a stable one. What goes beyond it (Preferences, and
// the fields of Options that say so) is off by default, but for spread constraints that the reference refuses: see SpreadMode.
package placement
