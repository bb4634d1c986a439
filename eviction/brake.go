package eviction

import "time"

// Limiter spaces evictions: a token bucket whose rate may change between two calls. Its zero value is full.
type Limiter struct {
	// spent is what is missing to a full bucket, as of a moment.
	spent float64
	at    time.Time
}

// Take allows one eviction, or tells how long to wait for it: Never at a rate of 0. A bucket holds what one second brings, and
// one eviction at least.
func (l *Limiter) Take(now time.Time, rate float64) (ok bool, wait time.Duration) {
	if rate <= 0 {
		return false, Never
	}
	l.spent = max(0, l.spent-rate*now.Sub(l.at).Seconds())
	l.at = now
	room := max(1, rate)
	l.spent = min(l.spent, room)
	if missing := l.spent + 1 - room; missing > 0 {
		// A nanosecond more makes up for rounding.
		return false, time.Duration(missing/rate*float64(time.Second)) + 1
	}
	l.spent++
	return true, 0
}

// Return gives back what was taken for an eviction that did not happen.
func (l *Limiter) Return() { l.spent = max(0, l.spent-1) }
