package nodes

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestDivisorIsExact holds multiplication by a reciprocal against division, most of all next to multiples.
func TestDivisorIsExact(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	check := func(value, by int64) {
		t.Helper()
		if value < 0 || by <= 0 {
			return
		}
		d := newDivisor(amount{value: by})
		if got := d.divide(value); got != value/by {
			t.Fatalf("%d / %d = %d, want %d", value, by, got, value/by)
		}
	}
	edges := []int64{1, 2, 3, 5, 7, 10, 1000, 1 << 20, 1<<20 + 1, 1<<31 - 1, 1 << 31, 1 << 62, 1<<62 + 1, math.MaxInt64 - 1, math.MaxInt64}
	for _, by := range edges {
		for _, value := range edges {
			check(value, by)
		}
	}
	for range 200000 {
		by := random.Int64()>>random.IntN(63) + 1
		value := random.Int64() >> random.IntN(63)
		for _, near := range []int64{value, value / by * by, value/by*by - 1, math.MaxInt64/by*by - 1, math.MaxInt64 / by * by, math.MaxInt64} {
			check(near, by)
		}
	}
}

func TestTotalNeverOverflows(t *testing.T) {
	var sum total
	for range 10 {
		sum.add(math.MaxInt64)
	}
	if left := sum.left(math.MaxInt64); left != 0 {
		t.Errorf("ten times the largest amount leave %d", left)
	}
	for range 10 {
		sum.subtract(math.MaxInt64)
	}
	if sum.add(5); sum.left(7) != 2 || sum != (total{low: 5}) {
		t.Errorf("after taking all back and adding 5 the sum is %+v", sum)
	}
}
