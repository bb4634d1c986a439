package fuzz

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/estimator"
)

// usualRate is how often a fault in calls hits one, where its step does not say.
const usualRate = 0.3

var (
	errCrashed = errors.New("the process has crashed")
	errFalling = errors.New("connection refused: the control plane fails")
	errRefused = apierrors.NewServiceUnavailable("the request was refused")
	errNoWatch = errors.New("controllers do not open watches themselves")
)

// fault is one that is in force, or waits for the call that it is meant for.
type fault struct {
	step    Step
	waiting bool
	since   time.Time
	// hit tells that it took effect.
	hit bool
	// told is when a delivery was last tampered with.
	told time.Time
}

func (f *fault) rate() float64 {
	if f.step.Rate > 0 {
		return f.step.Rate
	}
	return usualRate
}

// aims tells whether a fault is meant for a controller.
func (f *fault) aims(controller string) bool {
	return f.step.Controller == "" || f.step.Controller == controller
}

// late tells a fault that has waited long for a turn with many writes: one with fewer will do.
func (f *fault) late(now time.Time) bool { return now.Sub(f.since) > patient/4 }

// injector stands between the controllers and their clients.
type injector struct {
	random   *rand.Rand
	now      func() time.Time
	active   []*fault
	coverage Coverage
	turn     turn
	// dead tells that the process has crashed and is not back yet; died is called when it does.
	dead bool
	died func(*fault)
	// falling is the fault that has made the control plane fail in the present instant, fell is called then.
	falling *fault
	fell    func(*fault)
}

// turn is what the controller that has one has done in it.
type turn struct {
	controller string
	writes     int
	// called are the members it has called, struck the faults it has met.
	called []string
	struck []*fault
}

// start puts a fault in force.
func (i *injector) start(step Step) *fault {
	started := &fault{step: step, since: i.now()}
	i.active = append(i.active, started)
	return started
}

func (i *injector) end(ended *fault) {
	i.active = slices.DeleteFunc(i.active, func(other *fault) bool { return other == ended })
}

// wrap is a controller whose calls go through the injector.
func (i *injector) wrap(value control.Controller) control.Controller {
	inner := value.Reconcile
	value.Reconcile = func(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
		if i.dead {
			return control.Result{}, errCrashed
		}
		i.turn = turn{controller: value.Name}
		deps.Live = i.client("", readOnly{deps.Client, deps.Live})
		deps.Client = i.client("", deps.Client)
		deps.Members = members{deps.Members, i}
		deps.Clock = seenClock{deps.Clock, i}
		result, err := inner(ctx, deps, key)
		i.conclude()
		if i.dead {
			return control.Result{}, errCrashed
		}
		return result, err
	}
	return value
}

// conclude counts the faults that a turn has met.
func (i *injector) conclude() {
	for _, f := range i.active {
		if i.felt(f) {
			i.meet(f)
		}
	}
	for _, f := range i.turn.struck {
		f.hit = true
		i.coverage.add(f.step.Do, i.turn.controller)
	}
}

// felt tells faults outside of calls.
func (i *injector) felt(f *fault) bool {
	switch f.step.Do {
	case Kill, Pause, Partition, LoseNode:
		return len(i.turn.called) == 0 || slices.Contains(i.turn.called, f.step.Cluster)
	case ClockSkew:
		return slices.Contains(i.turn.called, f.step.Cluster)
	case SlowWatch, LostWatch, RepeatWatch:
		return f.told.Equal(i.now())
	}
	return false
}

// meet notes that the present turn has met a fault.
func (i *injector) meet(f *fault) {
	if !slices.Contains(i.turn.struck, f) {
		i.turn.struck = append(i.turn.struck, f)
	}
}

// call notes which member is called.
func (i *injector) call(cluster string) {
	if cluster != "" && !slices.Contains(i.turn.called, cluster) {
		i.turn.called = append(i.turn.called, cluster)
	}
}

