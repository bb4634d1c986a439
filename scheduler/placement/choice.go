package placement

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// groupChoice looks for the groups to use: at least and at most so many, with a number of clusters together.
//
// Groups stand in the order of fewest clusters, best score, name. A set of groups is complete when it meets both minima but
// would not without its last group in this order. Among the complete sets the one with the highest sum of scores wins, then
// the one with the most clusters, then the first in lexicographic order. If the winner, listed by score, begins with another
// complete set, the shortest such beginning is used instead.
//
// The number of complete sets grows exponentially with the groups, but what matters of the groups taken so far is only
// their number and their clusters, so the search is a table over (group, number, clusters).
type groupChoice struct {
	groups                []group
	least, most, clusters int

	// counts and sums are the sizes of the table beside the groups; larger numbers and sums count as the largest.
	counts, sums int
	// taken tells for every entry of the table whether the best completion uses the group.
	taken []bool
}

// merit is the value of a set of groups, or of a part of it.
type merit struct {
	score, clusters int64
}

// impossible is the merit of a state from which no complete set can be reached.
var impossible = merit{math.MinInt64, 0}

func (m merit) less(other merit) bool {
	if m.score != other.score {
		return m.score < other.score
	}
	return m.clusters < other.clusters
}

// tableLimit bounds the table. Beyond it, as with thousands of groups of thousands of clusters, the largest are taken.
const tableLimit = 1 << 25

// best returns the chosen groups in the order of score, then name; none when no set is complete.
func (c *groupChoice) best() []group {
	total := 0
	for i := range c.groups {
		total += len(c.groups[i].members)
	}
	if c.least > len(c.groups) || c.most < c.least || c.clusters > total {
		return nil
	}
	slices.SortFunc(c.groups, func(a, b group) int {
		return cmp.Or(cmp.Compare(len(a.members), len(b.members)), cmp.Compare(b.score, a.score), strings.Compare(a.name, b.name))
	})
	c.least, c.clusters = max(c.least, 0), max(c.clusters, 0)
	c.most = min(c.most, len(c.groups))
	c.counts, c.sums = c.most+1, c.clusters+1
	if c.most == len(c.groups) {
		c.counts = c.least + 1
	}
	if len(c.groups)*c.counts*c.sums > tableLimit {
		return c.largest()
	}
	if c.fill() == impossible {
		return nil
	}
	return c.shorten(c.winner())
}

// largest takes the groups with the most clusters until both minima are met.
func (c *groupChoice) largest() []group {
	var indices []int
	sum := 0
	for at := len(c.groups) - 1; at >= 0 && len(indices) < c.most; at-- {
		indices = append(indices, at)
		if sum += len(c.groups[at].members); c.complete(len(indices), sum) {
			return c.shorten(indices)
		}
	}
	return nil
}

// complete reports whether a set with so many groups and clusters, as the table counts them, needs no more.
func (c *groupChoice) complete(count, sum int) bool { return count >= c.least && sum >= c.clusters }

func (c *groupChoice) entry(at, count, sum int) int { return (at*c.counts+count)*c.sums + sum }

// next is the state after a group was taken.
func (c *groupChoice) next(at, count, sum int) (int, int) {
	return min(count+1, c.counts-1), min(sum+len(c.groups[at].members), c.sums-1)
}

// full reports whether no further group may be taken.
func (c *groupChoice) full(count int) bool { return c.most < len(c.groups) && count >= c.most }

// fill computes the table from the last group to the first, as far as states can occur, and returns the merit of the winner.
func (c *groupChoice) fill() merit {
	c.taken = make([]bool, len(c.groups)*c.counts*c.sums)
	states := make([]merit, 2*c.counts*c.sums)
	later, here := states[:c.counts*c.sums], states[c.counts*c.sums:]
	clusters := make([]int, len(c.groups)+1)
	for at := range c.groups {
		clusters[at+1] = clusters[at] + len(c.groups[at].members)
	}
	for at := len(c.groups); at >= 0; at-- {
		for count := range min(at, c.counts-1) + 1 {
			fewest, most := c.span(clusters, at, count)
			c.judge(at, count, fewest, most, here, later)
		}
		here, later = later, here
	}
	return later[0]
}

// span is the range of clusters that so many of the groups before one can have, as the table counts them. The groups stand
// in the order of size, and clusters holds their running total.
func (c *groupChoice) span(clusters []int, at, count int) (fewest, most int) {
	most = clusters[at] - clusters[at-count]
	if c.most >= len(c.groups) && count == c.counts-1 {
		most = clusters[at]
	}
	return min(clusters[count], c.sums-1), min(most, c.sums-1)
}

// ending is the merit of adding nothing.
func (c *groupChoice) ending(count, sum int) merit {
	if c.complete(count, sum) {
		return merit{}
	}
	return impossible
}

// judge compares, for a range of clusters, taking a group with leaving it. Of equals, taking comes first in lexicographic
// order.
func (c *groupChoice) judge(at, count, fewest, most int, here, later []merit) {
	row := count * c.sums
	ended := at == len(c.groups) || c.full(count)
	for sum := fewest; sum <= most; sum++ {
		if ended || c.complete(count, sum) {
			here[row+sum] = c.ending(count, sum)
			continue
		}
		left := later[row+sum]
		nextCount, nextSum := c.next(at, count, sum)
		taken := later[nextCount*c.sums+nextSum]
		if taken.score == impossible.score {
			here[row+sum] = left
			continue
		}
		taken.score += c.groups[at].score
		taken.clusters += int64(len(c.groups[at].members))
		if taken.less(left) {
			here[row+sum] = left
			continue
		}
		c.taken[c.entry(at, count, sum)] = true
		here[row+sum] = taken
	}
}

// winner follows the table and returns the indices of the groups taken.
func (c *groupChoice) winner() []int {
	var indices []int
	count, sum := 0, 0
	for at := range c.groups {
		if c.complete(count, sum) {
			break
		}
		if c.taken[c.entry(at, count, sum)] {
			indices = append(indices, at)
			count, sum = c.next(at, count, sum)
		}
	}
	return indices
}

// shorten lists the groups by score and cuts them to the shortest beginning that is a complete set.
func (c *groupChoice) shorten(indices []int) []group {
	slices.SortFunc(indices, func(a, b int) int {
		return cmp.Or(cmp.Compare(c.groups[b].score, c.groups[a].score), strings.Compare(c.groups[a].name, c.groups[b].name))
	})
	chosen := make([]group, 0, len(indices))
	sum, last := 0, -1
	for _, at := range indices {
		chosen = append(chosen, c.groups[at])
		sum += len(c.groups[at].members)
		last = max(last, at)
		minimal := len(chosen) == c.least || sum-len(c.groups[last].members) < c.clusters
		if c.complete(len(chosen), sum) && minimal {
			break
		}
	}
	return chosen
}
