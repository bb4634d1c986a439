package client

import "time"

// State of a circuit breaker.
type State int

const (
	// Closed lets all calls through.
	Closed State = iota
	// Open lets none through until its time is over.
	Open
	// HalfOpen lets one through, whose outcome closes the breaker or opens it for longer.
	HalfOpen
)

// String implements fmt.Stringer.
func (s State) String() string { return [...]string{"closed", "open", "half-open"}[s] }

const (
	// failuresToOpen are those in a row. A call that ran into its deadline has cost enough to open at once.
	failuresToOpen = 3
	// A cluster is left alone for firstBackoff, and for twice as long after each call in vain, up to maxBackoff.
	firstBackoff = time.Second
	maxBackoff   = time.Minute
)

// outcome is what a call tells about the estimator, whatever it told about the question.
type outcome int

const (
	// answered: it is there, even if it could not answer.
	answered outcome = iota
	// failed: it could not be reached, or makes no sense.
	failed
	// timedOut: it let the deadline pass.
	timedOut
	// unheard: the call ended for a reason of our own.
	unheard
)

// breaker decides whether a cluster is asked. It is closed while until is zero.
//
// Calls hold the era they were admitted in. Each opening and each closing begins a new one, and what calls of an earlier
// era tell is old news: it neither closes an open breaker nor opens it for longer.
type breaker struct {
	era      uint64
	failures int
	until    time.Time
	backoff  time.Duration
	probing  bool
}

func (b *breaker) state(now time.Time) State {
	switch {
	case b.until.IsZero():
		return Closed
	case now.Before(b.until):
		return Open
	}
	return HalfOpen
}

// admit lets a call through, or not. Each call that was let through must be settled.
func (b *breaker) admit(now time.Time) (era uint64, ok bool) {
	switch b.state(now) {
	case Open:
		return 0, false
	case HalfOpen:
		if b.probing {
			return 0, false
		}
		b.probing = true
	}
	return b.era, true
}

// settle takes note of the outcome of an admitted call.
func (b *breaker) settle(era uint64, outcome outcome, now time.Time) {
	if era != b.era {
		return
	}
	probed := b.probing
	b.probing = false
	switch outcome {
	case answered:
		b.failures = 0
		if probed {
			*b = breaker{era: b.era + 1}
		}
	case failed:
		if b.failures++; probed || b.failures >= failuresToOpen {
			b.open(now)
		}
	case timedOut:
		b.open(now)
	}
}

func (b *breaker) open(now time.Time) {
	b.era++
	b.failures = 0
	b.backoff = min(max(2*b.backoff, firstBackoff), maxBackoff)
	b.until = now.Add(b.backoff)
}
