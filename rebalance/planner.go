package rebalance

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/policy"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// planner is the work on one plan.
type planner struct {
	options Options
	decide  Decide
	// settled are the books when all waves so far are over, peak while the present one is under way: what it moves stands in both
	// places.
	settled, peak books
	plan          Plan
}

// candidate is a workload that may move.
type candidate struct {
	bound binding.Binding
	moved int64
	// reason is why it did not move in the last wave.
	reason string
}

// misplaced lists the workloads that a decision now would place otherwise, those with most to move first.
func (p *planner) misplaced(ctx context.Context, bindings []binding.Binding) ([]candidate, error) {
	var all []candidate
	for _, bound := range bindings {
		if p.options.Only != nil && !p.options.Only[bound.NamespacedName()] || !divides(bound) {
			continue
		}
		decision := p.decide(ctx, afresh(bound), p.settled.fleet)
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("planning for binding %s: %w", bound.NamespacedName(), err)
		}
		p.doubt(&decision)
		if decision.Err != nil {
			p.skip(bound, "a decision now fails: "+decision.Err.Error())
			continue
		}
		moved := replicasMoved(shiftsOf(bound, decision.Clusters))
		if moved == 0 || float64(moved) < p.options.Threshold*float64(bound.Spec.Replicas) {
			continue
		}
		if why := busy(bound); why != "" {
			p.skip(bound, why)
			continue
		}
		all = append(all, candidate{bound: bound, moved: moved})
	}
	slices.SortStableFunc(all, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(b.moved, a.moved), cmp.Compare(a.bound.GetNamespace(), b.bound.GetNamespace()), cmp.Compare(a.bound.GetName(), b.bound.GetName()))
	})
	return all, nil
}

// divides tells the bindings that can be placed anew at all: others follow the fleet, or are for somebody else to place.
func divides(bound binding.Binding) bool {
	_, claimed := policy.ClaimOf(bound)
	return bound.GetDeletionTimestamp().IsZero() && eviction.Divided(bound.Spec) && len(bound.Spec.Components) < 2 &&
		(claimed || bound.GetLabels()[names.LabelBindingManagedBy] != "") && bound.Status.LastScheduledTime != nil
}

// busy is why a workload cannot move now, empty when it can.
func busy(bound binding.Binding) string {
	suspension := bound.Spec.Suspension
	trigger := bound.Spec.RescheduleTriggeredAt
	switch {
	case eviction.IsJob(bound.Spec):
		return JobStays
	case suspension != nil && ptr.Deref(suspension.Scheduling, false):
		return "its scheduling is suspended"
	case len(bound.Spec.GracefulEvictionTasks) > 0 || trigger != nil && trigger.After(bound.Status.LastScheduledTime.Time):
		return "another move of it is under way"
	case !meta.IsStatusConditionTrue(bound.Status.Conditions, names.ConditionScheduled):
		return "it is not scheduled"
	}
	return ""
}

// JobStays is why a Job is not moved.
const JobStays = "a Job would begin anew elsewhere"

// Returns tells whether the affinity group of a decision comes before the one that a binding is in, and before one that there is not.
func Returns(bound binding.Binding, group string) bool {
	for i := range bound.Spec.Placement.ClusterAffinities {
		switch bound.Spec.Placement.ClusterAffinities[i].AffinityName {
		case bound.Status.SchedulerObservedAffinityName:
			return false
		case group:
			return true
		}
	}
	return false
}

// afresh is the binding as it is when somebody asks to place it anew: from the first of its affinity groups on.
func afresh(bound binding.Binding) binding.Binding {
	asked := bound.Shallow()
	asked.Status.SchedulerObservedAffinityName = ""
	asked.Spec.RescheduleTriggeredAt = &metav1.Time{Time: bound.Status.LastScheduledTime.Add(time.Second)}
	return asked
}

// fillWave makes one wave of candidates in their order, and returns those that are left: those that were refused come last, since
// another wave seldom changes that.
func (p *planner) fillWave(ctx context.Context, pending []candidate) (left []candidate, err error) {
	var wave Wave
	var refused []candidate
	p.peak = p.settled
	for at, next := range pending {
		if p.options.Moves > 0 && len(wave.Moves) == p.options.Moves {
			left = append(left, pending[at:]...)
			break
		}
		move, reason, again := p.consider(ctx, next.bound, wave.Surge)
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("planning for binding %s: %w", next.bound.NamespacedName(), err)
		}
		switch {
		case move != nil:
			wave.Moves, wave.Surge = append(wave.Moves, *move), wave.Surge+move.Replicas
			requirements := next.bound.Spec.ReplicaRequirements
			p.peak.post(requirements, entriesOf(move.Shifts, false)...)
			p.settled.post(requirements, entriesOf(move.Shifts, true)...)
		case again:
			next.reason = reason
			refused = append(refused, next)
		case reason != "":
			p.skip(next.bound, reason)
		}
	}
	if len(wave.Moves) > 0 {
		p.plan.Waves = append(p.plan.Waves, wave)
	}
	return append(left, refused...), nil
}

