package simulator

import (
	"context"
	"errors"
	"fmt"
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

	state       fleet.State
	partitioned bool

	// inside feeds the cluster's own controllers, outside those of the control plane: a network lies between.
	inside, outside feed
}

// feed delivers the history of a cluster to watchers. They have seen all up to a revision and know nothing after it.
type feed struct {
	seen     uint64
	planned  bool
	blocked  func() error
	watchers []func(store.Event)
}

func newCluster(spec fleet.Spec, loop *Loop, stored *store.Store) *cluster {
	c := &cluster{spec: spec, loop: loop, store: stored, state: fleet.Running}
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
	if err := c.store.Settle(ctx); err != nil {
		return fmt.Errorf("cluster %s: %w", c.spec.Name, err)
	}
	c.plan(&c.inside)
	c.plan(&c.outside)
	return nil
}

func (c *cluster) plan(f *feed) {
	if f.planned || c.store.Revision() == f.seen || f.blocked() != nil {
		return
	}
	f.planned = true
	c.loop.After(watchDelay, func() {
		f.planned = false
		if f.blocked() != nil {
			return
		}
		events := c.changes(f.seen)
		f.seen = c.store.Revision()
		for _, event := range events {
			for _, watcher := range f.watchers {
				watcher(event)
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
