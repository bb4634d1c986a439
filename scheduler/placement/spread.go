package placement

import (
	"errors"
	"fmt"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// selectClusters keeps the candidates that the spread constraints choose, the best first.
func (a *assignment) selectClusters(estimated []candidate, plan *plan) ([]candidate, error) {
	if len(plan.constraints) == 0 {
		if a.orderIsFree() {
			return estimated, nil
		}
		return ranked(estimated), nil
	}
	if plan.search {
		return a.selectByAll(ranked(estimated), plan)
	}
	region, cluster := plan.find(policyv1alpha1.SpreadByFieldRegion), plan.find(policyv1alpha1.SpreadByFieldCluster)
	switch {
	case region != nil:
		if cluster == nil {
			cluster = &constraint{field: policyv1alpha1.SpreadByFieldCluster}
		}
		regions := a.dimension(region)
		return a.selectByGroup(ranked(estimated), &regions, cluster)
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

// countsRoom reports whether the selected clusters must have room for all replicas together.
func (a *assignment) countsRoom() bool { return a.request.strategy() != duplicated }

// selectByCluster keeps up to the maximum of the best clusters.
func (a *assignment) selectByCluster(ranked []candidate, constraint *constraint) ([]candidate, error) {
	if len(ranked) < constraint.least {
		return nil, errors.New("the number of feasible clusters is less than spreadConstraint.MinGroups")
	}
	count := min(len(ranked), max(constraint.most, 0))
	if !a.countsRoom() {
		return ranked[:count], nil
	}
	if !makeRoom(ranked, count, a.wantedRoom()) {
		return nil, fmt.Errorf("no enough resource when selecting %d %ss", count, constraint.field)
	}
	return ranked[:count], nil
}

// wantedRoom is what the selected clusters must have room for together.
func (a *assignment) wantedRoom() int64 {
	switch {
	case !a.countsRoom():
		return 0
	case a.request.countsSets():
		return 1
	}
	return int64(a.request.Spec.Replicas)
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
