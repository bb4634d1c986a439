package simulator

import (
	"crypto/sha256"
	"hash"
	"sync"
)

// forgetAfter is how many revisions are kept at least before some are dropped.
const forgetAfter = 64

// trail is the digest of a history up to a revision.
type trail struct {
	sum hash.Hash
	to  uint64
	// encoded is what an event is encoded in before it is summed.
	encoded []byte
	// summing counts what was handed over to be summed beside the simulation and is not yet.
	summing *sync.WaitGroup
}

func newTrail() trail { return trail{sum: sha256.New(), summing: &sync.WaitGroup{}} }

// remember takes a history into the digest of its cluster, up to a revision.
func (c *cluster) remember(to uint64) {
	if to <= c.past.to {
		return
	}
	events := c.changes(c.past.to)
	for len(events) > 0 && events[len(events)-1].Revision > to {
		events = events[:len(events)-1]
	}
	c.past.to = to
	c.past.summing.Add(1)
	c.beside(func() {
		defer c.past.summing.Done()
		for _, event := range events {
			c.past.encoded = c.store.Encode(c.past.encoded[:0], event)
			// A hash never fails to take bytes.
			_, _ = c.past.sum.Write(c.past.encoded)
		}
	})
}

// forget drops what every watcher has seen.
func (c *cluster) forget() {
	seen := min(c.inside.seen, c.outside.seen)
	for _, late := range c.behind {
		seen = min(seen, late.seen)
	}
	if seen < c.past.to+forgetAfter {
		return
	}
	c.remember(seen)
	c.store.Compact(seen)
}
