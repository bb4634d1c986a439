package dependencies

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/workload"
)

func bindingName(object *unstructured.Unstructured) types.NamespacedName {
	return types.NamespacedName{Namespace: object.GetNamespace(), Name: names.Binding(object.GetKind(), object.GetName())}
}

// attach makes the binding of an object say that the parent needs it, and where. It tells whether it wrote.
func attach(ctx context.Context, deps control.Deps, parent binding.Binding, object *unstructured.Unstructured) (written bool, err error) {
	name := bindingName(object)
	current, err := binding.Get(ctx, deps.Client, name, client.UnsafeDisableDeepCopy)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("reading the binding of %s: %w", workload.Describe(object), err)
	}
	missing := err != nil
	if missing {
		current = binding.New(name.Namespace, name.Name)
	}
	if !current.GetDeletionTimestamp().IsZero() {
		// It belongs to an earlier object of this name; its end wakes the parent.
		return false, nil
	}
	changed := current.Clone()
	require(changed, parent)
	if own(changed) {
		changed.Spec.Resource = workv1alpha2.ObjectReference{
			APIVersion: object.GetAPIVersion(), Kind: object.GetKind(), Namespace: object.GetNamespace(), Name: object.GetName(),
			UID: object.GetUID(), ResourceVersion: object.GetResourceVersion(),
		}
		changed.SetOwnerReferences([]metav1.OwnerReference{*metav1.NewControllerRef(object, object.GroupVersionKind())})
		if err := reconcileParents(ctx, deps, changed, parent); err != nil {
			return false, err
		}
	}
	controllerutil.AddFinalizer(changed.Object, changed.Finalizer())
	if missing {
		label(changed, changed.IDLabel(), deps.IDs.NewID())
		if err := deps.Client.Create(ctx, changed.Object); err != nil {
			return false, fmt.Errorf("creating the binding of %s, which %s needs: %w", workload.Describe(object), parent.NamespacedName(), err)
		}
		return true, nil
	}
	return update(ctx, deps, current, changed)
}

// own tells the bindings of objects that no policy propagates: these are made here.
func own(attached binding.Binding) bool { return attached.Spec.Placement == nil }

