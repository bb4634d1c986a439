package placement

import (
	"errors"
	"fmt"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// selectClusters keeps the candidates that the spread constraints choose, the best first.
func (a *assignment) selectClusters(estimated []candidate) ([]candidate, error) {
	if len(a.placement.SpreadConstraints) == 0 || a.weightsIgnoreSpread() {
		if a.orderIsFree() {
			return estimated, nil
		}
		return ranked(estimated), nil
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
		return a.selectByRegion(ranked(estimated), region, cluster)
	case cluster != nil:
		return a.selectByCluster(ranked(estimated), cluster)
	}
	return nil, errors.New("just support cluster and region spread constraint")
}

// orderIsFree reports whether the targets come out in the same order whatever the order of the selected clusters.
func (a *assignment) orderIsFree() bool {
	if !a.request.divides() || a.request.Options.EmptyWorkloadPropagation {
		return false
	}
	strategy := a.request.strategy()
	return strategy == staticWeight || strategy == dynamicWeight
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
	if room >= replicas {
		return count > 0
	}
	others := newRoomiest(ranked[count:])
	for last := count - 1; last >= 0 && room < replicas; last-- {
		best := others.first()
		if best == nil {
			break
		}
		if best.room() > ranked[last].room() {
			room += best.room() - ranked[last].room()
			*best, ranked[last] = ranked[last], *best
			others.sink(0)
		}
	}
	return count > 0 && room >= replicas
}

// roomiest is a heap of clusters in fixed places: the one with the most room first, of equals the one in the first place.
type roomiest struct {
	clusters []candidate
	places   []int32
}

func newRoomiest(clusters []candidate) *roomiest {
	r := &roomiest{clusters: clusters, places: make([]int32, len(clusters))}
	for i := range r.places {
		r.places[i] = int32(i)
	}
	for i := len(r.places)/2 - 1; i >= 0; i-- {
		r.sink(i)
	}
	return r
}

func (r *roomiest) first() *candidate {
	if len(r.places) == 0 {
		return nil
	}
	return &r.clusters[r.places[0]]
}

func (r *roomiest) before(a, b int32) bool {
	if x, y := r.clusters[a].room(), r.clusters[b].room(); x != y {
		return x > y
	}
	return a < b
}

func (r *roomiest) sink(i int) {
	for {
		child := 2*i + 1
		if child >= len(r.places) {
			return
		}
		if right := child + 1; right < len(r.places) && r.before(r.places[right], r.places[child]) {
			child = right
		}
		if !r.before(r.places[child], r.places[i]) {
			return
		}
		r.places[i], r.places[child] = r.places[child], r.places[i]
		i = child
	}
}
