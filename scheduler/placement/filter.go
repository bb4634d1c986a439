package placement

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// filter judges clusters by what a request shares with others of the same placement; what is its own is in claims. What many
// clusters share (taints, APIs) is judged once.
type filter struct {
	snapshot *Snapshot
	plan     plan
	// tiers are the clusters that match each tier of the affinity.
	tiers []rowSet
	// untolerated are the verdicts by number of taint set.
	untolerated []*corev1.Taint
	// spreads are the fields and labels that a cluster must have to be counted.
	spreads []spreadKey
	// rejecting are the plugins that reject each cluster, by row.
	rejecting []PluginSet
}

func newFilter(r *Request, s *Snapshot) *filter {
	f := &filter{snapshot: s, plan: r.plan(), rejecting: make([]PluginSet, len(s.names))}
	f.judgeTraits(r)
	f.judgeAffinity(r)
	f.spreads = r.spreadKeys(s, &f.plan)
	for row := range f.rejecting {
		if len(f.spreads) > 0 && f.missingField(int32(row)) != "" {
			f.rejecting[row] |= 1 << SpreadConstraint
		}
		f.rejecting[row] &^= r.Options.Disabled
	}
	return f
}

// judgeTraits rejects clusters that lack the API or have a taint.
func (f *filter) judgeTraits(r *Request) {
	apis, taints := &f.snapshot.apis, &f.snapshot.taints
	verdicts := make([]PluginSet, len(apis.values.values)+len(taints.values.values))
	byAPI, byTaints := verdicts[:len(apis.values.values)], verdicts[len(apis.values.values):]
	for i := range byAPI {
		if !apis.values.values[i].serves(r.Spec.Resource.APIVersion, r.Spec.Resource.Kind) {
			byAPI[i] = 1 << APIEnablement
		}
	}
	f.untolerated = make([]*corev1.Taint, len(taints.values.values))
	for i := range byTaints {
		f.untolerated[i] = taints.values.values[i].untolerated(r.placement().ClusterTolerations)
		if f.untolerated[i] != nil {
			byTaints[i] = 1 << TaintToleration
		}
	}
	for row := range f.rejecting {
		f.rejecting[row] = byAPI[apis.rows[row]] | byTaints[taints.rows[row]]
	}
}

// judgeAffinity rejects clusters that are in no tier.
func (f *filter) judgeAffinity(r *Request) {
	f.tiers = r.tiers(f.snapshot)
	for row := range f.rejecting {
		if f.tier(int32(row)) == int32(len(f.tiers)) {
			f.rejecting[row] |= 1 << ClusterAffinity
		}
	}
}

// tier is the first tier a cluster is in; the number of tiers when it is in none.
func (f *filter) tier(row int32) int32 {
	for i := range f.tiers {
		if f.tiers[i].has(row) {
			return int32(i)
		}
	}
	return int32(len(f.tiers))
}

// claims are the clusters that a workload has to do with already.
type claims struct {
	// previous are the clusters of the last decision, evicting those that are being left.
	previous []int32
	evicting []int32
	groups   groupFilter
}

func newClaims(r *Request, s *Snapshot) claims {
	var c claims
	if len(r.Spec.Clusters) > 0 {
		c.previous = make([]int32, 0, len(r.Spec.Clusters))
	}
	for i := range r.Spec.Clusters {
		if row, ok := s.rows[r.Spec.Clusters[i].Name]; ok {
			c.previous = append(c.previous, row)
		}
	}
	for i := range r.Spec.GracefulEvictionTasks {
		if row, ok := s.rows[r.Spec.GracefulEvictionTasks[i].FromCluster]; ok {
			c.evicting = append(c.evicting, row)
		}
	}
	if r.Options.WorkloadAffinity {
		c.groups = newGroupFilter(r, s)
	}
	return c
}

// none reports whether the clusters are judged like those of any other workload.
func (c *claims) none() bool {
	return len(c.previous) == 0 && len(c.evicting) == 0 && c.groups.required == nil && c.groups.forbidden == nil
}

// judge corrects the verdicts: a cluster of the last decision may stay in spite of its traits and of other workloads.
func (c *claims) judge(rejecting []PluginSet, disabled PluginSet) {
	if c.groups.required != nil || c.groups.forbidden != nil {
		for row := range rejecting {
			rejecting[row] |= c.groups.judge(int32(row)) &^ disabled
		}
	}
	for _, row := range c.previous {
		rejecting[row] &^= 1<<APIEnablement | 1<<TaintToleration | 1<<WorkloadAffinity | 1<<WorkloadAntiAffinity
	}
	for _, row := range c.evicting {
		rejecting[row] |= 1 << ClusterEviction &^ disabled
	}
}

// spreadKey is what clusters are grouped by. The numbers of a label are those of its column.
type spreadKey struct {
	field  policyv1alpha1.SpreadFieldValue
	label  dimension
	reason string
}

// spreadKeys lists what a cluster must have: the fields of all constraints of the placement, and what the selection needs
// that does not give way.
func (r *Request) spreadKeys(s *Snapshot, plan *plan) []spreadKey {
	given := r.placement().SpreadConstraints
	if len(given) == 0 && len(r.Preferences.Spread) == 0 {
		return nil
	}
	keys := make([]spreadKey, 0, len(given))
	for i := range given {
		next := constraintOf(&given[i])
		now := plan.find(next.field)
		if next.field != "" && (now == nil || !now.soft) {
			keys = append(keys, spreadKey{field: next.field})
		}
	}
	for i := range plan.constraints {
		switch c := &plan.constraints[i]; {
		case !plan.explicit || c.soft:
		case c.field != "":
			keys = append(keys, spreadKey{field: c.field})
		default:
			key := spreadKey{label: dimension{constraint: *c}, reason: fmt.Sprintf(reasonNoLabel, c.label)}
			key.label.addLabel(s, c.label)
			keys = append(keys, key)
		}
	}
	return keys
}

// missingField is the reason why a cluster cannot be counted by a spread constraint, or empty.
func (f *filter) missingField(row int32) string {
	for i := range f.spreads {
		switch key := &f.spreads[i]; {
		case key.field == policyv1alpha1.SpreadByFieldProvider && f.snapshot.provider.rows[row] == 0:
			return reasonNoProvider
		case key.field == policyv1alpha1.SpreadByFieldRegion && f.snapshot.region.rows[row] == 0:
			return reasonNoRegion
		case key.field == policyv1alpha1.SpreadByFieldZone && len(f.snapshot.zones.at(row)) == 0:
			return reasonNoZone
		case key.field == "" && key.label.numbers[row] == 0:
			return key.reason
		}
	}
	return ""
}

// reason explains why a plugin rejects a cluster.
func (f *filter) reason(plugin Plugin, row int32) string {
	switch plugin {
	case APIEnablement:
		return reasonAPI
	case TaintToleration:
		return fmt.Sprintf(reasonTaint, f.untolerated[f.snapshot.taints.rows[row]].ToString())
	case ClusterAffinity:
		return reasonAffinity
	case SpreadConstraint:
		return f.missingField(row)
	case ClusterEviction:
		return reasonEviction
	case WorkloadAffinity:
		return reasonWorkloadAffinity
	}
	return reasonAntiAffinity
}
