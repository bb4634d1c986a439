package placement

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// selectByAll selects under any number of constraints. Where the groups of one dimension part the clusters it chooses them
// like regions; otherwise, or when that choice lacks room, it searches.
func (a *assignment) selectByAll(ranked []candidate, plan *plan) ([]candidate, error) {
	cluster := constraint{field: policyv1alpha1.SpreadByFieldCluster, most: math.MaxInt32}
	var dimensions []dimension
	for i := range plan.constraints {
		if plan.constraints[i].field == policyv1alpha1.SpreadByFieldCluster {
			cluster = plan.constraints[i]
			continue
		}
		next := a.dimension(&plan.constraints[i])
		ranked = slices.DeleteFunc(ranked, func(c candidate) bool { return next.numbers[c.row] == 0 })
		dimensions = append(dimensions, next)
	}
	if len(dimensions) == 0 {
		return a.selectByCluster(ranked, &cluster)
	}
	for i := range dimensions {
		d := &dimensions[i]
		if d.inUse = d.available(ranked); d.inUse < d.least {
			return nil, fmt.Errorf("the spread constraints ask for %s, and candidates are in %d", &d.constraint, d.inUse)
		}
	}
	if len(dimensions) == 1 && dimensions[0].simple(ranked) {
		selected, err := a.selectByGroup(ranked, &dimensions[0], &cluster)
		if err != nil || len(selected) <= cluster.most && roomOf(selected) >= a.wantedRoom() {
			return selected, err
		}
	}
	return a.search(ranked, dimensions, cluster)
}

func roomOf(clusters []candidate) int64 {
	var room int64
	for i := range clusters {
		room += clusters[i].room()
	}
	return room
}

// search tries the cells by merit first, then the broadest first, each time with a bounded number of steps.
func (a *assignment) search(ranked []candidate, dimensions []dimension, cluster constraint) ([]candidate, error) {
	s := groupSearch{dimensions: dimensions, least: cluster.least, most: cluster.most, wanted: a.wantedRoom()}
	cells := a.cells(ranked, dimensions, &cluster)
	for i := range cells {
		s.cells = append(s.cells, &cells[i])
	}
	s.prepare()
	exhausted := false
	for _, order := range []func(x, y *cell) int{byMerit, byBreadth} {
		slices.SortStableFunc(s.cells, order)
		s.steps = searchSteps
		if s.choose() {
			return s.selected, nil
		}
		if exhausted = s.steps > 0; exhausted {
			break
		}
	}
	asked := make([]string, 0, len(dimensions)+1)
	for i := range dimensions {
		asked = append(asked, dimensions[i].constraint.String())
	}
	wishes := strings.Join(append(asked, cluster.String()), ", ")
	switch {
	case s.mostRoom > 0 || s.reached:
		return nil, &UnschedulableError{Message: fmt.Sprintf(
			"Clusters available replicas %d are not enough to schedule within the spread constraints (%s).", s.mostRoom, wishes)}
	case exhausted:
		return nil, fmt.Errorf("no choice of clusters meets all spread constraints (%s)", wishes)
	}
	return nil, errors.New("no choice of clusters that meets all spread constraints was found in bounded time (" + wishes + ")")
}

// cell holds the clusters that are in the same groups of all dimensions.
type cell struct {
	// members are the clusters, the best first.
	members []candidate
	// groups are the groups by dimension.
	groups  [][]int32
	merit   int64
	breadth int
	// opened says that the cell is part of the choice, closed that choices with it were tried.
	opened, closed bool
}

func byMerit(x, y *cell) int { return cmp.Compare(y.merit, x.merit) }

func byBreadth(x, y *cell) int {
	return cmp.Or(cmp.Compare(y.breadth, x.breadth), cmp.Compare(y.merit, x.merit))
}

// cells parts the clusters, which are ranked, in the order of the best cluster of each cell.
func (a *assignment) cells(ranked []candidate, dimensions []dimension, cluster *constraint) []cell {
	cells := membersOfCells(ranked, dimensions)
	leastGroups := 0
	for d := range dimensions {
		leastGroups = max(leastGroups, dimensions[d].least)
	}
	lists, groups := make([][]int32, len(cells)*len(dimensions)), make([]int32, 0, 2*len(cells)*len(dimensions))
	for i := range cells {
		c := &cells[i]
		c.groups, lists = lists[:len(dimensions):len(dimensions)], lists[len(dimensions):]
		for d := range dimensions {
			start := len(groups)
			groups = dimensions[d].groupsOf(c.members[0].row, groups)
			c.groups[d] = groups[start:len(groups):len(groups)]
		}
		if a.countsRoom() {
			c.merit = a.dividedScore(c.members, leastGroups, cluster.least)
		} else {
			c.merit = a.duplicatedScore(c.members)
		}
	}
	return cells
}

