// Package failover moves workloads away from clusters in which they stay unhealthy for longer than their policy tolerates.
package failover

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/fieldpatch"
	"github.com/seatrial/seatrial/workload"
)

const (
	// defaultToleration is how long a workload may be unhealthy when its policy does not say.
	defaultToleration = 300 * time.Second
	// maxPatience is the longest that moves which follow close on each other make a workload wait.
	maxPatience = time.Hour
)

// New is the controller named "applicationFailover". Its keys are bindings of both scopes.
func New(options eviction.Options, workers int) control.Controller {
	m := &mover{options: options}
	var watches []control.Watch
	for _, kind := range binding.Kinds() {
		watches = append(watches, control.Watch{Object: kind, Keys: m.onBinding})
	}
	return control.Controller{Name: "applicationFailover", Watches: watches, Workers: workers, Reconcile: m.reconcile}
}

type mover struct{ options eviction.Options }

// onBinding wakes bindings that have application failover, or had, when copies report something else or the spec changes.
func (m *mover) onBinding(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	old, wasThere := binding.Of(event.Old)
	current, isThere := binding.Of(event.New)
	if !isThere || !m.options.Failover || !concerns(current) {
		return nil
	}
	if wasThere && old.GetGeneration() == current.GetGeneration() &&
		old.GetAnnotations()[names.AnnotationUnhealthySince] == current.GetAnnotations()[names.AnnotationUnhealthySince] &&
		old.GetAnnotations()[names.AnnotationFailedMoves] == current.GetAnnotations()[names.AnnotationFailedMoves] &&
		workload.Equal(old.Status.AggregatedStatus, current.Status.AggregatedStatus) {
		return nil
	}
	return []control.Key{control.KeyOf(current)}
}

func concerns(bound binding.Binding) bool {
	_, marked := bound.GetAnnotations()[names.AnnotationUnhealthySince]
	_, counted := bound.GetAnnotations()[names.AnnotationFailedMoves]
	return application(bound) != nil || marked || counted
}

func application(bound binding.Binding) *policyv1alpha1.ApplicationFailoverBehavior {
	if bound.Spec.Failover == nil {
		return nil
	}
	return bound.Spec.Failover.Application
}

func (m *mover) reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	bound, err := binding.Get(ctx, deps.Client, key.NamespacedName())
	if err != nil {
		return control.Result{}, client.IgnoreNotFound(err)
	}
	if !bound.GetDeletionTimestamp().IsZero() {
		return control.Result{}, nil
	}
	now := deps.Clock.Now()
	since, made := observe(bound, now), m.moves(bound, now)
	failed, next := overdue(bound, since, patience(bound, made.Count), now)
	changed := bound.Clone()
	kept := m.withdraw(changed, since)
	left, err := m.leave(changed, failed)
	if err != nil {
		deps.Events.Eventf(bound.Object, corev1.EventTypeWarning, names.EventEvictWorkloadFromClusterFailed, "%v", err)
	}
	if len(left) > 0 && !m.options.Reference {
		made = moves{Count: made.Count + 1, Last: now.Truncate(time.Second)}
	}
	notes := map[string]string{names.AnnotationUnhealthySince: encode(since, len(since)), names.AnnotationFailedMoves: encode(made, made.Count)}
	if err := write(ctx, deps, bound, changed, notes); err != nil {
		return control.Result{}, err
	}
	if len(left) > 0 {
		deps.Events.Eventf(bound.Object, corev1.EventTypeNormal, names.EventEvictWorkloadFromClusterSucceed,
			"evict from cluster %s: unhealthy there for too long", strings.Join(left, ", "))
	}
	if len(kept) > 0 {
		deps.Events.Eventf(bound.Object, corev1.EventTypeNormal, names.EventEvictWorkloadFromClusterSucceed,
			"keep in cluster %s: healthy again", strings.Join(kept, ", "))
	}
	return control.Result{RequeueAfter: next}, err
}

// observe tells since when each target is unhealthy. The times stand in an annotation, so that a new process goes on from them.
// Only a healthy report ends the time of a copy: one that cannot be judged for a while is not well for that.
func observe(bound binding.Binding, now time.Time) map[string]time.Time {
	before := map[string]time.Time{}
	if text, marked := bound.GetAnnotations()[names.AnnotationUnhealthySince]; marked && json.Unmarshal([]byte(text), &before) != nil {
		// Nobody can tell any more, so the time begins anew.
		before = map[string]time.Time{}
	}
	since := map[string]time.Time{}
	if application(bound) == nil {
		return since
	}
	for _, item := range bound.Status.AggregatedStatus {
		began, known := before[item.ClusterName]
		if !eviction.Targets(bound.Spec, item.ClusterName) {
			continue
		}
		switch {
		case item.Health == workv1alpha2.ResourceHealthy:
		case known:
			since[item.ClusterName] = began
		case item.Health == workv1alpha2.ResourceUnhealthy:
			since[item.ClusterName] = now.Truncate(time.Second)
		}
	}
	return since
}

// moves are those of a workload that followed close on each other.
type moves struct {
	Count int       `json:"count"`
	Last  time.Time `json:"last"`
}

// moves are none once a workload has stayed for four times as long as it would have been given. That it is well meanwhile says little: where
// each cluster has a copy, all others are while one leaves and comes back. What cannot be read is none.
func (m *mover) moves(bound binding.Binding, now time.Time) moves {
	var made moves
	text, noted := bound.GetAnnotations()[names.AnnotationFailedMoves]
	if !noted || application(bound) == nil || m.options.Reference || json.Unmarshal([]byte(text), &made) != nil || made.Count < 0 ||
		now.Sub(made.Last) > 4*patience(bound, made.Count) {
		return moves{}
	}
	return made
}

