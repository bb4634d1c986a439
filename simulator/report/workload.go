package report

import (
	"math"
	"slices"
	"time"
)

// Workload is who a workload is and what it is held to.
type Workload struct {
	Kind, Namespace, Name string
	Labels                map[string]string
	// Floor is the part of the promised replicas that shall be ready at any time, from 0 to 1, rounded up; FloorReplicas is a
	// number of them. The higher of both counts.
	Floor         float64
	FloorReplicas int64
}

// String is namespace/name.
func (w Workload) String() string { return w.Namespace + "/" + w.Name }

type workload struct {
	info  Workload
	gone  bool
	since int64
	now   state
	// shares are what each cluster has of it.
	shares []share
	scopes []*scope

	arrived  int64
	complete bool
	// minReady counts from when it was complete.
	minReady int64
	// missingSince is when the incident that went on when time last passed had begun; never when none did.
	missingSince int64

	own   *scope
	spark *series
	// detailed: it is among the first, which get a timeline for each cluster.
	detailed bool
}

// share is what one cluster has of a workload.
type share struct {
	cluster                  ClusterID
	assigned, running, ready int64
	line                     *series
	since                    int64
}

// AddWorkload begins to measure a workload that has arrived with so many desired replicas.
func (r *Recorder) AddWorkload(at time.Duration, info Workload, desired int64) WorkloadID {
	now := r.reach(at)
	w := workload{
		info: info, since: now, arrived: now, missingSince: never, own: newScope(0, math.MaxInt64),
		spark: newSeries(sparkPoints, r.width(sparkPoints)), detailed: len(r.workloads) < r.options.Detailed,
	}
	w.scopes = append(w.scopes, w.own)
	for _, s := range r.scopes {
		if s == r.total || s.watches[0].Select == nil || s.watches[0].Select(info) {
			w.scopes = append(w.scopes, s)
		}
	}
	w.own.since = now
	r.workloads = append(r.workloads, w)
	id := WorkloadID(len(r.workloads) - 1)
	r.Desired(at, id, desired)
	return id
}

// RemoveWorkload ends the measuring of a workload that was deleted: nothing is desired or promised any more.
func (r *Recorder) RemoveWorkload(at time.Duration, id WorkloadID) {
	r.change(at, id, func(w *workload) { w.gone, w.now.desired = true, 0 })
}

// Desired says how many replicas the users want from now on.
func (r *Recorder) Desired(at time.Duration, id WorkloadID, replicas int64) {
	r.change(at, id, func(w *workload) { w.now.desired = replicas })
}

// Replicas says how many replicas run in a cluster, that is have a node, and how many of them are ready and can be reached by
// users. The cluster of a workload that has lost its connection to the control plane alone still serves.
func (r *Recorder) Replicas(at time.Duration, id WorkloadID, in ClusterID, running, ready int64) {
	r.change(at, id, func(w *workload) {
		held := w.share(r, in)
		if held.line != nil {
			held.line.add(held.since, r.now, held.ready)
			held.since = r.now
		}
		r.clusters[in].draw(r.now, ready-held.ready)
		w.now.running += running - held.running
		w.now.ready += ready - held.ready
		held.running, held.ready = running, ready
	})
}

// change lets the state of a workload hold until now, changes it, and passes the difference on.
func (r *Recorder) change(at time.Duration, id WorkloadID, mutate func(*workload)) {
	now := r.reach(at)
	w := &r.workloads[id]
	w.hold(now)
	before := w.now
	mutate(w)
	w.derive()
	for _, s := range w.scopes {
		s.move(now, before, w.now)
	}
}

// hold lets the state last until a time. Only states that last are seen: several events of one instant are one change.
func (w *workload) hold(to int64) {
	if to == w.since {
		return
	}
	w.follow()
	for _, s := range w.scopes {
		s.seeWorkload(w.since, to, w.missingSince, w.now)
	}
	if w.complete {
		w.minReady = min(w.minReady, w.now.ready)
	}
	if w.now.promised > 0 {
		w.spark.add(w.since, to, (w.now.promised-w.now.missing)*perMille/w.now.promised)
	} else {
		w.spark.add(w.since, to, perMille)
	}
	w.since = to
}

// perMille is a whole, where parts are kept as whole numbers.
const perMille = 1000

