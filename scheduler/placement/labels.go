package placement

import (
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// maxLabelColumns bounds the memory of the label columns. Keys met later are looked up in the objects.
const maxLabelColumns = 256

// labelColumns hold the labels of all clusters by key. A value is stored under a key that is never empty, so that a label
// with an empty value differs from a missing one.
type labelColumns struct {
	// index finds the column of a label key.
	index   map[string]int
	columns []column[string]
	objects []labels.Set
	// owned is false while another copy uses the same index.
	owned bool
}

func (l labelColumns) share() labelColumns {
	l.owned = false
	l.columns = slices.Clone(l.columns)
	for i := range l.columns {
		l.columns[i] = l.columns[i].share()
	}
	l.objects = slices.Clone(l.objects)
	return l
}

func (l *labelColumns) resize(rows int) {
	for i := range l.columns {
		l.columns[i].resize(rows)
	}
	l.objects = append(l.objects, make([]labels.Set, rows-len(l.objects))...)
}

func (l *labelColumns) permute(order []int32) {
	for i := range l.columns {
		l.columns[i].permute(order)
	}
	l.objects = pick(l.objects, order)
}

// set replaces the labels of a row.
func (l *labelColumns) set(row int32, now labels.Set) {
	for key := range l.objects[row] {
		if at, ok := l.index[key]; ok && !now.Has(key) {
			l.columns[at].set(row, "", "")
		}
	}
	for key, value := range now {
		if at, ok := l.columnFor(key); ok {
			l.columns[at].set(row, "="+value, value)
		}
	}
	l.objects[row] = now
}

// columnFor finds or adds the column of a label key.
func (l *labelColumns) columnFor(key string) (at int, ok bool) {
	if at, ok = l.index[key]; ok {
		return at, true
	}
	if len(l.columns) == maxLabelColumns {
		return 0, false
	}
	if !l.owned {
		l.index = maps.Clone(l.index)
		l.owned = true
	}
	if l.index == nil {
		l.index = map[string]int{}
	}
	at = len(l.columns)
	l.index[key] = at
	l.columns = append(l.columns, column[string]{})
	l.columns[at].resize(len(l.objects))
	return at, true
}

// check accepts rows by the number of their value in one column.
type check struct {
	rows     []int32
	accepted []bool
}

// word has a bit for each row from first to end, at most 64, that is accepted.
func (c *check) word(first, end int) uint64 {
	var bits uint64
	for i, number := range c.rows[first:end] {
		var bit uint64
		if c.accepted[number] {
			bit = 1
		}
		bits |= bit << (i & 63)
	}
	return bits
}

// newEqualCheck wants the value that a key of the dictionary stands for.
func newEqualCheck(c *column[string], key string) check {
	accepted := make([]bool, len(c.values.values))
	if number, ok := c.values.numbers[key]; ok {
		accepted[number] = true
	}
	return check{rows: c.rows, accepted: accepted}
}

// newCheck prepares a requirement on the values of a column; prefix is what its dictionary puts before a value that exists.
func newCheck(c *column[string], prefix string, requirement *labels.Requirement) check {
	accepted := make([]bool, len(c.values.values))
	switch operator := requirement.Operator(); operator {
	case selection.In, selection.Equals, selection.DoubleEquals, selection.NotIn, selection.NotEquals:
		listed := operator != selection.NotIn && operator != selection.NotEquals
		for i := range accepted {
			accepted[i] = !listed
		}
		for _, value := range requirement.ValuesUnsorted() {
			if number, ok := c.values.numbers[prefix+value]; ok {
				accepted[number] = listed
			}
		}
		accepted[0] = !listed
	default:
		for i, value := range c.values.values {
			field := labels.Set{}
			if i > 0 {
				field[requirement.Key()] = value
			}
			accepted[i] = requirement.Matches(field)
		}
	}
	return check{rows: c.rows, accepted: accepted}
}
