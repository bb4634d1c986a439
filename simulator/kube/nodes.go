package kube

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// none is no row.
const none int32 = -1

// node is a row; the columns beside it hold what is used of it.
type node struct {
	failed       int64
	pool, serial int32
	shape        int32
	first        int32 // head of the list of its pods
	pods         int32 // that hold resources
	nominated    int32 // pods that wait for victims here
	gen          uint32
	flags        nodeFlag
	// idleSince is when the cluster autoscaler found it empty, below zero when it did not.
	idleSince int64
}

type nodeFlag uint16

const (
	// nodeKnown: there is a Node object.
	nodeKnown nodeFlag = 1 << iota
	// nodeDown: the kubelet does not answer; nodeCrashed: its containers have ended, too.
	nodeDown
	nodeCrashed
	// nodeLost: the control plane has noticed; nodeEvicting: it has tainted the node NoExecute.
	nodeLost
	nodeEvicting
	nodeCordoned
	nodeDraining
	// nodeUngraded: what is left on it has changed since the last summary.
	nodeUngraded
)

func (n *node) is(flag nodeFlag) bool { return n.flags&flag != 0 }

// pool is a number of like nodes, and the group that a cluster autoscaler grows and shrinks.
type pool struct {
	spec     NodePool
	capacity []int64
	pods     int64
	// nodes are its rows by serial number, none for those that are gone.
	nodes []int32
	alone bool
	// coming counts nodes that were asked for.
	alive, coming int
	// shapes by the flags that make a difference to labels and taints.
	shapes map[nodeFlag]int32
}

// NodePool describes like nodes. Names are the pool's with a number.
type NodePool struct {
	Name        string
	Labels      map[string]string
	Taints      []corev1.Taint
	Allocatable corev1.ResourceList
	// Zones are given to the nodes in turn; none leaves the labels as they are.
	Zones []string
	// Count is how many there are at the start. Max, when above zero, lets the cluster autoscaler grow the pool up to it and
	// remove empty nodes down to Min.
	Count, Min, Max int
}

