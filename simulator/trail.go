package simulator

import (
	"crypto/sha256"
	"hash"
)

// forgetAfter is how many revisions are kept at least before some are dropped.
const forgetAfter = 64

// trail is the digest of a history up to a revision.
type trail struct {
	sum hash.Hash
	to  uint64
	// encoded is what an event is encoded in before it is summed.
	encoded []byte
}

func newTrail() trail { return trail{sum: sha256.New()} }

// remember takes a history into the digest of its cluster, up to a revision.
func (c *cluster) remember(to uint64) {
	if to <= c.past.to {
		return
	}
	for _, event := range c.changes(c.past.to) {
		if event.Revision > to {
			break
		}
		c.past.encoded = c.store.Encode(c.past.encoded[:0], event)
		// A hash never fails to take bytes.
		_, _ = c.past.sum.Write(c.past.encoded)
	}
	c.past.to = to
}

// forget drops what every watcher has seen.
func (c *cluster) forget() {
	seen := min(c.inside.seen, c.outside.seen)
	if seen < c.past.to+forgetAfter {
		return
	}
	c.remember(seen)
	c.store.Compact(seen)
}
