package kube

import (
	"crypto/sha256"
	"encoding/json"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// outlook is what alike pods find on each node by itself: its score, or why it is not feasible. It follows the log, so that
// only nodes that changed are looked at again.
type outlook struct {
	alike               likeness
	structure, position uint64
	turn                uint64 // of its last use
	lanes
}

// likeness is the same for templates whose pods find the same on every node, whatever pods are around.
type likeness [16]byte

// outlooksKept bounds the memory of outlooks: most workloads come in few sizes.
const outlooksKept = 32

// readLikeness sums up all that evaluate looks at.
func (t *template) readLikeness() error {
	type asked struct {
		Column int32
		Value  int64
	}
	type bound struct {
		IP       string
		Protocol corev1.Protocol
		Number   int32
	}
	content := struct {
		Profile     string
		Requests    []asked
		CPU, Memory int64
		Priority    int32
		Ports       []bound
		Tolerations []corev1.Toleration
		Selector    map[string]string
		Affinity    *corev1.NodeAffinity
	}{Profile: t.profile.name, CPU: t.cpu, Memory: t.memory, Priority: t.priority, Tolerations: t.tolerations, Selector: t.spec.Spec.NodeSelector}
	for _, a := range t.requests {
		content.Requests = append(content.Requests, asked{a.column, a.value})
	}
	for _, p := range t.ports {
		content.Ports = append(content.Ports, bound{p.ip, p.protocol, p.number})
	}
	if affinity := t.spec.Spec.Affinity; affinity != nil {
		content.Affinity = affinity.NodeAffinity
	}
	encoded, err := json.Marshal(content)
	if err != nil {
		return err
	}
	t.alike = summed(encoded)
	return nil
}

func summed(encoded []byte) likeness {
	sum := sha256.Sum256(encoded)
	return likeness(sum[:len(likeness{})])
}

// outlook returns that of a template as of now; last is the one that was used before.
func (c *Cluster) outlook(t *template, last *outlook) *outlook {
	found := last
	if found == nil || found.alike != t.alike {
		found = c.findOutlook(t)
	}
	c.boardTurn++
	found.turn = c.boardTurn
	if found.structure != c.structure || c.position-found.position > logSize {
		found.reset(len(c.order), min(c.shapesLined, shapeLimit))
		found.structure, found.position = c.structure, c.position
	}
	for ; found.position < c.position; found.position++ {
		if at := c.placeOf[c.log[found.position%logSize].node]; at != none {
			found.touch(at)
		}
	}
	return found
}

func (c *Cluster) findOutlook(t *template) *outlook {
	for _, o := range c.outlooks {
		if o.alike == t.alike {
			return o
		}
	}
	if len(c.outlooks) < outlooksKept {
		c.outlooks = append(c.outlooks, &outlook{})
	}
	oldest := slices.MinFunc(c.outlooks, func(a, b *outlook) int { return int(int64(a.turn) - int64(b.turn)) })
	oldest.alike, oldest.structure = t.alike, c.structure-1
	return oldest
}

// scoreAt is the score of the node at a place, or why it is not feasible, found out when it is not known.
func (c *Cluster) scoreAt(o *outlook, t *template, at int) int16 {
	if o.scores[at] == stale {
		o.scores[at] = c.evaluate(t, c.order[at])
	}
	return o.scores[at]
}