// AddPool adds a pool with its nodes. A pool with zones is several pools named after them.
func (c *Cluster) AddPool(spec NodePool) error {
	c.advance()
	if spec.Name == "" || spec.Count < 0 || spec.Max > 0 && (spec.Min > spec.Max || spec.Count > spec.Max) {
		return fmt.Errorf("adding node pool %q: it needs a name and 0 <= min <= max, count <= max, has count %d, min %d, max %d",
			spec.Name, spec.Count, spec.Min, spec.Max)
	}
	if len(spec.Zones) == 0 {
		return c.addPool(spec)
	}
	zones := int64(len(spec.Zones))
	share := func(total, i int) int { return int((int64(total) + zones - 1 - int64(i)) / zones) }
	for i, zone := range spec.Zones {
		part := spec
		part.Name, part.Zones, part.Labels = spec.Name+"-"+zone, nil, maps.Clone(spec.Labels)
		if part.Labels == nil {
			part.Labels = map[string]string{}
		}
		part.Labels[corev1.LabelTopologyZone] = zone
		part.Count, part.Min, part.Max = share(spec.Count, i), share(spec.Min, i), share(spec.Max, i)
		if err := c.addPool(part); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) addPool(spec NodePool) error {
	if _, taken := c.poolOf[spec.Name]; taken {
		return fmt.Errorf("adding node pool %s: there is one of that name", spec.Name)
	}
	c.newPool(spec, false)
	c.nodes, c.scored = slices.Grow(c.nodes, spec.Count), slices.Grow(c.scored, spec.Count)
	c.used = slices.Grow(c.used, spec.Count*c.stride)
	for range spec.Count {
		c.addNode(int32(len(c.pools) - 1))
	}
	c.poke()
	return nil
}

func (c *Cluster) newPool(spec NodePool, alone bool) {
	p := pool{spec: spec, alone: alone, shapes: map[nodeFlag]int32{}, pods: spec.Allocatable.Pods().Value()}
	p.capacity = make([]int64, len(c.resources.names))
	for _, a := range c.resources.amounts(spec.Allocatable) {
		for len(p.capacity) <= int(a.column) {
			p.capacity = append(p.capacity, 0)
		}
		p.capacity[a.column] = a.value
	}
	if len(c.resources.names) > c.stride {
		c.widen()
	}
	c.poolOf[spec.Name] = int32(len(c.pools))
	c.pools = append(c.pools, p)
	if spec.Max > 0 {
		c.shrinkSoon()
	}
}

// AddNode adds a node of its own, named as given, from the labels, taints and allocatable resources of the object.
func (c *Cluster) AddNode(object *corev1.Node) error {
	c.advance()
	if object.Name == "" {
		return fmt.Errorf("adding a node: it has no name")
	}
	if id, taken := c.poolOf[object.Name]; taken && !c.pools[id].alone || c.findNode(object.Name) != none {
		return fmt.Errorf("adding node %s: there is one of that name", object.Name)
	}
	labels := maps.Clone(object.Labels)
	delete(labels, corev1.LabelHostname)
	c.newPool(NodePool{Name: object.Name, Labels: labels, Taints: slices.Clone(object.Spec.Taints), Allocatable: object.Status.Allocatable}, true)
	row := c.addNode(int32(len(c.pools) - 1))
	if object.Spec.Unschedulable {
		c.setFlags(row, nodeCordoned, true)
	}
	c.poke()
	return nil
}

// Resize adds nodes to a pool or removes its youngest until it has as many as given.
func (c *Cluster) Resize(name string, count int) error {
	c.advance()
	id, ok := c.poolOf[name]
	if !ok || count < 0 {
		return fmt.Errorf("resizing node pool %s to %d: no such pool or size", name, count)
	}
	p := &c.pools[id]
	for p.alive < count {
		c.addNode(id)
	}
	for serial := len(p.nodes) - 1; serial >= 0 && p.alive > count; serial-- {
		if row := p.nodes[serial]; row != none && c.nodes[row].is(nodeKnown) {
			c.removeNode(row)
		}
	}
	c.poke()
	return nil
}

// addNode makes a row, and what the cluster wants on each node.
func (c *Cluster) addNode(of int32) int32 {
	row := int32(len(c.nodes))
	if last := len(c.freeNodes) - 1; last >= 0 {
		row, c.freeNodes = c.freeNodes[last], c.freeNodes[:last]
		for _, image := range c.images {
			image.drop(row)
		}
	} else {
		c.nodes = append(c.nodes, node{})
		c.scored = append(c.scored, [2]int64{})
		for range c.stride {
			c.used = append(c.used, 0)
		}
	}
	p := &c.pools[of]
	c.nodes[row] = node{pool: of, serial: int32(len(p.nodes)), first: none, flags: nodeKnown, gen: c.nodes[row].gen + 1, idleSince: -1}
	p.nodes = append(p.nodes, row)
	p.alive++
	c.nodes[row].shape = c.shapeOf(row)
	c.shapes.rows[c.nodes[row].shape].nodes++
	c.capacity.values = addValues(c.capacity.values, p.capacity, 1)
	c.capacity.pods += p.pods
	c.known, c.healthy = c.known+1, c.healthy+1
	c.version++
	c.restructure()
	c.ungrade(row)
	for _, w := range c.daemons {
		c.wantDaemon(w, row)
	}
	return row
}

func addValues(to, values []int64, sign int64) []int64 {
	for len(to) < len(values) {
		to = append(to, 0)
	}
	for column, value := range values {
		to[column] += sign * value
	}
	return to
}

// RemoveNode deletes a node at once, as when its machine is taken away. Its pods end with it; the control plane learns so
// after Timing.PodCollection.
func (c *Cluster) RemoveNode(name string) error {
	c.advance()
	row := c.findNode(name)
	if row == none {
		return fmt.Errorf("removing node %s: there is none of that name", name)
	}
	c.removeNode(row)
	c.poke()
	return nil
}

func (c *Cluster) removeNode(row int32) {
	n := &c.nodes[row]
	p := &c.pools[n.pool]
	c.crash(row)
	if n.is(nodeLost) {
		c.forget(row)
	} else {
		c.healthy--
	}
	c.shapes.rows[n.shape].nodes--
	c.known--
	p.alive--
	c.capacity.values = addValues(c.capacity.values, p.capacity, -1)
	c.capacity.pods -= p.pods
	for _, id := range slices.Clone(c.nominations[row]) {
		c.dropNomination(id)
	}
	n.flags = nodeDown | nodeCrashed
	n.gen++
	c.version++
	c.regrade(row)
	c.restructure()
	for _, w := range c.daemons {
		c.touch(w)
	}
	c.due(kindCollect, row, n.gen, 0, c.timing.PodCollection)
}

// collectPods removes what was left on a deleted node, and frees the row.
func (c *Cluster) collectPods(row int32) {
	for c.nodes[row].first != none {
		c.removePod(c.nodes[row].first)
	}
	n := &c.nodes[row]
	delete(c.ownTaints, row)
	c.pools[n.pool].nodes[n.serial] = none
	n.pool = none
	c.freeNodes = append(c.freeNodes, row)
}

// restructure makes boards and the order of nodes anew before the next decision.
func (c *Cluster) restructure() {
	c.structure++
	c.freed++
}

// nodeName is made when it is read.
func (c *Cluster) nodeName(row int32) string {
	n := &c.nodes[row]
	if n.pool == none {
		return ""
	}
	p := &c.pools[n.pool]
	if p.alone {
		return p.spec.Name
	}
	return p.spec.Name + "-" + strconv.Itoa(int(n.serial))
}

// findNode returns the row of a node that exists, or none.
func (c *Cluster) findNode(name string) int32 {
	row := none
	if id, ok := c.poolOf[name]; ok && c.pools[id].alone {
		row = c.pools[id].nodes[len(c.pools[id].nodes)-1]
	} else if cut := strings.LastIndexByte(name, '-'); cut > 0 {
		serial, err := strconv.Atoi(name[cut+1:])
		if id, ok := c.poolOf[name[:cut]]; ok && err == nil && serial >= 0 && serial < len(c.pools[id].nodes) {
			row = c.pools[id].nodes[serial]
		}
	}
	if row == none || !c.nodes[row].is(nodeKnown) {
		return none
	}
	return row
}

// Taints that the control plane sets by itself.
var (
	taintCordoned    = corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}
	taintUnreachable = corev1.Taint{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoSchedule}
	taintEvicting    = corev1.Taint{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoExecute}
)

