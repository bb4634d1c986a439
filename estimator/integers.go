package estimator

import (
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// Integer rounds a quantity of a resource up to an integer, thousandths for CPU and units for everything else. Negative ones
// count as nothing, and what is too large for 64 bits as the largest number.
func Integer(name corev1.ResourceName, q resource.Quantity) int64 {
	if name == corev1.ResourceCPU {
		return thousandths(q)
	}
	return units(q)
}

func units(q resource.Quantity) int64 {
	// Exact comparisons allocate, and numbers that need one are rare.
	if q.AsApproximateFloat64() > 1<<62 && q.CmpInt64(math.MaxInt64) >= 0 {
		return math.MaxInt64
	}
	return max(q.Value(), 0)
}

func thousandths(q resource.Quantity) int64 {
	if q.AsApproximateFloat64() > 1<<52 && q.Cmp(*resource.NewMilliQuantity(math.MaxInt64, resource.DecimalSI)) >= 0 {
		return math.MaxInt64
	}
	return max(q.MilliValue(), 0)
}

// addBounded adds non-negative values and stays at the largest one.
func addBounded(a, b int64) int64 {
	if sum := a + b; sum >= 0 {
		return sum
	}
	return math.MaxInt64
}

// timesBounded multiplies non-negative values and stays at the largest one.
func timesBounded(a, b int64) int64 {
	if a > 0 && b > math.MaxInt64/a {
		return math.MaxInt64
	}
	return a * b
}

func clamp(value int64) int32 { return int32(min(max(value, 0), math.MaxInt32)) }