// membersOfCells parts the clusters by the values of all dimensions.
func membersOfCells(ranked []candidate, dimensions []dimension) []cell {
	type step struct{ cell, number int32 }
	next := map[step]int32{}
	of := make([]int32, len(ranked))
	for d := range dimensions {
		clear(next)
		for i := range ranked {
			key := step{of[i], dimensions[d].numbers[ranked[i].row]}
			number, ok := next[key]
			if !ok {
				number = int32(len(next))
				next[key] = number
			}
			of[i] = number
		}
	}
	cells := make([]cell, len(next))
	sizes := make([]int, len(next))
	for i := range ranked {
		sizes[of[i]]++
	}
	members := make([]candidate, len(ranked))
	for i := range cells {
		cells[i].members, members = members[:0:sizes[i]], members[sizes[i]:]
	}
	for i := range ranked {
		c := &cells[of[i]]
		c.members = append(c.members, ranked[i])
	}
	return cells
}

// searchSteps bounds one search. A step looks at one cell or cluster.
const searchSteps = 1 << 16

// groupSearch looks for clusters that are in at least and at most so many groups of each dimension. It opens cells one after
// the other until all minima are met, and takes the other clusters from groups that are in use. Depth first, it always serves
// the dimension with the fewest groups to spare, and gives up a branch when a minimum is out of reach.
//
// Exact: without the bound on steps it finds a choice whenever there is one.
type groupSearch struct {
	dimensions []dimension
	cells      []*cell
	// least and most are numbers of clusters, wanted is their room together.
	least, most int
	wanted      int64

	// uses counts the open cells by dimension and group, used the groups in use by dimension.
	uses [][]int32
	used []int
	// limited are the dimensions whose maximum can be exceeded.
	limited []bool
	open    int
	steps   int
	// tried is a stack of the cells that are closed.
	tried []*cell
	// seen marks, with the current stamp, the groups that reachable has counted.
	seen  [][]int32
	stamp int32

	selected []candidate
	// reached says that a choice met all constraints and lacked room, mostRoom how much the best of them had.
	reached  bool
	mostRoom int64
}

func (s *groupSearch) prepare() {
	s.uses, s.seen = make([][]int32, len(s.dimensions)), make([][]int32, len(s.dimensions))
	s.used, s.limited = make([]int, len(s.dimensions)), make([]bool, len(s.dimensions))
	for d := range s.dimensions {
		s.uses[d], s.seen[d] = make([]int32, s.dimensions[d].count), make([]int32, s.dimensions[d].count)
		s.limited[d] = s.dimensions[d].most < s.dimensions[d].inUse
	}
	for _, c := range s.cells {
		for d, groups := range c.groups {
			for _, group := range groups {
				s.seen[d][group]++
			}
		}
	}
	for _, c := range s.cells {
		for d, groups := range c.groups {
			for _, group := range groups {
				if s.limited[d] {
					c.breadth += int(s.seen[d][group])
				}
			}
		}
	}
	for d := range s.seen {
		clear(s.seen[d])
	}
}

// fresh counts the groups of a cell in one dimension that are not in use.
func (s *groupSearch) fresh(c *cell, d int) int {
	count := 0
	for i, group := range c.groups[d] {
		if s.uses[d][group] == 0 && !slices.Contains(c.groups[d][:i], group) {
			count++
		}
	}
	return count
}

// allowed reports whether a cell keeps all maxima.
func (s *groupSearch) allowed(c *cell) bool {
	for d := range s.dimensions {
		if s.limited[d] && s.used[d]+s.fresh(c, d) > s.dimensions[d].most {
			return false
		}
	}
	return true
}

// choose completes the choice; false leaves it as it was.
func (s *groupSearch) choose() bool {
	if s.steps -= len(s.cells); s.steps <= 0 {
		return false
	}
	needy, ok := s.neediest()
	if !ok {
		return false
	}
	if needy < 0 && s.complete() {
		return true
	}
	if s.open >= s.most {
		return false
	}
	return s.branch(needy)
}

// neediest is the dimension below its minimum with the fewest groups to spare, -1 when none is below. It is not ok when a
// minimum is out of reach.
func (s *groupSearch) neediest() (needy int, ok bool) {
	needy = -1
	least := math.MaxInt
	for d := range s.dimensions {
		missing := s.dimensions[d].least - s.used[d]
		if missing <= 0 {
			continue
		}
		spare := s.reachable(d) - missing
		if spare < 0 {
			return -1, false
		}
		if spare < least {
			needy, least = d, spare
		}
	}
	return needy, true
}

