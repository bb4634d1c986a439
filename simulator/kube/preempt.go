package kube

import (
	"cmp"
	"slices"
)

// candidate is a node on which a pod would fit once its victims are gone.
type candidate struct {
	node       int32
	victims    []int32
	violations int
}

// mayPreempt reports whether pods of the template may end others, and there are such.
func (c *Cluster) mayPreempt(t *template) bool {
	return t.preempts && t.profile.filters(pluginDefaultPreemption) && c.priorities.below(t.priority)
}

// preempt looks among nodes for one where the pod fits without pods of lower priority, ends those and nominates the pod: it
// tries that node first once they are gone.
func (c *Cluster) preempt(id int32, nodes []int32) {
	of := c.pods[id].set
	t := c.sets[of].template
	wanted := max(len(nodes)*t.profile.candidatesPercentage/100, t.profile.candidatesAbsolute)
	b := c.board(of)
	var candidates []candidate
	for i := 0; i < len(nodes) && len(candidates) < wanted; i++ {
		row := nodes[(c.nextNode+i)%len(nodes)]
		// What a node lacks for good, no victim helps.
		if !c.nodes[row].is(nodeKnown) || c.verdict(t, row).reject != 0 || !c.hasLower(row, t.priority) {
			continue
		}
		if found, ok := c.victims(b, t, row); ok {
			candidates = append(candidates, found)
		}
	}
	if len(candidates) == 0 {
		return
	}
	least := slices.MinFunc(candidates, c.compareCandidates)
	candidates = slices.DeleteFunc(candidates, func(other candidate) bool { return c.compareCandidates(other, least) > 0 })
	best := candidates[c.lots.IntN(len(candidates))]
	for _, victim := range best.victims {
		c.stats.Preempted++
		c.evict(victim)
	}
	// Pods of lower priority that wait for this node will have to look anew.
	for _, other := range slices.Clone(c.nominations[best.node]) {
		if c.sets[c.pods[other].set].template.priority < t.priority {
			c.dropNomination(other)
		}
	}
	c.nominate(id, best.node)
}

func (c *Cluster) hasLower(row, priority int32) bool {
	for id := c.nodes[row].first; id != none; id = c.pods[id].next {
		if p := &c.pods[id]; !p.finished() && c.sets[p.set].template.priority < priority {
			return true
		}
	}
	return false
}

// victims are the fewest pods of lower priority that must go from a node: all of them, less those that fit again, the
// protected and the important ones first.
func (c *Cluster) victims(b *board, t *template, row int32) (candidate, bool) {
	var lower []int32
	for id := c.nodes[row].first; id != none; id = c.pods[id].next {
		if p := &c.pods[id]; !p.finished() && c.sets[p.set].template.priority < t.priority {
			lower = append(lower, id)
		}
	}
	for _, id := range lower {
		c.suppose(b, t, id, -1)
	}
	found := candidate{node: row}
	fits := c.supposedFit(b, t, row)
	if fits {
		violating := c.violating(lower)
		slices.SortFunc(lower, c.important)
		slices.SortStableFunc(lower, func(a, b int32) int {
			return cmp.Compare(boolean(violating[b]), boolean(violating[a]))
		})
		var kept []int32
		for _, id := range lower {
			c.suppose(b, t, id, 1)
			if c.supposedFit(b, t, row) {
				kept = append(kept, id)
				continue
			}
			c.suppose(b, t, id, -1)
			found.victims = append(found.victims, id)
			found.violations += boolean(violating[id])
		}
		for _, id := range kept {
			c.suppose(b, t, id, -1)
		}
	}
	for _, id := range lower {
		c.suppose(b, t, id, 1)
	}
	return found, fits && len(found.victims) > 0
}

func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// suppose takes a pod off its node in thought, or puts it back; nobody else sees it.
func (c *Cluster) suppose(b *board, t *template, id int32, sign int32) {
	p := &c.pods[id]
	other := c.sets[p.set].template
	c.nodes[p.node].pods += sign
	used := c.used[int(p.node)*c.stride:][:c.stride]
	for _, a := range other.requests {
		used[a.column] += int64(sign) * a.value
	}
	if sign < 0 {
		c.supposed[id] = struct{}{}
	} else {
		delete(c.supposed, id)
	}
	for _, group := range [...][]counter{b.hard, b.need, b.avoid} {
		for i := range group {
			if group[i].matches(p.set) && (group[i].spread == nil || !p.is(podTerminating)) {
				c.tally(&group[i], t, p.node, sign)
			}
		}
	}
}

func (c *Cluster) supposedFit(b *board, t *template, row int32) bool {
	if !c.roomFor(t, row) {
		return false
	}
	for id := c.nodes[row].first; len(t.ports) > 0 && id != none; id = c.pods[id].next {
		if _, gone := c.supposed[id]; gone || c.pods[id].finished() {
			continue
		}
		for _, taken := range c.sets[c.pods[id].set].template.ports {
			if slices.ContainsFunc(t.ports, taken.conflicts) {
				return false
			}
		}
	}
	return !c.requirements(b, t) || c.breaks(b, row) == 0
}

// important orders pods: higher priority first, then those that have run for longer.
func (c *Cluster) important(a, b int32) int {
	p, q := &c.pods[a], &c.pods[b]
	return cmp.Or(cmp.Compare(c.sets[q.set].template.priority, c.sets[p.set].template.priority),
		cmp.Compare(p.created, q.created), cmp.Compare(p.serial, q.serial))
}

// compareCandidates prefers fewer violated budgets, then the lowest highest priority, the lowest sum of priorities and the
// fewest victims, then the one whose most important victim is the youngest. Among equals the lot decides.
func (c *Cluster) compareCandidates(a, b candidate) int {
	measure := func(of candidate) (highest int32, sum int64, started int64) {
		for i, id := range of.victims {
			priority := c.sets[c.pods[id].set].template.priority
			if i == 0 || priority > highest {
				highest, started = priority, c.pods[id].created
			}
			if priority == highest {
				started = min(started, c.pods[id].created)
			}
			// Priorities are shifted so that more victims never add up to less.
			sum += int64(priority) + 1<<31
		}
		return highest, sum, started
	}
	highestA, sumA, startedA := measure(a)
	highestB, sumB, startedB := measure(b)
	return cmp.Or(cmp.Compare(a.violations, b.violations), cmp.Compare(highestA, highestB), cmp.Compare(sumA, sumB),
		cmp.Compare(len(a.victims), len(b.victims)), cmp.Compare(startedB, startedA))
}

func (c *Cluster) nominate(id, row int32) {
	c.pods[id].flags |= podNominated
	c.nominationOf[id] = row
	c.nominations[row] = append(c.nominations[row], id)
	c.nodes[row].nominated++
	c.note(row, none, 0, 0)
}

func (c *Cluster) dropNomination(id int32) {
	p := &c.pods[id]
	if !p.is(podNominated) {
		return
	}
	p.flags &^= podNominated
	row := c.nominationOf[id]
	delete(c.nominationOf, id)
	c.nominations[row] = slices.DeleteFunc(c.nominations[row], func(other int32) bool { return other == id })
	if len(c.nominations[row]) == 0 {
		delete(c.nominations, row)
	}
	c.nodes[row].nominated--
	c.note(row, none, 0, 0)
}

// evict ends a pod from outside its workload.
func (c *Cluster) evict(id int32) {
	c.pods[id].flags |= podEvicted
	c.deletePod(id)
}
