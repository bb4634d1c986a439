package nodes

import (
	"math/bits"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Columns that every index has. Further resources get theirs when a node, pod or limit first names them.
const (
	columnPods = iota
	columnCPU
	columnMemory
	columnEphemeral
	fixedColumns
)

// volumeLimit is the prefix of the resource that counts the volumes of a CSI driver that can attach to a node. A node that
// states no limit has none.
const volumeLimit = corev1.ResourceAttachableVolumesPrefix + "csi-"

// amount is an integer quantity of one resource: thousandths of CPU, units of everything else.
type amount struct {
	column int32
	value  int64
}

// columns number the resources in the order in which they were first seen.
type columns struct {
	names  []corev1.ResourceName
	byName map[corev1.ResourceName]int32
}

func newColumns() columns {
	c := columns{byName: map[corev1.ResourceName]int32{}}
	for _, name := range [fixedColumns]corev1.ResourceName{
		columnPods: corev1.ResourcePods, columnCPU: corev1.ResourceCPU,
		columnMemory: corev1.ResourceMemory, columnEphemeral: corev1.ResourceEphemeralStorage,
	} {
		c.add(name)
	}
	return c
}

func (c *columns) add(name corev1.ResourceName) int32 {
	column := int32(len(c.names))
	c.names = append(c.names, name)
	c.byName[name] = column
	return column
}

// counted reports whether the scheduler of a cluster looks at requests for a resource: the native ones it knows, huge pages,
// attachable volumes and everything with a domain.
func counted(name corev1.ResourceName) bool {
	switch name {
	case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
		return true
	}
	text := string(name)
	return strings.HasPrefix(text, corev1.ResourceHugePagesPrefix) || strings.HasPrefix(text, corev1.ResourceAttachableVolumesPrefix) ||
		strings.Contains(text, "/") && !strings.HasPrefix(text, corev1.DefaultResourceRequestsPrefix)
}

// total is a sum of amounts that no number of absurd summands can overflow, and that subtraction takes back exactly.
type total struct{ high, low uint64 }

func (t *total) add(value int64) {
	var carry uint64
	t.low, carry = bits.Add64(t.low, uint64(value), 0)
	t.high += carry
}

func (t *total) subtract(value int64) {
	var borrow uint64
	t.low, borrow = bits.Sub64(t.low, uint64(value), 0)
	t.high -= borrow
}

// addTimes adds a product of two non-negative factors.
func (t *total) addTimes(value, times int64) {
	high, low := bits.Mul64(uint64(value), uint64(times))
	t.merge(total{high: high, low: low})
}

func (t *total) merge(other total) {
	var carry uint64
	t.low, carry = bits.Add64(t.low, other.low, 0)
	t.high += other.high + carry
}

func (t *total) without(other total) total {
	low, borrow := bits.Sub64(t.low, other.low, 0)
	return total{high: t.high - other.high - borrow, low: low}
}

// left is what remains of an allocatable amount, never less than nothing.
func (t total) left(allocatable int64) int64 {
	if t.high > 0 || t.low >= uint64(allocatable) {
		return 0
	}
	return allocatable - int64(t.low)
}
