package kube

import (
	"cmp"
	"slices"
	"time"
)

// pod is a row of 56 bytes. All else there is to know of a pod is that of its set.
type pod struct {
	created int64
	// since is when the phase began. For a pod that starts it is when its containers run, which may lie ahead.
	since      int64
	set        int32
	node       int32
	next, prev int32 // on its node
	slot       int32 // in its set
	// number is the ordinal of a StatefulSet's pod, the index of a Job's, the node of a DaemonSet's.
	number   int32
	serial   uint32
	gen      uint32
	restarts uint16
	phase    phase
	flags    podFlag
}

type phase uint8

const (
	pending phase = iota
	starting
	ready
	succeeded
	failed
)

type podFlag uint8

const (
	podTerminating podFlag = 1 << iota
	// podAvailable: it has been ready for the workload's minReadySeconds.
	podAvailable
	// podLost: the control plane counts it as not ready because its node does not answer.
	podLost
	// podDown: its containers have ended with the node, whatever the control plane thinks.
	podDown
	// podNominated: it waits for victims on nominations[row].
	podNominated
	// podEvicted: something else than its controller ended it.
	podEvicted
	// podPardoned: quotas no longer count it, though it has not ended.
	podPardoned
)

func (p *pod) is(flag podFlag) bool { return p.flags&flag != 0 }
func (p *pod) finished() bool       { return p.phase == succeeded || p.phase == failed }

// active pods are those a controller counts as its replicas.
func (p *pod) active() bool    { return !p.is(podTerminating) && !p.finished() }
func (p *pod) shown() bool     { return p.phase == ready && !p.is(podLost) }
func (p *pod) available() bool { return p.shown() && p.is(podAvailable) }

// set is a number of pods from one template: a revision of a workload.
type set struct {
	work     int32
	revision int64
	hash     string
	template *template
	// wanted is the number of replicas that a ReplicaSet would ask for.
	wanted int32
	pods   []int32
	tally
}

// tally counts the pods of a set. serving counts what users reach: pods that are ready, and run in truth.
type tally struct {
	active, scheduled, ready, available, terminating, serving int32
	succeeded, failed                                         int32
}

// count adds a pod to the tally of its set, or takes it off.
func (c *Cluster) count(p *pod, sign int32) {
	s := &c.sets[p.set]
	if p.active() {
		s.active += sign
		if p.node != none {
			s.scheduled += sign
		}
		if p.shown() {
			s.ready += sign
		}
		if p.available() {
			s.available += sign
		}
	} else if p.is(podTerminating) && !p.finished() {
		s.terminating += sign
	}
	switch {
	case p.phase == ready && !p.is(podDown) && !p.is(podTerminating):
		s.serving += sign
	case p.phase == succeeded:
		s.succeeded += sign
	case p.phase == failed:
		s.failed += sign
	}
}

// change counts a pod anew around a change of its row, and wakes its controller.
func (c *Cluster) change(id int32, change func(*pod)) {
	p := &c.pods[id]
	c.count(p, -1)
	change(p)
	c.count(p, 1)
	c.touch(c.sets[p.set].work)
}

// createPod makes a pending pod and queues it, unless a quota or a limit range forbids it: then it returns none, and the
// workload is given another try later.
func (c *Cluster) createPod(of, number int32) int32 {
	if t := c.sets[of].template; t.forbidden || len(c.quotas) > 0 && !c.admits(t) {
		c.refuse(c.sets[of].work)
		return none
	}
	id := int32(len(c.pods))
	if last := len(c.freePods) - 1; last >= 0 {
		id, c.freePods = c.freePods[last], c.freePods[:last]
	} else {
		c.pods = append(c.pods, pod{})
	}
	s := &c.sets[of]
	c.serial++
	c.pods[id] = pod{
		created: c.now, since: c.now, set: of, node: none, next: none, prev: none, slot: int32(len(s.pods)),
		number: number, serial: c.serial, gen: c.pods[id].gen + 1,
	}
	s.pods = append(s.pods, id)
	c.waiting.add(s.template.requests, 1)
	c.charge(s.template, 1, true)
	c.charge(s.template, 1, false)
	c.version++
	c.live++
	c.stats.Created++
	c.count(&c.pods[id], 1)
	c.touch(s.work)
	c.enqueue(id)
	return id
}

// deletePod asks a pod to end. One that has nowhere to end is gone at once; one on a node that does not answer stays until
// the node comes back or is deleted.
func (c *Cluster) deletePod(id int32) {
	p := &c.pods[id]
	if p.is(podTerminating) {
		return
	}
	if p.node == none || p.finished() {
		c.removePod(id)
		return
	}
	c.change(id, func(p *pod) {
		p.flags |= podTerminating
		p.gen++
	})
	c.note(p.node, p.set, -1, 0)
	c.added++
	if !c.nodes[p.node].is(nodeDown) {
		c.due(kindGone, id, p.gen, 0, c.stopTime(id))
	} else if len(c.quotas) > 0 {
		grace := c.sets[p.set].template.grace
		c.due(kindPardon, id, p.gen, 0, time.Duration(roundUp(c.now+int64(grace), int64(quotaSync))-c.now))
	}
}

