package kube

import (
	"fmt"
	"slices"
	"time"

	cronexpr "github.com/robfig/cron/v3"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// cron is the schedule of a CronJob and the Jobs it has made.
type cron struct {
	schedule cronexpr.Schedule
	jobs     []Key
	last     int64
	planned  int64
}

func (c *Cluster) applyCron(object *batchv1.CronJob) error {
	key := Key{KindCronJob, object.Namespace, object.Name}
	expression := object.Spec.Schedule
	if zone := object.Spec.TimeZone; zone != nil && *zone != "" {
		expression = "CRON_TZ=" + *zone + " " + expression
	}
	schedule, err := cronexpr.ParseStandard(expression)
	if err != nil {
		return fmt.Errorf("applying %s: spec.schedule %q: %w", key, object.Spec.Schedule, err)
	}
	id, ok := c.workOf[key]
	if !ok {
		id = c.newWorkload(key)
		c.works[id].cron = &cron{}
	}
	w := &c.works[id]
	w.object, w.generation, w.known = object, max(object.Generation, 1), true
	w.cron.schedule = schedule
	w.gen++
	c.planCron(id)
	c.touch(id)
	return nil
}

// planCron plans the next run. Times without a zone are in UTC.
func (c *Cluster) planCron(id int32) {
	w := &c.works[id]
	if ptr.Deref(w.object.(*batchv1.CronJob).Spec.Suspend, false) {
		return
	}
	next := w.cron.schedule.Next(c.time(c.now).UTC())
	if next.IsZero() {
		return
	}
	w.cron.planned = int64(next.Sub(c.epoch))
	c.timers.push(timer{at: w.cron.planned, kind: kindCron, id: id, gen: w.gen})
}

// runCron starts the Job that is due, as the concurrency policy has it.
func (c *Cluster) runCron(id int32) {
	w := &c.works[id]
	object := w.object.(*batchv1.CronJob)
	due := w.cron.planned
	late := time.Duration(c.now - due)
	defer c.planCron(id)
	if seconds := object.Spec.StartingDeadlineSeconds; seconds != nil && late > time.Duration(*seconds)*time.Second {
		return
	}
	var running []Key
	for _, started := range w.cron.jobs {
		if job, ok := c.workOf[started]; ok && c.works[job].job.condition == "" {
			running = append(running, started)
		}
	}
	switch {
	case len(running) > 0 && object.Spec.ConcurrencyPolicy == batchv1.ForbidConcurrent:
		return
	case object.Spec.ConcurrencyPolicy == batchv1.ReplaceConcurrent:
		for _, old := range running {
			c.remove(old)
		}
	}
	made := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Namespace: object.Namespace, Name: fmt.Sprintf("%s-%d", object.Name, c.time(due).Unix()/60),
			Labels: object.Spec.JobTemplate.Labels, Annotations: object.Spec.JobTemplate.Annotations},
		Spec: object.Spec.JobTemplate.Spec,
	}
	if err := c.apply(made); err != nil {
		c.problems = append(c.problems, fmt.Errorf("running CronJob %s/%s: %w", object.Namespace, object.Name, err))
		return
	}
	w = &c.works[id]
	w.cron.last = c.now
	w.cron.jobs = append(w.cron.jobs, Key{KindJob, made.Namespace, made.Name})
	c.touch(id)
}

// remove deletes what the cluster has made itself, and tells its store.
func (c *Cluster) remove(key Key) {
	c.delete(key)
	if c.events.Removed != nil {
		c.news = append(c.news, func() { c.events.Removed(key) })
	}
}

// jobEnded keeps the history of a CronJob within its limits.
func (c *Cluster) jobEnded(key Key) {
	for id := range c.works {
		w := &c.works[id]
		if w.cron == nil || !slices.Contains(w.cron.jobs, key) {
			continue
		}
		object := w.object.(*batchv1.CronJob)
		c.touch(int32(id))
		c.trimHistory(w, string(batchv1.JobComplete), ptr.Deref(object.Spec.SuccessfulJobsHistoryLimit, 3))
		c.trimHistory(w, string(batchv1.JobFailed), ptr.Deref(object.Spec.FailedJobsHistoryLimit, 1))
	}
}

func (c *Cluster) trimHistory(w *workload, condition string, limit int32) {
	var ended []Key
	w.cron.jobs = slices.DeleteFunc(w.cron.jobs, func(key Key) bool { _, ok := c.workOf[key]; return !ok })
	for _, key := range w.cron.jobs {
		if c.works[c.workOf[key]].job.condition == condition {
			ended = append(ended, key)
		}
	}
	slices.SortFunc(ended, c.earlier)
	for over := len(ended) - int(limit); over > 0; over-- {
		old := ended[len(ended)-int(limit)-over]
		w.cron.jobs = slices.DeleteFunc(w.cron.jobs, func(key Key) bool { return key == old })
		c.remove(old)
	}
}
