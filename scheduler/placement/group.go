package placement

import (
	"errors"
	"fmt"
)

// group is a group of candidates.
type group struct {
	name string
	// number is that of the value in its column.
	number  int32
	members []candidate
	score   int64
}

// groupWeight is how much a unit of replicas or clusters counts more in the score of a group than the scores of its clusters.
const groupWeight = 1000

// selectByGroup takes the best cluster of every chosen group of one dimension, then the best of the others up to the maximum
// of clusters. Each cluster must be in one group.
func (a *assignment) selectByGroup(ranked []candidate, by *dimension, byCluster *constraint) ([]candidate, error) {
	groups := a.groups(ranked, by, byCluster)
	if len(groups) < by.least {
		return nil, fmt.Errorf("the number of feasible %s is less than spreadConstraint.MinGroups", by.name())
	}
	choice := groupChoice{groups: groups, least: by.least, most: by.most, clusters: byCluster.least}
	chosen := choice.best()
	if len(chosen) == 0 {
		return nil, errors.New("the number of clusters is less than the cluster spreadConstraint.MinGroups")
	}
	selected := make([]candidate, 0, max(len(chosen), min(len(ranked), byCluster.most)))
	// best holds the best cluster of each chosen group by number, one more than its row.
	best := make([]int32, len(by.names))
	total := 0
	for i := range chosen {
		selected = append(selected, chosen[i].members[0])
		best[chosen[i].number] = chosen[i].members[0].row + 1
		total += len(chosen[i].members)
	}
	most := min(total, byCluster.most)
	for i := 0; i < len(ranked) && len(selected) < most; i++ {
		first := best[by.numbers[ranked[i].row]]
		if first != 0 && first != ranked[i].row+1 {
			selected = append(selected, ranked[i])
		}
	}
	return selected, nil
}

// groups groups the candidates, keeping their order inside a group.
func (a *assignment) groups(ranked []candidate, by *dimension, byCluster *constraint) []group {
	names := by.names
	bounds := make([]int, 2*len(names))
	starts, ends := bounds[:len(names)], bounds[len(names):]
	for i := range ranked {
		ends[by.numbers[ranked[i].row]]++
	}
	for i := 1; i < len(ends); i++ {
		ends[i] += ends[i-1]
	}
	members := make([]candidate, len(ranked))
	copy(starts, ends)
	for i := len(ranked) - 1; i >= 0; i-- {
		number := by.numbers[ranked[i].row]
		starts[number]--
		members[starts[number]] = ranked[i]
	}
	groups := make([]group, 0, len(names))
	for number := 1; number < len(names); number++ {
		if starts[number] == ends[number] {
			continue
		}
		next := group{name: names[number], number: int32(number), members: members[starts[number]:ends[number]]}
		if a.countsRoom() {
			next.score = a.dividedScore(next.members, by.least, byCluster.least)
		} else {
			next.score = a.duplicatedScore(next.members)
		}
		groups = append(groups, next)
	}
	return groups
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
	return valid*groupWeight + score/valid
}

// dividedScore measures how far the best clusters of a group, as many as the spread over clusters wants at least, cover the
// group's part of the replicas.
func (a *assignment) dividedScore(members []candidate, minGroups, minClusters int) int64 {
	minGroups = max(minGroups, 1)
	wanted := ceilDivide(int64(a.request.Spec.Replicas), int64(minGroups))
	enough := int64(max(minClusters, minGroups))
	var room, score, counted int64
	for i := range members {
		room += members[i].room()
		score += members[i].score
		counted++
		if counted >= enough && room >= wanted {
			break
		}
	}
	return min(room, wanted)*groupWeight + score/counted
}

func ceilDivide(a, b int64) int64 { return (a + b - 1) / b }
