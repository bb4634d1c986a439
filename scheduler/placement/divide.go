package placement

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/scheduler/placement/webster"
)

// divide gives every selected cluster its share. With overflow affinities the tiers are filled one after the other, each up
// to its room, so that a workload grows into later tiers and shrinks out of them first.
func (a *assignment) divide(selected []candidate) ([]workv1alpha2.TargetCluster, error) {
	if len(selected) == 0 {
		return nil, errors.New("no clusters available to schedule")
	}
	if a.tiers == 1 {
		return a.divideAmong(selected, int64(a.request.Spec.Replicas))
	}
	var targets []workv1alpha2.TargetCluster
	remaining := int64(a.request.Spec.Replicas)
	for tier := range int32(a.tiers) {
		members, room := membersOf(selected, tier)
		if len(members) == 0 {
			continue
		}
		part := min(remaining, room)
		shares, err := a.divideAmong(members, part)
		if err != nil {
			return nil, err
		}
		targets = append(targets, shares...)
		if a.request.divides() {
			remaining -= part
		}
		if remaining <= 0 {
			return targets, nil
		}
	}
	if a.request.divides() && remaining > 0 {
		return nil, &UnschedulableError{Message: "Clusters available replicas are not enough to schedule."}
	}
	return targets, nil
}

// membersOf returns the selected clusters of one tier and their room.
func membersOf(selected []candidate, tier int32) (members []candidate, room int64) {
	for i := range selected {
		if selected[i].tier == tier {
			members = append(members, selected[i])
			room += selected[i].room()
		}
	}
	return members, room
}

// divideAmong divides replicas among clusters of one tier. Clusters without a share are left out.
func (a *assignment) divideAmong(members []candidate, replicas int64) ([]workv1alpha2.TargetCluster, error) {
	switch {
	case a.request.placesSets():
		return a.wholeSets(members), nil
	case !a.request.divides():
		return a.listed(members), nil
	}
	switch a.request.strategy() {
	case duplicated:
		return a.shares(members, func(*candidate) int64 { return replicas }), nil
	case staticWeight:
		return a.byStaticWeight(members, replicas)
	case dynamicWeight, aggregated:
		return a.byRoom(members, replicas)
	}
	scheduling := a.placement.ReplicaScheduling
	return nil, fmt.Errorf("unsupported replica scheduling strategy, replicaSchedulingType: %s, replicaDivisionPreference: %s, "+
		"please try another scheduling strategy", scheduling.ReplicaSchedulingType, scheduling.ReplicaDivisionPreference)
}

// wholeSets gives every cluster all components.
func (a *assignment) wholeSets(members []candidate) []workv1alpha2.TargetCluster {
	targets := a.listed(members)
	for i := range targets {
		for _, component := range a.request.Spec.Components {
			targets[i].Components = append(targets[i].Components,
				workv1alpha2.TargetComponent{Name: component.Name, Replicas: component.Replicas})
		}
	}
	return targets
}

func (a *assignment) listed(members []candidate) []workv1alpha2.TargetCluster {
	targets := make([]workv1alpha2.TargetCluster, len(members))
	for i := range members {
		targets[i].Name = a.name(&members[i])
	}
	return targets
}

// shares lists the clusters whose share is not zero.
func (a *assignment) shares(members []candidate, share func(*candidate) int64) []workv1alpha2.TargetCluster {
	targets := make([]workv1alpha2.TargetCluster, 0, len(members))
	for i := range members {
		if replicas := share(&members[i]); replicas > 0 {
			targets = append(targets, workv1alpha2.TargetCluster{Name: a.name(&members[i]), Replicas: int32(replicas)})
		}
	}
	return targets
}

// byStaticWeight divides by the weights the user gave, whatever the capacities unless asked to respect them.
func (a *assignment) byStaticWeight(members []candidate, replicas int64) ([]workv1alpha2.TargetCluster, error) {
	var rules []policyv1alpha1.StaticClusterWeight
	if preference := a.placement.ReplicaScheduling.WeightPreference; preference != nil {
		rules = preference.StaticWeightList
	}
	matching := make([]rowSet, len(rules))
	for i := range rules {
		matching[i] = a.snapshot.rowsMatching(&rules[i].TargetCluster)
	}
	members, kept := a.setAside(members, replicas)
	for i := range kept {
		replicas -= int64(kept[i].Replicas)
	}
	targets, err := a.byWeights(members, replicas, rules, matching)
	if err != nil || len(kept) == 0 {
		return targets, err
	}
	targets = append(targets, kept...)
	slices.SortFunc(targets, func(x, y workv1alpha2.TargetCluster) int { return strings.Compare(x.Name, y.Name) })
	return targets, nil
}

