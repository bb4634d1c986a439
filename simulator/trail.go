package simulator

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash"
)

// forgetAfter is how many revisions are kept at least before some are dropped.
const forgetAfter = 1024

// trail is the digest of a history up to a revision.
type trail struct {
	sum hash.Hash
	to  uint64
}

func newTrail() trail { return trail{sum: sha256.New()} }

// remember takes a history into the digest of its cluster, up to a revision.
func (c *cluster) remember(to uint64) error {
	if to <= c.past.to {
		return nil
	}
	for _, event := range c.changes(c.past.to) {
		if event.Revision > to {
			break
		}
		content, err := json.Marshal(event.Tree())
		if err != nil {
			return fmt.Errorf("cluster %s: encoding revision %d: %w", c.spec.Name, event.Revision, err)
		}
		fmt.Fprintf(c.past.sum, "%d %s %s\n", event.Revision, event.Type, content)
	}
	c.past.to = to
	return nil
}

// forget drops what every watcher has seen.
func (c *cluster) forget() error {
	seen := min(c.inside.seen, c.outside.seen)
	if seen < c.past.to+forgetAfter {
		return nil
	}
	if err := c.remember(seen); err != nil {
		return err
	}
	c.store.Compact(seen)
	return nil
}
