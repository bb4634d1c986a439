package placement

import (
	"maps"
	"slices"
)

// column holds one property of all clusters: for each row the number of its value in a dictionary. Number 0 stands for the
// value of an empty key, such as no region. Copies share what stays equal; share must be called on a copy before it is
// written to.
type column[V any] struct {
	rows   []int32
	values dictionary[V]
	// owned is false while another copy uses the same rows.
	owned bool
}

// share returns a copy that leaves this column as it is.
func (c column[V]) share() column[V] {
	c.owned, c.values.owned = false, false
	return c
}

// resize appends rows without value.
func (c *column[V]) resize(rows int) {
	if len(c.values.values) == 0 {
		var none V
		c.values.number("", none)
	}
	c.rows = append(slices.Clip(c.rows), make([]int32, rows-len(c.rows))...)
	c.owned = true
}

// set gives a row the value that the key stands for.
func (c *column[V]) set(row int32, key string, value V) {
	number := c.values.number(key, value)
	if c.rows[row] == number {
		return
	}
	if !c.owned {
		c.rows = slices.Clone(c.rows)
		c.owned = true
	}
	c.rows[row] = number
}

// permute keeps the rows listed in order, in that order.
func (c *column[V]) permute(order []int32) {
	c.rows = pick(c.rows, order)
	c.owned = true
}

// at is the value of a row.
func (c *column[V]) at(row int32) V { return c.values.values[c.rows[row]] }

func pick[T any](list []T, order []int32) []T {
	picked := make([]T, len(order))
	for i, from := range order {
		picked[i] = list[from]
	}
	return picked
}

// dictionary numbers distinct values by a key that tells them apart. Copies of a dictionary agree: a number, once given,
// means the same value in all of them.
type dictionary[V any] struct {
	numbers map[string]int32
	values  []V
	// owned is false while another copy uses the same map and list.
	owned bool
}

// number finds or gives the number of a value. It copies what it grows, so that other copies never see a write.
func (d *dictionary[V]) number(key string, value V) int32 {
	if number, ok := d.numbers[key]; ok {
		return number
	}
	if !d.owned {
		d.numbers = maps.Clone(d.numbers)
		d.values = slices.Clip(d.values)
		d.owned = true
	}
	if d.numbers == nil {
		d.numbers = map[string]int32{}
	}
	number := int32(len(d.values))
	d.numbers[key] = number
	d.values = append(d.values, value)
	return number
}
