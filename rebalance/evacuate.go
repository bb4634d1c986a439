package rebalance

import (
	"context"
	"fmt"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// Evacuate tells where the workloads of one cluster would go if they all had to leave it, one after the other in the order of the
// bindings. The plan has no waves but one: how many leave at once is a matter of pace.
func Evacuate(ctx context.Context, fleet *placement.Snapshot, bindings []binding.Binding, cluster string, decide Decide, options Options) (Plan, error) {
	p := &planner{
		options: options, decide: decide, settled: books{fleet, options.General}, peak: books{fleet, options.General},
		plan: Plan{Waves: []Wave{}, Before: balanceOf(fleet)},
	}
	var wave Wave
	for _, bound := range bindings {
		if options.Only != nil && !options.Only[bound.NamespacedName()] || !eviction.Targets(bound.Spec, cluster) {
			continue
		}
		shifts, reason := p.evacuate(ctx, bound, cluster)
		if err := ctx.Err(); err != nil {
			return Plan{}, fmt.Errorf("planning for binding %s: %w", bound.NamespacedName(), err)
		}
		if reason != "" {
			p.skip(bound, reason)
			continue
		}
		move := Move{
			Workload: WorkloadOf(bound), Shifts: shifts, Replicas: replicasMoved(shifts), Cost: p.costOf(shifts), binding: bound.NamespacedName(),
		}
		wave.Moves, wave.Surge = append(wave.Moves, move), wave.Surge+move.Replicas
		p.peak.post(bound.Spec.ReplicaRequirements, entriesOf(shifts, false)...)
		p.settled.post(bound.Spec.ReplicaRequirements, entriesOf(shifts, true)...)
	}
	if len(wave.Moves) > 0 {
		p.plan.Waves = append(p.plan.Waves, wave)
	}
	p.finish()
	return p.plan, nil
}

// evacuate tells what becomes of one workload, or why it has to stay.
func (p *planner) evacuate(ctx context.Context, bound binding.Binding, cluster string) (shifts []Shift, reason string) {
	if eviction.IsJob(bound.Spec) {
		return nil, JobStays
	}
	asked := bound.Clone()
	eviction.Leave(asked.Spec, workv1alpha2.GracefulEvictionTask{FromCluster: cluster, PurgeMode: policyv1alpha1.PurgeModeGracefully}, true)
	decision := p.decide(ctx, asked, p.peak.fleet)
	p.doubt(&decision)
	switch {
	case decision.Err != nil:
		return nil, decision.Err.Error()
	case decision.Kept != "":
		return nil, decision.Kept
	}
	shifts = shiftsOf(bound, decision.Clusters)
	if !eviction.Divided(bound.Spec) {
		return shifts, ""
	}
	for _, shift := range shifts {
		if room := p.peak.room(shift.Cluster, bound.Spec.ReplicaRequirements); int64(shift.To)-int64(shift.From) > max(room, 0) {
			return nil, shift.Cluster + " has no room for its replicas"
		}
	}
	return shifts, ""
}
