// Package dependencies brings along what templates need: the ConfigMaps, Secrets and other objects that a template refers to
// follow it into every cluster, without a policy of their own.
//
// Its keys are bindings. A binding whose policy propagates dependencies, the parent, notes them in an annotation; each of them
// gets an attached binding, which says in spec.requiredBy who needs it and where. Attached bindings are rendered like all
// others, and go when nobody needs them any more. An object with a policy of its own is attached through the binding it has.
package dependencies

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/seatrial/seatrial/api/names"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/interpreter/wake"
	"github.com/seatrial/seatrial/policy"
	"github.com/seatrial/seatrial/workload"
)

// unknownKindRetry is how often a kind that the API server does not serve is looked for again.
const unknownKindRetry = 30 * time.Second

// Options say what is left alone.
type Options struct {
	// Skipped is never propagated, as a dependency no more than by a policy.
	Skipped policy.Skipped
	Workers int
}

// New is the controller named "dependencies". Its keys are ResourceBindings: what is not in a namespace has no dependencies.
func New(options Options) control.Controller {
	distributor := &distributor{options: options}
	watches := wake.Bindings()
	for _, kind := range binding.Kinds() {
		watches = append(watches, control.Watch{Object: kind, Keys: onBinding})
	}
	return control.Controller{
		Name:       "dependencies",
		Watches:    watches,
		SourceKeys: onObject,
		Indexes:    []control.Index{byDependency()},
		Workers:    options.Workers,
		Reconcile:  distributor.reconcile,
	}
}

// onBinding wakes parents: when they change, and when somebody changes who an attached binding says it is needed by. When a
// binding is gone, whoever needs its template makes another.
func onBinding(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	old, wasThere := binding.Of(event.Old)
	current, isThere := binding.Of(event.New)
	if wasThere && !isThere {
		return append(parentsOf(ctx, reader, old.Spec.Resource), itself(old)...)
	}
	// Before the annotation was in view, objects that it names woke nobody: its turn comes when it is.
	if wasThere && old.GetGeneration() == current.GetGeneration() && old.GetDeletionTimestamp().IsZero() == current.GetDeletionTimestamp().IsZero() &&
		old.GetAnnotations()[names.AnnotationDependencies] == current.GetAnnotations()[names.AnnotationDependencies] {
		return nil
	}
	keys := itself(current)
	if wasThere && !workload.Equal(old.Spec.RequiredBy, current.Spec.RequiredBy) {
		for _, parent := range old.Spec.RequiredBy {
			keys = append(keys, control.Key{Namespace: parent.Namespace, Name: parent.Name})
		}
	}
	return keys
}

// itself is the key of a binding that has dependencies, or had.
func itself(bound binding.Binding) []control.Key {
	if bound.GetNamespace() == "" || !bound.Spec.PropagateDeps && !controllerutil.ContainsFinalizer(bound.Object, names.FinalizerDependenciesDistributor) {
		return nil
	}
	return []control.Key{control.KeyOf(bound)}
}

// onObject wakes the parents of an object, unless nothing changed that clusters could notice.
func onObject(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	if event.Old != nil && event.New != nil && workload.SameSpecification(event.Old, event.New) {
		return nil
	}
	apiVersion, kind := event.GVK.ToAPIVersionAndKind()
	return parentsOf(ctx, reader, workv1alpha2.ObjectReference{
		APIVersion: apiVersion, Kind: kind, Namespace: event.Object().GetNamespace(), Name: event.Object().GetName(),
	})
}

type distributor struct{ options Options }

func (d *distributor) reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	if key.Namespace == "" {
		return control.Result{}, nil
	}
	parent, err := binding.Get(ctx, deps.Client, key.NamespacedName())
	if apierrors.IsNotFound(err) {
		// Its finalizer may have been taken off by force.
		return control.Result{}, detach(ctx, deps, key.NamespacedName(), none)
	}
	if err != nil {
		return control.Result{}, fmt.Errorf("reading binding %s: %w", key, err)
	}
	if !parent.GetDeletionTimestamp().IsZero() || !parent.Spec.PropagateDeps {
		return control.Result{}, release(ctx, deps, parent)
	}
	template, err := templateOf(ctx, deps.Client, parent.Spec.Resource)
	if err != nil {
		// The binding is owned by the template and follows it.
		return control.Result{}, client.IgnoreNotFound(err)
	}
	references, err := d.references(ctx, deps, template)
	if err != nil {
		deps.Events.Eventf(template, corev1.EventTypeWarning, names.EventGetDependenciesFailed, "%v", err)
		return control.Result{}, errors.Join(err, report(ctx, deps, parent, names.EventGetDependenciesFailed, err))
	}
	if err := note(ctx, deps, parent, references); err != nil {
		return control.Result{}, err
	}
	return distribute(ctx, deps, parent, references)
}

