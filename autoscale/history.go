package autoscale

import (
	"slices"
	"time"
)

// longest is the longest window and the longest period that an autoscaler may have: nothing older matters.
const longest = time.Hour

// History is what was recommended and done for one autoscaler. It is a value: what changes it makes another one.
type History struct {
	// known is false for the zero History.
	known bool
	// before is when the workload was last scaled before the history begins. How, and how often before, is not known.
	before      time.Time
	recommended []recommendation
	changes     []change
}

type recommendation struct {
	at       time.Time
	replicas int32
}

// change is a number of replicas that were added, or taken away where it is negative.
type change struct {
	at time.Time
	by int32
}

// Begin is the history of an autoscaler that nothing is remembered of: the replicas that there are count as recommended, so that they
// stay for as long as replicas stay after they were needed. LastScale is when it was last scaled, as its status says.
func Begin(replicas int32, lastScale, now time.Time) History {
	return History{known: true, before: lastScale, recommended: []recommendation{{now, replicas}}}
}

// Scaled is the history after a change of the template.
func (h History) Scaled(from, to int32, now time.Time) History {
	h.changes = append(h.recent(now), change{now, to - from})
	return h
}

// Known tells whether a history has begun.
func (h History) Known() bool { return h.known }

func (h History) recommend(replicas int32, now time.Time) History {
	kept := slices.DeleteFunc(slices.Clone(h.recommended), func(r recommendation) bool { return now.Sub(r.at) > longest })
	// Of equal ones in a row only the newest matters.
	if last := len(kept) - 1; last >= 0 && kept[last].replicas == replicas {
		kept[last].at = now
	} else {
		kept = append(kept, recommendation{now, replicas})
	}
	h.recommended = kept
	return h
}

func (h History) recent(now time.Time) []change {
	return slices.DeleteFunc(slices.Clone(h.changes), func(c change) bool { return now.Sub(c.at) > longest })
}

// highest is the highest recommendation within a window, lowest the lowest; or the one given.
func (h History) highest(window time.Duration, now time.Time, otherwise int32) int32 {
	for _, r := range h.recommended {
		if now.Sub(r.at) < window {
			otherwise = max(otherwise, r.replicas)
		}
	}
	return otherwise
}

func (h History) lowest(window time.Duration, now time.Time, otherwise int32) int32 {
	for _, r := range h.recommended {
		if now.Sub(r.at) < window {
			otherwise = min(otherwise, r.replicas)
		}
	}
	return otherwise
}

// at is how many replicas there were before a period, by the changes since.
func (h History) at(period time.Duration, now time.Time, current int32) int32 {
	for _, c := range h.changes {
		if now.Sub(c.at) < period {
			current -= c.by
		}
	}
	return current
}

// covers tells whether all changes within a period are known.
func (h History) covers(period time.Duration, now time.Time) bool {
	return now.Sub(h.before) >= period
}
