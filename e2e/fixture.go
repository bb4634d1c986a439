package e2e

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/fleet"
)

// members are joined to every fleet that a suite runs on.
var members = []string{"member1", "member2", "member3"}

// Times a fleet gets. They bound a failure; what works is seen as soon as it holds.
const (
	toSettle = time.Minute
	// toNotice covers the failure and success thresholds of cluster health, of 30 s each in a default installation.
	toNotice = 2 * time.Minute
	// toProve is how long something must not happen before it counts as not happening.
	toProve = 5 * time.Second
	// restartPace is short enough to catch controllers at work.
	restartPace = 3 * time.Millisecond
)

// fixture is one run of a suite on one fleet.
type fixture struct {
	*testing.T
	ctx   context.Context
	env   fleet.Environment
	plane client.Client
	// created is what the suite made in the control plane, in order.
	created []client.Object
}

// start waits for the members to be ready.
func start(t *testing.T, env fleet.Environment) *fixture {
	t.Helper()
	plane, err := env.Client(t.Context(), fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{T: t, ctx: t.Context(), env: env, plane: plane}
	f.awaitReady(members...)
	return f
}

// space makes a namespace for a suite. What it returns takes the namespace away again, with everything in it: the suite's own
// objects first, since a namespace that is removed with bindings in it looks for their end only every quarter of a minute.
func (f *fixture) space(name string) (cleanUp func()) {
	f.Helper()
	f.create(namespace(name))
	return func() {
		f.Helper()
		f.vacate(name)
	}
}

// vacate takes a namespace away, unless what is in it tells why the suite failed.
func (f *fixture) vacate(name string) {
	f.Helper()
	if f.Failed() {
		return
	}
	for _, object := range slices.Backward(f.created) {
		if object.GetNamespace() == name {
			f.must(client.IgnoreNotFound(f.plane.Delete(f.ctx, object)))
		}
	}
	f.awaitNoOrphans(name)
	f.delete(f.plane, namespace(name))
	f.awaitAbsent(f.plane, namespace(name))
	f.awaitHolders(namespace(name))
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) create(object client.Object) {
	f.Helper()
	f.createIn(f.plane, object)
	f.created = append(f.created, object)
}

func (f *fixture) createIn(to client.Client, object client.Object) {
	f.Helper()
	if err := to.Create(f.ctx, object); err != nil {
		f.Fatalf("creating %T %s: %v", object, object.GetName(), err)
	}
}

func (f *fixture) delete(from client.Client, object client.Object) {
	f.Helper()
	if err := from.Delete(f.ctx, object); err != nil {
		f.Fatalf("deleting %T %s: %v", object, object.GetName(), err)
	}
}

func (f *fixture) member(name string) client.Client {
	f.Helper()
	member, err := f.env.Client(f.ctx, name)
	f.must(err)
	return member
}

func (f *fixture) await(timeout time.Duration, what string, condition func(context.Context) (bool, error)) {
	f.Helper()
	f.must(f.env.Await(f.ctx, timeout, what, condition))
}

// stays fails when a condition is not true, or ceases to be while time passes.
func (f *fixture) stays(what string, condition func(context.Context) (bool, error)) {
	f.Helper()
	broken, failure := false, error(nil)
	err := f.env.Await(f.ctx, toProve, what+" to end", func(ctx context.Context) (bool, error) {
		holds, err := condition(ctx)
		if ctx.Err() != nil {
			// The time was over before the question was answered.
			return false, nil
		}
		broken, failure = !holds, err
		return broken, err
	})
	if broken || failure != nil || f.ctx.Err() != nil {
		f.Fatalf("%s: not for long: %v", what, err)
	}
}

// pass lets time go by.
func (f *fixture) pass(duration time.Duration) {
	f.Helper()
	// Nothing is awaited, so the error only says that the time is over.
	_ = f.env.Await(f.ctx, duration, "time to pass", func(ctx context.Context) (bool, error) { return false, ctx.Err() })
}

func (f *fixture) awaitReady(clusters ...string) {
	f.Helper()
	for _, name := range clusters {
		f.awaitReadiness(name, true)
	}
}

func (f *fixture) awaitReadiness(name string, ready bool) {
	f.Helper()
	f.await(toNotice, fmt.Sprintf("cluster %s ready: %t", name, ready), func(ctx context.Context) (bool, error) {
		cluster := &clusterv1alpha1.Cluster{}
		err := f.plane.Get(ctx, types.NamespacedName{Name: name}, cluster)
		return err == nil && meta.IsStatusConditionTrue(cluster.Status.Conditions, names.ConditionClusterReady) == ready, client.IgnoreNotFound(err)
	})
}

// awaitHolders waits until the object is in the given members and in no other.
func (f *fixture) awaitHolders(object client.Object, expected ...string) {
	f.Helper()
	f.await(toSettle, fmt.Sprintf("%T %s in %v and nowhere else", object, object.GetName(), expected), f.held(object, expected...))
}

// held tells whether the object is in the given members and in no other.
func (f *fixture) held(object client.Object, expected ...string) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		for _, member := range members {
			err := f.member(member).Get(ctx, client.ObjectKeyFromObject(object), blank(object))
			if client.IgnoreNotFound(err) != nil {
				return false, err
			}
			if slices.Contains(expected, member) != (err == nil) {
				return false, nil
			}
		}
		return true, nil
	}
}

