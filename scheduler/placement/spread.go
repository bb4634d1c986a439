package placement

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// selectClusters orders the candidates by score, then room, then name, and keeps those that the spread constraints choose.
func (a *assignment) selectClusters(estimated []candidate) ([]candidate, error) {
	ranked := slices.Clone(estimated)
	slices.SortFunc(ranked, byRank)
	if len(a.placement.SpreadConstraints) == 0 || a.weightsIgnoreSpread() {
		return ranked, nil
	}
	var region, cluster *policyv1alpha1.SpreadConstraint
	for i := range a.placement.SpreadConstraints {
		switch constraint := &a.placement.SpreadConstraints[i]; constraint.SpreadByField {
		case policyv1alpha1.SpreadByFieldRegion:
			region = constraint
		case policyv1alpha1.SpreadByFieldCluster:
			cluster = constraint
		}
	}
	switch {
	case region != nil:
		return a.selectByRegion(ranked, region, cluster)
	case cluster != nil:
		return a.selectByCluster(ranked, cluster)
	}
	return nil, errors.New("just support cluster and region spread constraint")
}

// byRank puts the better candidate first.
func byRank(a, b candidate) int {
	return cmp.Or(cmp.Compare(a.tier, b.tier), cmp.Compare(b.score, a.score), cmp.Compare(b.room(), a.room()), cmp.Compare(a.row, b.row))
}

// weightsIgnoreSpread reports whether the division by static weight decides on the clusters alone.
func (a *assignment) weightsIgnoreSpread() bool {
	if a.request.strategy() != staticWeight {
		return false
	}
	weights := a.placement.ReplicaScheduling.WeightPreference
	return weights == nil || len(weights.StaticWeightList) > 0
}

// countsRoom reports whether the selected clusters must have room for all replicas together.
func (a *assignment) countsRoom() bool { return a.request.strategy() != duplicated }

// selectByCluster keeps up to the maximum of the best clusters.
func (a *assignment) selectByCluster(ranked []candidate, constraint *policyv1alpha1.SpreadConstraint) ([]candidate, error) {
	if len(ranked) < constraint.MinGroups {
		return nil, errors.New("the number of feasible clusters is less than spreadConstraint.MinGroups")
	}
	count := min(len(ranked), max(constraint.MaxGroups, 0))
	if !a.countsRoom() {
		return ranked[:count], nil
	}
	wanted := int64(a.request.Spec.Replicas)
	if a.request.countsSets() {
		wanted = 1
	}
	if !makeRoom(ranked, count, wanted) {
		return nil, fmt.Errorf("no enough resource when selecting %d %ss", count, constraint.SpreadByField)
	}
	return ranked[:count], nil
}

// makeRoom brings clusters into the first count until these have room for the replicas: from the last to the first, each is
// exchanged for the roomiest of the others when that has more room. It reports whether there is room in the end.
func makeRoom(ranked []candidate, count int, replicas int64) bool {
	var room int64
	for i := range count {
		room += ranked[i].room()
	}
	for last := count - 1; last >= 0 && room < replicas; last-- {
		best := -1
		for i := count; i < len(ranked); i++ {
			if ranked[i].room() > ranked[last].room() && (best < 0 || ranked[i].room() > ranked[best].room()) {
				best = i
			}
		}
		if best >= 0 {
			room += ranked[best].room() - ranked[last].room()
			ranked[last], ranked[best] = ranked[best], ranked[last]
		}
	}
	return count > 0 && room >= replicas
}
