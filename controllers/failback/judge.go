package failback

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/rebalance"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// improvement is a placement that is worth the moves to it.
type improvement struct {
	// receiver is the cluster that gains most; moved is how many replicas leave where they are.
	receiver string
	moved    int64
	// gain is how much closer the division comes to the ideal one.
	gain float64
	// returns says that the workload goes back to an earlier affinity group.
	returns bool
}

// String is what users are told.
func (i improvement) String() string {
	if i.returns {
		return fmt.Sprintf("returns to an earlier affinity group, with most of %d replicas to cluster %s", i.moved, i.receiver)
	}
	return fmt.Sprintf("%d replicas move, most of them to cluster %s, where there is more room", i.moved, i.receiver)
}

// judge tells whether another placement of a workload pays back.
//
// The ideal division of a workload that is divided by room gives each cluster replicas in proportion to its room, fractions
// included; otherwise it is the division that the scheduler would make. How far a division is from it is the sum of the
// squares of the differences in replicas, so that what rounding brings about does not count as much as what is out of balance.
// A move pays back when it brings more than one for each replica that moves: the cluster it leaves and the one it enters
// must together be off by more than a replica and a half. It must also concern the part of the replicas that the hysteresis
// asks for. A return to an earlier affinity group pays back in any case: the user put the groups in order.
//
// Nothing moves into a cluster that has not been healthy for long enough, or that has no room for it by its summary. Nor does a
// workload that leaves clusters because of its own health, for nobody can tell whether it would be well again where it was not, nor a Job,
// and none that the scheduler leaves alone.
func (m *mover) judge(ctx context.Context, bound binding.Binding, seen *fleet) (better improvement, found bool) {
	failover, suspension := bound.Spec.Failover, bound.Spec.Suspension
	if !eviction.Divided(bound.Spec) || eviction.IsJob(bound.Spec) || failover != nil && failover.Application != nil || suspension != nil && ptr.Deref(suspension.Scheduling, false) {
		return improvement{}, false
	}
	asking, now := bound.Clone(), metav1.NewTime(seen.now)
	asking.Spec.RescheduleTriggeredAt = &now
	// The scheduler would go on from the present affinity group.
	asking.Status.SchedulerObservedAffinityName = ""
	decision := m.options.Decide(ctx, asking, seen.snapshot)
	if decision.Err != nil {
		return improvement{}, false
	}
	better.returns = rebalance.Returns(bound, decision.Term)
	ideal, divisible := idealOf(bound, &decision)
	before, after := map[string]int64{}, map[string]int64{}
	for _, target := range bound.Spec.Clusters {
		before[target.Name] = int64(target.Replicas)
	}
	for _, target := range decision.Clusters {
		after[target.Name] = int64(target.Replicas)
	}
	most := int64(0)
	for _, cluster := range seen.snapshot.Clusters() {
		name := cluster.Name
		better.gain += distance(before[name], ideal[name]) - distance(after[name], ideal[name])
		grows := after[name] - before[name]
		if grows <= 0 {
			continue
		}
		if !m.healthy(seen, name) || !m.takes(cluster, bound.Spec, grows) {
			return improvement{}, false
		}
		better.moved += grows
		if grows > most {
			better.receiver, most = name, grows
		}
	}
	pays := divisible && better.gain > float64(better.moved) && float64(better.moved) >= m.options.Hysteresis*float64(bound.Spec.Replicas)
	return better, better.moved > 0 && (pays || better.returns)
}

// distance is a square. The conversion keeps the product from being fused with a sum elsewhere, which would give other last bits.
func distance(replicas int64, ideal float64) float64 {
	off := float64(replicas) - ideal
	return float64(off * off)
}

// idealOf is the division to compare with. There is none for workloads that use as few clusters as possible: any will do.
func idealOf(bound binding.Binding, decision *placement.Decision) (ideal map[string]float64, divisible bool) {
	ideal = map[string]float64{}
	scheduling := bound.Spec.Placement.ReplicaScheduling
	if scheduling.ReplicaDivisionPreference == policyv1alpha1.ReplicaDivisionPreferenceAggregated {
		return ideal, false
	}
	for _, target := range decision.Clusters {
		ideal[target.Name] = float64(target.Replicas)
	}
	if weights := scheduling.WeightPreference; weights == nil || weights.DynamicWeight == "" {
		return ideal, true
	}
	room, sum := map[string]int64{}, int64(0)
	for _, verdict := range decision.Verdicts() {
		if verdict.Tier > 0 && verdict.Share > 0 {
			return ideal, true // the groups are filled one after the other
		}
		if verdict.Selected && verdict.Tier == 0 {
			room[verdict.Cluster] = max(verdict.Capacity, 0) + verdict.Held
			sum += room[verdict.Cluster]
		}
	}
	if sum == 0 {
		return ideal, true
	}
	for cluster, has := range room {
		ideal[cluster] = float64(float64(bound.Spec.Replicas) * float64(has) / float64(sum))
	}
	return ideal, true
}

// healthy tells whether a cluster has been for long enough.
func (m *mover) healthy(seen *fleet, name string) bool {
	ready := meta.FindStatusCondition(seen.clusters[name].Status.Conditions, names.ConditionClusterReady)
	return ready != nil && ready.Status == metav1.ConditionTrue && seen.now.Sub(ready.LastTransitionTime.Time) >= m.options.Settling
}

// takes tells whether a cluster has room for so many replicas more, by its summary where it has one. Weights alone do not tell, and a
// move into a full cluster ends halfway.
func (m *mover) takes(cluster *clusterv1alpha1.Cluster, spec *workv1alpha2.ResourceBindingSpec, replicas int64) bool {
	return cluster.Status.ResourceSummary == nil || int64(m.options.General.Replicas(cluster, spec.ReplicaRequirements, nil)) >= replicas
}
