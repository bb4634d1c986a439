package simulator

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/simulator/store"
)

// watchDelay is how long an API server takes to tell its watchers of a write.
const watchDelay = 2 * time.Millisecond

// Why a cluster does not answer.
var (
	errStopped     = errors.New("connection refused: the cluster is stopped")
	errPaused      = errors.New("request timed out: the cluster is paused")
	errPartitioned = errors.New("request timed out: the network to the cluster is cut")
)

// cluster is the API server of one simulated cluster and those who watch it.
type cluster struct {
	spec  fleet.Spec
	loop  *Loop
	store *store.Store
	began time.Time
	// columns hold the nodes and pods of a member that was added with them; otherwise they are objects in the store.
	columns *columns

	state       fleet.State
	partitioned bool

	// inside feeds the cluster's own controllers, outside those of the control plane: a network lies between.
	inside, outside feed
	// settled is the revision up to which the API server's own machinery has finished.
	settled uint64
	server  *server
	// past sums up what was forgotten, up to a revision.
	past trail
}

// feed delivers the history of a cluster to watchers. They have seen all up to a revision and know nothing after it.
type feed struct {
	seen     uint64
	planned  bool
	blocked  func() error
	watchers []watcher
	// distortion is a fault of the network between.
	distortion Distortion
}

// watcher is told of changes on behalf of an owner.
type watcher struct {
	owner any
	tell  func(store.Event)
}

func (f *feed) add(owner any, tell func(store.Event)) {
	f.watchers = append(f.watchers, watcher{owner, tell})
}

func (f *feed) tell(event store.Event) {
	for _, w := range f.watchers {
		w.tell(event)
	}
}

func (f *feed) drop(owner any) {
	f.watchers = slices.DeleteFunc(f.watchers, func(w watcher) bool { return w.owner == owner })
}

func newCluster(spec fleet.Spec, loop *Loop, stored *store.Store, chance *rand.Rand) *cluster {
	c := &cluster{spec: spec, loop: loop, store: stored, began: loop.Now(), state: fleet.Running, past: newTrail(), server: newServer(chance)}
	c.inside.blocked, c.outside.blocked = c.down, c.unreachable
	return c
}

// down tells why nobody can talk to the cluster now; nil when they can.
func (c *cluster) down() error {
	switch c.state {
	case fleet.Stopped:
		return fmt.Errorf("cluster %s: %w", c.spec.Name, errStopped)
	case fleet.Paused:
		return fmt.Errorf("cluster %s: %w", c.spec.Name, errPaused)
	}
	return nil
}

// unreachable tells why the control plane cannot talk to the cluster now; nil when it can.
func (c *cluster) unreachable() error {
	if c.partitioned {
		return fmt.Errorf("cluster %s: %w", c.spec.Name, errPartitioned)
	}
	return c.down()
}

// tend lets the API server's own machinery finish what was written and plans the deliveries to watchers. It follows every
// event, and every mending of the cluster.
func (c *cluster) tend(ctx context.Context) error {
	if c.down() != nil {
		return nil
	}
	revision := c.store.Revision()
	if revision != c.settled {
		if err := c.store.Settle(ctx); err != nil {
			return fmt.Errorf("cluster %s: %w", c.spec.Name, err)
		}
		revision = c.store.Revision()
		c.settled = revision
	}
	c.plan(&c.inside, revision)
	c.plan(&c.outside, revision)
	return nil
}

func (c *cluster) plan(f *feed, revision uint64) {
	if f.planned || revision == f.seen || f.blocked() != nil {
		return
	}
	f.planned = true
	delay, broken := watchDelay+f.distortion.Delay, false
	if f == &c.outside {
		var lag time.Duration
		lag, broken = c.server.lag(c.loop.Now())
		delay += lag
	}
	c.loop.After(delay, func() {
		f.planned = false
		if f.blocked() != nil {
			return
		}
		events := f.distortion.apply(c.changes(f.seen))
		if broken {
			events = store.Relist(events)
		}
		f.seen = c.store.Revision()
		for _, event := range events {
			f.tell(event)
			if f == &c.outside && c.server.strikes(RepeatWatch) {
				f.tell(event)
			}
		}
	})
}

// changes cannot fail: no cluster of a simulation forgets what a watcher has not seen.
func (c *cluster) changes(since uint64) []store.Event {
	events, err := c.store.Changes(since, 0)
	if err != nil {
		panic(fmt.Sprintf("reading the history of cluster %s: %v", c.spec.Name, err))
	}
	return events
}
