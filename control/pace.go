package control

import (
	"sync"
	"time"
)

// Pace spaces out writes that tell of progress only. The first write for a key goes at once; while others follow on its heels,
// the time between two of them doubles. What a pace remembers only saves writes, and may be lost with the process.
type Pace struct {
	first, longest time.Duration

	mu    sync.Mutex
	beats map[Key]beat
	// sweep is how many beats there may be before those that mean nothing any more are dropped.
	sweep int
}

// beat is when a key was written, and how long it shall rest.
type beat struct {
	at   time.Time
	rest time.Duration
	// gathers: nothing was written at that time, but news came up that wait for more.
	gathers bool
}

// NewPace makes a pace. First is the time between the first two writes for a key, longest the most it grows to.
func NewPace(first, longest time.Duration) *Pace {
	return &Pace{first: first, longest: longest, beats: map[Key]beat{}, sweep: 1024}
}

// Wait is how long the next write for a key has to wait; 0 when it can go now.
func (p *Pace) Wait(key Key, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.last(key, now).left(now)
}

// last is the last beat of a key. One of a clock that has been set back since would keep the key waiting for all that time.
func (p *Pace) last(key Key, now time.Time) beat {
	if last := p.beats[key]; !now.Before(last.at) {
		return last
	}
	return beat{}
}

func (b beat) left(now time.Time) time.Duration { return max(b.at.Add(b.rest).Sub(now), 0) }

// Gather is like Wait, but lets the first write for a key wait as well, from the first time that this asks about it: what comes
// up in a burst is written once, at its end.
func (p *Pace) Gather(key Key, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := p.last(key, now)
	if !last.gathers && p.over(last, now) {
		last = beat{at: now, rest: p.first, gathers: true}
		p.beats[key] = last
	}
	return last.left(now)
}

// Wrote notes a write for a key.
func (p *Pace) Wrote(key Key, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := beat{at: now, rest: p.first}
	if last := p.last(key, now); !last.gathers && !p.over(last, now) {
		next.rest = min(2*last.rest, p.longest)
	}
	p.beats[key] = next
	if len(p.beats) < p.sweep {
		return
	}
	for key, last := range p.beats {
		if p.over(last, now) || now.Before(last.at) {
			delete(p.beats, key)
		}
	}
	p.sweep = 2*len(p.beats) + 1024
}

// over tells whether a write has rested for twice its time, so that the next one is a first one again, as it is without one before.
func (p *Pace) over(last beat, now time.Time) bool {
	return now.Sub(last.at) >= 2*last.rest
}