// before is asked before a write: an error takes its place.
func (i *injector) before(cluster string, object client.Object, checked bool) error {
	for _, f := range i.active {
		if f.step.Do == PlaneDown && f.waiting && cluster == "" && f.aims(i.turn.controller) && (i.turn.writes+1 >= f.step.Writes || f.late(i.now())) {
			f.waiting = false
			i.falling = f
			i.fell(f)
		}
		if f.step.Cluster != cluster || !f.aims(i.turn.controller) {
			continue
		}
		switch {
		case f.step.Do == Conflict && checked && i.random.Float64() < f.rate():
			i.meet(f)
			return apierrors.NewConflict(schema.GroupResource{Resource: "objects"}, object.GetName(), errors.New("somebody else was faster"))
		case f.step.Do == Refuse && f.step.Controller != "" && i.random.Float64() < f.rate():
			i.meet(f)
			return errRefused
		}
	}
	if i.falling != nil && cluster == "" {
		i.meet(i.falling)
		return errFalling
	}
	return nil
}

// after is asked after a write that went through: an error takes the place of the answer.
func (i *injector) after(cluster string) error {
	i.turn.writes++
	for _, f := range i.active {
		switch {
		case !f.aims(i.turn.controller):
		case f.step.Do == SlowAPI && f.step.Cluster == cluster && i.random.Float64() < f.rate():
			i.meet(f)
			return apierrors.NewTimeoutError("the request went through and its answer came too late", 1)
		case f.step.Do == Crash && (i.turn.writes >= f.step.Writes || f.late(i.now())) && !f.hit:
			i.meet(f)
			i.dead = true
			i.died(f)
			return errCrashed
		}
	}
	return nil
}

// request lets a call pass, unless the process is dead, and notes whether it met a control plane that is down.
func (i *injector) request(cluster string, call func() error) error {
	if i.dead {
		return errCrashed
	}
	i.call(cluster)
	err := call()
	if err == nil || cluster != "" || apierrors.ReasonForError(err) != metav1.StatusReasonUnknown {
		return err
	}
	for _, f := range i.active {
		if f.step.Do == PlaneDown && !f.waiting {
			i.meet(f)
		}
	}
	return err
}

func (i *injector) write(cluster string, object client.Object, checked bool, call func() error) error {
	return i.request(cluster, func() error {
		if err := i.before(cluster, object, checked); err != nil {
			return err
		}
		if err := call(); err != nil {
			return err
		}
		return i.after(cluster)
	})
}

// refuse lets a question that is no request to an API server fail like one.
func (i *injector) refuse(cluster string) error {
	if i.dead {
		return errCrashed
	}
	i.call(cluster)
	for _, f := range i.active {
		if f.step.Do == Refuse && f.step.Cluster == cluster && f.aims(i.turn.controller) && i.random.Float64() < f.rate() {
			i.meet(f)
			return errRefused
		}
	}
	return nil
}

