package simulator

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/interpreter"
	"github.com/seatrial/seatrial/simulator/store"
)

// The live driver's numbers, so that a simulated failure costs the time it costs in production.
const (
	conflictDelay = 20 * time.Millisecond
	firstBackoff  = 5 * time.Millisecond
	maxBackoff    = 1000 * time.Second
)

// runner gives one controller value its turns.
type runner struct {
	fleet *Fleet
	value control.Controller
	deps  control.Deps

	// kinds are those of its watches.
	kinds []schema.GroupVersionKind

	keys map[control.Key]*keyState
	// order is the queue of a controller that brings its own, otherwise nil: it stands for what is known of turns to come.
	// looking is when the runner looks into it next; the zero time for never.
	order   control.Queue
	looking time.Time

	// busy counts the keys that are, as many as there are workers at most; those in the backlog wait for a worker.
	busy    int
	backlog []*keyState

	open map[control.Source]int
	// seen are the open sources by cluster.
	seen map[string][]control.Source

	// agent is whose runner it is; nil for those of the control plane.
	agent *agent
	// ended runners let what was planned for them pass.
	ended bool
}

// keyState is what a runner knows of a key.
type keyState struct {
	key control.Key
	// A queued key has a turn planned that has not begun; turns counts those that have, so that a timer from before the last one
	// is known to be stale.
	queued   bool
	turns    uint64
	failures int
	// A busy key has a turn that waits for the answer to its last request. If it is woken meanwhile it has another one again.
	busy, again bool
	held        []control.Source
}

func newRunner(f *Fleet, value control.Controller, deps control.Deps) *runner {
	r := &runner{
		fleet: f, value: value, deps: deps,
		keys: map[control.Key]*keyState{}, open: map[control.Source]int{}, seen: map[string][]control.Source{},
	}
	for _, watched := range value.Watches {
		r.kinds = append(r.kinds, f.kindOf(watched.Object))
	}
	if value.Queue != nil {
		r.order = value.Queue()
	}
	return r
}

// wakeFor plans a turn for each key that an event wakes.
func (r *runner) wakeFor(event control.Event, keys ...control.Key) {
	if r.order == nil {
		r.wake(keys...)
		return
	}
	for _, key := range keys {
		r.order.Add(key, event, r.fleet.loop.Now())
	}
	r.look()
}

// wake plans a turn for each key that has none planned.
func (r *runner) wake(keys ...control.Key) {
	if r.order != nil {
		r.wakeFor(control.Event{}, keys...)
		return
	}
	for _, key := range keys {
		r.plan(r.state(key))
	}
}

// state is what is known of a key, which may be nothing yet.
func (r *runner) state(key control.Key) *keyState {
	known := r.keys[key]
	if known == nil {
		known = &keyState{key: key}
		r.keys[key] = known
	}
	return known
}

// plan plans a turn unless there is one.
func (r *runner) plan(of *keyState) {
	if !of.queued {
		of.queued = true
		r.fleet.loop.After(0, func() { r.turn(of) })
	}
}

// planAfter plans a turn for later, unless the key has one before that.
func (r *runner) planAfter(of *keyState, delay time.Duration) {
	turns := of.turns
	r.fleet.loop.After(delay, func() {
		if of.turns == turns {
			r.plan(of)
		}
	})
}

func (r *runner) turn(of *keyState) {
	switch {
	case r.ended:
		return
	case of.busy:
		of.again = true
		return
	case !r.idle():
		r.backlog = append(r.backlog, of)
		return
	}
	of.queued = false
	of.turns++
	result, err := r.take(of)
	r.afterRequests(of, func() { r.conclude(of, result, err) })
}

// idle reports whether a worker is.
func (r *runner) idle() bool { return r.busy < max(r.value.Workers, 1) }