// removePod takes the last trace of a pod away.
func (c *Cluster) removePod(id int32) {
	p := &c.pods[id]
	c.count(p, -1)
	c.dropNomination(id)
	if p.node == none {
		c.waiting.add(c.sets[p.set].template.requests, -1)
		c.version++
	} else {
		c.unlink(id)
	}
	s := &c.sets[p.set]
	c.charge(s.template, -1, true)
	if !p.finished() && !p.is(podPardoned) {
		c.charge(s.template, -1, false)
	}
	last := s.pods[len(s.pods)-1]
	s.pods[p.slot] = last
	c.pods[last].slot = p.slot
	s.pods = s.pods[:len(s.pods)-1]
	c.touch(s.work)
	c.forgetNumber(id)
	c.live--
	*p = pod{set: none, node: none, next: none, prev: none, gen: p.gen + 1}
	c.freePods = append(c.freePods, id)
}

// assign puts a pod onto a node.
func (c *Cluster) assign(id, row int32) {
	p, n := &c.pods[id], &c.nodes[row]
	s := &c.sets[p.set]
	c.count(p, -1)
	p.node, p.prev, p.next = row, none, n.first
	if n.first != none {
		c.pods[n.first].prev = id
	}
	n.first = id
	c.count(p, 1)
	c.touch(s.work)
	c.waiting.add(s.template.requests, -1)
	c.occupy(row, s.template, 1)
	c.note(row, p.set, 1, 1)
}

// unlink takes a pod off its node, which may be gone.
func (c *Cluster) unlink(id int32) {
	p := &c.pods[id]
	n := &c.nodes[p.node]
	if p.prev == none {
		n.first = p.next
	} else {
		c.pods[p.prev].next = p.next
	}
	if p.next != none {
		c.pods[p.next].prev = p.prev
	}
	if !p.finished() {
		c.vacate(p)
	}
	p.next, p.prev = none, none
}

// vacate gives back what a pod held that ends or has finished.
func (c *Cluster) vacate(p *pod) {
	c.occupy(p.node, c.sets[p.set].template, -1)
	spread := int8(-1)
	if p.is(podTerminating) {
		spread = 0
	}
	c.note(p.node, p.set, spread, -1)
	c.freed++
	if of := c.nodes[p.node].pool; of != none && c.pools[of].spec.Max > 0 {
		c.shrinkSoon()
	}
}

// occupy counts what a pod of the template takes from a node.
func (c *Cluster) occupy(row int32, t *template, sign int64) {
	n := &c.nodes[row]
	n.pods += int32(sign)
	used := c.used[int(row)*c.stride:][:c.stride]
	for _, a := range t.requests {
		used[a.column] += sign * a.value
	}
	c.scored[row][0] += sign * t.cpu
	c.scored[row][1] += sign * t.memory
	c.held.add(t.requests, sign)
	c.priorities.add(t.priority, int32(sign))
	c.version++
	c.ungrade(row)
}

// victimsFirst orders the pods of a set as the ReplicaSet controller does when it has too many: those without a node, those
// that do not run, those not ready, those that share their node with more pods of the Deployment, whatever their revision, those
// ready for a shorter time, those restarted more often, the younger ones. It knows of pods around by the owner that ReplicaSets
// have in common, and one without an owner knows of none.
func (c *Cluster) victimsFirst(ids []int32) {
	together := map[int32]int32{}
	w := &c.works[c.sets[c.pods[ids[0]].set].work]
	for _, of := range w.sets {
		if w.key.Kind == KindReplicaSet {
			break
		}
		for _, id := range c.sets[of].pods {
			if p := &c.pods[id]; p.active() {
				together[p.node]++
			}
		}
	}
	rank := func(p *pod) int {
		switch {
		case p.node == none:
			return 0
		case p.phase == starting && p.since > c.now:
			return 1
		case !p.shown():
			return 2
		}
		return 3
	}
	slices.SortFunc(ids, func(a, b int32) int {
		p, q := &c.pods[a], &c.pods[b]
		order := cmp.Or(cmp.Compare(rank(p), rank(q)), cmp.Compare(together[q.node], together[p.node]))
		if order == 0 && p.shown() {
			order = cmp.Compare(q.since, p.since)
		}
		return cmp.Or(order, cmp.Compare(q.restarts, p.restarts), cmp.Compare(q.created, p.created), cmp.Compare(q.serial, p.serial))
	})
}

// tiers counts the pods on nodes by priority, lowest first, so that it is known at once whether anybody could be preempted.
type tiers []tier

type tier struct {
	priority int32
	pods     int32
}

func (t *tiers) add(priority, sign int32) {
	at, found := slices.BinarySearchFunc(*t, priority, func(have tier, want int32) int { return cmp.Compare(have.priority, want) })
	if !found {
		*t = slices.Insert(*t, at, tier{priority: priority})
	}
	(*t)[at].pods += sign
}

func (t tiers) below(priority int32) bool {
	for _, tier := range t {
		if tier.priority >= priority {
			return false
		}
		if tier.pods > 0 {
			return true
		}
	}
	return false
}
