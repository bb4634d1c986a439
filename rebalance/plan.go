// Package rebalance plans how a fleet comes back to the placement that policies ask for: which workloads move, from where to where,
// in what waves, at what cost and with what balance in the end. It changes nothing.
//
// The moves are those that the scheduler makes when it is asked to place a workload anew. Within a wave no room counts that the
// same wave frees, because new replicas become ready before old ones go.
package rebalance

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// Decide places one workload on a fleet. It is scheduler.Options.Decide in all drivers.
type Decide func(ctx context.Context, bound binding.Binding, fleet *placement.Snapshot) placement.Decision

// Options bound a plan.
type Options struct {
	// Moves is how many workloads move in a wave, Surge how many of their replicas may exist twice meanwhile; 0 is no bound. What
	// needs more than Surge by itself does not move.
	Moves int
	Surge int64
	// Threshold is the part of its replicas, from 0 to 1, that a workload must have in the wrong place to be worth a move.
	Threshold float64
	// Only are the workloads that may move; nil for all. Keys are names of bindings.
	Only map[types.NamespacedName]bool
	// General says how many replicas fit beside what clusters have.
	General estimator.General
}

// Plan is what would be done, and what it comes to.
type Plan struct {
	Waves []Wave `json:"waves"`
	// Replicas counts those that move, Surge those that exist twice at the worst moment.
	Replicas int64 `json:"replicas"`
	Surge    int64 `json:"surge"`
	// Cost is by how much the replicas cost more in their new places than in the old ones, in the unit of the clusters' prices;
	// absent when a cluster that takes part has no price.
	Cost *float64 `json:"cost,omitempty"`
	// Before and After are the balance of the fleet.
	Before Balance `json:"before"`
	After  Balance `json:"after"`
	// Skipped are workloads that are not where a decision now would put them, and stay.
	Skipped []Skip `json:"skipped,omitempty"`
	// Doubts are clusters of which estimators told less than they were asked, in ascending order of name.
	Doubts []Doubt `json:"doubts,omitempty"`
}

// Wave is what moves at the same time.
type Wave struct {
	Moves []Move `json:"moves"`
	// Surge counts the replicas that exist twice while the wave is under way.
	Surge int64 `json:"surge"`
}

// Workload names a template.
type Workload struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name"`
}

// String reads "Deployment default/web".
func (w Workload) String() string {
	return w.Kind + " " + strings.TrimPrefix(w.Namespace+"/"+w.Name, "/")
}

// Move is what happens to one workload.
type Move struct {
	Workload
	// Shifts are the clusters whose replicas change, in ascending order of name.
	Shifts []Shift `json:"shifts"`
	// Replicas counts those that become ready elsewhere before others go.
	Replicas int64 `json:"replicas"`
	// Cost is as in Plan.
	Cost *float64 `json:"cost,omitempty"`

	binding types.NamespacedName
}

// Binding names the binding of the workload.
func (m *Move) Binding() types.NamespacedName { return m.binding }

// Shift is the change of one cluster, in replicas.
type Shift struct {
	Cluster string `json:"cluster"`
	From    int32  `json:"from"`
	To      int32  `json:"to"`
	// Enters and Leaves tell a cluster with no replicas from one without the workload.
	Enters bool `json:"enters,omitempty"`
	Leaves bool `json:"leaves,omitempty"`
}

// Skip is a workload that stays, and why.
type Skip struct {
	Workload
	Reason string `json:"reason"`
}

// New plans for a fleet. Bindings are read only.
func New(ctx context.Context, fleet *placement.Snapshot, bindings []binding.Binding, decide Decide, options Options) (Plan, error) {
	p := &planner{
		options: options, decide: decide,
		settled: books{fleet, options.General}, peak: books{fleet, options.General},
		plan: Plan{Waves: []Wave{}, Before: balanceOf(fleet)},
	}
	pending, err := p.misplaced(ctx, bindings)
	if err != nil {
		return Plan{}, err
	}
	for len(pending) > 0 {
		before := len(pending)
		if pending, err = p.fillWave(ctx, pending); err != nil {
			return Plan{}, err
		}
		if len(pending) == before {
			break
		}
	}
	for _, c := range pending {
		p.skip(c.bound, c.reason)
	}
	p.finish()
	return p.plan, nil
}

// finish sums up.
func (p *planner) finish() {
	p.plan.After = balanceOf(p.settled.fleet)
	cost, priced := 0.0, true
	for _, wave := range p.plan.Waves {
		p.plan.Surge = max(p.plan.Surge, wave.Surge)
		for i := range wave.Moves {
			move := &wave.Moves[i]
			p.plan.Replicas += move.Replicas
			if priced = priced && move.Cost != nil; priced {
				cost += *move.Cost
			}
		}
	}
	if priced && len(p.plan.Waves) > 0 {
		p.plan.Cost = &cost
	}
	slices.SortFunc(p.plan.Skipped, func(a, b Skip) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
}
