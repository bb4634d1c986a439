package kube

import (
	"cmp"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/utils/ptr"
)

// job is what a Job remembers of the pods it has seen end.
type job struct {
	succeeded, failed int32
	// done are the indexes that have succeeded.
	done      []bool
	started   int64
	finished  int64
	condition string
	reason    string
	notBefore int64
	deadline  bool
}

// Back-off of a Job after a failed pod.
const (
	firstJobBackoff = 10 * time.Second
	lastJobBackoff  = 10 * time.Minute
)

func (c *Cluster) prepareJob(id int32) {
	w := &c.works[id]
	object := w.object.(*batchv1.Job)
	if w.job == nil {
		w.job = &job{started: c.now}
		if ptr.Deref(object.Spec.CompletionMode, batchv1.NonIndexedCompletion) == batchv1.IndexedCompletion {
			w.job.done = make([]bool, ptr.Deref(object.Spec.Completions, 0))
		}
	}
	if seconds := object.Spec.ActiveDeadlineSeconds; seconds != nil && !w.job.deadline {
		w.job.deadline = true
		c.due(kindDeadline, id, w.gen, 1, time.Duration(*seconds)*time.Second)
	}
}

// reconcileJob counts what has ended, and runs as many pods beside each other as it may until enough have succeeded.
func (c *Cluster) reconcileJob(id int32) {
	w := &c.works[id]
	object := w.object.(*batchv1.Job)
	c.reapJob(w)
	j := w.job
	switch {
	case j.condition != "":
		return
	case j.failed > ptr.Deref(object.Spec.BackoffLimit, 6):
		c.endJob(id, string(batchv1.JobFailed), batchv1.JobReasonBackoffLimitExceeded)
		return
	case c.jobDone(w, object):
		c.endJob(id, string(batchv1.JobComplete), batchv1.JobReasonCompletionsReached)
		return
	case ptr.Deref(object.Spec.Suspend, false):
		c.scaleTo(w.current, 0)
		return
	}
	active := c.sets[w.current].active
	wanted := w.replicas
	if object.Spec.Completions != nil {
		wanted = min(wanted, *object.Spec.Completions-j.succeeded)
	} else if j.succeeded > 0 {
		wanted = min(wanted, active)
	}
	if wanted > active && c.now < j.notBefore {
		return
	}
	if wanted < active {
		c.scaleTo(w.current, wanted)
		return
	}
	for n := active; n < wanted; n++ {
		if c.createPod(w.current, c.nextIndex(w)) == none {
			return
		}
		w = &c.works[id]
	}
}

// nextIndex is the lowest index that neither runs nor has succeeded.
func (c *Cluster) nextIndex(w *workload) int32 {
	done := w.job.done
	if done == nil {
		return 0
	}
	taken := slices.Clone(done)
	for _, id := range c.sets[w.current].pods {
		if p := &c.pods[id]; p.active() {
			taken[p.number] = true
		}
	}
	return int32(max(slices.Index(taken, false), 0))
}

// reapJob counts finished pods, which then leave no row: a Job's pods go with its history here, not with the Job.
func (c *Cluster) reapJob(w *workload) {
	j := w.job
	for _, of := range w.sets {
		for at := len(c.sets[of].pods) - 1; at >= 0; at-- {
			id := c.sets[of].pods[at]
			p := &c.pods[id]
			switch {
			case p.phase == succeeded:
				j.succeeded++
				if j.done != nil {
					j.done[p.number] = true
				}
			case p.phase == failed, p.is(podEvicted) && p.is(podTerminating):
				if p.phase != failed {
					// A pod that was evicted counts once, when it is seen to end.
					if p.number == countedNumber {
						continue
					}
					p.number = countedNumber
				}
				j.failed++
				c.backOff(w)
				if p.phase != failed {
					continue
				}
			default:
				continue
			}
			c.removePod(id)
		}
	}
}

// countedNumber marks a terminating pod whose failure has been counted.
const countedNumber = -2

func (c *Cluster) backOff(w *workload) {
	wait := min(firstJobBackoff<<min(w.job.failed-1, 8), lastJobBackoff)
	w.job.notBefore = c.now + int64(wait)
	c.timers.push(timer{at: w.job.notBefore, kind: kindJobRetry, id: c.sets[w.current].work, gen: w.gen})
}

func (c *Cluster) jobDone(w *workload, object *batchv1.Job) bool {
	if object.Spec.Completions != nil {
		return w.job.succeeded >= *object.Spec.Completions
	}
	return w.job.succeeded > 0 && c.sets[w.current].active == 0
}

func (c *Cluster) endJob(id int32, condition, reason string) {
	w := &c.works[id]
	w.job.condition, w.job.reason, w.job.finished = condition, reason, c.now
	c.scaleTo(w.current, 0)
	w = &c.works[id]
	if seconds := w.object.(*batchv1.Job).Spec.TTLSecondsAfterFinished; seconds != nil {
		c.due(kindExpire, id, w.gen, 0, time.Duration(*seconds)*time.Second)
	}
	c.jobEnded(w.key)
	c.touch(id)
}

// endJobLate ends a Job that has run for longer than it may.
func (c *Cluster) endJobLate(id int32) {
	if w := &c.works[id]; w.job != nil && w.job.condition == "" {
		c.endJob(id, string(batchv1.JobFailed), batchv1.JobReasonDeadlineExceeded)
	}
}

// earlier orders keys by when their jobs began.
func (c *Cluster) earlier(a, b Key) int {
	started := func(k Key) int64 {
		if id, ok := c.workOf[k]; ok && c.works[id].job != nil {
			return c.works[id].job.started
		}
		return 0
	}
	return cmp.Or(cmp.Compare(started(a), started(b)), a.compare(b))
}