// require puts the parent among those who need an attached binding. A cluster that the parent leaves gracefully still runs a
// copy of it, which needs what it needs.
func require(attached, parent binding.Binding) {
	label(attached, names.DependedByLabel(parent.GetNamespace(), parent.GetName()), parent.ID())
	snapshot := workv1alpha2.BindingSnapshot{
		Namespace: parent.GetNamespace(), Name: parent.GetName(), Clusters: slices.Clone(parent.Spec.Clusters),
	}
	for _, task := range parent.Spec.GracefulEvictionTasks {
		held := slices.ContainsFunc(snapshot.Clusters, func(c workv1alpha2.TargetCluster) bool { return c.Name == task.FromCluster })
		if !held && task.PurgeMode != policyv1alpha1.PurgeModeDirectly {
			snapshot.Clusters = append(snapshot.Clusters, workv1alpha2.TargetCluster{Name: task.FromCluster, Replicas: ptr.Deref(task.Replicas, 0)})
		}
	}
	attached.Spec.RequiredBy = withoutParent(attached.Spec.RequiredBy, parent.NamespacedName())
	attached.Spec.RequiredBy = append(attached.Spec.RequiredBy, snapshot)
	slices.SortFunc(attached.Spec.RequiredBy, func(a, b workv1alpha2.BindingSnapshot) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
}

func withoutParent(snapshots []workv1alpha2.BindingSnapshot, parent types.NamespacedName) []workv1alpha2.BindingSnapshot {
	return slices.DeleteFunc(slices.Clone(snapshots), func(s workv1alpha2.BindingSnapshot) bool {
		return s.Namespace == parent.Namespace && s.Name == parent.Name
	})
}

func label(attached binding.Binding, key, value string) {
	labels := maps.Clone(attached.GetLabels())
	if labels == nil {
		labels = map[string]string{}
	}
	labels[key] = value
	attached.SetLabels(labels)
}

// reconcileParents settles what the parents of an attached binding say differently: whoever wants to overwrite or to preserve
// gets it. Users are told, since the others get it too.
func reconcileParents(ctx context.Context, deps control.Deps, attached, present binding.Binding) error {
	var overwrite, abort, preserve, discard int
	for _, snapshot := range attached.Spec.RequiredBy {
		parent := present
		if name := (types.NamespacedName{Namespace: snapshot.Namespace, Name: snapshot.Name}); present.Object == nil || name != present.NamespacedName() {
			var err error
			if parent, err = binding.Get(ctx, deps.Client, name, client.UnsafeDisableDeepCopy); err != nil {
				if err := client.IgnoreNotFound(err); err != nil {
					return fmt.Errorf("reading binding %s, which needs %s: %w", name, attached.NamespacedName(), err)
				}
				continue
			}
		}
		count(parent.Spec.ConflictResolution == policyv1alpha1.ConflictOverwrite, &overwrite, &abort)
		count(ptr.Deref(parent.Spec.PreserveResourcesOnDeletion, false), &preserve, &discard)
	}
	was := *attached.Spec
	attached.Spec.ConflictResolution = policyv1alpha1.ConflictAbort
	if overwrite > 0 {
		attached.Spec.ConflictResolution = policyv1alpha1.ConflictOverwrite
	}
	attached.Spec.PreserveResourcesOnDeletion = nil
	if preserve > 0 {
		attached.Spec.PreserveResourcesOnDeletion = ptr.To(true)
	}
	mixed := overwrite > 0 && abort > 0 || preserve > 0 && discard > 0
	settled := was.ConflictResolution == attached.Spec.ConflictResolution && workload.Equal(was.PreserveResourcesOnDeletion, attached.Spec.PreserveResourcesOnDeletion)
	if mixed && !settled {
		deps.Events.Eventf(attached.Object, corev1.EventTypeWarning, names.EventDependencyPolicyConflict,
			"the bindings that need it differ: %d of %d want to overwrite, %d to preserve; its conflictResolution is %s, its preserveResourcesOnDeletion %t",
			overwrite, overwrite+abort, preserve, attached.Spec.ConflictResolution, preserve > 0)
	}
	return nil
}

func count(holds bool, yes, no *int) {
	if holds {
		*yes++
	} else {
		*no++
	}
}

// none keeps nothing attached.
func none(binding.Binding) bool { return false }

// detach takes the parent off all bindings that say it needs them, except those to keep. Those made for it alone go.
func detach(ctx context.Context, deps control.Deps, parent types.NamespacedName, keep func(binding.Binding) bool) error {
	attached, err := binding.List(ctx, deps.Client, client.HasLabels{names.DependedByLabel(parent.Namespace, parent.Name)}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return err
	}
	var failures []error
	for _, current := range attached {
		if keep(current) || !current.GetDeletionTimestamp().IsZero() {
			continue
		}
		failures = append(failures, free(ctx, deps, current, parent))
	}
	return errors.Join(failures...)
}

func free(ctx context.Context, deps control.Deps, current binding.Binding, parent types.NamespacedName) error {
	changed := current.Clone()
	labels := maps.Clone(changed.GetLabels())
	delete(labels, names.DependedByLabel(parent.Namespace, parent.Name))
	changed.SetLabels(labels)
	changed.Spec.RequiredBy = withoutParent(changed.Spec.RequiredBy, parent)
	if own(changed) && len(changed.Spec.RequiredBy) == 0 {
		version := current.GetResourceVersion()
		err := deps.Client.Delete(ctx, current.Object, client.Preconditions{ResourceVersion: &version})
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting binding %s, which nobody needs: %w", current.NamespacedName(), err)
		}
		return nil
	}
	if own(changed) {
		if err := reconcileParents(ctx, deps, changed, binding.Binding{}); err != nil {
			return err
		}
	}
	_, err := update(ctx, deps, current, changed)
	return err
}

// update writes an attached binding where it differs.
func update(ctx context.Context, deps control.Deps, current, changed binding.Binding) (written bool, err error) {
	if maps.Equal(current.GetLabels(), changed.GetLabels()) && workload.Equal(current.GetFinalizers(), changed.GetFinalizers()) &&
		workload.Equal(current.GetOwnerReferences(), changed.GetOwnerReferences()) && workload.Equal(*current.Spec, *changed.Spec) {
		return false, nil
	}
	if err := deps.Client.Update(ctx, changed.Object); err != nil {
		return false, fmt.Errorf("updating binding %s: %w", changed.NamespacedName(), err)
	}
	return true, nil
}
