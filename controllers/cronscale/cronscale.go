// Package cronscale carries out CronFederatedHPAs: at the times of their rules it sets the replicas of a workload, or the bounds of a
// FederatedHPA.
package cronscale

import (
	"cmp"
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autoscalingv1alpha1 "github.com/seatrial/seatrial/api/autoscaling/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/autoscale/timetable"
	"github.com/seatrial/seatrial/control"
)

// Options are the settings of the controller.
type Options struct {
	// Zone is that of rules which name none.
	Zone    *time.Location
	Workers int
}

// Defaults reads rules without a zone in UTC.
func Defaults() Options { return Options{Zone: time.UTC, Workers: 5} }

// New is the controller named "cronFederatedHorizontalPodAutoscaler". Its keys are CronFederatedHPAs.
//
// When a rule is due next stands in the status, so that nothing is missed by a process that was away: a rule that was due meanwhile
// runs once, however often it was, and rules that were due in a row run in that order.
func New(options Options) control.Controller {
	c := &clockwork{options}
	return control.Controller{
		Name:      "cronFederatedHorizontalPodAutoscaler",
		Watches:   []control.Watch{{Object: &autoscalingv1alpha1.CronFederatedHPA{}, Keys: onSpec}},
		Workers:   options.Workers,
		Reconcile: c.reconcile,
	}
}

// onSpec leaves out what the controller writes itself.
func onSpec(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	if event.New == nil || event.Old != nil && event.Old.GetGeneration() == event.New.GetGeneration() {
		return nil
	}
	return []control.Key{control.KeyOf(event.New)}
}

type clockwork struct{ Options }

func (c *clockwork) reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	read := &autoscalingv1alpha1.CronFederatedHPA{}
	if err := deps.Client.Get(ctx, key.NamespacedName(), read); err != nil || !read.DeletionTimestamp.IsZero() {
		return control.Result{}, client.IgnoreNotFound(err)
	}
	return c.turn(ctx, deps, read)
}

// turn runs what is due, writes what became of it, and waits for what is due next.
func (c *clockwork) turn(ctx context.Context, deps control.Deps, read *autoscalingv1alpha1.CronFederatedHPA) (control.Result, error) {
	now := deps.Clock.Now()
	entries := c.entries(deps, read, now)
	for _, due := range inOrder(entries) {
		err := run(ctx, deps, read, due.rule)
		if control.Stale(err) || ctx.Err() != nil {
			return control.Result{}, err
		}
		if err != nil {
			deps.Events.Eventf(read, corev1.EventTypeWarning, names.EventScaleFailed, "rule %s: %v", due.rule.Name, err)
		}
		due.note(now, err)
	}
	if err := write(ctx, deps, read, entries); err != nil {
		return control.Result{}, err
	}
	wait := time.Duration(0)
	for _, e := range entries {
		if e.next.IsZero() {
			continue
		}
		if left := max(e.next.Sub(deps.Clock.Now()), time.Millisecond); wait == 0 || left < wait {
			wait = left
		}
	}
	return control.Result{RequeueAfter: wait}, nil
}

// entry is one rule with what became of it.
type entry struct {
	rule    *autoscalingv1alpha1.CronFederatedHPARule
	history autoscalingv1alpha1.ExecutionHistory
	// due is the last time at which it should have run and has not; the zero time when there is none.
	due time.Time
	// next is when it runs next; the zero time for never.
	next time.Time
}

// entries are those of all rules, in their order. What the status says of rules that are gone is left out.
func (c *clockwork) entries(deps control.Deps, read *autoscalingv1alpha1.CronFederatedHPA, now time.Time) []*entry {
	var entries []*entry
	for i := range read.Spec.Rules {
		rule := &read.Spec.Rules[i]
		e := &entry{rule: rule, history: autoscalingv1alpha1.ExecutionHistory{RuleName: rule.Name}}
		known := slices.IndexFunc(read.Status.ExecutionHistories, func(h autoscalingv1alpha1.ExecutionHistory) bool { return h.RuleName == rule.Name })
		if known >= 0 {
			e.history = *read.Status.ExecutionHistories[known].DeepCopy()
		}
		entries = append(entries, e)
		if ptr.Deref(rule.Suspend, false) {
			continue
		}
		table, err := timetable.Parse(rule.Schedule, ptr.Deref(rule.TimeZone, ""), c.Zone)
		if err != nil {
			deps.Events.Eventf(read, corev1.EventTypeWarning, names.EventStartRuleFailed, "rule %s: %v", rule.Name, err)
			continue
		}
		e.next = table.Next(now)
		said := e.history.NextExecutionTime
		switch {
		case said == nil || !table.Agrees(said.Time, now):
			// A time that does not fit the schedule was that of another one, before the rule was changed.
		case said.After(now):
			// An interval goes on from where it began.
			e.next = said.Time
		default:
			e.due = table.Last(said.Time, now)
		}
	}
	return entries
}

// inOrder are the entries that are due, in the order of the times at which they were.
func inOrder(entries []*entry) []*entry {
	var due []*entry
	for _, e := range entries {
		if !e.due.IsZero() {
			due = append(due, e)
		}
	}
	slices.SortStableFunc(due, func(a, b *entry) int { return cmp.Compare(a.due.UnixNano(), b.due.UnixNano()) })
	return due
}
