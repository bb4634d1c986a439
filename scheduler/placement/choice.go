package placement

import (
	"cmp"
	"math"
	"slices"
	"strings"
)

// regionChoice looks for the regions to use: at least and at most so many, with a number of clusters together.
//
// Regions stand in the order of fewest clusters, best score, name. A set of regions is complete when it meets both minima but
// would not without its last region in this order. Among the complete sets the one with the highest sum of scores wins, then
// the one with the most clusters, then the first in lexicographic order. If the winner, listed by score, begins with another
// complete set, the shortest such beginning is used instead.
//
// The number of complete sets grows exponentially with the regions, but what matters of the regions taken so far is only
// their number and their clusters, so the search is a table over (region, number, clusters).
type regionChoice struct {
	regions               []region
	least, most, clusters int

	// counts and sums are the sizes of the table beside the regions; larger numbers and sums count as the largest.
	counts, sums int
	// taken tells for every entry of the table whether the best completion uses the region.
	taken []bool
}

// merit is the value of a set of regions, or of a part of it.
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

// tableLimit bounds the table. Beyond it, as with thousands of regions of thousands of clusters, the largest are taken.
const tableLimit = 1 << 25

// best returns the chosen regions in the order of score, then name; none when no set is complete.
func (c *regionChoice) best() []region {
	total := 0
	for i := range c.regions {
		total += len(c.regions[i].members)
	}
	if c.least > len(c.regions) || c.most < c.least || c.clusters > total {
		return nil
	}
	slices.SortFunc(c.regions, func(a, b region) int {
		return cmp.Or(cmp.Compare(len(a.members), len(b.members)), cmp.Compare(b.score, a.score), strings.Compare(a.name, b.name))
	})
	c.least, c.clusters = max(c.least, 0), max(c.clusters, 0)
	c.most = min(c.most, len(c.regions))
	c.counts, c.sums = c.most+1, c.clusters+1
	if c.most == len(c.regions) {
		c.counts = c.least + 1
	}
	if len(c.regions)*c.counts*c.sums > tableLimit {
		return c.largest()
	}
	if c.fill() == impossible {
		return nil
	}
	return c.shorten(c.winner())
}

// largest takes the regions with the most clusters until both minima are met.
func (c *regionChoice) largest() []region {
	var indices []int
	sum := 0
	for at := len(c.regions) - 1; at >= 0 && len(indices) < c.most; at-- {
		indices = append(indices, at)
		if sum += len(c.regions[at].members); c.complete(len(indices), sum) {
			return c.shorten(indices)
		}
	}
	return nil
}

// complete reports whether a set with so many regions and clusters, as the table counts them, needs no more.
func (c *regionChoice) complete(count, sum int) bool { return count >= c.least && sum >= c.clusters }

func (c *regionChoice) entry(at, count, sum int) int { return (at*c.counts+count)*c.sums + sum }

// next is the state after a region was taken.
func (c *regionChoice) next(at, count, sum int) (int, int) {
	return min(count+1, c.counts-1), min(sum+len(c.regions[at].members), c.sums-1)
}

// full reports whether no further region may be taken.
func (c *regionChoice) full(count int) bool { return c.most < len(c.regions) && count >= c.most }

// fill computes the table from the last region to the first and returns the merit of the winner.
func (c *regionChoice) fill() merit {
	c.taken = make([]bool, len(c.regions)*c.counts*c.sums)
	later := make([]merit, c.counts*c.sums)
	for count := range c.counts {
		for sum := range c.sums {
			later[count*c.sums+sum] = c.ending(count, sum)
		}
	}
	here := make([]merit, c.counts*c.sums)
	for at := len(c.regions) - 1; at >= 0; at-- {
		for count := range c.counts {
			for sum := range c.sums {
				here[count*c.sums+sum] = c.judge(at, count, sum, later)
			}
		}
		here, later = later, here
	}
	return later[0]
}

// ending is the merit of adding nothing.
func (c *regionChoice) ending(count, sum int) merit {
	if c.complete(count, sum) {
		return merit{}
	}
	return impossible
}

// judge compares taking a region with leaving it. Of equals, taking comes first in lexicographic order.
func (c *regionChoice) judge(at, count, sum int, later []merit) merit {
	if c.complete(count, sum) || c.full(count) {
		return c.ending(count, sum)
	}
	left := later[count*c.sums+sum]
	nextCount, nextSum := c.next(at, count, sum)
	taken := later[nextCount*c.sums+nextSum]
	if taken == impossible {
		return left
	}
	taken.score += c.regions[at].score
	taken.clusters += int64(len(c.regions[at].members))
	if taken.less(left) {
		return left
	}
	c.taken[c.entry(at, count, sum)] = true
	return taken
}

// winner follows the table and returns the indices of the regions taken.
func (c *regionChoice) winner() []int {
	var indices []int
	count, sum := 0, 0
	for at := range c.regions {
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

// shorten lists the regions by score and cuts them to the shortest beginning that is a complete set.
func (c *regionChoice) shorten(indices []int) []region {
	slices.SortFunc(indices, func(a, b int) int {
		return cmp.Or(cmp.Compare(c.regions[b].score, c.regions[a].score), strings.Compare(c.regions[a].name, c.regions[b].name))
	})
	chosen := make([]region, 0, len(indices))
	sum, last := 0, -1
	for _, at := range indices {
		chosen = append(chosen, c.regions[at])
		sum += len(c.regions[at].members)
		last = max(last, at)
		minimal := len(chosen) == c.least || sum-len(c.regions[last].members) < c.clusters
		if c.complete(len(chosen), sum) && minimal {
			break
		}
	}
	return chosen
}
