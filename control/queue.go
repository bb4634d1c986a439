package control

import "time"

// Queue orders the turns of one controller. It is a plain data structure: the driver makes one call at a time and says
// what time it is, and time never goes back between calls.
//
// A key that was added has a turn some time after, unless its turn began between the two; a key has one turn at a time.
type Queue interface {
	// Add gives a key a reason for a turn. The event is the change that woke it, and the zero Event when no single change
	// did: another key of the controller asked for it.
	Add(key Key, event Event, now time.Time)
	// Next begins the turn of the key that is due before all others; ok is false when none is due.
	Next(now time.Time) (key Key, ok bool)
	// Done ends the turn of a key.
	Done(key Key, outcome Outcome, now time.Time)
	// Due is when, failing all events, the next key becomes due; ok is false when none waits for time. It lies in the past
	// when one is due already.
	Due() (at time.Time, ok bool)
	// Len counts the keys that are due.
	Len() int
}

// Outcome is how a turn ended.
type Outcome struct {
	// Err is nil, or why the key needs another turn. Stale errors are settled by a turn soon after.
	Err error
	// RequeueAfter is what the turn asked for when it did not fail.
	RequeueAfter time.Duration
}
