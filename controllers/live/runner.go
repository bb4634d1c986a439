package live

import (
	"context"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/interpreter"
)

// conflictDelay is how long a key waits after it wrote from a stale read: long enough for the cache to see the write
// that won, short against everything a user notices.
const conflictDelay = 20 * time.Millisecond

type keyQueue = workqueue.TypedRateLimitingInterface[control.Key]

// runner gives one controller value its turns.
type runner struct {
	value   control.Controller
	deps    control.Deps
	sources *sources
	queue   atomic.Pointer[keyQueue]
	// ordered is the queue of a controller that brings its own, otherwise nil.
	ordered *orderedQueue
}

func (r *runner) setQueue(queue keyQueue) { r.queue.Store(&queue) }

// enqueue wakes keys. Sources open only from a turn, hence after the queue is there.
func (r *runner) enqueue(keys ...control.Key) {
	queue := *r.queue.Load()
	for _, key := range keys {
		queue.Add(key)
	}
}

// Reconcile implements reconcile.TypedReconciler.
func (r *runner) Reconcile(ctx context.Context, key control.Key) (reconcile.Result, error) {
	result, err := r.value.Reconcile(ctx, r.deps, key)
	if r.ordered != nil {
		r.ordered.report(key, control.Outcome{Err: err, RequeueAfter: result.RequeueAfter})
	}
	if err != nil {
		if control.Stale(err) {
			log.FromContext(ctx).V(1).Info("Wrote from a stale read, trying again", "reason", err.Error())
			return reconcile.Result{RequeueAfter: conflictDelay}, nil
		}
		if result.RequeueAfter > 0 && r.ordered == nil {
			// Beside the backoff, for of two times the queue takes the earlier one.
			(*r.queue.Load()).AddAfter(key, result.RequeueAfter)
		}
		return reconcile.Result{}, err
	}
	if err := r.sources.hold(ctx, key, result.Sources); err != nil {
		return reconcile.Result{}, err
	}
	r.enqueue(result.Wake...)
	return reconcile.Result{RequeueAfter: result.RequeueAfter}, nil
}

// handlerFor adapts a key function to the events of an informer of the control plane.
func (r *runner) handlerFor(keys control.KeyFunc, reader client.Reader, gvk schema.GroupVersionKind) handler.TypedEventHandler[client.Object, control.Key] {
	wake := func(ctx context.Context, queue keyQueue, old, current client.Object) {
		event := control.Event{GVK: gvk, Old: old, New: current}
		if observer, ok := r.deps.Interpreter.(interpreter.Observer); ok {
			observer.Observe(old, current)
		}
		for _, key := range keys(ctx, reader, event) {
			if r.ordered != nil {
				r.ordered.addFor(key, event)
			} else {
				queue.Add(key)
			}
		}
	}
	return handler.TypedFuncs[client.Object, control.Key]{
		CreateFunc: func(ctx context.Context, e event.TypedCreateEvent[client.Object], queue keyQueue) {
			wake(ctx, queue, nil, e.Object)
		},
		UpdateFunc: func(ctx context.Context, e event.TypedUpdateEvent[client.Object], queue keyQueue) {
			old := e.ObjectOld
			if control.Replaced(old, e.ObjectNew) {
				wake(ctx, queue, old, nil)
				old = nil
			}
			wake(ctx, queue, old, e.ObjectNew)
		},
		DeleteFunc: func(ctx context.Context, e event.TypedDeleteEvent[client.Object], queue keyQueue) {
			wake(ctx, queue, e.Object, nil)
		},
	}
}
