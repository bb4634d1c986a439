package placement

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// Request asks for the placement of one workload.
type Request struct {
	// Binding names the (Cluster)ResourceBinding; peers with this name are the workload itself.
	Binding types.NamespacedName
	// Spec is the binding's spec. It is read only and must not change while a decision is made.
	Spec *workv1alpha2.ResourceBindingSpec
	// Term names the affinity term in force: the status of the binding holds the last one tried. A name that no term has
	// puts no affinity in force. It counts only for placements with clusterAffinities.
	Term string
	// Ready are the ready replicas of the clusters that report any: a workload that shrinks where its replicas are divided by room
	// gives up those that are not ready first. A cluster that is not listed counts as if all of its replicas were.
	Ready map[string]int32
	// LastScheduled is when the workload was last scheduled with success, nil when never.
	LastScheduled *metav1.Time
	Options       Options
	// Preferences are what the workload asks for beyond its placement.
	Preferences Preferences
	// Fingerprint is a text that only requests of equal placements and preferences share, which spares a Batch to compare
	// them; empty for none.
	Fingerprint string
}

// Options are settings of the scheduler that change decisions.
type Options struct {
	// EmptyWorkloadPropagation also propagates to selected clusters that get no replica.
	EmptyWorkloadPropagation bool
	// MultiplePodTemplates places workloads of several components as whole sets (gate MultiplePodTemplatesScheduling).
	MultiplePodTemplates bool
	// WorkloadAffinity lets affinity and anti-affinity groups of workloads filter clusters (gate WorkloadAffinity).
	WorkloadAffinity bool
	// Spread says which spread constraints count.
	Spread SpreadMode
	// StaticWeightsWithinCapacity divides by static weight only as far as each cluster has room; the rest goes to the
	// others by weight.
	StaticWeightsWithinCapacity bool
	// KeepTainted leaves what clusters have that would not be chosen anew for their taints: a workload that grows takes nothing
	// from them and gives them nothing more.
	KeepTainted bool
	// Enabled are plugins that take part though they are off by default.
	Enabled PluginSet
	// Disabled are plugins that do not take part.
	Disabled PluginSet
}

// Attempts lists the requests to try until one succeeds: one for each affinity term from the one in force on (from the
// first when none is), or just the request when its placement has no such terms.
func (r Request) Attempts() []Request {
	placement := r.placement()
	if placement.ClusterAffinity != nil || len(placement.ClusterAffinities) == 0 {
		return []Request{r}
	}
	terms := placement.ClusterAffinities
	first := slices.IndexFunc(terms, func(term policyv1alpha1.ClusterAffinityTerm) bool { return term.AffinityName == r.Term })
	terms = terms[max(first, 0):]
	attempts := make([]Request, len(terms))
	for i := range terms {
		attempts[i] = r
		attempts[i].Term = terms[i].AffinityName
	}
	return attempts
}

func (r *Request) placement() *policyv1alpha1.Placement {
	if r.Spec.Placement == nil {
		return &policyv1alpha1.Placement{}
	}
	return r.Spec.Placement
}

// tiers are the clusters that match the affinity in force: its own first, then those of each overflow affinity in order. What
// takes no capacity does not overflow.
func (r *Request) tiers(s *Snapshot) []rowSet {
	placement := r.placement()
	if placement.ClusterAffinity != nil {
		return []rowSet{s.rowsMatching(placement.ClusterAffinity)}
	}
	for i := range placement.ClusterAffinities {
		term := &placement.ClusterAffinities[i]
		if term.AffinityName != r.Term {
			continue
		}
		tiers := make([]rowSet, 1, 1+len(term.OverflowAffinities))
		tiers[0] = s.rowsMatching(&term.ClusterAffinity)
		if !r.takesCapacity() {
			return tiers
		}
		for j := range term.OverflowAffinities {
			tiers = append(tiers, s.rowsMatching(&term.OverflowAffinities[j].ClusterAffinity))
		}
		return tiers
	}
	return []rowSet{s.rowsMatching(nil)}
}

