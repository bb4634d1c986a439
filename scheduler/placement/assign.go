package placement

import (
	"fmt"
	"math"
	"slices"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// Assign selects among the candidates and divides the replicas. The capacities answer the candidates' Demand in their order:
// replicas or sets that fit in addition to what a cluster runs, Unknown or Unlimited. No capacities at all (nil) are all
// unknown. An unknown or unlimited capacity counts as the number of replicas wanted.
//
// Spread constraints that may give way do so one group after the other, the last constraint first, until the decision
// succeeds; when it never does, the error is that of the full constraints.
func Assign(candidates *CandidateSet, capacity []int32) Decision {
	decision := Decision{Term: candidates.request.Term, candidates: candidates}
	if len(candidates.candidates) == 0 {
		decision.Err = candidates.fitError()
		return decision
	}
	if capacity != nil && len(capacity) != len(candidates.candidates) {
		decision.Err = fmt.Errorf("assigning replicas: %d capacities for %d candidates", len(capacity), len(candidates.candidates))
		return decision
	}
	decision.estimated = candidates.estimated(capacity)
	a := assignment{
		request:   &candidates.request,
		placement: candidates.request.placement(),
		snapshot:  candidates.snapshot,
		tiers:     len(candidates.filter.tiers),
	}
	asked := &candidates.filter.plan
	first := a.decide(&decision, asked)
	if first == nil {
		return decision
	}
	plan := *asked
	plan.constraints = slices.Clone(asked.constraints)
	available := func(c *constraint) int { return a.available(c, decision.estimated) }
	for decision.Err = first; plan.relax(available); {
		if a.decide(&decision, &plan) == nil {
			decision.Err, decision.Concessions = nil, plan.concessions(asked)
			break
		}
	}
	return decision
}

// decide selects and divides by one plan.
func (a *assignment) decide(decision *Decision, plan *plan) error {
	selected, err := a.selectClusters(decision.estimated, plan)
	if err != nil {
		return fmt.Errorf("failed to select clusters: %w", err)
	}
	decision.selected = selected
	targets, err := a.divide(selected)
	if err != nil {
		return fmt.Errorf("failed to assign replicas: %w", err)
	}
	if a.request.Options.EmptyWorkloadPropagation {
		targets = a.withEmpty(targets, selected)
	}
	decision.Clusters = targets
	return nil
}

// available counts the groups a constraint can choose from.
func (a *assignment) available(c *constraint, clusters []candidate) int {
	if c.field == policyv1alpha1.SpreadByFieldCluster {
		return len(clusters)
	}
	d := a.dimension(c)
	return d.available(clusters)
}

// assignment is the work on one decision.
type assignment struct {
	request   *Request
	placement *policyv1alpha1.Placement
	snapshot  *Snapshot
	tiers     int
}

// estimated returns the candidates with their capacities, in ascending order of name.
func (c *CandidateSet) estimated(capacity []int32) []candidate {
	estimated := slices.Clone(c.candidates)
	demand := c.request.Demand()
	for i := range estimated {
		switch {
		case demand == DemandNone:
			estimated[i].capacity = Unlimited
		case capacity == nil || capacity[i] == Unknown || capacity[i] == Unlimited:
			estimated[i].capacity = c.request.Spec.Replicas
		default:
			estimated[i].capacity = capacity[i]
		}
	}
	for i := range c.request.Spec.Clusters {
		row, ok := c.snapshot.rows[c.request.Spec.Clusters[i].Name]
		if !ok {
			continue
		}
		if at, ok := find(estimated, row); ok {
			sum := int64(estimated[at].held) + int64(c.request.Spec.Clusters[i].Replicas)
			estimated[at].held = int32(min(sum, math.MaxInt32))
			if c.request.Options.KeepTainted && demand != DemandNone && c.filter.untolerated[c.snapshot.taints.rows[row]] != nil {
				estimated[at].kept, estimated[at].capacity = true, 0
			}
		}
	}
	return estimated
}

// withEmpty appends the selected clusters that got nothing.
func (a *assignment) withEmpty(targets []workv1alpha2.TargetCluster, selected []candidate) []workv1alpha2.TargetCluster {
	present := a.snapshot.noRows()
	for i := range targets {
		present.add(a.snapshot.rows[targets[i].Name])
	}
	for i := range selected {
		if !present.has(selected[i].row) {
			targets = append(targets, workv1alpha2.TargetCluster{Name: a.name(&selected[i])})
		}
	}
	return targets
}

func (a *assignment) name(c *candidate) string { return a.snapshot.names[c.row] }
