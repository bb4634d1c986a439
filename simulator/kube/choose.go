package kube

import (
	"math"
	"slices"
)

// choose finds the best node for a pod of a set: none, and why, when there is none.
//
// As kube-scheduler does, it walks over the nodes in the order of their zones from where the last walk ended, until it has
// found enough feasible ones, scores those, and takes one of the best by lot.
func (c *Cluster) choose(of int32) (int32, reason) {
	b := c.board(of)
	t := c.sets[of].template
	hard := c.requirements(b, t)
	enough := t.profile.enough(len(c.order))
	c.shapeCount = append(c.shapeCount[:0], make([]int32, len(c.shapes.rows))...)
	if b.uncountable || !c.gather(b, t, hard, enough) {
		return c.walk(b, t, hard, enough)
	}
	if c.window.found == 0 {
		return none, c.window.reasons
	}
	return c.bestLane(b, t), 0
}

// walk looks at one node after the other where lanes cannot tell them apart.
func (c *Cluster) walk(b *board, t *template, hard bool, enough int) (int32, reason) {
	c.scratch(len(c.order))
	feasible, present, totals, reasons := c.feasible, c.present, c.totals, reason(0)
	at, found := c.nextNode, 0
	for walked := 0; walked < len(c.order) && found < enough; walked++ {
		if at >= len(c.order) {
			at = 0
		}
		row, shape, score := c.order[at], c.orderShapes[at], c.scoreAt(b.outlook, t, at)
		at++
		if score < 0 {
			reasons |= reason(stale - score)
			continue
		}
		if hard {
			if why := c.breaks(b, row); why != 0 {
				reasons |= why
				continue
			}
		}
		feasible[found], present[found], totals[found] = row, shape, int64(score)
		found++
		c.shapeCount[shape]++
	}
	c.nextNode = at
	if found == 0 {
		return none, reasons
	}
	return c.best(b, t, feasible[:found]), 0
}

// scratch makes room for the scores of as many nodes or lanes.
func (c *Cluster) scratch(size int) {
	if len(c.feasible) < size {
		c.feasible, c.present, c.ties = make([]int32, size), make([]int32, size), make([]int32, size)
		c.totals, c.raws = make([]int64, size), make([]int64, size)
	}
}

// enough is how many feasible nodes end the walk.
func (p *profile) enough(nodes int) int {
	const smallest = 100
	percentage := p.percentage
	if percentage == 0 {
		percentage = max(50-nodes/125, 5)
	}
	if nodes < smallest || percentage >= 100 {
		return nodes
	}
	return max(nodes*percentage/100, smallest)
}

// line puts the nodes into the order in which they are walked: one of each zone in turn.
func (c *Cluster) line() {
	if c.lined == c.structure {
		return
	}
	c.lined = c.structure
	var zones [][]int32
	numbers := map[string]int{}
	for i := range c.pools {
		for _, row := range c.pools[i].nodes {
			if row == none || !c.nodes[row].is(nodeKnown) {
				continue
			}
			zone := c.shapes.rows[c.nodes[row].shape].zone
			number, ok := numbers[zone]
			if !ok {
				number = len(zones)
				numbers[zone] = number
				zones = append(zones, nil)
			}
			zones[number] = append(zones[number], row)
		}
	}
	c.order = c.order[:0]
	for left := true; left; {
		left = false
		for i := range zones {
			if len(zones[i]) > 0 {
				c.order = append(c.order, zones[i][0])
				zones[i] = zones[i][1:]
				left = true
			}
		}
	}
	c.placeOf = slices.Grow(c.placeOf[:0], len(c.nodes))[:len(c.nodes)]
	for row := range c.placeOf {
		c.placeOf[row] = none
	}
	c.orderShapes = slices.Grow(c.orderShapes[:0], len(c.order))[:len(c.order)]
	for at, row := range c.order {
		c.placeOf[row], c.orderShapes[at] = int32(at), c.nodes[row].shape
	}
	c.layLanes()
}

// layLanes gives each shape that there is a lane; beyond the limit the last one stands for all, and nobody looks.
func (c *Cluster) layLanes() {
	laneOf := make([]uint8, len(c.shapes.rows))
	c.shapesLined = 0
	for shape := range c.shapes.rows {
		if c.shapes.rows[shape].nodes > 0 {
			laneOf[shape] = uint8(min(c.shapesLined, shapeLimit-1))
			c.shapesLined++
		}
	}
	c.plain = slices.Grow(c.plain[:0], len(c.order))[:len(c.order)]
	for at, shape := range c.orderShapes {
		c.plain[at] = laneOf[shape]
	}
}

// evaluate looks at one node alone: a score above or equal to zero, or why it is not feasible.
func (c *Cluster) evaluate(t *template, row int32) int16 {
	if t.picky {
		if why := c.verdict(t, row).reject; why != 0 {
			return rejected(why)
		}
	} else if why := c.verdictOf(t, c.nodes[row].shape).reject; why != 0 {
		return rejected(why)
	}
	if t.profile.filters(pluginNodeResourcesFit) && !c.roomFor(t, row) {
		return rejected(rejectResources)
	}
	if len(t.ports) > 0 && t.profile.filters(pluginNodePorts) && c.portsTaken(t, row) {
		return rejected(rejectPorts)
	}
	return c.score(t, row)
}

