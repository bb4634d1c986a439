package simulator

import (
	"context"
	"time"

	"github.com/seatrial/seatrial/simulator/store"
)

// Distortion is what lies between an API server and those who watch it. The zero value tells every change once, in order and
// after the usual delay.
type Distortion struct {
	// Delay is how much later than usual changes are told. Views lag behind for as long.
	Delay time.Duration
	// Relist tells only where objects stand, as a watch does that broke and lists anew: the states between are lost.
	Relist bool
	// Repeat tells every change twice.
	Repeat bool
	// Told is called after a delivery that was distorted; nil for nobody.
	Told func()
}

// Distort puts a distortion between the API server of a cluster and the controllers of the control plane, from the next
// delivery on.
func (f *Fleet) Distort(_ context.Context, cluster string, distortion Distortion) error {
	c, err := f.find(cluster)
	if err != nil {
		return err
	}
	c.outside.distortion = distortion
	return nil
}

func (d Distortion) apply(events []store.Event) []store.Event {
	before := len(events)
	if d.Relist {
		events = store.Relist(events)
	}
	changed := d.Delay > 0 || d.Repeat || len(events) < before
	if d.Repeat {
		repeated := make([]store.Event, 0, 2*len(events))
		for _, event := range events {
			repeated = append(repeated, event, event)
		}
		events = repeated
	}
	if changed && d.Told != nil {
		d.Told()
	}
	return events
}

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