// consider tells how a workload would move in the wave that is being filled. Otherwise, again tells that another wave may suit it,
// and a reason what is in the way; with neither it is in its place by now.
func (p *planner) consider(ctx context.Context, bound binding.Binding, surge int64) (move *Move, reason string, again bool) {
	decision := p.decide(ctx, afresh(bound), p.peak.fleet)
	p.doubt(&decision)
	if decision.Err != nil {
		return nil, "there is no room for it: " + decision.Err.Error(), true
	}
	shifts := shiftsOf(bound, decision.Clusters)
	moved := replicasMoved(shifts)
	switch {
	case moved == 0 || float64(moved) < p.options.Threshold*float64(bound.Spec.Replicas):
		return nil, "", false
	case p.options.Surge > 0 && moved > p.options.Surge:
		return nil, fmt.Sprintf("it needs a surge of %d replicas, and no more than %d are allowed", moved, p.options.Surge), false
	case p.options.Surge > 0 && surge+moved > p.options.Surge:
		return nil, "", true
	}
	requirements := bound.Spec.ReplicaRequirements
	for _, shift := range shifts {
		if room := p.peak.room(shift.Cluster, requirements); int64(shift.To)-int64(shift.From) > max(room, 0) {
			return nil, fmt.Sprintf("%s has no room for its new replicas beside the old ones elsewhere", shift.Cluster), true
		}
	}
	if byRoom(bound.Spec) && !Returns(bound, decision.Term) {
		after := p.settled
		after.post(requirements, entriesOf(shifts, true)...)
		if !moreEven(balanceOf(p.settled.fleet), balanceOf(after.fleet)) {
			return nil, "a move would not make the fleet more even", true
		}
	}
	return &Move{
		Workload: WorkloadOf(bound), Shifts: shifts, Replicas: moved, Cost: p.costOf(shifts), binding: bound.NamespacedName(),
	}, "", false
}

// byRoom tells workloads that go where there is room: their policy has no other wish, so only a more even fleet is worth a move, or a
// return to an affinity group that it puts first.
func byRoom(spec *workv1alpha2.ResourceBindingSpec) bool {
	scheduling := spec.Placement.ReplicaScheduling
	return scheduling.ReplicaDivisionPreference == policyv1alpha1.ReplicaDivisionPreferenceWeighted &&
		scheduling.WeightPreference != nil && scheduling.WeightPreference.DynamicWeight != ""
}

// entriesOf are the shifts as entries in the books: of clusters that grow, and of those that shrink if asked for.
func entriesOf(shifts []Shift, shrinking bool) []entry {
	var entries []entry
	for _, shift := range shifts {
		change := int64(shift.To) - int64(shift.From)
		if change > 0 || change < 0 && shrinking {
			entries = append(entries, entry{shift.Cluster, change})
		}
	}
	return entries
}

// shiftsOf compares what a workload has with what a decision gives it.
func shiftsOf(bound binding.Binding, decided []workv1alpha2.TargetCluster) []Shift {
	byCluster := map[string]Shift{}
	for _, target := range bound.Spec.Clusters {
		byCluster[target.Name] = Shift{Cluster: target.Name, From: target.Replicas, Leaves: true}
	}
	for _, target := range decided {
		shift, known := byCluster[target.Name]
		shift.Cluster, shift.To, shift.Enters, shift.Leaves = target.Name, target.Replicas, !known, false
		byCluster[target.Name] = shift
	}
	shifts := []Shift{}
	for _, shift := range byCluster {
		if shift.From != shift.To || shift.Enters || shift.Leaves {
			shifts = append(shifts, shift)
		}
	}
	slices.SortFunc(shifts, func(a, b Shift) int { return cmp.Compare(a.Cluster, b.Cluster) })
	return shifts
}

// replicasMoved counts those that come up in new places.
func replicasMoved(shifts []Shift) int64 {
	sum := int64(0)
	for _, shift := range shifts {
		sum += max(int64(shift.To)-int64(shift.From), 0)
	}
	return sum
}

// costOf is what the replicas cost more where they go, nil when a cluster has no price.
func (p *planner) costOf(shifts []Shift) *float64 {
	sum := 0.0
	for _, shift := range shifts {
		cluster := p.settled.fleet.Cluster(shift.Cluster)
		if cluster == nil {
			return nil
		}
		price, ok, err := placement.Price(cluster)
		if !ok || err != nil {
			return nil
		}
		sum += price * float64(shift.To-shift.From)
	}
	return &sum
}

func (p *planner) skip(bound binding.Binding, reason string) {
	p.plan.Skipped = append(p.plan.Skipped, Skip{WorkloadOf(bound), reason})
}

// WorkloadOf names the template of a binding.
func WorkloadOf(bound binding.Binding) Workload {
	resource := bound.Spec.Resource
	return Workload{APIVersion: resource.APIVersion, Kind: resource.Kind, Namespace: resource.Namespace, Name: resource.Name}
}
