package nodes

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/resource"
	schedulinghelpers "k8s.io/component-helpers/scheduling/corev1"
)

// podName is a namespace and a name in it.
type podName struct{ namespace, name string }

// podTable counts pods by what estimates need to know of them.
//
// A pod is an entry in cells alone; a cell is a number of pods of one shape on one node. A shape is a group (namespace and
// labels), a size (requests), a priority and extras (ports, volumes, anti-affinity), each numbered once.
type podTable struct {
	byName map[podName]int32
	cells  []cell
	// byPlace finds the cell of a shape on a node.
	byPlace  map[cellKey]int32
	freeCell int32
	shapes   table[shape, shape]
	// heads are the first cells of the shapes.
	heads  []int32
	words  table[string, string]
	groups table[string, group]
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

type shape struct {
	group, size, extra int32
	priority           int32
}

// group is a namespace and labels, as numbers of words.
type group struct {
	namespace int32
	pairs     []int32
}

// extra is what few pods have.
type extra struct {
	ports        []HostPort
	volumes      []amount
	antiAffinity []corev1.PodAffinityTerm
}

const none = -1

func newPodTable() podTable {
	return podTable{
		byName: map[podName]int32{}, byPlace: map[cellKey]int32{}, freeCell: none,
		shapes: newTable[shape, shape](), words: newTable[string, string](), groups: newTable[string, group](),
		sizes: newTable[string, []amount](), extras: newTable[string, *extra](),
	}
}

// table numbers values by a key and counts how often each is used.
type table[K comparable, V any] struct {
	rows  []tableRow[K, V]
	free  []int32
	byKey map[K]int32
}

type tableRow[K comparable, V any] struct {
	key   K
	value V
	users int32
}

func newTable[K comparable, V any]() table[K, V] { return table[K, V]{byKey: map[K]int32{}} }

// add numbers a new value without users.
func (t *table[K, V]) add(key K, value V) int32 {
	row := tableRow[K, V]{key: key, value: value}
	var id int32
	if last := len(t.free) - 1; last >= 0 {
		id, t.free = t.free[last], t.free[:last]
		t.rows[id] = row
	} else {
		id = int32(len(t.rows))
		t.rows = append(t.rows, row)
	}
	t.byKey[key] = id
	return id
}

// drop counts one user less and reports whether the value went with it.
func (t *table[K, V]) drop(id int32) bool {
	row := &t.rows[id]
	if row.users--; row.users > 0 {
		return false
	}
	delete(t.byKey, row.key)
	*row = tableRow[K, V]{}
	t.free = append(t.free, id)
	return true
}

func (t *table[K, V]) at(id int32) *V { return &t.rows[id].value }

// UpsertPod counts a pod, or follows a change of it. volumes are those it has attached, as far as the caller can tell.
// Pods without a node, and those that have ended, count as not there.
func (x *Index) UpsertPod(pod *corev1.Pod, volumes ...Volume) error {
	if pod == nil || pod.Name == "" {
		return fmt.Errorf("indexing a pod: it has no name")
	}
	name := podName{pod.Namespace, pod.Name}
	old, known := x.pods.byName[name]
	if !counts(pod) {
		if known {
			x.remove(name, old)
		}
		return nil
	}
	shape := x.shapeOf(pod, volumes)
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
	x.pods.byName[podName{strings.Clone(name.namespace), strings.Clone(name.name)}] = x.enterCell(key)
	return nil
}

// counts reports whether a pod uses up something of a node.
func counts(pod *corev1.Pod) bool {
	return pod.Spec.NodeName != "" && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed
}

// DeletePod forgets a pod.
func (x *Index) DeletePod(namespace, name string) {
	key := podName{namespace, name}
	if at, ok := x.pods.byName[key]; ok {
		x.remove(key, at)
	}
}

func (x *Index) remove(name podName, at int32) {
	delete(x.pods.byName, name)
	x.leaveCell(at)
}

// enterCell counts one more pod of a shape on a node.
func (x *Index) enterCell(key cellKey) int32 {
	p := &x.pods
	id, ok := p.byPlace[key]
	if !ok {
		id = p.newCell(key)
	}
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
	delete(p.byPlace, key)
	p.unlink(id)
	x.dropShape(key.shape)
	x.release(key.node)
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
	p.byPlace[key] = id
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
	s := x.pods.shapes.rows[key.shape].value
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

// shapeOf finds the shape of a pod, or numbers it. It has no more users than before: cells are its users.
func (x *Index) shapeOf(pod *corev1.Pod, volumes []Volume) int32 {
	var buffer [256]byte
	s := shape{
		group: x.groupOf(pod, buffer[:0]), size: x.sizeOf(pod, buffer[:0]), extra: x.extraOf(pod, volumes),
		priority: schedulinghelpers.PodPriority(pod),
	}
	if id, ok := x.pods.shapes.byKey[s]; ok {
		return id
	}
	x.pods.groups.rows[s.group].users++
	x.pods.sizes.rows[s.size].users++
	x.pods.extras.rows[s.extra].users++
	return x.pods.shapes.add(s, s)
}

func (x *Index) dropShape(id int32) {
	p := &x.pods
	s := p.shapes.rows[id].value
	if !p.shapes.drop(id) {
		return
	}
	g := p.groups.rows[s.group].value
	if p.groups.drop(s.group) {
		p.words.drop(g.namespace)
		for _, word := range g.pairs {
			p.words.drop(word)
		}
	}
	p.sizes.drop(s.size)
	p.extras.drop(s.extra)
}

// groupOf numbers the namespace and the labels. The words of a group are counted when the group is new.
func (x *Index) groupOf(pod *corev1.Pod, buffer []byte) int32 {
	var keyBuffer [16]string
	keys := keyBuffer[:0]
	for key := range pod.Labels {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	var wordBuffer [33]int32
	words := append(wordBuffer[:0], x.pods.word(pod.Namespace))
	for _, key := range keys {
		words = append(words, x.pods.word(key), x.pods.word(pod.Labels[key]))
	}
	for _, word := range words {
		buffer = binary.AppendUvarint(buffer, uint64(word))
	}
	if id, ok := x.pods.groups.byKey[string(buffer)]; ok {
		return id
	}
	for _, word := range words {
		x.pods.words.rows[word].users++
	}
	return x.pods.groups.add(string(buffer), group{namespace: words[0], pairs: slices.Clone(words[1:])})
}

func (p *podTable) word(text string) int32 {
	if id, ok := p.words.byKey[text]; ok {
		return id
	}
	text = strings.Clone(text)
	return p.words.add(text, text)
}

func (x *Index) sizeOf(pod *corev1.Pod, buffer []byte) int32 {
	requests := resource.PodRequests(pod, resource.PodResourcesOptions{})
	var amountBuffer [8]amount
	amounts := x.amounts(amountBuffer[:0], requests)
	for _, a := range amounts {
		buffer = binary.AppendUvarint(binary.AppendUvarint(buffer, uint64(a.column)), uint64(a.value))
	}
	if id, ok := x.pods.sizes.byKey[string(buffer)]; ok {
		return id
	}
	return x.pods.sizes.add(string(buffer), slices.Clone(amounts))
}

// amounts turns a list into amounts above zero in the order of their columns.
func (x *Index) amounts(to []amount, list corev1.ResourceList) []amount {
	var missing []corev1.ResourceName
	for name, quantity := range list {
		value := integer(name, quantity)
		if value == 0 || !counted(name) {
			continue
		}
		if column, ok := x.columns.byName[name]; ok {
			to = append(to, amount{column, value})
		} else {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	for _, name := range missing {
		to = append(to, amount{x.column(name), integer(name, list[name])})
	}
	slices.SortFunc(to, func(a, b amount) int { return int(a.column - b.column) })
	return to
}

// extraOf numbers what few pods have; for the others the key is empty and the value nil.
func (x *Index) extraOf(pod *corev1.Pod, volumes []Volume) int32 {
	var e extra
	for _, containers := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range containers {
			for _, port := range containers[i].Ports {
				if port.HostPort > 0 {
					e.ports = append(e.ports, HostPort{IP: port.HostIP, Protocol: port.Protocol, Port: port.HostPort})
				}
			}
		}
	}
	if affinity := pod.Spec.Affinity; affinity != nil && affinity.PodAntiAffinity != nil {
		e.antiAffinity = affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	e.volumes = x.volumeAmounts(volumes)
	if len(e.ports) == 0 && len(e.antiAffinity) == 0 && len(e.volumes) == 0 {
		if id, ok := x.pods.extras.byKey[""]; ok {
			return id
		}
		return x.pods.extras.add("", nil)
	}
	key := e.key()
	if id, ok := x.pods.extras.byKey[key]; ok {
		return id
	}
	terms := make([]corev1.PodAffinityTerm, len(e.antiAffinity))
	for i := range terms {
		e.antiAffinity[i].DeepCopyInto(&terms[i])
	}
	e.antiAffinity = terms
	return x.pods.extras.add(key, &e)
}

func (e *extra) key() string {
	var key strings.Builder
	fmt.Fprintf(&key, "%q %v", e.ports, e.volumes)
	for i := range e.antiAffinity {
		text, err := e.antiAffinity[i].Marshal()
		if err != nil {
			// Only a broken Write can fail, and this one writes to memory.
			text = []byte(err.Error())
		}
		fmt.Fprintf(&key, " %q", text)
	}
	return key.String()
}

// volumeAmounts counts the volumes by the column of their driver.
func (x *Index) volumeAmounts(volumes []Volume) []amount {
	var amounts []amount
	for _, volume := range volumes {
		column := x.driver(volume.Driver)
		at := slices.IndexFunc(amounts, func(a amount) bool { return a.column == column })
		if at < 0 {
			at, amounts = len(amounts), append(amounts, amount{column: column})
		}
		amounts[at].value++
	}
	slices.SortFunc(amounts, func(a, b amount) int { return int(a.column - b.column) })
	return amounts
}
