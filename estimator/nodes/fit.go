package nodes

import (
	"math"
	"math/bits"
)

// divisor divides non-negative int64 values by a fixed positive one with a multiplication and a shift. The rounded-up
// reciprocal with 63+ceil(log2 d) fractional bits is exact for 63-bit dividends (Granlund and Montgomery, Division by
// Invariant Integers using Multiplication, 1994).
type divisor struct {
	column     int32
	shift      uint8
	reciprocal uint64
	value      int64
}

func newDivisor(a amount) divisor {
	d := divisor{column: a.column, value: a.value}
	if a.value == 1 {
		// The reciprocal of one needs 65 bits. Zero stands for it, and divide returns the dividend.
		return d
	}
	d.shift = uint8(bits.Len64(uint64(a.value-1)) - 1)
	quotient, _ := bits.Div64(1<<d.shift, 0, uint64(a.value))
	d.reciprocal = quotient + 1
	return d
}

func (d *divisor) divide(value int64) int64 {
	if d.reciprocal == 0 {
		return value
	}
	high, _ := bits.Mul64(uint64(value), d.reciprocal)
	return int64(high >> d.shift)
}

// room is how often one replica fits into what one node has left. The pods of the node bound it.
func room(left []int64, request []divisor) int64 {
	fit := left[columnPods]
	for i := range request {
		fit = min(fit, request[i].divide(left[request[i].column]))
	}
	return fit
}

// roomSum adds up the room on nodes that stand one after another. Most demands ask for CPU and memory alone, which is worth
// a loop without an inner one.
func roomSum(left []int64, stride int, request []divisor) int64 {
	if len(request) == 2 && request[0].reciprocal != 0 && request[1].reciprocal != 0 {
		return roomSumOfTwo(left, stride, request[0], request[1])
	}
	var sum int64
	for ; len(left) >= stride; left = left[stride:] {
		sum = addBounded(sum, room(left[:stride], request))
	}
	return sum
}

func roomSumOfTwo(left []int64, stride int, a, b divisor) int64 {
	var sum int64
	for ; len(left) >= stride; left = left[stride:] {
		node := left[:stride]
		first, _ := bits.Mul64(uint64(node[a.column]), a.reciprocal)
		second, _ := bits.Mul64(uint64(node[b.column]), b.reciprocal)
		sum = addBounded(sum, min(node[columnPods], int64(first>>(a.shift&63)), int64(second>>(b.shift&63))))
	}
	return sum
}

// addBounded adds non-negative values and stays at the largest one.
func addBounded(a, b int64) int64 {
	if sum := a + b; sum >= 0 {
		return sum
	}
	return math.MaxInt64
}
