package kube

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/utils/ptr"
)

// ordinals are the pods of a StatefulSet by their ordinals, none where there is no pod.
type ordinals struct {
	pods []int32
	// stable is the revision that pods below the partition keep; it follows the current one once a roll-out is through.
	stable int32
	begun  bool
}

// forgetNumber takes a pod out of its place.
func (c *Cluster) forgetNumber(id int32) {
	p := &c.pods[id]
	w := &c.works[c.sets[p.set].work]
	switch {
	case w.ordinals != nil:
		if at := int(p.number); at < len(w.ordinals.pods) && w.ordinals.pods[at] == id {
			w.ordinals.pods[at] = none
		}
	case w.key.Kind == KindDaemonSet && !w.gone:
		c.wantDaemon(c.sets[p.set].work, p.number)
	}
}

// reconcileStatefulSet makes missing pods in order, removes those beyond the replicas in reverse order, and then updates from
// the highest ordinal down to the partition. Unless pods are managed in parallel, it waits for each.
func (c *Cluster) reconcileStatefulSet(id int32) {
	w := &c.works[id]
	object := w.object.(*appsv1.StatefulSet)
	o := w.ordinals
	if !o.begun || !slices.Contains(w.sets, o.stable) {
		o.stable, o.begun = w.current, true
	}
	first := int32(0)
	if object.Spec.Ordinals != nil {
		first = object.Spec.Ordinals.Start
	}
	for len(o.pods) < int(first+w.replicas) {
		o.pods = append(o.pods, none)
	}
	if parallel := object.Spec.PodManagementPolicy == appsv1.ParallelPodManagement; c.fillOrdinals(id, first, parallel) || c.trimOrdinals(w, first, parallel) {
		return
	}
	c.updateOrdinals(w, object, first)
	c.settleRevision(w, o, first)
}

// settleRevision ends a roll-out when every pod is of the current revision.
func (c *Cluster) settleRevision(w *workload, o *ordinals, first int32) {
	if o.stable == w.current {
		return
	}
	for at := first; at < first+w.replicas; at++ {
		if id := o.pods[at]; id == none || c.pods[id].set != w.current || !c.pods[id].shown() {
			return
		}
	}
	o.stable = w.current
	for _, of := range slices.Clone(w.sets) {
		if of != w.current && len(c.sets[of].pods) == 0 && len(w.sets) > 11 {
			c.dropSet(of)
		}
	}
}

// fillOrdinals makes missing pods; it reports whether it waits for one to become available.
func (c *Cluster) fillOrdinals(id, first int32, parallel bool) bool {
	w := &c.works[id]
	partition := partitionOf(w)
	for at := first; at < first+w.replicas; at++ {
		pod := w.ordinals.pods[at]
		if pod != none && c.pods[pod].finished() {
			c.removePod(pod)
			pod = none
		}
		if pod == none {
			of := w.current
			if at < first+partition {
				of = w.ordinals.stable
			}
			if pod = c.createPod(of, at); pod == none {
				return true
			}
			w = &c.works[id]
			w.ordinals.pods[at] = pod
		}
		if !parallel && (!c.pods[pod].available() || c.pods[pod].is(podTerminating)) {
			return true
		}
	}
	return false
}

// partitionOf is the number of pods that a rolling update leaves as they are.
func partitionOf(w *workload) int32 {
	strategy := &w.object.(*appsv1.StatefulSet).Spec.UpdateStrategy
	if strategy.Type == appsv1.OnDeleteStatefulSetStrategyType || strategy.RollingUpdate == nil {
		return 0
	}
	return min(ptr.Deref(strategy.RollingUpdate.Partition, 0), w.replicas)
}

// trimOrdinals removes pods beyond the replicas; it reports whether it waits for one to end.
func (c *Cluster) trimOrdinals(w *workload, first int32, parallel bool) bool {
	waiting := false
	for at := int32(len(w.ordinals.pods)) - 1; at >= 0; at-- {
		if at >= first && at < first+w.replicas {
			continue
		}
		pod := w.ordinals.pods[at]
		if pod == none {
			continue
		}
		waiting = true
		c.deletePod(pod)
		if !parallel && w.ordinals.pods[at] != none {
			return true
		}
	}
	if !waiting {
		w.ordinals.pods = w.ordinals.pods[:first+w.replicas]
	}
	return waiting
}

// updateOrdinals ends pods of older revisions, the highest ordinal first, as many at once as may be unavailable.
func (c *Cluster) updateOrdinals(w *workload, object *appsv1.StatefulSet, first int32) {
	strategy := &object.Spec.UpdateStrategy
	if strategy.Type == appsv1.OnDeleteStatefulSetStrategyType {
		return
	}
	unavailable := int32(1)
	if rolling := strategy.RollingUpdate; rolling != nil && rolling.MaxUnavailable != nil {
		unavailable = max(scaled(rolling.MaxUnavailable, w.replicas, true), 1)
	}
	for at := first; at < first+w.replicas; at++ {
		if p := &c.pods[w.ordinals.pods[at]]; !p.available() || p.is(podTerminating) {
			unavailable--
		}
	}
	for at := first + w.replicas - 1; at >= first+partitionOf(w); at-- {
		id := w.ordinals.pods[at]
		p := &c.pods[id]
		if p.set == w.current || p.is(podTerminating) {
			continue
		}
		if p.available() {
			if unavailable <= 0 {
				return
			}
			unavailable--
		}
		c.deletePod(id)
	}
}
