package kube

import (
	"math"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// reconcileDeployment moves the replica sets of a Deployment towards its template: never more than surge allows, never fewer
// available than it demands.
func (c *Cluster) reconcileDeployment(id int32) {
	w := &c.works[id]
	deployment := w.object.(*appsv1.Deployment)
	before := c.progressOf(w)
	switch {
	case deployment.Spec.Paused:
		c.keepSets(w)
	case deployment.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType:
		c.recreate(w)
	default:
		c.roll(w, deployment)
	}
	c.cleanUp(w, deployment)
	c.watchProgress(id, before)
}

// keepSets replaces pods that went, and nothing else.
func (c *Cluster) keepSets(w *workload) {
	if w.revision == 1 {
		c.sets[w.current].wanted = w.replicas
	}
	for _, of := range w.sets {
		c.scaleTo(of, c.sets[of].wanted)
	}
}

// recreate ends all old pods before it makes new ones.
func (c *Cluster) recreate(w *workload) {
	left := 0
	for _, of := range w.sets {
		if of != w.current {
			c.scaleTo(of, 0)
			left += int(c.sets[of].active + c.sets[of].terminating)
		}
	}
	if left == 0 {
		c.scaleTo(w.current, w.replicas)
	} else {
		c.scaleTo(w.current, c.sets[w.current].wanted)
	}
}

// rollingLimits are surge and unavailable replicas in numbers. When both come to none, one may be unavailable.
func rollingLimits(deployment *appsv1.Deployment, replicas int32) (surge, unavailable int32) {
	quarter := intstr.FromString("25%")
	maxSurge, maxUnavailable := &quarter, &quarter
	if rolling := deployment.Spec.Strategy.RollingUpdate; rolling != nil {
		maxSurge, maxUnavailable = orValue(rolling.MaxSurge, quarter), orValue(rolling.MaxUnavailable, quarter)
	}
	surge, unavailable = scaled(maxSurge, replicas, true), scaled(maxUnavailable, replicas, false)
	if surge == 0 && unavailable == 0 {
		unavailable = 1
	}
	return surge, min(unavailable, replicas)
}

func orValue(value *intstr.IntOrString, standard intstr.IntOrString) *intstr.IntOrString {
	if value == nil {
		return &standard
	}
	return value
}

// scaled is a number, or a percentage of the replicas; what cannot be read is none.
func scaled(value *intstr.IntOrString, replicas int32, up bool) int32 {
	number, err := intstr.GetScaledValueFromIntOrPercent(value, int(replicas), up)
	if err != nil || number < 0 {
		return 0
	}
	return int32(min(number, math.MaxInt32))
}

// roll is one step of a rolling update: up with the new set as far as surge goes, down with the old ones as far as enough
// replicas are available.
func (c *Cluster) roll(w *workload, deployment *appsv1.Deployment) {
	surge, unavailable := rollingLimits(deployment, w.replicas)
	var wanted int32
	for _, of := range w.sets {
		wanted += c.sets[of].wanted
	}
	current := &c.sets[w.current]
	target := current.wanted
	if room := w.replicas + surge - wanted; target < w.replicas && room > 0 {
		target = min(w.replicas, target+room)
	} else if target > w.replicas {
		target = w.replicas
	}
	wanted += target - current.wanted
	c.scaleTo(w.current, target)
	current = &c.sets[w.current]
	removable := wanted - (w.replicas - unavailable) - max(current.wanted-current.available, 0)
	c.shrinkOld(w, removable, w.replicas-unavailable)
	for _, of := range w.sets {
		c.scaleTo(of, c.sets[of].wanted)
	}
}

// shrinkOld takes replicas off old sets: first those that are not available anyway, then others, the oldest set first.
func (c *Cluster) shrinkOld(w *workload, removable, least int32) {
	for _, of := range w.sets {
		if s := &c.sets[of]; of != w.current && removable > 0 && s.wanted > 0 {
			sick := min(max(s.wanted-s.available, 0), removable)
			s.wanted -= sick
			removable -= sick
			c.scaleTo(of, s.wanted)
		}
	}
	var available int32
	for _, of := range w.sets {
		available += c.sets[of].available
	}
	spare := min(available-least, removable)
	for _, of := range w.sets {
		if s := &c.sets[of]; of != w.current && spare > 0 && s.wanted > 0 {
			going := min(s.wanted, spare)
			spare -= going
			s.wanted -= going
			c.scaleTo(of, s.wanted)
		}
	}
}

// scaleSets shares a change of replicas among the sets that have any, in proportion, the larger first; what rounding leaves
// goes to the largest. A single set takes it all, also one of an old revision: scaling comes before the roll-out.
func (c *Cluster) scaleSets(w *workload, from, to int32) {
	var active []int32
	var total int32
	for _, of := range w.sets {
		if s := &c.sets[of]; s.wanted > 0 {
			active = append(active, of)
			total += s.wanted
		}
	}
	deployment := w.object.(*appsv1.Deployment)
	if len(active) < 2 || deployment.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType || to == 0 {
		if to == 0 {
			for _, of := range active {
				c.sets[of].wanted = 0
			}
		} else if len(active) == 1 {
			c.sets[active[0]].wanted = to
		}
		return
	}
	surge, _ := rollingLimits(deployment, to)
	oldSurge, _ := rollingLimits(deployment, from)
	change := to + surge - total
	slices.SortStableFunc(active, func(a, b int32) int { return int(c.sets[b].wanted - c.sets[a].wanted) })
	left := change
	for _, of := range active {
		s := &c.sets[of]
		share := int32(math.Round(float64(s.wanted)*float64(to+surge)/float64(from+oldSurge))) - s.wanted
		if change > 0 {
			share = min(max(share, 0), left)
		} else {
			share = max(min(share, 0), left)
		}
		s.wanted += share
		left -= share
	}
	c.sets[active[0]].wanted = max(c.sets[active[0]].wanted+left, 0)
}

// cleanUp forgets old sets beyond the history limit once they are empty.
func (c *Cluster) cleanUp(w *workload, deployment *appsv1.Deployment) {
	over := len(w.sets) - 1 - int(ptr.Deref(deployment.Spec.RevisionHistoryLimit, 10))
	for _, of := range slices.Clone(w.sets) {
		if s := &c.sets[of]; over > 0 && of != w.current && s.wanted == 0 && len(s.pods) == 0 {
			c.dropSet(of)
			over--
		}
	}
}

// progress is what must change for a roll-out to count as getting on.
type progress struct{ updated, old, ready, available int32 }

func (c *Cluster) progressOf(w *workload) progress {
	var p progress
	for _, of := range w.sets {
		s := &c.sets[of]
		if of == w.current {
			p.updated = s.active
		} else {
			p.old += s.active
		}
		p.ready += s.ready
		p.available += s.available
	}
	return p
}

// complete: all replicas are of the current revision and available, and none of an old one is left.
func (c *Cluster) complete(w *workload) bool {
	p := c.progressOf(w)
	return p.updated == w.replicas && p.old == 0 && p.available >= w.replicas
}

// watchProgress plans the look at a roll-out after its deadline.
func (c *Cluster) watchProgress(id int32, before progress) {
	w := &c.works[id]
	now := c.progressOf(w)
	last := w.seen
	if now.updated > last.updated || now.old < last.old || now.ready > last.ready || now.available > last.available || now != before && now.updated > before.updated {
		w.progressed, w.stalled = c.now, false
	}
	w.seen = now
	seconds := ptr.Deref(w.object.(*appsv1.Deployment).Spec.ProgressDeadlineSeconds, 600)
	if c.complete(w) || seconds == math.MaxInt32 || w.stalled {
		return
	}
	at := max(w.progressed+int64(seconds)*int64(time.Second), c.now)
	if w.deadline <= c.now || at < w.deadline {
		w.deadline = at
		c.timers.push(timer{at: at, kind: kindDeadline, id: id, gen: w.gen})
	}
}

// checkDeadline finds out whether a roll-out has got on since its deadline was set.
func (c *Cluster) checkDeadline(id int32) {
	w := &c.works[id]
	deployment, ok := w.object.(*appsv1.Deployment)
	if !ok || c.complete(w) || deployment.Spec.Paused {
		w.deadline = 0
		return
	}
	seconds := time.Duration(ptr.Deref(deployment.Spec.ProgressDeadlineSeconds, 600)) * time.Second
	if at := w.progressed + int64(seconds); at > c.now {
		w.deadline = at
		c.timers.push(timer{at: at, kind: kindDeadline, id: id, gen: w.gen})
		return
	}
	w.deadline, w.stalled = 0, true
	c.touch(id)
}
