// Package aggregate sums up, on a binding and on its template, what the Works of the binding report.
package aggregate

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fieldpatch"
	"github.com/seatrial/seatrial/workload"
)

// New is the controller named "bindingStatus". Its keys are bindings of both scopes.
func New(workers int) control.Controller {
	watches := []control.Watch{{Object: &workv1alpha1.Work{}, Keys: workload.BindingOf}}
	for _, kind := range binding.Kinds() {
		watches = append(watches, control.Watch{Object: kind, Keys: onBinding})
	}
	return control.Controller{
		Name:       "bindingStatus",
		Watches:    watches,
		SourceKeys: onTemplate,
		Indexes:    []control.Index{workload.ByBinding()},
		Workers:    workers,
		Reconcile:  reconcile,
	}
}

// onBinding wakes a binding when its targets may have changed, and when its sum was written: the turn after may have compared
// its own with an older view of the binding.
func onBinding(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	old, wasThere := binding.Of(event.Old)
	current, isThere := binding.Of(event.New)
	if wasThere && isThere && old.GetGeneration() == current.GetGeneration() && sameSum(old, current) {
		return nil
	}
	return []control.Key{control.KeyOf(event.Object())}
}

func sameSum(a, b binding.Binding) bool {
	return workload.Equal(a.Status.AggregatedStatus, b.Status.AggregatedStatus) &&
		meta.IsStatusConditionTrue(a.Status.Conditions, names.ConditionFullyApplied) ==
			meta.IsStatusConditionTrue(b.Status.Conditions, names.ConditionFullyApplied)
}

// onTemplate wakes the binding of a template whose status someone wrote, or which takes the place of another.
func onTemplate(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	old, _ := event.Old.(*unstructured.Unstructured)
	current, _ := event.New.(*unstructured.Unstructured)
	if current == nil || old != nil && workload.Equal(old.Object["status"], current.Object["status"]) {
		return nil
	}
	return []control.Key{{Namespace: current.GetNamespace(), Name: names.Binding(event.GVK.Kind, current.GetName())}}
}

func reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	bound, err := binding.Get(ctx, deps.Client, key.NamespacedName())
	if err != nil {
		return control.Result{}, client.IgnoreNotFound(err)
	}
	if !bound.GetDeletionTimestamp().IsZero() {
		return control.Result{}, nil
	}
	works, err := workload.WorksOf(ctx, deps.Client, key.NamespacedName())
	if err != nil {
		return control.Result{}, err
	}
	items := sum(bound, works)
	if err := writeBinding(ctx, deps, bound, items); err != nil {
		return control.Result{}, err
	}
	kind := schema.FromAPIVersionAndKind(bound.Spec.Resource.APIVersion, bound.Spec.Resource.Kind)
	if !deps.Interpreter.Supports(kind, configv1alpha1.InterpreterOperationAggregateStatus) {
		return control.Result{}, nil
	}
	return control.Result{Sources: []control.Source{{GVK: kind}}}, writeTemplate(ctx, deps, bound.Spec.Resource, items)
}

// sum makes one item a cluster, sorted by name, of the manifest that stands for the template. Works on their way out count
// no more.
func sum(bound binding.Binding, works []workv1alpha1.Work) []workv1alpha2.AggregatedStatusItem {
	var items []workv1alpha2.AggregatedStatusItem
	for i := range works {
		work := &works[i]
		cluster, err := names.ClusterOfExecutionSpace(work.Namespace)
		if err != nil || !work.DeletionTimestamp.IsZero() {
			continue
		}
		item := workv1alpha2.AggregatedStatusItem{ClusterName: cluster, Health: workv1alpha2.ResourceUnknown}
		if condition := meta.FindStatusCondition(work.Status.Conditions, names.ConditionWorkApplied); condition != nil {
			item.Applied = condition.Status == metav1.ConditionTrue
			if !item.Applied {
				item.AppliedMessage = condition.Message
			}
		}
		for _, status := range work.Status.ManifestStatuses {
			if standsFor(status.Identifier, bound.Spec.Resource) {
				item.Status = status.Status
				item.Health = workv1alpha2.ResourceHealth(cmp.Or(status.Health, workv1alpha1.ResourceUnknown))
			}
		}
		items = append(items, item)
	}
	slices.SortFunc(items, func(a, b workv1alpha2.AggregatedStatusItem) int { return cmp.Compare(a.ClusterName, b.ClusterName) })
	return items
}