// roomFor reports whether the resources that are left on a node, nominated pods of the same priority or a higher one
// counted, are enough.
func (c *Cluster) roomFor(t *template, row int32) bool {
	n := &c.nodes[row]
	p := &c.pools[n.pool]
	if int64(n.pods) >= p.pods {
		return false
	}
	used := c.used[int(row)*c.stride:][:c.stride]
	for _, a := range t.requests {
		if int(a.column) >= len(p.capacity) || used[a.column]+a.value > p.capacity[a.column] {
			return false
		}
	}
	return n.nominated == 0 || c.roomBeside(t, row)
}

func (c *Cluster) roomBeside(t *template, row int32) bool {
	n := &c.nodes[row]
	p := &c.pools[n.pool]
	beside := sums{values: make([]int64, c.stride)}
	for _, id := range c.nominations[row] {
		if other := c.sets[c.pods[id].set].template; other.priority >= t.priority {
			beside.add(other.requests, 1)
		}
	}
	used := c.used[int(row)*c.stride:][:c.stride]
	for _, a := range t.requests {
		if used[a.column]+beside.values[a.column]+a.value > p.capacity[a.column] {
			return false
		}
	}
	return int64(n.pods)+beside.pods < p.pods
}

func (c *Cluster) portsTaken(t *template, row int32) bool {
	for id := c.nodes[row].first; id != none; id = c.pods[id].next {
		if c.pods[id].finished() {
			continue
		}
		for _, taken := range c.sets[c.pods[id].set].template.ports {
			for _, wanted := range t.ports {
				if taken.conflicts(wanted) {
					return true
				}
			}
		}
	}
	return false
}

// requirements prepares what pods around a node demand, and reports whether there is any.
func (c *Cluster) requirements(b *board, t *template) bool {
	c.floors = c.floors[:0]
	for i := range b.hard {
		c.floors = append(c.floors, c.floor(&b.hard[i], t))
	}
	c.first = len(b.need) > 0 && t.loudOnly(c, b)
	return len(b.hard)+len(b.need)+len(b.avoid) > 0
}

// floor is the least number of pods in any domain that counts.
func (c *Cluster) floor(n *counter, t *template) int32 {
	least, domains := int32(math.MaxInt32), int32(0)
	if n.key == hostnameKey {
		counting := make([]bool, len(c.shapes.rows))
		for i := range counting {
			v := c.verdictOf(t, int32(i))
			counting[i] = (!n.spread.affinity || v.selected) && (!n.spread.taints || v.reject&rejectTaint == 0)
		}
		for i, row := range c.order {
			if t.picky && c.counts(n.spread, t, row) || !t.picky && counting[c.orderShapes[i]] {
				least, domains = min(least, n.domains[row]), domains+1
			}
		}
	} else {
		seen := make([]bool, len(n.domains))
		for i := range c.shapes.rows {
			s := &c.shapes.rows[i]
			domain := s.domains[n.key]
			if s.nodes == 0 || domain == missing || seen[domain] {
				continue
			}
			v := c.verdictOf(t, int32(i))
			if n.spread.affinity && !v.selected && !t.picky || n.spread.taints && v.reject&rejectTaint != 0 {
				continue
			}
			seen[domain] = true
			least, domains = min(least, n.domains[domain]), domains+1
		}
	}
	if domains < n.spread.minDomains || domains == 0 {
		return 0
	}
	return least
}

// loudOnly reports whether a pod may be the first of those that want each other: nobody is there yet, and it would do itself.
func (t *template) loudOnly(c *Cluster, b *board) bool {
	for i := range b.need {
		if b.need[i].total > 0 {
			return false
		}
	}
	for i := range t.need {
		if !c.selects(&t.need[i], t) {
			return false
		}
	}
	return true
}

// breaks tells which demand of pods around a node it does not meet.
func (c *Cluster) breaks(b *board, row int32) reason {
	for i := range b.hard {
		n := &b.hard[i]
		domain := c.domain(n.key, row)
		if domain == missing || n.domains[domain]+n.spread.self-c.floors[i] > n.spread.skew {
			return rejectSpread
		}
	}
	for i := range b.need {
		domain := c.domain(b.need[i].key, row)
		if domain == missing || b.need[i].domains[domain] == 0 && !c.first {
			return rejectNeed
		}
	}
	for i := range b.avoid {
		domain := c.domain(b.avoid[i].key, row)
		if domain != missing && b.avoid[i].domains[domain] > 0 {
			return rejectAvoid
		}
	}
	return 0
}

// fitsAlone reports whether a pod of a set can go to one node, all filters considered.
func (c *Cluster) fitsAlone(of, row int32) bool {
	t := c.sets[of].template
	if c.evaluate(t, row) < 0 {
		return false
	}
	b := c.board(of)
	return !c.requirements(b, t) || c.breaks(b, row) == 0
}
