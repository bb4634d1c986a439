// Package evict makes bindings leave the clusters whose taints or health they do not tolerate.
//
// Each binding is judged by itself. Those that have to leave a cluster wait in a queue that is worked off at a limited rate, which
// sinks while most of the fleet looks lost. The queue is lost with the process; judging all bindings fills it again.
package evict

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/workload"
)

// Recorder is told how the queue moves.
type Recorder interface {
	// Depth tells how many bindings wait to leave a cluster.
	Depth(waiting int)
	// Processed tells that one had its turn, after what time, and how that went.
	Processed(cluster, kind string, waited time.Duration, err error)
}

// queueKey is the key whose turns work off the queue. No binding has a kind in its key.
var queueKey = control.Key{GVK: schema.GroupVersionKind{Kind: "Queue"}}

// New is the controller named "taintManager". Its keys are bindings of both scopes, and one for the queue.
func New(options eviction.Options, recorder Recorder, workers int) control.Controller {
	e := &evictor{options: options, recorder: recorder, failed: map[types.NamespacedName]bool{}}
	watches := []control.Watch{{Object: &clusterv1alpha1.Cluster{}, Keys: e.onCluster}}
	for _, kind := range binding.Kinds() {
		watches = append(watches, control.Watch{Object: kind, Keys: e.onBinding})
	}
	return control.Controller{Name: "taintManager", Watches: watches, Workers: workers, Reconcile: e.reconcile}
}

type evictor struct {
	options  eviction.Options
	recorder Recorder

	// mu guards the lanes and what was said last about the brake.
	mu sync.Mutex
	// lost are departures from clusters that are not well, tainted those from others.
	lost, tainted lane
	// failed are bindings whose departure could not be written and that have not been judged since.
	failed map[types.NamespacedName]bool
	braked bool

	// brake is for the queue's turns alone, of which there is one at a time.
	brake eviction.Brake
}

// retry is the pause after a departure that could not be written.
const retry = 5 * time.Second

// lane is a queue with its own pace.
type lane struct {
	queue   eviction.Queue
	limiter eviction.Limiter
}

// onCluster wakes the bindings that have to do with a cluster whose taints or health changed, and the queue, whose pace may.
func (e *evictor) onCluster(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	old, _ := event.Old.(*clusterv1alpha1.Cluster)
	current, _ := event.New.(*clusterv1alpha1.Cluster)
	if !e.options.Evicts() || old != nil && current != nil && eviction.Lost(old) == eviction.Lost(current) &&
		old.Annotations[names.AnnotationHeldUntil] == current.Annotations[names.AnnotationHeldUntil] &&
		equality.Semantic.DeepEqual(old.Spec.Taints, current.Spec.Taints) {
		return nil
	}
	bindings, err := binding.List(ctx, reader, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil
	}
	keys := []control.Key{queueKey}
	for _, bound := range bindings {
		name := event.Object().GetName()
		if eviction.Targets(bound.Spec, name) || eviction.Task(bound.Spec, name) != nil {
			keys = append(keys, control.KeyOf(bound))
		}
	}
	return keys
}

// onBinding leaves out status changes.
func (e *evictor) onBinding(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	old, current := event.Old, event.New
	if !e.options.Evicts() || old != nil && current != nil && old.GetGeneration() == current.GetGeneration() &&
		old.GetDeletionTimestamp().IsZero() == current.GetDeletionTimestamp().IsZero() &&
		old.GetAnnotations()[names.AnnotationAppliedPlacement] == current.GetAnnotations()[names.AnnotationAppliedPlacement] {
		return nil
	}
	return []control.Key{control.KeyOf(event.Object())}
}

