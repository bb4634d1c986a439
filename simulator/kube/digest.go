package kube

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
)

// Digest sums up the whole state of the cluster: two clusters with the same history have the same one.
func (c *Cluster) Digest() string {
	c.advance()
	sum := sha256.New()
	write(sum, c.now, int64(len(c.nodes)), int64(len(c.pods)), int64(c.nextNode), int64(c.serial), int64(len(c.timers.heap)))
	for row := range c.nodes {
		n := &c.nodes[row]
		write(sum, n.failed, int64(n.pool), int64(n.serial), int64(n.shape), int64(n.first), int64(n.pods), int64(n.flags&^nodeUngraded))
	}
	for i := range c.pods {
		p := &c.pods[i]
		write(sum, p.created, p.since, int64(p.set), int64(p.node), int64(p.number), int64(p.serial), int64(p.restarts), int64(p.phase), int64(p.flags))
	}
	for i := range c.works {
		w := &c.works[i]
		if !w.known {
			continue
		}
		_, _ = sum.Write([]byte(w.key.String()))
		s := c.statusOf(w)
		write(sum, int64(s.Replicas), int64(s.Updated), int64(s.Ready), int64(s.Available), int64(s.Serving), int64(s.Succeeded), int64(s.Failed))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

func write(to hash.Hash, values ...int64) {
	var buffer [8]byte
	for _, value := range values {
		binary.LittleEndian.PutUint64(buffer[:], uint64(value))
		_, _ = to.Write(buffer[:])
	}
}
