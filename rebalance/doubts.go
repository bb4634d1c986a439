package rebalance

import (
	"cmp"
	"slices"

	"github.com/seatrial/seatrial/scheduler/placement"
)

// Doubt is a cluster whose room is not what its estimator says of its nodes now, though estimators are asked, and why. A scheduler that
// hears more of it may divide otherwise than the plan.
type Doubt struct {
	Cluster string              `json:"cluster"`
	Kind    placement.DoubtKind `json:"kind"`
	Reason  string              `json:"reason"`
}

// doubt takes note of what a decision was unsure about, once for each cluster.
func (p *planner) doubt(decision *placement.Decision) {
	for _, found := range decision.Doubts {
		if !slices.ContainsFunc(p.plan.Doubts, func(d Doubt) bool { return d.Cluster == found.Cluster }) {
			p.plan.Doubts = append(p.plan.Doubts, Doubt{found.Cluster, found.Kind, found.Reason})
		}
	}
	slices.SortFunc(p.plan.Doubts, func(a, b Doubt) int { return cmp.Compare(a.Cluster, b.Cluster) })
}
