package simulator

import (
	"context"
	"time"

	"github.com/seatrial/seatrial/simulator/store"
)

// skewed is a clock that goes as fast as the loop and may be ahead of it.
type skewed struct {
	*Loop
	ahead time.Duration
}

// Now is the time that the clock shows.
func (s *skewed) Now() time.Time { return s.Loop.Now().Add(s.ahead) }

// Since is the time that has passed since then, by this clock.
func (s *skewed) Since(then time.Time) time.Duration { return s.Now().Sub(then) }

// After plans a call in virtual time; an error of it ends the simulation.
func (f *Fleet) After(delay time.Duration, call func() error) {
	f.loop.After(delay, func() {
		if err := call(); err != nil {
			f.fail(err)
		}
	})
}

// Pass lets time pass, up to the first error that no controller is to blame for.
func (f *Fleet) Pass(ctx context.Context, duration time.Duration) error {
	if err := f.tend(); err != nil {
		return err
	}
	return f.advance(ctx, f.loop.Now().Add(duration))
}

// Write is one write in one cluster.
type Write struct {
	Cluster string
	store.Event
}

// follower is told of all writes after those it has seen.
type follower struct {
	seen map[*cluster]uint64
	tell func([]Write) error
	news []Write
}

// Follow calls tell after every event that wrote something, with all its writes: cluster by cluster, each in the order of its
// history. An error of it ends the simulation.
func (f *Fleet) Follow(tell func([]Write) error) {
	added := &follower{seen: map[*cluster]uint64{}, tell: tell}
	for _, c := range f.clusters {
		added.seen[c] = c.store.Revision()
	}
	f.followers = append(f.followers, added)
}

// look notes what was written in a cluster.
func (l *follower) look(c *cluster) {
	revision := c.store.Revision()
	if revision == l.seen[c] {
		return
	}
	for _, event := range c.changes(l.seen[c]) {
		l.news = append(l.news, Write{c.spec.Name, event})
	}
	l.seen[c] = revision
}

// follow tells all followers what they have noted.
func (f *Fleet) follow() error {
	for _, l := range f.followers {
		news := l.news
		if l.news = nil; len(news) == 0 {
			continue
		}
		if err := l.tell(news); err != nil {
			return err
		}
	}
	return nil
}