// patience is how long a workload may be unhealthy in a cluster. It doubles with each of the moves: one that takes longer to start than its
// policy tolerates would be moved forever, and never run.
func patience(bound binding.Binding, moves int) time.Duration {
	failover := application(bound)
	if failover == nil {
		return 0
	}
	tolerated := time.Duration(ptr.Deref(failover.DecisionConditions.TolerationSeconds, int32(defaultToleration/time.Second))) * time.Second
	patience := tolerated
	for ; moves > 0 && patience < maxPatience; moves-- {
		patience = min(2*max(patience, time.Second), maxPatience)
	}
	return patience
}

// overdue lists the clusters in which a workload is unhealthy for longer than tolerated, ascending, and how long it is until the
// next one is; 0 for none.
func overdue(bound binding.Binding, since map[string]time.Time, tolerated time.Duration, now time.Time) (failed []string, next time.Duration) {
	for _, cluster := range slices.Sorted(maps.Keys(since)) {
		left := since[cluster].Add(tolerated).Sub(now)
		switch {
		case eviction.Task(bound.Spec, cluster) != nil:
		case left <= 0:
			failed = append(failed, cluster)
		case next == 0 || left < next:
			next = left
		}
	}
	return failed, next
}

// leave makes a binding leave the clusters in which it failed.
func (m *mover) leave(changed binding.Binding, failed []string) (left []string, err error) {
	var before []string
	for _, target := range changed.Spec.Clusters {
		before = append(before, target.Name)
	}
	for _, cluster := range failed {
		task, err := m.task(changed, cluster, before)
		if err != nil {
			return left, err
		}
		if eviction.Leave(changed.Spec, task, m.options.Waits(task.PurgeMode)) {
			left = append(left, cluster)
		}
	}
	return left, nil
}

// task says how a binding leaves a cluster. Before are the clusters that ran it.
func (m *mover) task(bound binding.Binding, cluster string, before []string) (workv1alpha2.GracefulEvictionTask, error) {
	failover := application(bound)
	task := workv1alpha2.GracefulEvictionTask{
		FromCluster: cluster, PurgeMode: failover.PurgeMode, Reason: names.EvictionReasonApplication, Producer: producer(bound),
	}
	if task.PurgeMode == "" {
		task.PurgeMode = policyv1alpha1.PurgeModeGracefully
	}
	if !m.options.GracefulEviction && task.PurgeMode != policyv1alpha1.PurgeModeDirectly {
		return task, fmt.Errorf("leaving cluster %s: purge mode %s needs the feature gate GracefulEviction", cluster, task.PurgeMode)
	}
	switch task.PurgeMode {
	case policyv1alpha1.PurgeModeNever:
		task.SuppressDeletion = ptr.To(true)
	case policyv1alpha1.PurgeModeGracefully:
		if m.options.Reference || bound.GetAnnotations()[names.AnnotationDefaultGracePeriod] == "" {
			task.GracePeriodSeconds = failover.GracePeriodSeconds
		}
	}
	if !m.options.StatefulInjection {
		return task, nil
	}
	labels, err := eviction.PreservedLabels(failover.StatePreservation, bound.Status.AggregatedStatus, cluster)
	if labels != nil {
		task.PreservedLabelState, task.ClustersBeforeFailover = labels, before
	}
	return task, err
}

func producer(bound binding.Binding) string {
	if bound.GetNamespace() == "" {
		return names.EvictionProducerClusterWide
	}
	return names.EvictionProducerBinding
}

// withdraw takes back what has not taken effect for copies that are healthy again.
func (m *mover) withdraw(changed binding.Binding, since map[string]time.Time) []string {
	if m.options.Reference {
		return nil
	}
	return eviction.Withdraw(changed.Spec, producer(changed), func(cluster string) bool {
		_, unhealthy := since[cluster]
		return unhealthy || !eviction.Targets(changed.Spec, cluster)
	})
}

// write puts tasks, targets and notes on the API server, as far as they changed. Notes are annotations; an empty one goes.
func write(ctx context.Context, deps control.Deps, bound, changed binding.Binding, notes map[string]string) error {
	var fields fieldpatch.Fields
	for name, note := range notes {
		if note == bound.GetAnnotations()[name] {
			continue
		}
		if fields.Annotations == nil {
			fields.Annotations = map[string]any{}
		}
		if fields.Annotations[name] = note; note == "" {
			fields.Annotations[name] = nil
		}
	}
	if !workload.Equal(bound.Spec.GracefulEvictionTasks, changed.Spec.GracefulEvictionTasks) {
		fields.Spec = map[string]any{"gracefulEvictionTasks": changed.Spec.GracefulEvictionTasks}
		if len(bound.Spec.Clusters) != len(changed.Spec.Clusters) {
			fields.Spec["clusters"] = changed.Spec.Clusters
		}
	}
	if fields.Annotations == nil && fields.Spec == nil {
		return nil
	}
	err := fieldpatch.Object(ctx, deps.Client, changed.Object, fields)
	if err != nil && !control.Stale(err) && fields.Spec != nil {
		deps.Events.Eventf(bound.Object, corev1.EventTypeWarning, names.EventEvictWorkloadFromClusterFailed, "%v", err)
	}
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("failing binding %s over: %w", bound.NamespacedName(), err)
	}
	return nil
}

// encode is the same text for the same note; empty for one of nothing.
func encode(note any, size int) string {
	if size == 0 {
		return ""
	}
	encoded, err := json.Marshal(note)
	if err != nil {
		// The years of a clock have four digits.
		panic(fmt.Sprintf("encoding a note: %v", err))
	}
	return string(encoded)
}
