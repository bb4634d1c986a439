package nodes

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/seatrial/seatrial/estimator"
)

// podKey stands for a namespace and a name: half of their SHA-256. It takes a fraction of the memory of the names, and no two
// pods have ever been found to share one.
type podKey [16]byte

func keyOf(namespace, name string) podKey {
	var buffer [256]byte
	sum := sha256.Sum256(appendText(appendText(buffer[:0], namespace), name))
	return podKey(sum[:16])
}

// podTable counts pods by what estimates need to know of them.
//
// A pod is an entry in cells alone; a cell is a number of pods of one shape on one node. A shape is a group (namespace and
// labels), a size (requests), a priority and extras (ports, volumes, anti-affinity), each numbered once.
type podTable struct {
	byName   map[podKey]int32
	cells    []cell
	freeCell int32
	shapes   table[shape, struct{}]
	// heads are the first cells of the shapes.
	heads  []int32
	words  table[string, struct{}]
	groups table[string, struct{}]
	sizes  table[string, []amount]
	extras table[string, *extra]
}

type cellKey struct{ shape, node int32 }

// cell is linked with the cells of the same shape; free cells are linked through next.
type cell struct {
	cellKey
	count      int32
	next, last int32
}

const none = -1

func newPodTable() podTable {
	return podTable{
		byName: map[podKey]int32{}, freeCell: none,
		shapes: newTable[shape, struct{}](), words: newTable[string, struct{}](), groups: newTable[string, struct{}](),
		sizes: newTable[string, []amount](), extras: newTable[string, *extra](),
	}
}

// UpsertPod counts a pod, or follows a change of it. volumes are those it has attached, as far as the caller can tell.
// Pods without a node, and those that have ended, count as not there.
func (x *Index) UpsertPod(pod *corev1.Pod, volumes ...estimator.Volume) error {
	if pod == nil || pod.Name == "" {
		return fmt.Errorf("indexing a pod: it has no name")
	}
	name := keyOf(pod.Namespace, pod.Name)
	old, known := x.pods.byName[name]
	if !counts(pod) {
		if known {
			x.remove(name, old)
		}
		return nil
	}
	before := int32(none)
	if known {
		before = x.pods.cells[old].shape
	}
	shape := x.shapeOf(pod, volumes, before)
	key := cellKey{shape: shape, node: x.row(pod.Spec.NodeName)}
	if known {
		if x.pods.cells[old].cellKey == key {
			return nil
		}
		// The new cell is entered first, so that nothing both need is forgotten in between.
		x.pods.byName[name] = x.enterCell(key)
		x.leaveCell(old)
		return nil
	}
	x.pods.byName[name] = x.enterCell(key)
	return nil
}

// counts reports whether a pod uses up something of a node.
func counts(pod *corev1.Pod) bool {
	return pod.Spec.NodeName != "" && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed
}

// DeletePod forgets a pod.
func (x *Index) DeletePod(namespace, name string) {
	key := keyOf(namespace, name)
	if at, ok := x.pods.byName[key]; ok {
		x.remove(key, at)
	}
}

func (x *Index) remove(name podKey, at int32) {
	delete(x.pods.byName, name)
	x.leaveCell(at)
}

// enterCell counts one more pod of a shape on a node.
func (x *Index) enterCell(key cellKey) int32 {
	p := &x.pods
	n := &x.nodes.rows[key.node]
	at, ok := n.find(key.shape)
	if !ok {
		n.cells = slices.Insert(n.cells, at, place{shape: key.shape, cell: p.newCell(key)})
	}
	id := n.cells[at].cell
	p.cells[id].count++
	x.charge(key, true)
	return id
}

// leaveCell counts one pod less, and forgets the cell, its shape and its node with the last one.
func (x *Index) leaveCell(id int32) {
	p := &x.pods
	c := &p.cells[id]
	key := c.cellKey
	x.charge(key, false)
	if c.count--; c.count > 0 {
		return
	}
	n := &x.nodes.rows[key.node]
	at, _ := n.find(key.shape)
	n.cells = slices.Delete(n.cells, at, at+1)
	p.unlink(id)
	x.dropShape(key.shape)
	x.release(key.node)
}

// place is the cell of a shape on a node.
type place struct{ shape, cell int32 }

// find is where the cell of a shape stands, or would, among those of the node.
func (n *node) find(shape int32) (at int, ok bool) {
	return slices.BinarySearchFunc(n.cells, shape, func(p place, shape int32) int { return cmp.Compare(p.shape, shape) })
}

func (p *podTable) newCell(key cellKey) int32 {
	id := p.freeCell
	if id == none {
		id = int32(len(p.cells))
		p.cells = append(p.cells, cell{})
	} else {
		p.freeCell = p.cells[id].next
	}
	for int(key.shape) >= len(p.heads) {
		p.heads = append(p.heads, none)
	}
	head := p.heads[key.shape]
	p.cells[id] = cell{cellKey: key, next: head, last: none}
	if head != none {
		p.cells[head].last = id
	}
	p.heads[key.shape] = id
	p.shapes.rows[key.shape].users++
	return id
}

func (p *podTable) unlink(id int32) {
	c := p.cells[id]
	if c.last == none {
		p.heads[c.shape] = c.next
	} else {
		p.cells[c.last].next = c.next
	}
	if c.next != none {
		p.cells[c.next].last = c.last
	}
	p.cells[id] = cell{next: p.freeCell}
	p.freeCell = id
}

// charge adds what a pod uses to its node and to its tier, or takes it back.
func (x *Index) charge(key cellKey, add bool) {
	s := x.pods.shapes.rows[key.shape].key
	n := &x.nodes.rows[key.node]
	t := x.tierOf(s.priority)
	usage := t.at(key.node)
	change := int32(1)
	if !add {
		change = -1
	}
	n.pods += change
	usage.pods += change
	t.users += change
	n.used = chargeAmounts(n.used, *x.pods.sizes.at(s.size), add)
	usage.used = chargeAmounts(usage.used, *x.pods.sizes.at(s.size), add)
	if e := *x.pods.extras.at(s.extra); e != nil {
		n.used = chargeAmounts(n.used, e.volumes, add)
		usage.used = chargeAmounts(usage.used, e.volumes, add)
	}
	t.settle(key.node, usage)
	if t.users == 0 {
		delete(x.tiers, s.priority)
	}
	x.refresh(key.node)
}

func chargeAmounts(used []total, amounts []amount, add bool) []total {
	for _, a := range amounts {
		for int(a.column) >= len(used) {
			used = append(used, total{})
		}
		if add {
			used[a.column].add(a.value)
		} else {
			used[a.column].subtract(a.value)
		}
	}
	return used
}

// tier holds what the pods of one priority use, by node.
type tier struct {
	usage map[int32]*usage
	users int32
}

type usage struct {
	pods int32
	used []total
}

func (x *Index) tierOf(priority int32) *tier {
	t := x.tiers[priority]
	if t == nil {
		t = &tier{usage: map[int32]*usage{}}
		x.tiers[priority] = t
	}
	return t
}

func (t *tier) at(slot int32) *usage {
	u := t.usage[slot]
	if u == nil {
		u = &usage{}
		t.usage[slot] = u
	}
	return u
}

func (t *tier) settle(slot int32, u *usage) {
	if u.pods == 0 {
		delete(t.usage, slot)
	}
}
