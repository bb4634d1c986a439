package report

// state is what a workload, or the sum of some, is like at a time.
type state struct {
	desired, running, ready, promised int64
	// missing replicas of those promised, pending of those desired; surge is what runs beyond them.
	missing, pending, surge int64
	// below and lost count workloads: below their floor, and with nothing left.
	below, lost int64
}

func (s *state) shift(before, after state) {
	s.desired += after.desired - before.desired
	s.running += after.running - before.running
	s.ready += after.ready - before.ready
	s.promised += after.promised - before.promised
	s.missing += after.missing - before.missing
	s.pending += after.pending - before.pending
	s.surge += after.surge - before.surge
	s.below += after.below - before.below
	s.lost += after.lost - before.lost
}

// scope sums up some workloads within a window of time. A state that lasts no time is not seen: several events of one instant
// are one change.
type scope struct {
	// from and until bound the window, both included.
	from, until int64
	since       int64
	now         state
	watches     []*watch

	// Integrals over time, in replicas (or workloads) times microseconds.
	promisedTime, readyTime, missingTime, belowTime, pendingTime, surgeTime int64

	pendingPeak, surgePeak, lostPeak int64
	// lowest part of its promised replicas that a workload had, once one was observed.
	lowest   float64
	observed bool

	recoveries, startups samples
	moves, evictions     int64

	// Since when something was as it should not be when time last passed; never when it was not.
	missingSince, pendingSince, surgeSince, belowSince, lostSince int64
	firstMissing                                                  int64
}

func newScope(from, until int64) *scope {
	return &scope{
		from: from, until: until, lowest: 1,
		missingSince: never, pendingSince: never, surgeSince: never, belowSince: never, lostSince: never, firstMissing: never,
	}
}

func (s *scope) counts(at int64) bool { return at >= s.from && at <= s.until }

// sees reports whether a state that held from one time until before another was there within the window.
func (s *scope) sees(from, to int64) bool { return from < to && from <= s.until && to > s.from }

// move lets time pass and then changes the sum.
func (s *scope) move(to int64, before, after state) {
	s.pass(to)
	s.now.shift(before, after)
}

// mark notes since when something is as it should not be, for a state that has lasted from a time on.
func (s *scope) mark(from int64) {
	for _, m := range []struct {
		since *int64
		value int64
	}{
		{&s.missingSince, s.now.missing}, {&s.pendingSince, s.now.pending}, {&s.surgeSince, s.now.surge}, {&s.belowSince, s.now.below},
		{&s.lostSince, s.now.lost},
	} {
		if m.value <= 0 {
			*m.since = never
		} else if *m.since == never {
			*m.since = from
		}
	}
}

// pass lets the sum hold until a time.
func (s *scope) pass(to int64) {
	from := s.since
	s.since = to
	if from < to {
		s.mark(from)
	}
	if !s.sees(from, to) {
		return
	}
	s.observe(from)
	start, end := max(from, s.from), min(to, s.until)
	span := end - start
	if span <= 0 {
		return
	}
	s.promisedTime += s.now.promised * span
	s.readyTime += (s.now.promised - s.now.missing) * span
	s.pendingTime += s.now.pending * span
	s.surgeTime += s.now.surge * span
	s.missingTime += s.now.missing * span
	s.belowTime += s.now.below * span
	for _, w := range s.watches {
		switch w.Measure {
		case Unavailable:
			w.crossed(s.missingTime, s.now.missing, end, s.missingSince)
		case BelowFloor:
			w.crossed(s.belowTime, s.now.below, end, s.belowSince)
		}
	}
}

// observe sees the state that has held since a time.
func (s *scope) observe(from int64) {
	from = max(from, s.from)
	s.pendingPeak = max(s.pendingPeak, s.now.pending)
	s.surgePeak = max(s.surgePeak, s.now.surge)
	s.lostPeak = max(s.lostPeak, s.now.lost)
	if s.now.missing > 0 && s.firstMissing == never {
		s.firstMissing = max(s.missingSince, s.from)
	}
	for _, w := range s.watches {
		switch w.Measure {
		case Pending:
			w.exceeded(s.now.pending, from, s.pendingSince)
		case Surge:
			w.exceeded(s.now.surge, from, s.surgeSince)
		case Lost:
			w.exceeded(s.now.lost, from, s.lostSince)
		}
	}
}

// crossed finds the time when a growing sum passed the upper bound.
func (w *watch) crossed(sum, rate, end, since int64) {
	if w.AtMost == nil || rate <= 0 || w.passed != never {
		return
	}
	if over := float64(sum) - float64(*w.AtMost*second); over > 0 {
		w.pass(end-int64(over/float64(rate)), since)
	}
}

func (w *watch) exceeded(value, from, since int64) {
	if w.AtMost != nil && float64(value) > *w.AtMost {
		w.pass(from, since)
	}
}

// seeWorkload sees the state of one workload that held for a while.
func (s *scope) seeWorkload(from, to, since int64, held state) {
	if held.promised == 0 || !s.sees(from, to) {
		return
	}
	part := float64(held.promised-held.missing) / float64(held.promised)
	s.observed = true
	s.lowest = min(s.lowest, part)
	for _, w := range s.watches {
		if w.Measure == LowestAvailability && w.AtLeast != nil && part < *w.AtLeast {
			w.pass(max(from, s.from), since)
		}
	}
}

// recovered counts an incident that began and ended, or has lasted until now.
func (s *scope) recovered(began, ended int64) {
	if !s.counts(began) {
		return
	}
	s.recoveries.add(ended - began)
	s.tooLong(Recovery, began, ended-began)
}

func (s *scope) started(arrived, complete int64) {
	if !s.counts(arrived) {
		return
	}
	s.startups.add(complete - arrived)
	s.tooLong(Startup, arrived, complete-arrived)
}

func (s *scope) tooLong(measure Measure, began, lasted int64) {
	for _, w := range s.watches {
		if w.Measure == measure && w.AtMost != nil && float64(lasted) > *w.AtMost*second {
			w.pass(began+int64(*w.AtMost*second), began)
		}
	}
}

func (s *scope) moved(at, replicas int64) {
	if s.counts(at) {
		s.moves += replicas
		s.counted(Moves, s.moves, at)
	}
}

func (s *scope) evicted(at, replicas int64) {
	if s.counts(at) {
		s.evictions += replicas
		s.counted(Evictions, s.evictions, at)
	}
}

func (s *scope) counted(measure Measure, count, at int64) {
	for _, w := range s.watches {
		if w.Measure == measure {
			w.exceeded(count, at, at)
		}
	}
}

func (s *scope) availability() float64 {
	if s.promisedTime == 0 {
		return 1
	}
	return float64(s.readyTime) / float64(s.promisedTime)
}
