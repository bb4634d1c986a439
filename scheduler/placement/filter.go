package placement

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// filter judges clusters one by one. What many clusters share (taints, APIs) is judged once.
type filter struct {
	snapshot *Snapshot
	request  *Request
	tiers    []matcher
	// previous are the clusters of the last decision, evicting those that are being left.
	previous rowSet
	evicting rowSet
	// served and untolerated are the verdicts by number of API set and of taint set.
	served      []bool
	untolerated []*corev1.Taint
	spreads     []policyv1alpha1.SpreadFieldValue
	groups      groupFilter
}

func newFilter(r *Request, s *Snapshot) *filter {
	f := &filter{snapshot: s, request: r, tiers: r.tiers(s)}
	f.previous = s.noRows()
	for i := range r.Spec.Clusters {
		if row, ok := s.rows[r.Spec.Clusters[i].Name]; ok {
			f.previous.add(row)
		}
	}
	for i := range r.Spec.GracefulEvictionTasks {
		if row, ok := s.rows[r.Spec.GracefulEvictionTasks[i].FromCluster]; ok {
			if f.evicting == nil {
				f.evicting = s.noRows()
			}
			f.evicting.add(row)
		}
	}
	f.served = make([]bool, len(s.apis.values.values))
	for i, apis := range s.apis.values.values {
		f.served[i] = apis.serves(r.Spec.Resource.APIVersion, r.Spec.Resource.Kind)
	}
	f.untolerated = make([]*corev1.Taint, len(s.taints.values.values))
	for i, taints := range s.taints.values.values {
		f.untolerated[i] = taints.untolerated(r.placement().ClusterTolerations)
	}
	for _, constraint := range r.placement().SpreadConstraints {
		f.spreads = append(f.spreads, constraint.SpreadByField)
	}
	if r.Options.WorkloadAffinity {
		f.groups = newGroupFilter(r, s)
	}
	return f
}

// judge returns the plugins that reject a cluster and the tier of the affinity it belongs to.
func (f *filter) judge(row int32) (rejecting PluginSet, tier int32) {
	if !f.served[f.snapshot.apis.rows[row]] && !f.previous.has(row) {
		rejecting |= 1 << APIEnablement
	}
	if f.untolerated[f.snapshot.taints.rows[row]] != nil && !f.previous.has(row) {
		rejecting |= 1 << TaintToleration
	}
	for int(tier) < len(f.tiers) && !f.tiers[tier].matches(f.snapshot, row) {
		tier++
	}
	if int(tier) == len(f.tiers) {
		rejecting |= 1 << ClusterAffinity
	}
	if f.missingField(row) != "" {
		rejecting |= 1 << SpreadConstraint
	}
	if f.evicting.has(row) {
		rejecting |= 1 << ClusterEviction
	}
	rejecting |= f.groups.judge(row, f.previous)
	return rejecting &^ f.request.Options.Disabled, tier
}

// missingField is the reason why a cluster cannot be counted by a spread constraint, or empty.
func (f *filter) missingField(row int32) string {
	for _, field := range f.spreads {
		switch {
		case field == policyv1alpha1.SpreadByFieldProvider && f.snapshot.provider.rows[row] == 0:
			return reasonNoProvider
		case field == policyv1alpha1.SpreadByFieldRegion && f.snapshot.region.rows[row] == 0:
			return reasonNoRegion
		case field == policyv1alpha1.SpreadByFieldZone && len(f.snapshot.zones.at(row)) == 0:
			return reasonNoZone
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