func report(ctx context.Context, deps control.Deps, parent binding.Binding, reason string, failure error) error {
	return binding.Report(ctx, deps, parent, names.ConditionDependenciesResolved, reason, failure)
}

func templateOf(ctx context.Context, reader client.Reader, resource workv1alpha2.ObjectReference) (*unstructured.Unstructured, error) {
	template := &unstructured.Unstructured{}
	template.SetAPIVersion(resource.APIVersion)
	template.SetKind(resource.Kind)
	name := types.NamespacedName{Namespace: resource.Namespace, Name: resource.Name}
	if err := reader.Get(ctx, name, template); err != nil {
		return nil, fmt.Errorf("reading the template %s %s: %w", resource.Kind, name, err)
	}
	return template, nil
}

// distribute attaches all that is there of the references, and lets go of what was attached and is referred to no more. One
// reference that fails does not hold back the others.
func distribute(ctx context.Context, deps control.Deps, parent binding.Binding, references []reference) (control.Result, error) {
	result, wanted, unknown := control.Result{}, map[types.NamespacedName]bool{}, map[schema.GroupVersionKind]bool{}
	var failures, unserved []error
	wrote := 0
	for _, needed := range references {
		if _, err := deps.Client.RESTMapper().RESTMapping(needed.kind().GroupKind(), needed.kind().Version); err != nil {
			unserved = append(unserved, fmt.Errorf("binding %s depends on %s: %w", parent.NamespacedName(), needed, err))
			unknown[needed.kind()] = true
			continue
		}
		result.Sources = append(result.Sources, control.Source{GVK: needed.kind()})
		objects, err := find(ctx, deps.Client, needed)
		if err != nil {
			failures = append(failures, err)
			unknown[needed.kind()] = true
		}
		for i := range objects {
			wanted[bindingName(&objects[i])] = true
			written, err := attach(ctx, deps, parent, &objects[i])
			if err != nil {
				failures = append(failures, err)
			}
			if written {
				wrote++
			}
		}
	}
	// What cannot be looked up now must not lose what it brought along before.
	failures = append(failures, detach(ctx, deps, parent.NamespacedName(), func(attached binding.Binding) bool {
		resource := attached.Spec.Resource
		return wanted[attached.NamespacedName()] || unknown[schema.FromAPIVersionAndKind(resource.APIVersion, resource.Kind)]
	}))
	return conclude(ctx, deps, parent, result, wrote, errors.Join(failures...), errors.Join(unserved...))
}

// conclude tells users how it went. What is not served yet is no failure of the turn: its sources shall open, and it is looked
// for again.
func conclude(ctx context.Context, deps control.Deps, parent binding.Binding, result control.Result, wrote int, failure, unserved error) (control.Result, error) {
	trouble := errors.Join(failure, unserved)
	switch {
	case trouble != nil && !control.Stale(failure):
		deps.Events.Eventf(parent.Object, corev1.EventTypeWarning, names.EventSyncScheduleResultToDependenciesFailed, "%v", trouble)
	case trouble == nil && wrote > 0:
		deps.Events.Eventf(parent.Object, corev1.EventTypeNormal, names.EventSyncScheduleResultToDependenciesSucceed, "%d dependencies follow it anew", wrote)
	}
	reported := report(ctx, deps, parent, names.EventSyncScheduleResultToDependenciesFailed, trouble)
	if unserved != nil {
		result.RequeueAfter = unknownKindRetry
	}
	return result, errors.Join(failure, reported)
}

// release lets a parent go, or one that propagates its dependencies no more.
func release(ctx context.Context, deps control.Deps, parent binding.Binding) error {
	if !controllerutil.ContainsFinalizer(parent.Object, names.FinalizerDependenciesDistributor) {
		return nil
	}
	if err := detach(ctx, deps, parent.NamespacedName(), none); err != nil {
		return err
	}
	before := parent.Clone()
	controllerutil.RemoveFinalizer(parent.Object, names.FinalizerDependenciesDistributor)
	setAnnotation(parent.Object, names.AnnotationDependencies, "")
	patch := client.MergeFromWithOptions(before.Object, client.MergeFromWithOptimisticLock{})
	if err := deps.Client.Patch(ctx, parent.Object, patch); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("releasing binding %s: %w", parent.NamespacedName(), err)
	}
	if !parent.GetDeletionTimestamp().IsZero() {
		return nil
	}
	return report(ctx, deps, parent, names.EventGetDependenciesFailed, nil)
}
