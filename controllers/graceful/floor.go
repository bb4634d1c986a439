package graceful

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction/floor"
	"github.com/seatrial/seatrial/workload"
)

// floor is that of the template of a binding, as the disruption budgets beside it and its policy raise it; all of its replicas when it
// cannot be read.
func (a *assessor) floor(ctx context.Context, deps control.Deps, bound binding.Binding) int64 {
	template := &unstructured.Unstructured{}
	template.SetAPIVersion(bound.Spec.Resource.APIVersion)
	template.SetKind(bound.Spec.Resource.Kind)
	if err := deps.Client.Get(ctx, types.NamespacedName{Namespace: bound.Spec.Resource.Namespace, Name: bound.Spec.Resource.Name}, template); err != nil {
		return int64(bound.Spec.Replicas)
	}
	budgets := &policyv1.PodDisruptionBudgetList{}
	if namespace := bound.Spec.Resource.Namespace; namespace != "" {
		if err := deps.Client.List(ctx, budgets, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
			return int64(bound.Spec.Replicas)
		}
	}
	least := a.options.Least(template, budgets.Items, bound.Spec.Replicas)
	raised, err := floor.Raised(least, bound.GetAnnotations()[names.AnnotationFloor], bound.Spec.Replicas)
	if err != nil {
		deps.Events.Eventf(bound.Object, corev1.EventTypeWarning, names.EventEvictWorkloadFromClusterFailed, "%v; the floor is %d", err, least)
	}
	return raised
}

// onBudget wakes the bindings of its namespace that hold copies when what a disruption budget asks changes: the floor may let more go.
func (a *assessor) onBudget(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	old, _ := event.Old.(*policyv1.PodDisruptionBudget)
	current, _ := event.New.(*policyv1.PodDisruptionBudget)
	if !a.options.GracefulEviction || old != nil && current != nil && workload.Equal(old.Spec, current.Spec) {
		return nil
	}
	bindings := &workv1alpha2.ResourceBindingList{}
	if err := reader.List(ctx, bindings, client.InNamespace(event.Object().GetNamespace()), client.UnsafeDisableDeepCopy); err != nil {
		return nil
	}
	var keys []control.Key
	for i := range bindings.Items {
		if len(bindings.Items[i].Spec.GracefulEvictionTasks) > 0 {
			keys = append(keys, control.KeyOf(&bindings.Items[i]))
		}
	}
	return keys
}
