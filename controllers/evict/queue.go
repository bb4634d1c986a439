package evict

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/fieldpatch"
)

// workOff lets bindings leave in their order, as many as the pace allows now.
func (e *evictor) workOff(ctx context.Context, deps control.Deps) (control.Result, error) {
	rate, err := e.lostRate(ctx, deps)
	if err != nil {
		return control.Result{}, err
	}
	var result control.Result
	for _, line := range []struct {
		*lane
		rate float64
	}{{&e.lost, rate}, {&e.tainted, e.options.Rate}} {
		wait := e.drain(ctx, deps, line.lane, line.rate, &result)
		if wait > 0 && (result.RequeueAfter == 0 || wait < result.RequeueAfter) {
			result.RequeueAfter = wait
		}
	}
	return result, nil
}

// lostRate is the pace at which lost clusters are left, by how many are.
func (e *evictor) lostRate(ctx context.Context, deps control.Deps) (float64, error) {
	clusters := &clusterv1alpha1.ClusterList{}
	if err := deps.Client.List(ctx, clusters, client.UnsafeDisableDeepCopy); err != nil {
		return 0, fmt.Errorf("listing clusters: %w", err)
	}
	var lost []*clusterv1alpha1.Cluster
	for i := range clusters.Items {
		if eviction.Lost(&clusters.Items[i]) {
			lost = append(lost, &clusters.Items[i])
		}
	}
	rate := e.options.LostRate(len(lost), len(clusters.Items))
	e.tell(deps, lost, len(clusters.Items), rate)
	if e.options.Reference {
		return rate, nil
	}
	missing, letsGo := e.brake.Look(clusters.Items, e.options.Holds(rate), deps.Clock.Now())
	if !letsGo {
		rate = 0
	}
	return rate, note(ctx, deps, missing)
}

// note writes down on clusters what has to be known of a partition later, by another process too.
func note(ctx context.Context, deps control.Deps, missing []eviction.Note) error {
	for _, note := range missing {
		fields := fieldpatch.Fields{Annotations: map[string]any{names.AnnotationHeldUntil: note.Until}, KeepOwners: true, Force: true}
		if note.Until == "" {
			fields.Annotations[names.AnnotationHeldUntil] = nil
		}
		// What was read is shared with other readers, and the write changes it.
		if err := fieldpatch.Object(ctx, deps.Client, note.Cluster.DeepCopy(), fields); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("noting on cluster %s until when evictions are held: %w", note.Cluster.Name, err)
		}
	}
	return nil
}

// tell says on the lost clusters that evictions from them are held back, once each time that begins. Those that are held altogether do
// not wait in the queue.
func (e *evictor) tell(deps control.Deps, lost []*clusterv1alpha1.Cluster, all int, rate float64) {
	e.mu.Lock()
	braked := rate < e.options.Rate
	begins := braked && !e.braked && (e.lost.queue.Len() > 0 || e.options.Holds(rate))
	e.braked = braked && (e.braked || begins)
	e.mu.Unlock()
	if !begins {
		return
	}
	slices.SortFunc(lost, func(a, b *clusterv1alpha1.Cluster) int { return strings.Compare(a.Name, b.Name) })
	for _, cluster := range lost {
		deps.Events.Eventf(cluster, corev1.EventTypeWarning, names.EventEvictWorkloadFromClusterFailed,
			"%d of %d clusters are not healthy, which is more likely to be this control plane's view than theirs: evictions from them go on at %g a second", len(lost), all, rate)
	}
}

// drain returns how long the first of a lane has to wait; 0 when nobody waits for time.
func (e *evictor) drain(ctx context.Context, deps control.Deps, line *lane, rate float64, result *control.Result) time.Duration {
	for {
		departure, since, wait := e.next(deps, line, rate)
		if wait != 0 {
			return max(wait, 0)
		}
		if departure == (eviction.Departure{}) {
			return 0
		}
		kind, err := e.evict(ctx, deps, departure)
		if kind != "" {
			e.recorder.Processed(departure.Cluster, kind, deps.Clock.Since(since), err)
		}
		e.settle(line, departure, kind != "", err)
		if err != nil {
			result.Wake = append(result.Wake, control.Key{Namespace: departure.Binding.Namespace, Name: departure.Binding.Name})
		}
	}
}

// settle takes a departure out of its lane. One that failed makes room for others; its binding comes back to it.
func (e *evictor) settle(line *lane, departure eviction.Departure, tried bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	line.queue.Drop(departure)
	if err != nil {
		e.failed[departure.Binding] = true
	}
	if !tried || err != nil {
		line.limiter.Return()
	}
}