// Strayed reports whether the last decision has clusters that the affinity in force does not match any more.
func (r *Request) Strayed(s *Snapshot) bool {
	if len(r.Spec.Clusters) == 0 {
		return false
	}
	tiers := r.tiers(s)
	return slices.ContainsFunc(r.Spec.Clusters, func(target workv1alpha2.TargetCluster) bool {
		row, known := s.rows[target.Name]
		return known && !slices.ContainsFunc(tiers, func(tier rowSet) bool { return tier.has(row) })
	})
}

// fresh reports whether a reschedule was asked for since the last success: the division then starts from nothing.
func (r *Request) fresh() bool {
	return r.Spec.RescheduleTriggeredAt != nil && r.LastScheduled != nil && r.Spec.RescheduleTriggeredAt.After(r.LastScheduled.Time)
}

// takesCapacity tells workloads, even scaled to zero, from objects such as a ConfigMap.
func (r *Request) takesCapacity() bool {
	return r.Spec.Replicas > 0 || r.Spec.ReplicaRequirements != nil
}

// divides reports whether replicas are divided at all. Otherwise the clusters are only listed.
func (r *Request) divides() bool { return r.takesCapacity() && len(r.Spec.Components) < 2 }

// Demand says what capacity an estimator should report.
type Demand int

const (
	// DemandNone needs no estimate: the object takes no capacity that is divided.
	DemandNone Demand = iota
	// DemandReplicas asks how many replicas with spec.replicaRequirements fit.
	DemandReplicas
	// DemandSets asks how many whole sets of spec.components fit.
	DemandSets
)

// Demand says what capacity this request is divided by.
func (r *Request) Demand() Demand {
	switch {
	case r.countsSets():
		return DemandSets
	case r.Spec.Replicas > 0:
		return DemandReplicas
	}
	return DemandNone
}

// countsSets reports whether capacity is counted in sets of components: all of them go to one cluster.
func (r *Request) countsSets() bool {
	if !r.Options.MultiplePodTemplates || len(r.Spec.Components) == 0 {
		return false
	}
	return slices.ContainsFunc(r.placement().SpreadConstraints, func(c policyv1alpha1.SpreadConstraint) bool {
		return c.SpreadByField == policyv1alpha1.SpreadByFieldCluster && c.MinGroups == 1 && c.MaxGroups == 1
	})
}

// placesSets reports whether the targets list components instead of replicas.
func (r *Request) placesSets() bool { return r.countsSets() && len(r.Spec.Components) > 1 }

// strategy is how replicas are divided.
type strategy int

const (
	duplicated strategy = iota
	staticWeight
	dynamicWeight
	aggregated
	unsupported
)

func (r *Request) strategy() strategy {
	scheduling := r.placement().ReplicaScheduling
	if scheduling == nil {
		return duplicated
	}
	switch scheduling.ReplicaSchedulingType {
	case policyv1alpha1.ReplicaSchedulingTypeDuplicated, "":
		return duplicated
	case policyv1alpha1.ReplicaSchedulingTypeDivided:
		switch scheduling.ReplicaDivisionPreference {
		case policyv1alpha1.ReplicaDivisionPreferenceAggregated:
			return aggregated
		case policyv1alpha1.ReplicaDivisionPreferenceWeighted:
			if weights := scheduling.WeightPreference; weights != nil && weights.DynamicWeight != "" {
				return dynamicWeight
			}
			return staticWeight
		}
	}
	return unsupported
}

// weightsIgnoreSpread reports whether the division by static weight decides on the clusters alone.
func (r *Request) weightsIgnoreSpread() bool {
	if r.strategy() != staticWeight {
		return false
	}
	weights := r.placement().ReplicaScheduling.WeightPreference
	return weights == nil || len(weights.StaticWeightList) > 0
}

// scores reports whether a plugin takes part in scoring.
func (r *Request) scores(plugin Plugin) bool {
	on := plugin != ClusterPrice || r.Options.Enabled.Has(plugin) || r.Preferences.Cheap
	return on && !r.Options.Disabled.Has(plugin)
}
