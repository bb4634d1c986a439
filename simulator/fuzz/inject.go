package fuzz

import (
	"context"
	"errors"
	"math/rand/v2"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/estimator"
)

// rate is how often a fault in calls hits one.
const rate = 0.3

var (
	errCrashed = errors.New("the process has crashed")
	errNoWatch = errors.New("controllers do not open watches themselves")
)

// fault is one that is in force.
type fault struct {
	step Step
	// felt tells a fault outside of calls that can be felt by now; hit one that took effect; over one that was mended a moment
	// ago, while controllers catch up on what it kept from them.
	felt, hit, over bool
}

// injector stands between the controllers and their clients.
type injector struct {
	random   *rand.Rand
	active   []*fault
	coverage Coverage
	// controller is the one that has a turn, and writes counts what it wrote in it.
	controller string
	writes     int
	// dead tells that the process has crashed and is not back yet; died is called when it does.
	dead bool
	died func(*fault)
}

// start puts a fault in force.
func (i *injector) start(step Step) *fault {
	started := &fault{step: step}
	i.active = append(i.active, started)
	return started
}

// wrap is a controller whose calls go through the injector.
func (i *injector) wrap(value control.Controller) control.Controller {
	inner := value.Reconcile
	value.Reconcile = func(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
		if i.dead {
			return control.Result{}, errCrashed
		}
		i.begin(value.Name)
		deps.Client = i.client("", deps.Client)
		deps.Members = members{deps.Members, i}
		result, err := inner(ctx, deps, key)
		if i.dead {
			return control.Result{}, errCrashed
		}
		return result, err
	}
	return value
}

func (i *injector) begin(controller string) {
	i.controller, i.writes = controller, 0
	for _, f := range i.active {
		if f.felt {
			i.count(f)
		}
	}
}

func (i *injector) count(f *fault) {
	f.hit = true
	i.coverage.add(f.step.Do, i.controller)
}

// before is asked before a call: an error takes its place.
func (i *injector) before(cluster string, object client.Object, write, checked bool) error {
	if i.dead {
		return errCrashed
	}
	for _, f := range i.active {
		if f.step.Cluster != cluster || f.over {
			continue
		}
		switch {
		case f.step.Do == Refuse && i.random.Float64() < rate:
			i.count(f)
			return apierrors.NewInternalError(errors.New("the request was refused"))
		case f.step.Do == Conflict && write && checked && i.random.Float64() < rate:
			i.count(f)
			return apierrors.NewConflict(schema.GroupResource{Resource: "objects"}, object.GetName(), errors.New("somebody else was faster"))
		}
	}
	return nil
}

// after is asked after a write that went through: an error takes the place of the answer.
func (i *injector) after(cluster string) error {
	i.writes++
	for _, f := range i.active {
		switch {
		case f.over:
		case f.step.Do == SlowAPI && f.step.Cluster == cluster && i.random.Float64() < rate:
			i.count(f)
			return apierrors.NewTimeoutError("the request went through and its answer came too late", 1)
		case f.step.Do == Crash && f.step.Controller == i.controller && i.writes >= f.step.Writes && !f.hit:
			i.count(f)
			i.dead = true
			i.died(f)
			return errCrashed
		}
	}
	return nil
}

func (i *injector) write(cluster string, object client.Object, checked bool, call func() error) error {
	if err := i.before(cluster, object, true, checked); err != nil {
		return err
	}
	if err := call(); err != nil {
		return err
	}
	return i.after(cluster)
}

// client is a client whose calls go through the injector.
func (i *injector) client(cluster string, to client.Client) client.Client {
	return interceptor.NewClient(unwatched{to}, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if err := i.before(cluster, object, false, false); err != nil {
				return err
			}
			return c.Get(ctx, key, object, options...)
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if err := i.before(cluster, nil, false, false); err != nil {
				return err
			}
			return c.List(ctx, list, options...)
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
		return struct {
			member
			control.Surveyor
		}{seen, surveyor}, nil
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
	if err := m.injector.before(m.cluster, nil, false, false); err != nil {
		return false, err
	}
	return m.Member.Health(ctx)
}

// Discover implements control.Member.
func (m member) Discover(ctx context.Context) (control.Discovery, error) {
	if err := m.injector.before(m.cluster, nil, false, false); err != nil {
		return control.Discovery{}, err
	}
	return m.Member.Discover(ctx)
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
	estimator.Estimators
	injector *injector
}

func (e estimators) Estimate(ctx context.Context, question estimator.Question, clusters []string) []estimator.Answer {
	for _, f := range e.injector.active {
		if f.step.Do == BadEstimator && !f.over {
			e.injector.count(f)
		}
	}
	return e.Estimators.Estimate(ctx, question, clusters)
}
