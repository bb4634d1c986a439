package placement

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

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
		return a.byStaticWeight(members, replicas), nil
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

// byStaticWeight divides by the weights the user gave, whatever the capacities.
func (a *assignment) byStaticWeight(members []candidate, replicas int64) []workv1alpha2.TargetCluster {
	var rules []policyv1alpha1.StaticClusterWeight
	if preference := a.placement.ReplicaScheduling.WeightPreference; preference != nil {
		rules = preference.StaticWeightList
	}
	matchers := make([]matcher, len(rules))
	for i := range rules {
		matchers[i] = newMatcher(a.snapshot, &rules[i].TargetCluster)
	}
	votes := make([]vote, 0, len(members))
	for i := range members {
		var weight int64
		for j := range rules {
			if rules[j].Weight > weight && matchers[j].matches(a.snapshot, members[i].row) {
				weight = rules[j].Weight
			}
		}
		if weight > 0 {
			votes = append(votes, vote{row: members[i].row, weight: weight})
		}
	}
	if len(votes) == 0 {
		for i := range members {
			votes = append(votes, vote{row: members[i].row, weight: 1})
		}
	}
	return a.apportion(votes, replicas)
}

// vote is the weight of a cluster in a division and what it has already.
type vote struct {
	row    int32
	weight int64
	seats  int64
}

// apportion adds replicas to the clusters in proportion to their weights.
func (a *assignment) apportion(votes []vote, replicas int64) []workv1alpha2.TargetCluster {
	slices.SortFunc(votes, func(x, y vote) int { return cmp.Compare(x.row, y.row) })
	parties := make([]webster.Party, len(votes))
	for i := range votes {
		parties[i].Votes = votes[i].weight
	}
	webster.Apportion(parties, replicas, webster.Descending(string(a.request.Spec.Resource.UID)))
	targets := make([]workv1alpha2.TargetCluster, 0, len(votes))
	for i := range votes {
		if total := parties[i].Seats + votes[i].seats; total > 0 {
			targets = append(targets, workv1alpha2.TargetCluster{Name: a.snapshot.names[votes[i].row], Replicas: int32(total)})
		}
	}
	return targets
}