func (e *evictor) reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	if key == queueKey {
		return e.workOff(ctx, deps)
	}
	bound, err := binding.Get(ctx, deps.Client, key.NamespacedName(), client.UnsafeDisableDeepCopy)
	if err != nil {
		return control.Result{}, client.IgnoreNotFound(err)
	}
	if !bound.GetDeletionTimestamp().IsZero() {
		return control.Result{}, nil
	}
	judged, err := e.judge(ctx, deps, bound)
	if err != nil || judged == nil {
		return control.Result{}, err
	}
	if bound, err = e.withdraw(ctx, deps, bound, judged); err != nil {
		return control.Result{}, err
	}
	return e.enqueue(deps, bound, judged), nil
}

// judgement is what a cluster means to a binding.
type judgement struct {
	eviction.Verdict
	lost bool
}

// judge weighs every cluster that a binding has to do with. A binding that was never scheduled has none, and those that left are
// no members any more: the scheduler deals with both.
func (e *evictor) judge(ctx context.Context, deps control.Deps, bound binding.Binding) (map[string]judgement, error) {
	if _, scheduled := bound.GetAnnotations()[names.AnnotationAppliedPlacement]; !scheduled {
		return nil, nil
	}
	placement, err := eviction.AppliedPlacement(bound.GetAnnotations())
	if err != nil {
		deps.Events.Eventf(bound.Object, corev1.EventTypeWarning, names.EventEvictWorkloadFromClusterFailed, "%v", err)
		return nil, err
	}
	judged := map[string]judgement{}
	for _, name := range clustersOf(bound) {
		cluster := &clusterv1alpha1.Cluster{}
		if err := deps.Client.Get(ctx, types.NamespacedName{Name: name}, cluster, client.UnsafeDisableDeepCopy); err != nil {
			if client.IgnoreNotFound(err) != nil {
				return nil, err
			}
			continue
		}
		if !cluster.DeletionTimestamp.IsZero() {
			continue
		}
		verdict := e.options.JudgeCluster(cluster, placement.ClusterTolerations, deps.Clock.Now())
		if !e.options.Reference && eviction.Stays(bound, cluster, eviction.PurgeMode(bound.Spec.Failover, e.options.PurgeMode)) {
			verdict = eviction.Verdict{Wait: eviction.Never}
		}
		judged[name] = judgement{verdict, !workload.Ready(cluster)}
	}
	return judged, nil
}

// clustersOf are the targets of a binding and the clusters it leaves, in the order of the binding.
func clustersOf(bound binding.Binding) []string {
	var clusters []string
	for _, target := range bound.Spec.Clusters {
		clusters = append(clusters, target.Name)
	}
	for _, task := range bound.Spec.GracefulEvictionTasks {
		if !eviction.Targets(bound.Spec, task.FromCluster) {
			clusters = append(clusters, task.FromCluster)
		}
	}
	return clusters
}

// enqueue lines up the departures that are due, and takes back those that are not any more.
func (e *evictor) enqueue(deps control.Deps, bound binding.Binding, judged map[string]judgement) control.Result {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failed[bound.NamespacedName()] {
		delete(e.failed, bound.NamespacedName())
		return control.Result{RequeueAfter: retry}
	}
	var result control.Result
	var priority int64
	if bound.Spec.SchedulePriority != nil {
		priority = int64(bound.Spec.SchedulePriority.Priority)
	}
	for _, target := range bound.Spec.Clusters {
		verdict, known := judged[target.Name]
		departure := eviction.Departure{Binding: bound.NamespacedName(), Cluster: target.Name}
		into, other := &e.tainted, &e.lost
		if verdict.lost {
			into, other = other, into
		}
		other.queue.Drop(departure)
		if !known || !verdict.Evict || eviction.Task(bound.Spec, target.Name) != nil {
			into.queue.Drop(departure)
		} else {
			into.queue.Add(departure, priority, deps.Clock.Now())
			result.Wake = []control.Key{queueKey}
		}
		if verdict.Wait > 0 && (result.RequeueAfter == 0 || verdict.Wait < result.RequeueAfter) {
			result.RequeueAfter = verdict.Wait
		}
	}
	e.recorder.Depth(e.lost.queue.Len() + e.tainted.queue.Len())
	return result
}
