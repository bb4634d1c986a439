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

func (a *assignment) selectByRegion(ranked []candidate, byRegion, byCluster *policyv1alpha1.SpreadConstraint) ([]candidate, error) {
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
	var selected, rest []candidate
	for i := range chosen {
		selected = append(selected, chosen[i].members[0])
		rest = append(rest, chosen[i].members[1:]...)
	}
	count := min(len(selected)+len(rest), byCluster.MaxGroups)
	if more := count - len(selected); more > 0 {
		slices.SortFunc(rest, byRank)
		selected = append(selected, rest[:more]...)
	}
	return selected, nil
}

// regions groups the candidates, keeping their order inside a region.
func (a *assignment) regions(ranked []candidate, byRegion, byCluster *policyv1alpha1.SpreadConstraint) []region {
	var regions []region
	index := map[int32]int{}
	for i := range ranked {
		number := a.snapshot.region[ranked[i].row]
		name := a.snapshot.regions.values[number]
		if name == "" {
			continue
		}
		at, ok := index[number]
		if !ok {
			at = len(regions)
			index[number] = at
			regions = append(regions, region{name: name})
		}
		regions[at].members = append(regions[at].members, ranked[i])
	}
	for i := range regions {
		if a.countsRoom() {
			regions[i].score = a.dividedScore(regions[i].members, byRegion.MinGroups, byCluster.MinGroups)
		} else {
			regions[i].score = a.duplicatedScore(regions[i].members)
		}
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
