package placement

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// allComplete lists every complete set of groups by trying all, in lexicographic order of the sorted groups.
func allComplete(groups []group, least, most, clusters int) [][]group {
	sort.Slice(groups, func(i, j int) bool {
		a, b := groups[i], groups[j]
		if len(a.members) != len(b.members) {
			return len(a.members) < len(b.members)
		}
		return a.score > b.score || a.score == b.score && a.name < b.name
	})
	var found [][]group
	var walk func(taken []group, next, sum int)
	walk = func(taken []group, next, sum int) {
		if len(taken) >= least && len(taken) <= most && sum >= clusters {
			found = append(found, slices.Clone(taken))
			return
		}
		for i := next; i < len(groups) && len(taken) < most; i++ {
			walk(append(taken, groups[i]), i+1, sum+len(groups[i].members))
		}
	}
	walk(nil, 0, 0)
	return found
}

// bestOfAll applies the rules of groupChoice to all complete sets.
func bestOfAll(sets [][]group) []string {
	if len(sets) == 0 {
		return nil
	}
	worth := func(set []group) (score int64, clusters int) {
		for _, r := range set {
			score += r.score
			clusters += len(r.members)
		}
		return score, clusters
	}
	winner := sets[0]
	for _, set := range sets[1:] {
		score, clusters := worth(set)
		bestScore, bestClusters := worth(winner)
		if score > bestScore || score == bestScore && clusters > bestClusters {
			winner = set
		}
	}
	names := namesByScore(winner)
	for _, set := range sets {
		if other := namesByScore(set); len(other) < len(names) && slices.Equal(other, names[:len(other)]) {
			names = other
		}
	}
	return names
}

func namesByScore(set []group) []string {
	sorted := slices.Clone(set)
	sort.Slice(sorted, func(i, j int) bool {
		return sorted[i].score > sorted[j].score || sorted[i].score == sorted[j].score && sorted[i].name < sorted[j].name
	})
	var names []string
	for _, r := range sorted {
		names = append(names, r.name)
	}
	return names
}

func TestGroupChoiceAgreesWithTryingAll(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for round := range 5000 {
		groups := make([]group, random.IntN(8))
		for i := range groups {
			groups[i] = group{
				name:    fmt.Sprintf("g%d", i),
				members: make([]candidate, 1+random.IntN(5)),
				score:   random.Int64N(1+int64(random.IntN(4))) * 1000,
			}
		}
		random.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
		least, clusters := random.IntN(5), random.IntN(14)
		most := random.IntN(9)
		var want []string
		if len(groups) >= least {
			want = bestOfAll(allComplete(slices.Clone(groups), least, most, clusters))
		}
		choice := groupChoice{groups: slices.Clone(groups), least: least, most: most, clusters: clusters}
		var got []string
		for _, r := range choice.best() {
			got = append(got, r.name)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("round %d: of %v, %d to %d groups with %d clusters: got %v, want %v",
				round, describe(groups), least, most, clusters, got, want)
		}
	}
}

func describe(groups []group) string {
	var parts []string
	for _, r := range groups {
		parts = append(parts, fmt.Sprintf("%s(%d clusters, score %d)", r.name, len(r.members), r.score))
	}
	return strings.Join(parts, " ")
}

// TestManyGroups has more groups than could ever be tried one set after the other, and then more than the table holds.
func TestManyGroups(t *testing.T) {
	for _, wanted := range []groupChoice{
		{least: 5, most: 20, clusters: 60},
		{least: 300, most: 1500, clusters: 4000},
	} {
		wanted.groups = make([]group, 2000)
		for i := range wanted.groups {
			wanted.groups[i] = group{name: fmt.Sprintf("g%04d", i), members: make([]candidate, 1+i%7), score: int64(i % 11)}
		}
		choice := wanted
		chosen := choice.best()
		sum := 0
		for _, r := range chosen {
			sum += len(r.members)
		}
		if len(chosen) < wanted.least || len(chosen) > wanted.most || sum < wanted.clusters {
			t.Errorf("chose %d groups with %d clusters, want %d to %d with %d",
				len(chosen), sum, wanted.least, wanted.most, wanted.clusters)
		}
	}
}

func TestRankedAgreesWithByRank(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for round := range 500 {
		candidates := make([]candidate, random.IntN(60)+round%2*random.IntN(1000))
		scores, rooms := 1+random.IntN(30), []int{5, 1 << 20}[random.IntN(2)]
		for i := range candidates {
			candidates[i] = candidate{
				row: int32(i * 2), tier: int32(random.IntN(3)), score: int64(random.IntN(scores) - 2),
				capacity: int32(random.IntN(rooms)), held: int32(random.IntN(3) - random.IntN(2)),
			}
		}
		want := slices.Clone(candidates)
		sort.Slice(want, func(i, j int) bool { return byRank(want[i], want[j]) < 0 })
		if diff := cmp.Diff(want, ranked(candidates), cmp.AllowUnexported(candidate{})); diff != "" {
			t.Fatalf("round %d: (-want +got)\n%s", round, diff)
		}
	}
}

// bySize is the order of offers in the form of sort.Sort, whose treatment of equals installed schedulers show.
type bySize []vote

func (o bySize) Len() int           { return len(o) }
func (o bySize) Less(i, j int) bool { return o[i].weight > o[j].weight }
func (o bySize) Swap(i, j int)      { o[i], o[j] = o[j], o[i] }

func TestEqualOffersAreOrderedLikeSortSort(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 10))
	for round := range 500 {
		offers := make([]vote, 1+random.IntN(200))
		for i := range offers {
			offers[i] = vote{row: int32(i), weight: int64(random.IntN(4))}
		}
		want := slices.Clone(offers)
		sort.Sort(bySize(want))
		used, unused := fewest(offers, 1<<40)
		if diff := cmp.Diff(want, append(used, unused...), cmp.AllowUnexported(vote{})); diff != "" {
			t.Fatalf("round %d: (-sort.Sort +fewest)\n%s", round, diff)
		}
	}
}