func (f *fixture) awaitAbsent(from client.Client, object client.Object) {
	f.Helper()
	f.await(toSettle, fmt.Sprintf("%T %s gone", object, object.GetName()), func(ctx context.Context) (bool, error) {
		err := from.Get(ctx, client.ObjectKeyFromObject(object), blank(object))
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
}

// propagate makes a policy for one object, that bears its name and sends a copy to each of the clusters.
func (f *fixture) propagate(object client.Object, clusters ...string) *policyv1alpha1.PropagationPolicy {
	f.Helper()
	policy := &policyv1alpha1.PropagationPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: object.GetNamespace(), Name: object.GetName()},
		Spec:       f.placed(object, clusters...),
	}
	f.create(policy)
	return policy
}

// placed is the specification of a policy that sends one object to clusters.
func (f *fixture) placed(object client.Object, clusters ...string) policyv1alpha1.PropagationSpec {
	f.Helper()
	gvk, err := f.plane.GroupVersionKindFor(object)
	f.must(err)
	return policyv1alpha1.PropagationSpec{
		ResourceSelectors: []policyv1alpha1.ResourceSelector{{
			APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind, Namespace: object.GetNamespace(), Name: object.GetName(),
		}},
		Placement: policyv1alpha1.Placement{ClusterAffinity: &policyv1alpha1.ClusterAffinity{ClusterNames: clusters}},
	}
}

// bindingOf is the empty form of an object's binding.
func (f *fixture) bindingOf(object client.Object) client.Object {
	f.Helper()
	gvk, err := f.plane.GroupVersionKindFor(object)
	f.must(err)
	return binding.New(object.GetNamespace(), names.Binding(gvk.Kind, object.GetName())).Object
}

// workOf is the empty form of the Work that carries an object to a cluster.
func (f *fixture) workOf(object client.Object, cluster string) *workv1alpha1.Work {
	f.Helper()
	gvk, err := f.plane.GroupVersionKindFor(object)
	f.must(err)
	return &workv1alpha1.Work{ObjectMeta: metav1.ObjectMeta{
		Namespace: names.ExecutionSpace(cluster), Name: names.Work(gvk.Kind, object.GetName(), object.GetNamespace()),
	}}
}

// awaitBinding waits until an object's binding is as wanted.
func (f *fixture) awaitBinding(object client.Object, what string, holds func(binding.Binding) bool) {
	f.Helper()
	eventually(f, f.plane, f.bindingOf(object), what, func(found client.Object) bool {
		view, _ := binding.Of(found)
		return holds(view)
	})
}

// eventually waits until an object is there and as wanted.
func eventually[T client.Object](f *fixture, from client.Client, object T, what string, holds func(T) bool) {
	f.Helper()
	f.await(toSettle, what, as(from, object, holds))
}

// as tells whether an object is there and as wanted.
func as[T client.Object](from client.Client, object T, holds func(T) bool) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		found := blank(object)
		if err := from.Get(ctx, client.ObjectKeyFromObject(object), found); err != nil {
			return false, client.IgnoreNotFound(err)
		}
		return holds(found), nil
	}
}

// update changes an object, as often as others write to it meanwhile.
func update[T client.Object](f *fixture, to client.Client, object T, change func(T)) {
	f.Helper()
	revise(f, to, object, change, func(ctx context.Context, changed client.Object) error { return to.Update(ctx, changed) })
}

// updateStatus does so with the status of an object.
func updateStatus[T client.Object](f *fixture, to client.Client, object T, change func(T)) {
	f.Helper()
	revise(f, to, object, change, func(ctx context.Context, changed client.Object) error { return to.Status().Update(ctx, changed) })
}

func revise[T client.Object](f *fixture, reader client.Reader, object T, change func(T), write func(context.Context, client.Object) error) {
	f.Helper()
	f.await(toSettle, fmt.Sprintf("a change of %T %s", object, object.GetName()), func(ctx context.Context) (bool, error) {
		found := blank(object)
		if err := reader.Get(ctx, client.ObjectKeyFromObject(object), found); err != nil {
			return false, err
		}
		change(found)
		err := write(ctx, found)
		if apierrors.IsConflict(err) {
			return false, nil
		}
		return true, err
	})
}

// blank is an empty object to read another of the same kind into.
func blank[T client.Object](object T) T {
	empty := reflect.New(reflect.TypeOf(object).Elem()).Interface().(T)
	if tree, ok := any(empty).(*unstructured.Unstructured); ok {
		tree.SetGroupVersionKind(object.GetObjectKind().GroupVersionKind())
	}
	return empty
}

func namespace(name string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func configMap(namespace, name string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: data}
}