// afterRequests ends a turn when its last request is answered.
func (r *runner) afterRequests(of *keyState, end func()) {
	if r.fleet.spent == 0 {
		end()
		return
	}
	of.busy = true
	r.busy++
	r.fleet.loop.After(r.fleet.spent, func() {
		if r.ended {
			return
		}
		of.busy = false
		r.busy--
		end()
		if of.again {
			of.again = false
			r.backlog = append(r.backlog, of)
		}
		for len(r.backlog) > 0 && r.idle() {
			next := r.backlog[0]
			r.backlog = r.backlog[1:]
			r.turn(next)
		}
	})
}

// conclude does what the outcome of a turn asks for.
func (r *runner) conclude(of *keyState, result control.Result, err error) {
	switch {
	case control.Stale(err):
		r.planAfter(of, conflictDelay)
		return
	case err != nil:
		r.fleet.note(r.value.Name, of.key, err)
		delay := backoff(of.failures)
		if result.RequeueAfter > 0 {
			delay = min(delay, result.RequeueAfter)
		}
		r.planAfter(of, delay)
		of.failures++
		return
	}
	of.failures = 0
	r.wake(result.Wake...)
	if result.RequeueAfter > 0 {
		r.planAfter(of, result.RequeueAfter)
	}
}

// take runs one turn.
func (r *runner) take(of *keyState) (control.Result, error) {
	r.fleet.spent = 0
	if turn := r.fleet.options.Turn; turn != nil {
		turn(r.value.Name)
	}
	result, err := r.value.Reconcile(r.fleet.ctx, r.deps, of.key)
	if err == nil {
		err = r.hold(of, result.Sources)
	}
	return result, err
}

// look plans to look into the queue when its next key is due.
func (r *runner) look() {
	at, ok := r.order.Due()
	if now := r.fleet.loop.Now(); at.Before(now) {
		at = now
	}
	if !ok || !r.looking.IsZero() && !at.Before(r.looking) {
		return
	}
	r.looking = at
	r.fleet.loop.After(at.Sub(r.fleet.loop.Now()), func() {
		if r.looking.Equal(at) {
			r.looking = time.Time{}
			r.orderedTurn()
		}
	})
}

// orderedTurn takes the turn that the queue has next.
func (r *runner) orderedTurn() {
	if r.ended {
		return
	}
	if !r.idle() {
		return // the end of a turn will look
	}
	key, ok := r.order.Next(r.fleet.loop.Now())
	if ok {
		of := r.state(key)
		result, err := r.take(of)
		if err != nil && !control.Stale(err) {
			r.fleet.note(r.value.Name, key, err)
		}
		r.afterRequests(of, func() {
			r.order.Done(key, control.Outcome{Err: err, RequeueAfter: result.RequeueAfter}, r.fleet.loop.Now())
			r.wake(result.Wake...)
			r.look()
		})
	}
	r.look()
}

func backoff(failures int) time.Duration {
	delay := firstBackoff
	for range failures {
		if delay *= 2; delay >= maxBackoff {
			return maxBackoff
		}
	}
	return delay
}

// hold makes wanted the full set of sources of a key.
func (r *runner) hold(of *keyState, wanted []control.Source) error {
	before := of.held
	if slices.Equal(before, wanted) {
		return nil
	}
	for _, source := range wanted {
		if slices.Contains(before, source) {
			continue
		}
		if r.open[source] == 0 {
			if err := r.catchUp(source); err != nil {
				return err
			}
			r.seen[source.Cluster] = append(r.seen[source.Cluster], source)
			r.fleet.opens[source]++
			r.fleet.coverages++
		}
		r.open[source]++
		before = append(slices.Clip(before), source)
		of.held = before
	}
	of.held = slices.Clone(wanted)
	for _, source := range before {
		if slices.Contains(wanted, source) {
			continue
		}
		if r.open[source]--; r.open[source] == 0 {
			delete(r.open, source)
			r.fleet.opens[source]--
			r.fleet.coverages++
			r.seen[source.Cluster] = slices.DeleteFunc(r.seen[source.Cluster], func(open control.Source) bool { return open == source })
		}
	}
	return nil
}