// shapeOf is the shape that the pool and the flags of a node give it.
func (c *Cluster) shapeOf(row int32) int32 {
	n := &c.nodes[row]
	p := &c.pools[n.pool]
	flags := n.flags & (nodeLost | nodeEvicting | nodeCordoned)
	own := c.ownTaints[row]
	if id, ok := p.shapes[flags]; ok && len(own) == 0 {
		return id
	}
	taints := append(slices.Clone(p.spec.Taints), own...)
	if flags&nodeCordoned != 0 {
		taints = append(taints, taintCordoned)
	}
	if flags&nodeLost != 0 {
		taints = append(taints, taintUnreachable)
	}
	if flags&nodeEvicting != 0 {
		taints = append(taints, taintEvicting)
	}
	id := c.shapes.take(p.spec.Labels, taints)
	if len(own) == 0 {
		p.shapes[flags] = id
	}
	return id
}

// setFlags changes flags of a known node, and its shape with them.
func (c *Cluster) setFlags(row int32, flags nodeFlag, on bool) {
	n := &c.nodes[row]
	if on {
		n.flags |= flags
	} else {
		n.flags &^= flags
	}
	c.reshape(row)
}

func (c *Cluster) reshape(row int32) {
	n := &c.nodes[row]
	id := c.shapeOf(row)
	if id == n.shape {
		return
	}
	c.shapes.rows[n.shape].nodes--
	c.shapes.rows[id].nodes++
	n.shape = id
	c.restructure()
	for _, w := range c.daemons {
		c.wantDaemon(w, row)
		c.touch(w)
	}
}

// Taint sets the taints of a pool, those of its nodes that the control plane sets by itself excepted.
func (c *Cluster) Taint(name string, taints []corev1.Taint) error {
	c.advance()
	id, ok := c.poolOf[name]
	if !ok {
		return fmt.Errorf("tainting node pool %s: there is none of that name", name)
	}
	p := &c.pools[id]
	p.spec.Taints, p.shapes = slices.Clone(taints), map[nodeFlag]int32{}
	for _, row := range p.nodes {
		if row != none && c.nodes[row].is(nodeKnown) {
			c.reshape(row)
			c.evictUntolerant(row)
		}
	}
	c.poke()
	return nil
}

// TaintNode puts a taint on one node, or takes it off. Pods that do not tolerate a NoExecute taint leave.
func (c *Cluster) TaintNode(name string, taint corev1.Taint, on bool) error {
	c.advance()
	row := c.findNode(name)
	if row == none {
		return fmt.Errorf("tainting node %s: there is none of that name", name)
	}
	kept := slices.DeleteFunc(slices.Clone(c.ownTaints[row]), func(t corev1.Taint) bool { return t.MatchTaint(&taint) })
	if on {
		kept = append(kept, taint)
	}
	c.ownTaints[row] = kept
	if len(kept) == 0 {
		delete(c.ownTaints, row)
	}
	c.reshape(row)
	c.evictUntolerant(row)
	c.poke()
	return nil
}

// Cordon closes a node for new pods, or opens it again.
func (c *Cluster) Cordon(name string, closed bool) error {
	c.advance()
	row := c.findNode(name)
	if row == none {
		return fmt.Errorf("cordoning node %s: there is none of that name", name)
	}
	c.setFlags(row, nodeCordoned, closed)
	if !closed {
		c.nodes[row].flags &^= nodeDraining
	}
	c.poke()
	return nil
}

func (c *Cluster) due(what kind, id int32, gen uint32, arg int32, after time.Duration) {
	c.timers.push(timer{at: c.now + int64(after), kind: what, id: id, gen: gen, arg: arg})
}
