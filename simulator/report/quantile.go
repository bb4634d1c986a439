package report

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// Quantiles describe durations in seconds.
type Quantiles struct {
	Count int64   `json:"count"`
	Mean  float64 `json:"mean"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
}

func (s *samples) quantiles() Quantiles {
	if s.count == 0 {
		return Quantiles{}
	}
	sorted := s.sorted()
	return Quantiles{
		Count: s.count, Mean: round(float64(s.sum) / float64(s.count) / second), Max: float64(s.longest) / second,
		P50: quantile(0.5, sorted), P90: quantile(0.9, sorted), P99: quantile(0.99, sorted),
	}
}

// sorted are the kept samples in seconds, in order.
func (s *samples) sorted() []float64 {
	seconds := make([]float64, len(s.kept))
	for i, value := range s.kept {
		seconds[i] = float64(value) / second
	}
	slices.Sort(seconds)
	return seconds
}

// quantile of sorted values: the smallest one that this part of them does not exceed.
func quantile(p float64, sorted []float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return stat.Quantile(p, stat.Empirical, sorted, nil)
}

// second in the unit of time that is counted in, microseconds. Whole numbers of them keep sums exact.
const second = 1e6

// round keeps six places, so that the last bits of a division, which differ between machines, are not told.
func round(value float64) float64 {
	if math.Abs(value) >= 1e9 {
		return math.Round(value)
	}
	return math.Round(value*1e6) / 1e6
}
