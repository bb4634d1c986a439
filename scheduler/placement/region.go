package placement

import (
	"errors"
	"slices"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// region is a group of candidates.
type region struct {
	name    string
	members []candidate
	score   int64
}

// regionWeight is how much a unit of replicas or clusters counts more in the score of a region than the scores of its clusters.
const regionWeight = 1000

// selectByRegion takes the best cluster of every chosen region, then the best of the others up to the maximum of clusters.
func (a *assignment) selectByRegion(
	ranked []candidate, byRegion, byCluster *policyv1alpha1.SpreadConstraint,
) ([]candidate, error) {
	if byCluster == nil {
		byCluster = &policyv1alpha1.SpreadConstraint{}
	}
	regions := a.regions(ranked, byRegion, byCluster)
	if len(regions) < byRegion.MinGroups {
		return nil, errors.New("the number of feasible region is less than spreadConstraint.MinGroups")
	}
	choice := regionChoice{regions: regions, least: byRegion.MinGroups, most: byRegion.MaxGroups, clusters: byCluster.MinGroups}
	chosen := choice.best()
	if len(chosen) == 0 {
		return nil, errors.New("the number of clusters is less than the cluster spreadConstraint.MinGroups")
	}
	total := 0
	for i := range chosen {
		total += len(chosen[i].members)
	}
	selected, rest := make([]candidate, 0, total), make([]candidate, 0, total)
	for i := range chosen {
		selected = append(selected, chosen[i].members[0])
		rest = append(rest, chosen[i].members[1:]...)
	}
	if more := min(total, byCluster.MaxGroups) - len(selected); more > 0 {
		slices.SortFunc(rest, byRank)
		selected = append(selected, rest[:more]...)
	}
	return selected, nil
}

// regions groups the candidates, keeping their order inside a region.
func (a *assignment) regions(ranked []candidate, byRegion, byCluster *policyv1alpha1.SpreadConstraint) []region {
	names := a.snapshot.region.values.values
	ends := make([]int, len(names))
	for i := range ranked {
		ends[a.snapshot.region.rows[ranked[i].row]]++
	}
	for i := 1; i < len(ends); i++ {
		ends[i] += ends[i-1]
	}
	members := make([]candidate, len(ranked))
	starts := slices.Clone(ends)
	for i := len(ranked) - 1; i >= 0; i-- {
		number := a.snapshot.region.rows[ranked[i].row]
		starts[number]--
		members[starts[number]] = ranked[i]
	}
	regions := make([]region, 0, len(names))
	for number := 1; number < len(names); number++ {
		if starts[number] == ends[number] {
			continue
		}
		next := region{name: names[number], members: members[starts[number]:ends[number]]}
		if a.countsRoom() {
			next.score = a.dividedScore(next.members, byRegion.MinGroups, byCluster.MinGroups)
		} else {
			next.score = a.duplicatedScore(next.members)
		}
		regions = append(regions, next)
	}
	return regions
}

// duplicatedScore counts the clusters that can run all replicas.
func (a *assignment) duplicatedScore(members []candidate) int64 {
	var valid, score int64
	for i := range members {
		if members[i].room() >= int64(a.request.Spec.Replicas) {
			valid++
			score += members[i].score
		}
	}
	if valid == 0 {
		return 0
	}
	return valid*regionWeight + score/valid
}

// dividedScore measures how far the best clusters of a region, as many as the spread over clusters wants at least, cover the
// region's part of the replicas.
func (a *assignment) dividedScore(members []candidate, minRegions, minClusters int) int64 {
	minRegions = max(minRegions, 1)
	wanted := ceilDivide(int64(a.request.Spec.Replicas), int64(minRegions))
	enough := int64(max(minClusters, minRegions))
	var room, score, counted int64
	for i := range members {
		room += members[i].room()
		score += members[i].score
		counted++
		if counted >= enough && room >= wanted {
			break
		}
	}
	return min(room, wanted)*regionWeight + score/counted
}

func ceilDivide(a, b int64) int64 { return (a + b - 1) / b }
