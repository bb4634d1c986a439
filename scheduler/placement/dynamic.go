package placement

import (
	"cmp"
	"fmt"
	"slices"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// byRoom divides by what the clusters can take. What they hold stays where it is as far as possible: only the difference to
// the wanted number is divided, unless a fresh division was asked for.
func (a *assignment) byRoom(members []candidate, replicas int64) ([]workv1alpha2.TargetCluster, error) {
	var held int64
	for i := range members {
		held += int64(members[i].held)
	}
	switch {
	case a.request.fresh():
		offers := offersOf(members, func(c *candidate) int64 { return c.room() })
		return a.divideOffers(offers, replicas, "failed to do fresh scale")
	case held > replicas:
		return a.shrink(members, replicas)
	case held < replicas:
		offers := offersOf(members, func(c *candidate) int64 { return int64(c.capacity) })
		for i := range members {
			offers[i].seats = int64(members[i].held)
		}
		return a.divideOffers(offers, replicas-held, "failed to scale up")
	}
	return a.unchanged(members), nil
}

// unchanged repeats the last decision for clusters that are still there.
func (a *assignment) unchanged(members []candidate) []workv1alpha2.TargetCluster {
	var targets []workv1alpha2.TargetCluster
	for _, member := range a.inLastOrder(members) {
		if member.held > 0 {
			targets = append(targets, workv1alpha2.TargetCluster{Name: a.name(member), Replicas: member.held})
		}
	}
	return targets
}

// inLastOrder returns the clusters that are part of the last decision, in its order.
func (a *assignment) inLastOrder(members []candidate) []*candidate {
	byRow := make(map[int32]*candidate, len(a.request.Spec.Clusters))
	for i := range a.request.Spec.Clusters {
		if row, ok := a.snapshot.rows[a.request.Spec.Clusters[i].Name]; ok {
			byRow[row] = nil
		}
	}
	for i := range members {
		if _, ok := byRow[members[i].row]; ok {
			byRow[members[i].row] = &members[i]
		}
	}
	ordered := make([]*candidate, 0, len(byRow))
	for i := range a.request.Spec.Clusters {
		row, ok := a.snapshot.rows[a.request.Spec.Clusters[i].Name]
		if member := byRow[row]; ok && member != nil {
			ordered = append(ordered, member)
			byRow[row] = nil
		}
	}
	return ordered
}

// shrink divides by what the clusters hold, in the order of the last decision. Replicas that are ready stay as far as possible: while
// there are others, only those are given up.
func (a *assignment) shrink(members []candidate, replicas int64) ([]workv1alpha2.TargetCluster, error) {
	ordered := a.inLastOrder(members)
	offers := make([]vote, len(ordered))
	var sum int64
	for i, member := range ordered {
		ready := int64(member.held)
		if reported, ok := a.request.Ready[a.name(member)]; ok {
			ready = min(ready, int64(reported))
		}
		offers[i] = vote{row: member.row, weight: ready}
		sum += ready
	}
	if sum < replicas {
		for i, member := range ordered {
			offers[i].seats = offers[i].weight
			offers[i].weight = int64(member.held) - offers[i].seats
		}
		replicas -= sum
	}
	return a.divideOffers(offers, replicas, "failed to scale down")
}

func offersOf(members []candidate, takes func(*candidate) int64) []vote {
	offers := make([]vote, len(members))
	for i := range members {
		offers[i] = vote{row: members[i].row, weight: takes(&members[i])}
	}
	return offers
}

// divideOffers divides replicas by the offers. Aggregated uses as few clusters as possible: those that hold replicas first,
// then the largest offers.
func (a *assignment) divideOffers(offers []vote, replicas int64, failure string) ([]workv1alpha2.TargetCluster, error) {
	var sum int64
	for i := range offers {
		sum += offers[i].weight
	}
	if sum < replicas {
		shortage := &UnschedulableError{Message: fmt.Sprintf("Clusters available replicas %d are not enough to schedule.", sum)}
		return nil, fmt.Errorf("%s: %w", failure, shortage)
	}
	used, unused := offers, []vote(nil)
	if a.request.strategy() == aggregated {
		used, unused = fewest(offers, replicas)
	}
	targets := a.apportion(used, replicas)
	for i := range unused {
		if unused[i].seats > 0 {
			targets = append(targets, workv1alpha2.TargetCluster{Name: a.snapshot.names[unused[i].row], Replicas: int32(unused[i].seats)})
		}
	}
	return targets, nil
}

// fewest sorts the offers and cuts off the shortest beginning that takes the replicas.
func fewest(offers []vote, replicas int64) (used, unused []vote) {
	slices.SortFunc(offers, func(x, y vote) int { return cmp.Compare(y.weight, x.weight) })
	slices.SortStableFunc(offers, func(x, y vote) int { return cmp.Compare(min(y.seats, 1), min(x.seats, 1)) })
	var sum int64
	for i := range offers {
		if sum += offers[i].weight; sum >= replicas {
			return offers[:i+1], offers[i+1:]
		}
	}
	return offers, nil
}