// reachable counts the groups of a dimension that could still come into use.
func (s *groupSearch) reachable(d int) int {
	s.stamp++
	count := 0
	for _, c := range s.cells {
		if c.closed || c.opened || s.fresh(c, d) == 0 || !s.allowed(c) {
			continue
		}
		for _, group := range c.groups[d] {
			if s.uses[d][group] == 0 && s.seen[d][group] != s.stamp {
				s.seen[d][group] = s.stamp
				count++
			}
		}
	}
	s.steps -= len(s.cells)
	return count
}

// branch opens one more cell: with a new group of the needy dimension, or with any new group when none is needy. Cells that
// open no group of another limited dimension come first.
func (s *groupSearch) branch(needy int) bool {
	first := len(s.tried)
	found := false
	for _, widening := range []bool{false, true} {
		for _, c := range s.cells {
			s.steps--
			if c.closed || c.opened || !s.opens(c, needy) || s.widens(c, needy) != widening || !s.allowed(c) {
				continue
			}
			s.turn(c, true)
			found = s.choose()
			s.turn(c, false)
			if found || s.steps <= 0 {
				break
			}
			c.closed = true
			s.tried = append(s.tried, c)
		}
		if found || s.steps <= 0 {
			break
		}
	}
	for _, c := range s.tried[first:] {
		c.closed = false
	}
	s.tried = s.tried[:first]
	return found
}

// opens reports whether a cell brings a new group of a dimension, of any when it is -1.
func (s *groupSearch) opens(c *cell, needy int) bool {
	if needy >= 0 {
		return s.fresh(c, needy) > 0
	}
	for d := range s.dimensions {
		if s.fresh(c, d) > 0 {
			return true
		}
	}
	return false
}

// widens reports whether a cell brings a new group of another limited dimension.
func (s *groupSearch) widens(c *cell, needy int) bool {
	for d := range s.dimensions {
		if d != needy && s.limited[d] && s.fresh(c, d) > 0 {
			return true
		}
	}
	return false
}

// turn opens a cell or takes that back.
func (s *groupSearch) turn(c *cell, open bool) {
	c.opened = open
	change := int32(1)
	if !open {
		change = -1
	}
	s.open += int(change)
	for d, groups := range c.groups {
		for _, group := range groups {
			before := s.uses[d][group]
			s.uses[d][group] += change
			switch {
			case before == 0:
				s.used[d]++
			case s.uses[d][group] == 0:
				s.used[d]--
			}
		}
	}
}

// complete fills the choice from the groups in use: the best cluster of each open cell, then the best of all others. It
// reports whether there are enough, with enough room.
func (s *groupSearch) complete() bool {
	if s.open > s.most {
		return false
	}
	var chosen, rest []candidate
	for _, c := range s.cells {
		switch {
		case c.opened:
			chosen, rest = append(chosen, c.members[0]), append(rest, c.members[1:]...)
		case s.opens(c, -1):
		default:
			rest = append(rest, c.members...)
		}
	}
	s.steps -= len(chosen) + len(rest)
	if len(chosen)+len(rest) < s.least {
		return false
	}
	slices.SortFunc(chosen, byRank)
	slices.SortFunc(rest, byRank)
	more := min(len(rest), s.most-len(chosen))
	if missing := s.wanted - roomOf(chosen); missing > 0 && !makeRoom(rest, more, missing) {
		chosen, rest = s.roomiest()
		more = min(len(rest), s.most-len(chosen))
		makeRoom(rest, more, s.wanted-roomOf(chosen))
	}
	chosen = append(chosen, rest[:more]...)
	if len(chosen) == 0 {
		return false
	}
	if room := roomOf(chosen); room < s.wanted {
		s.reached, s.mostRoom = true, max(s.mostRoom, room)
		return false
	}
	s.selected = chosen
	return true
}

// roomiest is the choice by room alone: the roomiest cluster of each open cell, and all others within the groups in use.
func (s *groupSearch) roomiest() (chosen, rest []candidate) {
	for _, c := range s.cells {
		switch {
		case c.opened:
			best := 0
			for j := range c.members {
				if c.members[j].room() > c.members[best].room() {
					best = j
				}
			}
			chosen = append(chosen, c.members[best])
			rest = append(append(rest, c.members[:best]...), c.members[best+1:]...)
		case s.opens(c, -1):
		default:
			rest = append(rest, c.members...)
		}
	}
	slices.SortFunc(chosen, byRank)
	slices.SortFunc(rest, byRank)
	return chosen, rest
}