func standsFor(identifier workv1alpha1.ResourceIdentifier, template workv1alpha2.ObjectReference) bool {
	gv := metav1.GroupVersion{Group: identifier.Group, Version: identifier.Version}
	return gv.String() == template.APIVersion && identifier.Kind == template.Kind &&
		identifier.Namespace == template.Namespace && identifier.Name == template.Name
}

func writeBinding(ctx context.Context, deps control.Deps, bound binding.Binding, items []workv1alpha2.AggregatedStatusItem) error {
	changed := bound.Clone()
	changed.Status.AggregatedStatus = items
	condition := fullyApplied(bound, items)
	condition.LastTransitionTime = metav1.NewTime(deps.Clock.Now())
	condition.ObservedGeneration = bound.GetGeneration()
	meta.SetStatusCondition(&changed.Status.Conditions, condition)
	if workload.Equal(bound.Status, changed.Status) {
		return nil
	}
	fields, err := fieldpatch.Between(bound.Status, changed.Status)
	if err != nil {
		return fmt.Errorf("comparing the status of binding %s: %w", bound.NamespacedName(), err)
	}
	// The scheduler writes conditions as well, and the patch replaces the list whole: it must not be older than the rest.
	if err := fieldpatch.Status(ctx, deps.Client, changed.Object, fieldpatch.Fields{Status: fields}); client.IgnoreNotFound(err) != nil {
		if !control.Stale(err) {
			deps.Events.Eventf(bound.Object, corev1.EventTypeWarning, names.EventAggregateStatusFailed, "%v", err)
		}
		return fmt.Errorf("writing the status of binding %s: %w", bound.NamespacedName(), err)
	}
	return nil
}

// fullyApplied holds when every scheduled cluster reports that it has what it should have.
func fullyApplied(bound binding.Binding, items []workv1alpha2.AggregatedStatusItem) metav1.Condition {
	condition := metav1.Condition{Type: names.ConditionFullyApplied, Status: metav1.ConditionFalse, Reason: names.ReasonFullyApplyFailed}
	applied := map[string]bool{}
	for _, item := range items {
		applied[item.ClusterName] = item.Applied
	}
	missing := 0
	for _, target := range bound.Spec.Clusters {
		if !applied[target.Name] {
			missing++
		}
	}
	switch {
	case len(bound.Spec.Clusters) == 0:
		condition.Message = "no cluster is scheduled"
	case missing > 0:
		condition.Message = fmt.Sprintf("%d of %d scheduled clusters have not applied it", missing, len(bound.Spec.Clusters))
	default:
		condition.Status, condition.Reason = metav1.ConditionTrue, names.ReasonFullyApplied
		condition.Message = fmt.Sprintf("all %d scheduled clusters have applied it", len(bound.Spec.Clusters))
	}
	return condition
}

// writeTemplate puts the sum into the status of the template.
func writeTemplate(ctx context.Context, deps control.Deps, reference workv1alpha2.ObjectReference, items []workv1alpha2.AggregatedStatusItem) error {
	template := &unstructured.Unstructured{}
	template.SetAPIVersion(reference.APIVersion)
	template.SetKind(reference.Kind)
	name := types.NamespacedName{Namespace: reference.Namespace, Name: reference.Name}
	if err := deps.Client.Get(ctx, name, template); err != nil {
		if err := client.IgnoreNotFound(err); err != nil {
			return fmt.Errorf("reading %s %s: %w", reference.Kind, name, err)
		}
		return nil
	}
	summed, err := deps.Interpreter.AggregateStatus(ctx, template, items)
	if err != nil {
		err = fmt.Errorf("summing up the status of %s %s: %w", reference.Kind, name, err)
		deps.Events.Eventf(template, corev1.EventTypeWarning, names.EventAggregateStatusFailed, "%v", err)
		return err
	}
	if workload.Equal(template.Object, summed.Object) {
		return nil
	}
	return writeStatus(ctx, deps, template, summed)
}

// writeStatus uses the status subresource where the kind has one.
func writeStatus(ctx context.Context, deps control.Deps, template, summed *unstructured.Unstructured) error {
	patch := client.MergeFrom(template)
	err := deps.Client.Status().Patch(ctx, summed.DeepCopy(), patch)
	if apierrors.IsNotFound(err) {
		// Either the template is gone or the kind has no such subresource: a patch of the object tells.
		err = client.IgnoreNotFound(deps.Client.Patch(ctx, summed.DeepCopy(), patch))
	}
	if err != nil {
		return fmt.Errorf("writing the status of %s: %w", workload.Describe(template), err)
	}
	return nil
}
