package kube

import (
	"slices"
	"time"
)

// bind is the scheduler's decision, and the kubelet's start: an image is pulled once per node.
func (c *Cluster) bind(id, row int32) {
	c.assign(id, row)
	c.stats.Bound++
	decided := max(c.now, c.decided) + int64(c.timing.Decision)
	c.decided = decided
	c.start(id, c.pull(c.sets[c.pods[id].set].template, row, decided))
	c.tolerateFor(id)
}

// start makes the containers of a pod run from a time on, and the pod ready some time after that.
func (c *Cluster) start(id int32, from int64) {
	c.change(id, func(p *pod) {
		p.phase = starting
		p.since = from + int64(c.timing.Start.draw(c.startups))
		p.gen++
	})
	p := &c.pods[id]
	at := c.timing.rounded(p.since + int64(c.timing.Ready.draw(c.startups)))
	c.timers.push(timer{at: max(at, c.now), kind: kindReady, id: id, gen: p.gen})
}

// pull returns when a node holds the images of a template, some of which it may have to pull, or may be pulling for another
// pod. They are pulled together.
func (c *Cluster) pull(t *template, row int32, from int64) int64 {
	held := from
	for _, id := range t.images {
		at := [2]int32{id, row}
		if c.images[id].add(row) {
			c.stats.Pulled++
			until := from + int64(c.timing.Pull.draw(c.startups))
			c.pulling[at], c.pulled = until, max(c.pulled, until)
		}
		held = max(held, c.pulling[at])
	}
	return held
}

// endPulls forgets when nodes will hold images once they do.
func (c *Cluster) endPulls() {
	if len(c.pulling) > 0 && c.pulled <= c.now {
		c.pulling = map[[2]int32]int64{}
	}
}

// image knows the nodes that hold it: sorted while they are few, then a bit for each node that there may be.
type image struct {
	few  []int32
	many []uint64
}

// fewNodes is how many nodes take less room in a list than bits for thousands would.
const fewNodes = 64

// add notes that a node holds the image, and reports whether that is new.
func (i *image) add(row int32) bool {
	if i.many == nil {
		at, held := slices.BinarySearch(i.few, row)
		if held || len(i.few) < fewNodes {
			if !held {
				i.few = slices.Insert(i.few, at, row)
			}
			return !held
		}
		for _, row := range i.few {
			i.set(row)
		}
		i.few = nil
	}
	return i.set(row)
}

func (i *image) set(row int32) bool {
	word, bit := int(row/64), uint64(1)<<(row%64)
	for len(i.many) <= word {
		i.many = append(i.many, 0)
	}
	held := i.many[word]&bit != 0
	i.many[word] |= bit
	return !held
}

// drop forgets a node.
func (i *image) drop(row int32) {
	if at, held := slices.BinarySearch(i.few, row); held {
		i.few = slices.Delete(i.few, at, at+1)
	}
	if word := int(row / 64); word < len(i.many) {
		i.many[word] &^= 1 << (row % 64)
	}
}

func (c *Cluster) image(name string) int32 {
	id, ok := c.imageOf[name]
	if !ok {
		id = int32(len(c.images))
		c.imageOf[name] = id
		c.images = append(c.images, &image{})
	}
	return id
}

// becomeReady ends the start of a pod. A Job's pod runs for its time from here.
func (c *Cluster) becomeReady(id int32) {
	p := &c.pods[id]
	t := c.sets[p.set].template
	c.change(id, func(p *pod) {
		p.phase, p.since = ready, c.now
		p.flags &^= podDown
		if t.minReady == 0 {
			p.flags |= podAvailable
		}
	})
	c.stats.Started++
	switch {
	case t.runs:
		c.due(kindFinish, id, p.gen, 0, c.runTime(t))
	case t.minReady > 0:
		c.due(kindAvailable, id, p.gen, 0, t.minReady)
	}
}

func (c *Cluster) runTime(t *template) time.Duration {
	run := t.runFor
	if run == 0 {
		run = c.timing.Run.draw(c.startups)
	}
	return time.Duration(c.timing.rounded(c.now+int64(run)) - c.now)
}

// finish ends the run of a Job's pod.
func (c *Cluster) finish(id int32) {
	p := &c.pods[id]
	t := c.sets[p.set].template
	how := succeeded
	if t.failRate > 0 && c.fate.Float64() < t.failRate {
		how = failed
	}
	c.vacate(p)
	c.charge(t, -1, false)
	c.change(id, func(p *pod) { p.phase, p.since = how, c.now })
}

// stopTime is how long a pod takes to end, of its grace period at most.
func (c *Cluster) stopTime(id int32) time.Duration {
	t := c.sets[c.pods[id].set].template
	took := min(c.timing.Stop.draw(c.startups), t.grace)
	return time.Duration(c.timing.rounded(c.now+int64(took)) - c.now)
}

// crash ends the containers of all pods of a node. The control plane does not learn it from that.
func (c *Cluster) crash(row int32) {
	for id := c.nodes[row].first; id != none; id = c.pods[id].next {
		if !c.pods[id].finished() {
			c.change(id, func(p *pod) {
				p.flags |= podDown
				p.gen++
			})
		}
	}
}

// restart starts the containers of a node again; what was to end has ended.
func (c *Cluster) restart(row int32) {
	for id := c.nodes[row].first; id != none; {
		next := c.pods[id].next
		switch p := &c.pods[id]; {
		case p.is(podTerminating):
			c.due(kindGone, id, p.gen, 0, 0)
		case p.is(podDown):
			c.change(id, func(p *pod) {
				p.flags &^= podDown | podLost | podAvailable
				p.restarts++
			})
			c.start(id, c.now)
		case p.is(podLost):
			c.change(id, func(p *pod) { p.flags &^= podLost })
		}
		id = next
	}
}
