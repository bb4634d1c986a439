package simulator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seatrial/seatrial/control"
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
	// touch has the fleet tend to it after the present event; touched, that it will.
	touch   func()
	touched bool
	beside  func(func())
	// columns hold the nodes and pods of a member that was added with them; otherwise they are objects in the store.
	columns *columns

	state       fleet.State
	partitioned bool

	// inside feeds the cluster's own controllers, outside those of the control plane: a network lies between.
	inside, outside feed
	// settled is the revision up to which the API server's own machinery has finished.
	settled uint64
	server  *server
	// clock is the one the cluster goes by, or that of the controllers of the control plane.
	clock *skewed
	// member is the connection that the control plane has to it, made when it is first needed.
	member control.Member
	// agent runs inside a member in Pull mode. Those that are behind have not seen all of a control plane yet that its watchers have.
	agent  *agent
	behind []*agent
	// discovered is what it served when it was last asked.
	discovered control.Discovery
	// past sums up what was forgotten, up to a revision.
	past trail
}

// feed delivers the history of a cluster to watchers. They have seen all up to a revision and know nothing after it.
type feed struct {
	seen     uint64
	planned  bool
	blocked  func() error
	watchers []watcher
}

// watcher is told of changes on behalf of an owner.
type watcher struct {
	owner any
	tell  func(store.Event)
	// agent is who is told of what it sees alone; nil for those who see all. To ask here costs least where there are many.
	agent *agent
}

func (f *feed) add(owner any, tell func(store.Event)) {
	f.watchers = append(f.watchers, watcher{owner: owner, tell: tell})
}

func (f *feed) tell(event store.Event) {
	for _, w := range f.watchers {
		if w.agent == nil || w.agent.sees(event.GVK, event.Key) {
			w.tell(event)
		}
	}
}

func (f *feed) drop(owner any) {
	f.watchers = slices.DeleteFunc(f.watchers, func(w watcher) bool { return w.owner == owner })
}

// newCluster makes all of a cluster but its store.
func (f *Fleet) newCluster(spec fleet.Spec) *cluster {
	c := &cluster{
		spec: spec, loop: f.loop, clock: &skewed{Loop: f.loop}, began: f.loop.Now(), state: fleet.Running, past: newTrail(), server: newServer(f.faults),
	}
	c.touch = func() { f.touch(c) }
	c.beside = f.options.Beside
	if c.beside == nil {
		c.beside = func(work func()) { work() }
	}
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
// write, every delivery, and every mending of the cluster.
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
	delay, broken := watchDelay, false
	var told []func()
	if f == &c.outside {
		var lag time.Duration
		lag, broken, told = c.server.lag(c.loop.Now())
		delay += lag
	}
	c.loop.After(delay, func() {
		f.planned = false
		c.touch()
		if f.blocked() != nil {
			return
		}
		events := c.changes(f.seen)
		if broken {
			events = store.Relist(events)
		}
		for _, tell := range told {
			tell()
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