// setAside takes the clusters that keep what they have out of a division, unless the workload shrinks: then there is nothing to
// take from them.
func (a *assignment) setAside(members []candidate, replicas int64) (others []candidate, kept []workv1alpha2.TargetCluster) {
	var held int64
	found := false
	for i := range members {
		held += int64(members[i].held)
		found = found || members[i].kept
	}
	if !found || held > replicas || a.request.fresh() {
		return members, nil
	}
	for i := range members {
		if !members[i].kept {
			others = append(others, members[i])
		} else if members[i].held > 0 {
			kept = append(kept, workv1alpha2.TargetCluster{Name: a.name(&members[i]), Replicas: members[i].held})
		}
	}
	if len(others) == 0 {
		return members, nil
	}
	return others, kept
}

// byWeights divides by the largest weight of the rules that match each cluster.
func (a *assignment) byWeights(
	members []candidate, replicas int64, rules []policyv1alpha1.StaticClusterWeight, matching []rowSet,
) ([]workv1alpha2.TargetCluster, error) {
	votes := make([]vote, 0, len(members))
	for i := range members {
		var weight int64
		for j := range rules {
			if rules[j].Weight > weight && matching[j].has(members[i].row) {
				weight = rules[j].Weight
			}
		}
		if weight > 0 {
			votes = append(votes, vote{row: members[i].row, weight: weight, room: members[i].room()})
		}
	}
	if len(votes) == 0 {
		for i := range members {
			votes = append(votes, vote{row: members[i].row, weight: 1, room: members[i].room()})
		}
	}
	if a.request.Options.StaticWeightsWithinCapacity || a.request.Preferences.StaticWeightsWithinCapacity {
		return a.apportionWithin(votes, replicas)
	}
	return a.apportion(votes, replicas), nil
}

// apportionWithin gives no cluster more than it has room for: clusters that would get more are filled, and what is left is
// divided among the others, until all shares fit. That is the result of serving the highest quotient of all clusters that
// are not full, seat by seat.
func (a *assignment) apportionWithin(votes []vote, replicas int64) ([]workv1alpha2.TargetCluster, error) {
	var room int64
	for i := range votes {
		votes[i].room = max(votes[i].room, 0)
		room += votes[i].room
	}
	if room < replicas {
		return nil, &UnschedulableError{Message: fmt.Sprintf("Clusters available replicas %d are not enough to schedule.", room)}
	}
	slices.SortFunc(votes, func(x, y vote) int { return cmp.Compare(x.row, y.row) })
	descending := webster.Descending(string(a.request.Spec.Resource.UID))
	var targets []workv1alpha2.TargetCluster
	for over := true; over; {
		parties := make([]webster.Party, len(votes))
		for i := range votes {
			parties[i].Votes = votes[i].weight
		}
		webster.Apportion(parties, replicas, descending)
		over = false
		for i := range votes {
			over = over || parties[i].Seats > votes[i].room
		}
		fitting := votes[:0]
		for i, v := range votes {
			if over && parties[i].Seats <= v.room {
				fitting = append(fitting, v)
				continue
			}
			share := min(parties[i].Seats, v.room)
			replicas -= share
			if share > 0 {
				targets = append(targets, workv1alpha2.TargetCluster{Name: a.snapshot.names[v.row], Replicas: int32(share)})
			}
		}
		votes = fitting
	}
	slices.SortFunc(targets, func(x, y workv1alpha2.TargetCluster) int { return strings.Compare(x.Name, y.Name) })
	return targets, nil
}

// vote is the weight of a cluster in a division, which is its capacity where that is divided by, and what it has already.
type vote struct {
	row    int32
	weight int64
	// seats are the replicas the cluster keeps beside its share.
	seats int64
	// room bounds the share where static weights stay within the capacity.
	room int64
}

// apportion adds replicas to the clusters in proportion to their weights.
func (a *assignment) apportion(votes []vote, replicas int64) []workv1alpha2.TargetCluster {
	byRow := func(x, y vote) int { return cmp.Compare(x.row, y.row) }
	if !slices.IsSortedFunc(votes, byRow) {
		slices.SortFunc(votes, byRow)
	}
	parties := make([]webster.Party, len(votes))
	for i := range votes {
		parties[i].Votes = votes[i].weight
	}
	webster.Apportion(parties, replicas, webster.Descending(string(a.request.Spec.Resource.UID)))
	count := 0
	for i := range votes {
		if parties[i].Seats += votes[i].seats; parties[i].Seats > 0 {
			count++
		}
	}
	targets := make([]workv1alpha2.TargetCluster, 0, count)
	for i := range votes {
		if total := parties[i].Seats; total > 0 {
			targets = append(targets, workv1alpha2.TargetCluster{Name: a.snapshot.names[votes[i].row], Replicas: int32(total)})
		}
	}
	return targets
}