// sight is the revision of a cluster that the controller has seen.
func (r *runner) sight(c *cluster) uint64 {
	if r.agent != nil {
		return r.agent.sight(c)
	}
	return c.outside.seen
}

// catchUp shows a source that opens what is already there.
func (r *runner) catchUp(source control.Source) error {
	from, err := r.fleet.find(source.Cluster)
	if err != nil {
		return err
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(source.GVK.GroupVersion().WithKind(source.GVK.Kind + "List"))
	if err := from.store.At(r.sight(from)).List(r.fleet.ctx, list); err != nil {
		return fmt.Errorf("opening a watch on %s: %w", source.GVK.Kind, err)
	}
	for i := range list.Items {
		r.show(source, nil, &list.Items[i])
	}
	return nil
}

// catchUpWatches shows a controller that begins what is already there.
func (r *runner) catchUpWatches() error {
	plane := r.fleet.plane
	for i, watched := range r.value.Watches {
		gvk := r.kinds[i]
		made, err := r.fleet.scheme.New(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
		if err != nil {
			return fmt.Errorf("listing %s: %w", gvk.Kind, err)
		}
		list := made.(client.ObjectList)
		if err := plane.store.At(r.sight(plane)).List(r.fleet.ctx, list); err != nil {
			return fmt.Errorf("listing %s: %w", gvk.Kind, err)
		}
		items, err := meta.ExtractList(list)
		if err != nil {
			return fmt.Errorf("listing %s: %w", gvk.Kind, err)
		}
		for _, item := range items {
			object := item.(client.Object)
			if r.agent == nil || r.agent.sees(gvk, client.ObjectKeyFromObject(object)) {
				r.watched(watched, control.Event{GVK: gvk, New: object})
			}
		}
	}
	return nil
}

// watched shows a change to the interpreter and then wakes keys for it.
func (r *runner) watched(by control.Watch, event control.Event) {
	if control.Replaced(event.Old, event.New) {
		gone := event
		gone.New, event.Old = nil, nil
		r.watched(by, gone)
	}
	if observer, ok := r.deps.Interpreter.(interpreter.Observer); ok {
		observer.Observe(event.Old, event.New)
	}
	r.wakeFor(event, by.Keys(r.fleet.ctx, r.deps.Client, event)...)
}

// onPlane is told of every change in the control plane.
func (r *runner) onPlane(event store.Event) {
	for i, watched := range r.value.Watches {
		if r.kinds[i] == event.GVK {
			old, current := versions(event, event.Old, event.Object)
			r.watched(watched, control.Event{GVK: event.GVK, Old: old, New: current})
		}
	}
	r.onSource("", event)
}

// onSource is told of every change in a cluster the control plane can see.
func (r *runner) onSource(cluster string, event store.Event) {
	for _, source := range r.seen[cluster] {
		if source.GVK == event.GVK {
			old, current := versions(event, event.Old, event.Object)
			r.show(source, old, current)
		}
	}
}

func (r *runner) show(source control.Source, old, current client.Object) {
	if control.Replaced(old, current) {
		r.show(source, old, nil)
		old = nil
	}
	old, current = visible(source.View, old), visible(source.View, current)
	if old == nil && current == nil {
		return
	}
	event := control.Event{Cluster: source.Cluster, GVK: source.GVK, Old: old, New: current}
	r.wakeFor(event, r.value.SourceKeys(r.fleet.ctx, r.deps.Client, event)...)
}

// versions are the object before and after a change.
func versions(event store.Event, before, after func() client.Object) (old, current client.Object) {
	if event.Type == watch.Deleted {
		return after(), nil
	}
	return before(), after()
}

// kindOf is the kind of a prototype; controllers only watch kinds of the scheme.
func (f *Fleet) kindOf(prototype client.Object) schema.GroupVersionKind {
	gvk, err := f.plane.store.Client().GroupVersionKindFor(prototype)
	if err != nil {
		panic(fmt.Sprintf("a controller watches %T: %v", prototype, err))
	}
	return gvk
}
