package kube

import (
	"cmp"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
)

// wantDaemon makes the pod of a DaemonSet on a node where it should run and does not, and ends those that should not run.
// Whoever changes a node or ends such a pod calls it.
func (c *Cluster) wantDaemon(id, row int32) {
	w := &c.works[id]
	if !c.nodes[row].is(nodeKnown) || w.gone || w.current == none {
		return
	}
	wanted := c.belongs(w, row)
	have := false
	for at := c.nodes[row].first; at != none; {
		next := c.pods[at].next
		if p := &c.pods[at]; c.sets[p.set].work == id {
			have = have || !p.finished()
			if !wanted && c.nodes[row].flags&nodeLost == 0 || p.finished() {
				c.deletePod(at)
			}
		}
		at = next
	}
	if wanted && !have {
		c.missing = append(c.missing, daemonPlace{id, row})
	}
	c.touch(id)
}

// daemonPlace is a node on which a DaemonSet misses its pod.
type daemonPlace struct{ work, node int32 }

// belongs reports whether a DaemonSet should run on a node: affinity and taints count, room does not.
func (c *Cluster) belongs(w *workload, row int32) bool {
	return c.verdict(c.sets[w.current].template, row).reject == 0
}

func (c *Cluster) wantDaemons(id int32) {
	for row := range c.nodes {
		c.wantDaemon(id, int32(row))
	}
}

// fillMissing makes the pods that were found missing, each once.
func (c *Cluster) fillMissing() {
	if len(c.missing) == 0 {
		return
	}
	places := c.missing
	c.missing = nil
	waiting := map[daemonPlace]bool{}
	for _, place := range places {
		w := &c.works[place.work]
		if waiting[place] || w.gone || w.key.Kind != KindDaemonSet || !c.nodes[place.node].is(nodeKnown) {
			continue
		}
		waiting[place] = true
		if !c.belongs(w, place.node) || c.pendingDaemon(w, place) {
			continue
		}
		c.createPod(w.current, place.node)
	}
}

// pendingDaemon reports whether a pod for the place is there or on its way.
func (c *Cluster) pendingDaemon(w *workload, place daemonPlace) bool {
	for id := c.nodes[place.node].first; id != none; id = c.pods[id].next {
		if p := &c.pods[id]; c.sets[p.set].work == place.work && !p.finished() {
			return true
		}
	}
	for _, of := range w.sets {
		if s := &c.sets[of]; s.scheduled < s.active {
			for _, id := range s.pods {
				if p := &c.pods[id]; p.node == none && p.number == place.node {
					return true
				}
			}
		}
	}
	return false
}

// reconcileDaemonSet replaces pods of older revisions, as many at once as may be unavailable.
func (c *Cluster) reconcileDaemonSet(id int32) {
	w := &c.works[id]
	object := w.object.(*appsv1.DaemonSet)
	c.dropMisplaced(w)
	if object.Spec.UpdateStrategy.Type == appsv1.OnDeleteDaemonSetStrategyType || len(w.sets) < 2 {
		return
	}
	desired, available := c.reportedDesired(w), int32(0)
	for _, of := range w.sets {
		available += c.sets[of].available
	}
	unavailable := int32(1)
	if rolling := object.Spec.UpdateStrategy.RollingUpdate; rolling != nil && rolling.MaxUnavailable != nil {
		unavailable = scaled(rolling.MaxUnavailable, desired, true)
	}
	budget := unavailable - max(desired-available, 0)
	for _, of := range slices.Clone(w.sets) {
		if of == w.current {
			continue
		}
		if len(c.sets[of].pods) == 0 {
			c.dropSet(of)
			continue
		}
		old := slices.Clone(c.sets[of].pods)
		slices.SortFunc(old, func(a, b int32) int { return cmp.Compare(c.pods[a].number, c.pods[b].number) })
		for _, pod := range old {
			p := &c.pods[pod]
			if p.is(podTerminating) {
				continue
			}
			if p.available() {
				if budget <= 0 {
					continue
				}
				budget--
			}
			c.deletePod(pod)
		}
	}
}

// dropMisplaced removes pods that wait for a node which is gone or no longer wants them.
func (c *Cluster) dropMisplaced(w *workload) {
	for _, of := range w.sets {
		if s := &c.sets[of]; s.scheduled == s.active {
			continue
		}
		for _, id := range slices.Clone(c.sets[of].pods) {
			if p := &c.pods[id]; p.node == none && (!c.nodes[p.number].is(nodeKnown) || !c.belongs(w, p.number)) {
				c.removePod(id)
			}
		}
	}
}

// reportedDesired counts the nodes on which a DaemonSet should run.
func (c *Cluster) reportedDesired(w *workload) int32 {
	t := c.sets[w.current].template
	var desired int32
	if t.picky {
		for row := range c.nodes {
			if c.nodes[row].is(nodeKnown) && c.belongs(w, int32(row)) {
				desired++
			}
		}
		return desired
	}
	for i := range c.shapes.rows {
		if n := c.shapes.rows[i].nodes; n > 0 && c.verdictOf(t, int32(i)).reject == 0 {
			desired += n
		}
	}
	return desired
}
