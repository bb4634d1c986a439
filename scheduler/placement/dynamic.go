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
		return a.divideOffers(a.heldOffers(members), replicas, "failed to scale down")
	case held < replicas:
		offers := offersOf(members, func(c *candidate) int64 { return int64(c.capacity) })
		for i := range members {
			offers[i].held = int64(members[i].held)
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

// offer is what a cluster can take in a division, beside what it holds and keeps.
type offer struct {
	row   int32
	takes int64
	held  int64
}

// heldOffers offers what the clusters hold, in the order of the last decision.
func (a *assignment) heldOffers(members []candidate) []offer {
	ordered := a.inLastOrder(members)
	offers := make([]offer, len(ordered))
	for i, member := range ordered {
		offers[i] = offer{row: member.row, takes: int64(member.held)}
	}
	return offers
}

func offersOf(members []candidate, takes func(*candidate) int64) []offer {
	offers := make([]offer, len(members))
	for i := range members {
		offers[i] = offer{row: members[i].row, takes: takes(&members[i])}
	}
	return offers
}

// divideOffers divides replicas by the offers. Aggregated uses as few clusters as possible: those that hold replicas first,
// then the largest offers.
func (a *assignment) divideOffers(offers []offer, replicas int64, failure string) ([]workv1alpha2.TargetCluster, error) {
	var sum int64
	for i := range offers {
		sum += offers[i].takes
	}
	if sum < replicas {
		shortage := &UnschedulableError{Message: fmt.Sprintf("Clusters available replicas %d are not enough to schedule.", sum)}
		return nil, fmt.Errorf("%s: %w", failure, shortage)
	}
	used, unused := offers, []offer(nil)
	if a.request.strategy() == aggregated {
		used, unused = fewest(offers, replicas)
	}
	votes := make([]vote, 0, len(used))
	for i := range used {
		votes = append(votes, vote{row: used[i].row, weight: used[i].takes, seats: used[i].held})
	}
	targets := a.apportion(votes, replicas)
	for i := range unused {
		if unused[i].held > 0 {
			targets = append(targets, workv1alpha2.TargetCluster{Name: a.snapshot.names[unused[i].row], Replicas: int32(unused[i].held)})
		}
	}
	return targets, nil
}

// fewest sorts the offers and cuts off the shortest beginning that takes the replicas.
func fewest(offers []offer, replicas int64) (used, unused []offer) {
	slices.SortFunc(offers, func(x, y offer) int { return cmp.Compare(y.takes, x.takes) })
	slices.SortStableFunc(offers, func(x, y offer) int { return cmp.Compare(min(y.held, 1), min(x.held, 1)) })
	var sum int64
	for i := range offers {
		if sum += offers[i].takes; sum >= replicas {
			return offers[:i+1], offers[i+1:]
		}
	}
	return offers, nil
}