// next is the departure that may go ahead: none when wait is not 0 or nobody waits. It stays in the queue until it is done.
func (e *evictor) next(deps control.Deps, line *lane, rate float64) (departure eviction.Departure, since time.Time, wait time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.recorder.Depth(e.lost.queue.Len() + e.tainted.queue.Len())
	departure, since, ok := line.queue.First()
	if !ok {
		return eviction.Departure{}, time.Time{}, 0
	}
	if allowed, wait := line.limiter.Take(deps.Clock.Now(), rate); !allowed {
		return eviction.Departure{}, time.Time{}, wait
	}
	return departure, since, 0
}

// evict makes a binding leave a cluster, unless nothing calls for that any more. The kind is that of its template, empty when
// nothing was to be done.
func (e *evictor) evict(ctx context.Context, deps control.Deps, departure eviction.Departure) (kind string, err error) {
	bound, err := binding.Get(ctx, deps.Client, departure.Binding, client.UnsafeDisableDeepCopy)
	if err != nil {
		return "", client.IgnoreNotFound(err)
	}
	if !bound.GetDeletionTimestamp().IsZero() {
		return "", nil
	}
	judged, err := e.judge(ctx, deps, bound)
	if err != nil || !judged[departure.Cluster].Evict {
		// What cannot be judged is told by the binding's own turn.
		return "", nil
	}
	changed := bound.Clone()
	mode := eviction.PurgeMode(bound.Spec.Failover, e.options.PurgeMode)
	if !e.options.GracefulEviction {
		eviction.Remove(changed.Spec, departure.Cluster)
	} else if task, err := e.task(bound, departure.Cluster, mode); err != nil {
		deps.Events.Eventf(bound.Object, corev1.EventTypeWarning, names.EventEvictWorkloadFromClusterFailed, "%v", err)
		return "", nil
	} else if !eviction.Leave(changed.Spec, task, e.options.Waits(mode)) {
		return "", nil
	}
	return bound.Spec.Resource.Kind, e.write(ctx, deps, bound, changed, "evict from cluster "+departure.Cluster)
}

// task says that and how a binding leaves a cluster, with what its replacement is to know of the copy.
func (e *evictor) task(bound binding.Binding, cluster string, mode policyv1alpha1.PurgeMode) (workv1alpha2.GracefulEvictionTask, error) {
	task := workv1alpha2.GracefulEvictionTask{
		FromCluster: cluster, PurgeMode: mode, Reason: names.EvictionReasonTaint, Producer: names.EvictionProducerTaint,
	}
	failover := bound.Spec.Failover
	if !e.options.StatefulInjection || failover == nil || failover.Cluster == nil {
		return task, nil
	}
	labels, err := eviction.PreservedLabels(failover.Cluster.StatePreservation, bound.Status.AggregatedStatus, cluster)
	if err != nil || labels == nil {
		return task, err
	}
	task.PreservedLabelState = labels
	for _, target := range bound.Spec.Clusters {
		task.ClustersBeforeFailover = append(task.ClustersBeforeFailover, target.Name)
	}
	return task, nil
}

// withdraw takes back evictions that have not taken effect and that nothing calls for any more. It returns the binding as it is
// then.
func (e *evictor) withdraw(ctx context.Context, deps control.Deps, bound binding.Binding, judged map[string]judgement) (binding.Binding, error) {
	if e.options.Reference || len(bound.Spec.GracefulEvictionTasks) == 0 {
		return bound, nil
	}
	changed := bound.Clone()
	kept := eviction.Withdraw(changed.Spec, names.EvictionProducerTaint, func(cluster string) bool { return judged[cluster].Evict })
	if len(kept) == 0 {
		return bound, nil
	}
	return changed, e.write(ctx, deps, bound, changed, "keep in cluster "+strings.Join(kept, ", "))
}

// write puts the targets and tasks of a binding on the API server. The decision of the scheduler may stand between the read and
// the write, so a binding that changed meanwhile is a conflict.
func (e *evictor) write(ctx context.Context, deps control.Deps, bound, changed binding.Binding, what string) error {
	fields := fieldpatch.Fields{Spec: map[string]any{"gracefulEvictionTasks": changed.Spec.GracefulEvictionTasks}}
	if len(changed.Spec.Clusters) != len(bound.Spec.Clusters) {
		fields.Spec["clusters"] = changed.Spec.Clusters
	}
	err := fieldpatch.Object(ctx, deps.Client, changed.Object, fields)
	switch {
	case err == nil:
		deps.Events.Eventf(bound.Object, corev1.EventTypeNormal, names.EventEvictWorkloadFromClusterSucceed, "%s", what)
		return nil
	case !control.Stale(err):
		deps.Events.Eventf(bound.Object, corev1.EventTypeWarning, names.EventEvictWorkloadFromClusterFailed, "%s: %v", what, err)
	}
	return fmt.Errorf("making binding %s %s: %w", bound.NamespacedName(), what, client.IgnoreNotFound(err))
}