// client is a client whose calls go through the injector.
func (i *injector) client(cluster string, to client.Client) client.Client {
	return interceptor.NewClient(unwatched{to}, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			return i.request(cluster, func() error { return c.Get(ctx, key, object, options...) })
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			return i.request(cluster, func() error { return c.List(ctx, list, options...) })
		},
		Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			return i.write(cluster, object, false, func() error { return c.Create(ctx, object, options...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.DeleteOption) error {
			return i.write(cluster, object, false, func() error { return c.Delete(ctx, object, options...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.UpdateOption) error {
			return i.write(cluster, object, true, func() error { return c.Update(ctx, object, options...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			return i.write(cluster, object, true, func() error { return c.Patch(ctx, object, patch, options...) })
		},
		SubResourceUpdate: func(ctx context.Context, c client.Client, name string, object client.Object, options ...client.SubResourceUpdateOption) error {
			return i.write(cluster, object, true, func() error { return c.SubResource(name).Update(ctx, object, options...) })
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, name string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			return i.write(cluster, object, true, func() error { return c.SubResource(name).Patch(ctx, object, patch, options...) })
		},
	})
}

// unwatched gives a client the method that the interceptor asks for.
type unwatched struct{ client.Client }

func (unwatched) Watch(context.Context, client.ObjectList, ...client.ListOption) (watch.Interface, error) {
	return nil, errNoWatch
}

type members struct {
	control.Members
	injector *injector
}

func (m members) Member(ctx context.Context, cluster string) (control.Member, error) {
	inner, err := m.Members.Member(ctx, cluster)
	if err != nil {
		return nil, err
	}
	seen := member{Client: m.injector.client(cluster, inner), Member: inner, cluster: cluster, injector: m.injector}
	if surveyor, ok := inner.(control.Surveyor); ok {
		return surveyed{seen, surveyor}, nil
	}
	return seen, nil
}

// connection is control.Member under a name that does not clash with the client it embeds.
type connection = control.Member

type member struct {
	client.Client
	Member   connection
	cluster  string
	injector *injector
}

func (m member) Live() client.Reader {
	return m.injector.client(m.cluster, readOnly{m.Client, m.Member.Live()})
}
func (m member) Inventory() client.Reader { return m.Member.Inventory() }

// Health implements control.Member.
func (m member) Health(ctx context.Context) (bool, error) {
	if err := m.injector.refuse(m.cluster); err != nil {
		return false, err
	}
	return m.Member.Health(ctx)
}

// Discover implements control.Member.
func (m member) Discover(ctx context.Context) (control.Discovery, error) {
	if err := m.injector.refuse(m.cluster); err != nil {
		return control.Discovery{}, err
	}
	return m.Member.Discover(ctx)
}

type surveyed struct {
	member
	surveyor control.Surveyor
}

// Survey implements control.Surveyor.
func (s surveyed) Survey(ctx context.Context, models []clusterv1alpha1.ResourceModel) (control.Survey, error) {
	if err := s.injector.refuse(s.cluster); err != nil {
		return control.Survey{}, err
	}
	return s.surveyor.Survey(ctx, models)
}

// readOnly reads elsewhere than its client.
type readOnly struct {
	client.Client
	reader client.Reader
}

func (r readOnly) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	return r.reader.Get(ctx, key, object, options...)
}

func (r readOnly) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	return r.reader.List(ctx, list, options...)
}

// estimators counts the answers that a broken one spoiled.
type estimators struct {
	Estimators
	injector *injector
}

// Estimate implements estimator.Estimators.
func (e estimators) Estimate(ctx context.Context, question estimator.Question, clusters []string) []estimator.Answer {
	for _, f := range e.injector.active {
		if (f.step.Do == BadEstimator || f.step.Do == StaleEstimator) && slices.Contains(clusters, f.step.Cluster) {
			e.injector.meet(f)
		}
	}
	return e.Estimators.Estimate(ctx, question, clusters)
}

// Unschedulable implements Estimators.
func (e estimators) Unschedulable(ctx context.Context, cluster string, of workv1alpha2.ObjectReference, threshold time.Duration) (int32, error) {
	for _, f := range e.injector.active {
		if f.step.Do == BadEstimator && f.step.Cluster == cluster {
			e.injector.meet(f)
		}
	}
	return e.Estimators.Unschedulable(ctx, cluster, of, threshold)
}

// seenClock notes who reads a clock that is skewed.
type seenClock struct {
	clock.PassiveClock
	injector *injector
}

// Now implements clock.PassiveClock.
func (c seenClock) Now() time.Time {
	c.note()
	return c.PassiveClock.Now()
}

// Since implements clock.PassiveClock.
func (c seenClock) Since(then time.Time) time.Duration {
	c.note()
	return c.PassiveClock.Since(then)
}

func (c seenClock) note() {
	for _, f := range c.injector.active {
		if f.step.Do == ClockSkew && f.step.Cluster == "" {
			c.injector.meet(f)
		}
	}
}
