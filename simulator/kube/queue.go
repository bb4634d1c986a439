package kube

import (
	"cmp"
	"slices"
	"time"
)

// reason is a set of causes why no node took a pod.
type reason uint8

const (
	rejectAffinity reason = 1 << iota
	rejectTaint
	rejectResources
	rejectPorts
	rejectSpread
	rejectNeed
	rejectAvoid
)

// local causes lie with each node for itself.
const local = rejectAffinity | rejectTaint | rejectResources | rejectPorts

// queue holds pods whose turn has come, by priority and then by the order of arrival.
type queue struct {
	tiers []lane
	size  int
}

type lane struct {
	priority int32
	pods     []entry
	next     int
}

// entry is a pod as long as its row keeps the generation.
type entry struct {
	id  int32
	gen uint32
}

func (q *queue) push(priority int32, e entry) {
	at, found := slices.BinarySearchFunc(q.tiers, priority, func(l lane, want int32) int { return cmp.Compare(want, l.priority) })
	if !found {
		q.tiers = slices.Insert(q.tiers, at, lane{priority: priority})
	}
	q.tiers[at].pods = append(q.tiers[at].pods, e)
	q.size++
}

func (q *queue) pop() entry {
	for i := range q.tiers {
		l := &q.tiers[i]
		if l.next == len(l.pods) {
			continue
		}
		e := l.pods[l.next]
		l.next++
		q.size--
		if l.next == len(l.pods) {
			l.next = 0
			if l.pods = l.pods[:0]; cap(l.pods) > 1024 {
				l.pods = nil
			}
		}
		return e
	}
	return entry{id: none}
}

// parked are the pods of a template for which no node was found. Since they are alike, what one of them found holds for all.
type parked struct {
	set      int32
	pods     []entry
	attempts int
	// notBefore ends the back-off after the last attempt; armed says that a retry is planned.
	notBefore int64
	armed     bool
	reasons   reason
	// What had happened at the last attempt.
	position, structure, freed, added uint64
}

// Back-off between attempts, doubling from the first to the last.
const (
	firstBackoff = time.Second
	lastBackoff  = 10 * time.Second
)

// enqueue gives a pod its first attempt.
func (c *Cluster) enqueue(id int32) {
	p := &c.pods[id]
	t := c.sets[p.set].template
	if t.profile != c.nobody && !t.gated {
		c.queue.push(t.priority, entry{id, p.gen})
	}
}

// schedule gives every pod in the queue its attempt.
func (c *Cluster) schedule() {
	for c.queue.size > 0 {
		e := c.queue.pop()
		if p := &c.pods[e.id]; p.gen == e.gen && p.node == none && p.set != none {
			c.attempt(e.id)
		}
	}
}

func (c *Cluster) attempt(id int32) {
	p := &c.pods[id]
	t := c.sets[p.set].template
	if p.is(podNominated) {
		row := c.nominationOf[id]
		c.dropNomination(id)
		if c.nodes[row].is(nodeKnown) && c.fitsAlone(p.set, row) {
			c.bind(id, row)
			return
		}
	}
	if name := t.spec.Spec.NodeName; t.pinned || name != "" {
		row := p.number
		if name != "" {
			row = c.findNode(name)
		}
		if row != none && c.nodes[row].is(nodeKnown) && c.evaluate(t, row) >= 0 {
			c.bind(id, row)
		} else {
			if row != none && t.pinned && c.mayPreempt(t) {
				c.line()
				c.preempt(id, []int32{row})
			}
			c.park(id, rejectResources)
		}
		return
	}
	if c.hopeless(t) {
		c.park(id, t.parked.reasons)
		return
	}
	row, reasons := c.choose(p.set)
	if row != none {
		c.bind(id, row)
		return
	}
	if c.mayPreempt(t) {
		c.preempt(id, c.order)
	}
	c.park(id, reasons)
}

// hopeless reports whether a pod like this has failed, and nothing has happened since that could have made a difference.
func (c *Cluster) hopeless(t *template) bool {
	park := t.parked
	if park == nil || park.structure != c.structure || len(park.pods) == 0 && park.attempts == 0 {
		return false
	}
	if park.position == c.position {
		return true
	}
	if park.reasons&^local != 0 || c.priorities.below(t.priority) || c.position-park.position > uint64(len(c.log)) {
		return false
	}
	for at := park.position; at < c.position; at++ {
		row := c.log[at%uint64(len(c.log))].node
		if c.nodes[row].is(nodeKnown) && c.evaluate(t, row) >= 0 {
			return false
		}
	}
	park.position = c.position
	return true
}

// park puts a pod aside until something has happened that may help it.
func (c *Cluster) park(id int32, reasons reason) {
	p := &c.pods[id]
	t := c.sets[p.set].template
	park := t.parked
	if park == nil {
		park = &parked{set: p.set}
		t.parked = park
	}
	if len(park.pods) == 0 {
		c.parking = append(c.parking, park)
	}
	if !slices.Contains(park.pods[max(0, len(park.pods)-4):], entry{id, p.gen}) {
		park.pods = append(park.pods, entry{id, p.gen})
	}
	c.stats.Unschedulable++
	if c.now >= park.notBefore {
		park.attempts++
		park.notBefore = c.now + int64(min(firstBackoff<<min(park.attempts-1, 8), lastBackoff))
	}
	park.reasons, park.position, park.structure = reasons, c.position, c.structure
	park.freed, park.added = c.freed, c.added
	c.growSoon()
}

// unpark plans retries for the pods that something may have helped since they were parked.
func (c *Cluster) unpark() {
	if c.unparked == [2]uint64{c.freed, c.added} {
		return
	}
	c.unparked = [2]uint64{c.freed, c.added}
	kept := c.parking[:0]
	for _, park := range c.parking {
		helped := park.freed != c.freed || park.added != c.added && park.reasons&(rejectSpread|rejectNeed) != 0
		if !helped || park.armed {
			kept = append(kept, park)
			continue
		}
		park.pods = slices.DeleteFunc(park.pods, func(e entry) bool { return c.pods[e.id].gen != e.gen || c.pods[e.id].node != none })
		if len(park.pods) == 0 {
			park.attempts, park.notBefore = 0, 0
			continue
		}
		park.armed = true
		c.timers.push(timer{at: max(c.now, park.notBefore), kind: kindRetry, id: park.set, gen: c.setGens[park.set]})
		kept = append(kept, park)
	}
	clear(c.parking[len(kept):])
	c.parking = kept
}

// retry gives parked pods another attempt.
func (c *Cluster) retry(of int32) {
	park := c.sets[of].template.parked
	if park == nil || !park.armed {
		return
	}
	park.armed = false
	for _, e := range park.pods {
		if c.pods[e.id].gen == e.gen {
			c.queue.push(c.sets[of].template.priority, e)
		}
	}
	park.pods = park.pods[:0]
	c.leaveParking(park)
}

func (c *Cluster) leaveParking(park *parked) {
	c.parking = slices.DeleteFunc(c.parking, func(other *parked) bool { return other == park })
}