// derive computes what follows from desired, running and ready.
func (w *workload) derive() {
	s := &w.now
	s.promised = min(s.desired, max(s.promised, s.ready))
	s.missing = max(0, s.promised-s.ready)
	s.pending = max(0, s.desired-s.running)
	s.surge = max(0, s.running-s.desired)
	if w.gone {
		s.surge = 0 // what is being deleted is no surplus
	}
	s.below, s.lost = 0, 0
	if s.promised-s.missing < w.floor() {
		s.below = 1
	}
	if s.promised > 0 && s.ready == 0 {
		s.lost = 1
	}
}

// floor is how many replicas must be ready now. The small part taken off keeps 0.8 of 5 at 4.
func (w *workload) floor() int64 {
	part := math.Ceil(float64(w.info.Floor*float64(w.now.promised)) - 1e-9)
	return max(int64(part), min(w.info.FloorReplicas, w.now.promised))
}

// follow tells the scopes of an incident that was over when the present state began, and of a workload that was complete then for
// the first time.
func (w *workload) follow() {
	switch {
	case w.now.missing > 0 && w.missingSince == never:
		w.missingSince = w.since
	case w.now.missing == 0 && w.missingSince != never:
		for _, s := range w.scopes {
			s.recovered(w.missingSince, w.since)
		}
		w.missingSince = never
	}
	if !w.complete && !w.gone && w.now.desired > 0 && w.now.ready >= w.now.desired {
		w.complete, w.minReady = true, w.now.ready
		for _, s := range w.scopes {
			s.started(w.arrived, w.since)
		}
	}
}

// share finds what a cluster has of the workload. Few clusters have a part of one workload.
func (w *workload) share(r *Recorder, in ClusterID) *share {
	for i := range w.shares {
		if w.shares[i].cluster == in {
			return &w.shares[i]
		}
	}
	added := share{cluster: in, since: r.now}
	if w.detailed {
		added.line = newSeries(sparkPoints, r.width(sparkPoints))
	}
	w.shares = append(w.shares, added)
	return &w.shares[len(w.shares)-1]
}

// Target is a cluster of a decision with its replicas.
type Target struct {
	Cluster  ClusterID
	Replicas int64
}

// Decided notes where a workload shall go from now on, after it has waited so long for the decision. What one cluster loses and
// another gains counts as moved.
func (r *Recorder) Decided(at time.Duration, id WorkloadID, targets []Target, waited time.Duration) {
	now := r.reach(at)
	r.decisions++
	r.queued.add(waited.Microseconds())
	r.count(Decisions, r.decisions, now)
	r.waited(now, waited)
	w := &r.workloads[id]
	var gained, lost int64
	for _, target := range targets {
		w.share(r, target.Cluster)
	}
	for i := range w.shares {
		held := &w.shares[i]
		var wanted int64
		if index := slices.IndexFunc(targets, func(t Target) bool { return t.Cluster == held.cluster }); index >= 0 {
			wanted = targets[index].Replicas
		}
		gained += max(0, wanted-held.assigned)
		lost += max(0, held.assigned-wanted)
		held.assigned = wanted
	}
	if moved := min(gained, lost); moved > 0 {
		for _, s := range w.scopes {
			s.moved(now, moved)
		}
	}
}

// Undecided notes a decision without a result.
func (r *Recorder) Undecided(at time.Duration, waited time.Duration) {
	now := r.reach(at)
	r.decisions++
	r.failedDecisions++
	r.queued.add(waited.Microseconds())
	r.count(Decisions, r.decisions, now)
	r.count(FailedDecisions, r.failedDecisions, now)
	r.waited(now, waited)
}

func (r *Recorder) waited(now int64, waited time.Duration) {
	for _, w := range r.total.watches {
		if w.Measure == QueueTime && w.AtMost != nil && waited.Seconds() > *w.AtMost {
			w.pass(now, now-waited.Microseconds())
		}
	}
}

// Evicted notes replicas of a workload that were evicted from a cluster.
func (r *Recorder) Evicted(at time.Duration, id WorkloadID, from ClusterID, replicas int64) {
	now := r.reach(at)
	r.clusters[from].evictions += replicas
	for _, s := range r.workloads[id].scopes {
		s.evicted(now, replicas)
	}
}
