package report

import "slices"

// series is a step function of time in a bounded number of buckets of equal width. When time runs out of buckets, pairs of them
// become one, so equal histories always give equal buckets.
type series struct {
	limit int
	// width of a bucket in microseconds.
	width   int64
	buckets []bucket
}

// bucket is what a value did within a part of time.
type bucket struct {
	// covered is how much of the bucket was filled, in microseconds; integral is value times microseconds, whose product is converted
	// before it is added: a fused operation would give other last bits on other machines.
	covered  int64
	integral float64
	low      int64
	high     int64
}

func newSeries(limit int, width int64) *series { return &series{limit: limit, width: max(width, 1)} }

// add lets the value hold from one time to another. Calls are in the order of time.
func (s *series) add(from, to, value int64) {
	for to > s.width*int64(s.limit) {
		s.halve()
	}
	for from < to {
		index := int(from / s.width)
		end := min(to, int64(index+1)*s.width)
		for len(s.buckets) <= index {
			s.buckets = append(s.buckets, bucket{})
		}
		s.buckets[index].merge(bucket{covered: end - from, integral: float64(float64(value) * float64(end-from)), low: value, high: value})
		from = end
	}
}

func (s *series) halve() {
	s.width *= 2
	half := s.buckets[:0]
	for i := 0; i < len(s.buckets); i += 2 {
		joined := s.buckets[i]
		if i+1 < len(s.buckets) {
			joined.merge(s.buckets[i+1])
		}
		half = append(half, joined)
	}
	s.buckets = half
}

func (b *bucket) merge(other bucket) {
	switch {
	case other.covered == 0:
		return
	case b.covered == 0:
		*b = other
		return
	}
	b.covered += other.covered
	b.integral += other.integral
	b.low, b.high = min(b.low, other.low), max(b.high, other.high)
}

// means are the time-weighted values of the buckets; a bucket without any is 0.
func (s *series) means() []float64 {
	values := make([]float64, len(s.buckets))
	for i, b := range s.buckets {
		if b.covered > 0 {
			values[i] = round(b.integral / float64(b.covered))
		}
	}
	return values
}

// lows are the lowest values of the buckets, each times scale.
func (s *series) lows(scale float64) []float64 {
	values := make([]float64, len(s.buckets))
	for i, b := range s.buckets {
		values[i] = round(float64(b.low) * scale)
	}
	return values
}

// highs are the highest values of the buckets, each times scale.
func (s *series) highs(scale float64) []float64 {
	values := make([]float64, len(s.buckets))
	for i, b := range s.buckets {
		values[i] = round(float64(b.high) * scale)
	}
	return values
}

// used reports whether the value ever was anything but 0.
func (s *series) used() bool {
	return slices.ContainsFunc(s.buckets, func(b bucket) bool { return b.low != 0 || b.high != 0 })
}

// samples are the durations of something that happens many times, in microseconds. Beyond a limit only every second, fourth,
// eighth... is kept: quantiles of so many are still good. The count and the extremes are exact.
type samples struct {
	kept    []int64
	stride  int64
	count   int64
	longest int64
	sum     int64
}

const maxSamples = 1 << 17

func (s *samples) add(value int64) {
	s.stride = max(s.stride, 1)
	if s.count%s.stride == 0 {
		if len(s.kept) == maxSamples {
			half := s.kept[:0]
			for i := 0; i < len(s.kept); i += 2 {
				half = append(half, s.kept[i])
			}
			s.kept = half
			s.stride *= 2
		}
		if s.count%s.stride == 0 {
			s.kept = append(s.kept, value)
		}
	}
	s.count++
	s.sum += value
	s.longest = max(s.longest, value)
}
