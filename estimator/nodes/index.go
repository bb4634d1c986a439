package nodes

import (
	"fmt"
	"maps"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/seatrial/seatrial/estimator"
)

// Options are the feature gates that change answers.
type Options struct {
	// Quotas bounds answers by the resource quotas of the namespace (gate ResourceQuotaEstimate).
	Quotas bool
	// Assumed places assumed workloads first (gate SchedulingOvercommitProtection).
	Assumed bool
}

// Index holds the nodes, pods and quotas of one cluster in the shape that estimates need.
//
// What holds between events:
//   - a node that is known stands in exactly one class, at classes[class].slots[position], and
//     classes[class].left[position*stride:][:stride] is what is allocatable there without what its pods use, at least zero;
//   - every pod is counted in exactly one cell, and a cell without pods does not exist;
//   - shapes, groups, sizes, label sets, taint sets and classes that nothing refers to are gone or empty.
type Index struct {
	options Options
	columns columns
	// drivers are the columns that count the volumes of a CSI driver.
	drivers map[string]int32
	nodes   nodeTable
	labels  labelTable
	taints  taintTable
	classes []class
	emptied []int32
	byClass map[classKey]int32
	pods    podTable
	// tiers hold what the pods of one priority use.
	tiers      map[int32]*tier
	quotas     map[string]map[string]*corev1.ResourceQuota
	namespaces map[string]map[string]string
}

// NewIndex returns the index of a cluster without nodes.
func NewIndex(options Options) *Index {
	return &Index{
		options: options, columns: newColumns(), drivers: map[string]int32{},
		nodes:  nodeTable{byName: map[string]int32{}},
		labels: newLabelTable(), taints: newTaintTable(),
		byClass: map[classKey]int32{}, pods: newPodTable(), tiers: map[int32]*tier{},
		quotas: map[string]map[string]*corev1.ResourceQuota{}, namespaces: map[string]map[string]string{},
	}
}

// unknown marks a node that pods name but nobody has described.
const unknown = -1

// node is one row. Pods may name a node before it is known and after it is gone.
type node struct {
	name     string
	hostname string
	class    int32
	position int32
	pods     int32
	// allocatable and used follow the columns; they may be shorter than the columns are now.
	allocatable []int64
	used        []total
	// order is the place of the node in nodeTable.order.
	order int32
	// cells are those on the node, by shape.
	cells []place
	// limits are the volumes of each driver that can attach.
	limits map[string]int64
}

type nodeTable struct {
	rows   []node
	free   []int32
	byName map[string]int32
	// order lists the known nodes as they became known; -1 stands where one has gone.
	order []int32
	known int
}

// classKey says which nodes the same demands can use.
type classKey struct{ labels, taints int32 }

// class is a run of nodes with equal labels, but for the host name, and equal taints.
type class struct {
	key   classKey
	slots []int32
	left  []int64
}

// row finds the row of a node, or makes one.
func (x *Index) row(name string) int32 {
	if slot, ok := x.nodes.byName[name]; ok {
		return slot
	}
	var slot int32
	if last := len(x.nodes.free) - 1; last >= 0 {
		slot = x.nodes.free[last]
		x.nodes.free = x.nodes.free[:last]
	} else {
		slot = int32(len(x.nodes.rows))
		x.nodes.rows = append(x.nodes.rows, node{})
	}
	x.nodes.rows[slot] = node{name: name, class: unknown}
	x.nodes.byName[name] = slot
	return slot
}

// release forgets a row that neither a node nor a pod nor a limit needs.
func (x *Index) release(slot int32) {
	n := &x.nodes.rows[slot]
	if n.class == unknown && n.pods == 0 && len(n.limits) == 0 {
		delete(x.nodes.byName, n.name)
		x.nodes.rows[slot] = node{class: unknown}
		x.nodes.free = append(x.nodes.free, slot)
	}
}

// column finds the column of a resource, or adds one to every node.
func (x *Index) column(name corev1.ResourceName) int32 {
	if column, ok := x.columns.byName[name]; ok {
		return column
	}
	column := x.columns.add(name)
	x.restride()
	return column
}

