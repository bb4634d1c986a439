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
		if c.createPod(w.current, place.node) != none {
			w.refused, w.refusals, w.askAgain = false, 0, 0
		}
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

// reconcileDaemonSet replaces pods of older revisions, as many at once as may be unavailable or surge.
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
	old := c.outdated(w)
	if surge := daemonSurge(object, desired); surge > 0 {
		c.surgeDaemons(w, old, surge)
		return
	}
	budget := unavailable - max(desired-available, 0)
	for _, pod := range old {
		if c.pods[pod].available() {
			if budget <= 0 {
				continue
			}
			budget--
		}
		c.deletePod(pod)
	}
}

// outdated lists the pods of older revisions that do not end yet, revision by revision in the order of nodes, and forgets
// revisions without pods.
func (c *Cluster) outdated(w *workload) []int32 {
	var found []int32
	for _, of := range slices.Clone(w.sets) {
		switch {
		case of == w.current:
			continue
		case len(c.sets[of].pods) == 0:
			c.dropSet(of)
			continue
		}
		old := slices.DeleteFunc(slices.Clone(c.sets[of].pods), func(id int32) bool { return c.pods[id].is(podTerminating) })
		slices.SortFunc(old, func(a, b int32) int { return cmp.Compare(c.pods[a].number, c.pods[b].number) })
		found = append(found, old...)
	}
	return found
}

// daemonSurge is on how many nodes a DaemonSet may run a new pod beside an old one.
func daemonSurge(object *appsv1.DaemonSet, desired int32) int32 {
	if rolling := object.Spec.UpdateStrategy.RollingUpdate; rolling != nil && rolling.MaxSurge != nil {
		return scaled(rolling.MaxSurge, desired, true)
	}
	return 0
}

// surgeDaemons makes new pods beside old ones on as many nodes at once as may surge, and ends the old ones whose successors are
// available. Old pods that are not available are nobody's loss: they get successors beyond the surge.
func (c *Cluster) surgeDaemons(w *workload, old []int32, surge int32) {
	fresh := map[int32]int32{}
	for _, id := range c.sets[w.current].pods {
		if p := &c.pods[id]; p.active() {
			fresh[p.number] = id
		}
	}
	var ill, well []int32
	for _, id := range old {
		p := &c.pods[id]
		successor, found := fresh[p.number]
		switch {
		case found && c.pods[successor].available():
			c.deletePod(id)
		case found:
			surge--
		case !p.available():
			ill = append(ill, p.number)
		default:
			well = append(well, p.number)
		}
	}
	for _, row := range append(ill, well[:min(max(int(surge), 0), len(well))]...) {
		if c.belongs(w, row) {
			c.createPod(w.current, row)
		}
	}
}

// doubled counts the nodes on which a DaemonSet has a new pod beside an old one.
func (c *Cluster) doubled(w *workload) int32 {
	if len(w.sets) < 2 || daemonSurge(w.object.(*appsv1.DaemonSet), 100) == 0 {
		return 0
	}
	seen := map[int32]bool{}
	var count int32
	for _, of := range w.sets {
		for _, id := range c.sets[of].pods {
			if p := &c.pods[id]; p.active() {
				count += int32(boolean(seen[p.number]))
				seen[p.number] = true
			}
		}
	}
	return count
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