func (x *Index) driver(name string) int32 {
	if column, ok := x.drivers[name]; ok {
		return column
	}
	column := int32(len(x.columns.names))
	x.columns.names = append(x.columns.names, volumeLimit+corev1.ResourceName(name))
	x.drivers[name] = column
	for slot := range x.nodes.rows {
		n := &x.nodes.rows[slot]
		n.allocatable = x.fill(n.allocatable)
		n.allocatable[column] = n.limit(name)
	}
	x.restride()
	return column
}

func (n *node) limit(driver string) int64 {
	if limit, ok := n.limits[driver]; ok {
		return max(limit, 0)
	}
	return math.MaxInt64
}

// fill lengthens a row of amounts to the columns there are.
func (x *Index) fill(row []int64) []int64 {
	for len(row) < x.stride() {
		row = append(row, 0)
	}
	return row
}

func (x *Index) stride() int { return len(x.columns.names) }

// restride lays out every class anew after a column came. Resources are few and come with the first nodes.
func (x *Index) restride() {
	for id := range x.classes {
		c := &x.classes[id]
		c.left = make([]int64, len(c.slots)*x.stride())
		for _, slot := range c.slots {
			x.refresh(slot)
		}
	}
}

// refresh writes what is left on a node into its class.
func (x *Index) refresh(slot int32) {
	n := &x.nodes.rows[slot]
	if n.class == unknown {
		return
	}
	stride := x.stride()
	left := x.classes[n.class].left[int(n.position)*stride:][:stride]
	for column := range left {
		left[column] = n.free(column)
	}
}

func (n *node) free(column int) int64 {
	var allocatable int64
	if column < len(n.allocatable) {
		allocatable = n.allocatable[column]
	}
	if column == columnPods {
		return max(allocatable-int64(n.pods), 0)
	}
	if column < len(n.used) {
		return n.used[column].left(allocatable)
	}
	return allocatable
}

// left is what a known node has free.
func (x *Index) left(slot int32) []int64 {
	n := &x.nodes.rows[slot]
	return x.classes[n.class].left[int(n.position)*x.stride():][:x.stride()]
}

// UpsertNode makes a node known, or follows a change of it. The order in which nodes become known is the order in which
// sets of components fill them.
func (x *Index) UpsertNode(object *corev1.Node) error {
	if object == nil || object.Name == "" {
		return fmt.Errorf("indexing a node: it has no name")
	}
	slot := x.row(object.Name)
	x.setAllocatable(slot, object.Status.Allocatable)
	n := &x.nodes.rows[slot]
	n.hostname = object.Labels[corev1.LabelHostname]
	key := classKey{labels: x.labels.take(object.Labels), taints: x.taints.take(effectiveTaints(object))}
	if n.class == unknown {
		n.order = int32(len(x.nodes.order))
		x.nodes.order = append(x.nodes.order, slot)
		x.nodes.known++
	} else {
		x.leave(slot)
	}
	x.enter(slot, key)
	return nil
}

func (x *Index) setAllocatable(slot int32, list corev1.ResourceList) {
	var missing []corev1.ResourceName
	for name := range list {
		if _, ok := x.columns.byName[name]; !ok && counted(name) {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	for _, name := range missing {
		x.column(name)
	}
	n := &x.nodes.rows[slot]
	n.allocatable = x.fill(n.allocatable)
	for column, name := range x.columns.names {
		quantity := list[name]
		n.allocatable[column] = estimator.Integer(name, quantity)
	}
	for driver, column := range x.drivers {
		n.allocatable[column] = n.limit(driver)
	}
}

// DeleteNode forgets a node. Its pods stay counted until they are deleted themselves.
func (x *Index) DeleteNode(name string) {
	slot, ok := x.nodes.byName[name]
	if !ok || x.nodes.rows[slot].class == unknown {
		return
	}
	x.leave(slot)
	n := &x.nodes.rows[slot]
	n.class, n.allocatable, n.hostname = unknown, nil, ""
	x.nodes.order[n.order] = unknown
	x.nodes.known--
	if len(x.nodes.order) > 2*x.nodes.known+16 {
		x.nodes.compact()
	}
	x.release(slot)
}

// compact drops the places of nodes that have gone.
func (t *nodeTable) compact() {
	kept := t.order[:0]
	for _, slot := range t.order {
		if slot != unknown {
			t.rows[slot].order = int32(len(kept))
			kept = append(kept, slot)
		}
	}
	t.order = kept
}

// enter puts a node into a class at the end of its run.
func (x *Index) enter(slot int32, key classKey) {
	id, ok := x.byClass[key]
	if !ok {
		id = x.newClass(key)
	}
	c, n := &x.classes[id], &x.nodes.rows[slot]
	n.class, n.position = id, int32(len(c.slots))
	c.slots = append(c.slots, slot)
	for range x.stride() {
		c.left = append(c.left, 0)
	}
	x.refresh(slot)
}

// newClass takes the place of a class that lost its last node, if there is one.
func (x *Index) newClass(key classKey) int32 {
	id := int32(len(x.classes))
	if last := len(x.emptied) - 1; last >= 0 {
		id, x.emptied = x.emptied[last], x.emptied[:last]
	} else {
		x.classes = append(x.classes, class{})
	}
	x.classes[id] = class{key: key}
	x.byClass[key] = id
	return id
}

// leave takes a node out of its class; the last node of the run moves into its place.
func (x *Index) leave(slot int32) {
	n := &x.nodes.rows[slot]
	c, stride := &x.classes[n.class], x.stride()
	last := len(c.slots) - 1
	moved := c.slots[last]
	c.slots[n.position] = moved
	copy(c.left[int(n.position)*stride:][:stride], c.left[last*stride:])
	x.nodes.rows[moved].position = n.position
	c.slots, c.left = c.slots[:last], c.left[:last*stride]
	x.labels.drop(c.key.labels)
	x.taints.drop(c.key.taints)
	if last == 0 {
		delete(x.byClass, c.key)
		x.classes[n.class] = class{}
		x.emptied = append(x.emptied, n.class)
	}
}

// UpsertCSINode follows the limits of attached volumes that the CSI drivers of a node state.
func (x *Index) UpsertCSINode(object *storagev1.CSINode) {
	limits := map[string]int64{}
	for _, driver := range object.Spec.Drivers {
		if driver.Allocatable != nil && driver.Allocatable.Count != nil {
			limits[driver.Name] = int64(*driver.Allocatable.Count)
		}
	}
	x.setLimits(object.Name, limits)
}

// DeleteCSINode forgets the limits of a node.
func (x *Index) DeleteCSINode(name string) { x.setLimits(name, nil) }

func (x *Index) setLimits(name string, limits map[string]int64) {
	for _, driver := range slices.Sorted(maps.Keys(limits)) {
		x.driver(driver)
	}
	slot := x.row(name)
	n := &x.nodes.rows[slot]
	n.limits = limits
	n.allocatable = x.fill(n.allocatable)
	for driver, column := range x.drivers {
		n.allocatable[column] = n.limit(driver)
	}
	x.refresh(slot)
	x.release(slot)
}

// UpsertQuota follows a resource quota. The index keeps the object and relies on nobody changing it.
func (x *Index) UpsertQuota(quota *corev1.ResourceQuota) {
	if x.quotas[quota.Namespace] == nil {
		x.quotas[quota.Namespace] = map[string]*corev1.ResourceQuota{}
	}
	x.quotas[quota.Namespace][quota.Name] = quota
}

// DeleteQuota forgets a resource quota.
func (x *Index) DeleteQuota(namespace, name string) {
	if delete(x.quotas[namespace], name); len(x.quotas[namespace]) == 0 {
		delete(x.quotas, namespace)
	}
}

// UpsertNamespace follows the labels of a namespace, which affinity terms may select.
func (x *Index) UpsertNamespace(namespace *corev1.Namespace) {
	x.namespaces[namespace.Name] = maps.Clone(namespace.Labels)
}

// DeleteNamespace forgets the labels of a namespace.
func (x *Index) DeleteNamespace(name string) { delete(x.namespaces, name) }
