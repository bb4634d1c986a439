package rebalance

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "github.com/seatrial/seatrial/api/apps/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
)

// observe lists the workloads of a request with what is known of them. Those that a request does not name any more stay listed when
// they were moved, and references that stand for several workloads are resolved once for each generation.
func (r *rebalancer) observe(ctx context.Context, deps control.Deps, request *appsv1alpha1.WorkloadRebalancer) (*appsv1alpha1.WorkloadRebalancerStatus, error) {
	before := &request.Status
	wanted, err := r.resolve(ctx, deps, request)
	if err != nil {
		return nil, err
	}
	status := &appsv1alpha1.WorkloadRebalancerStatus{ObservedGeneration: request.Generation}
	for _, seen := range before.ObservedWorkloads {
		if seen.Result == appsv1alpha1.RebalanceSuccessful || slices.Contains(wanted, seen.Workload) {
			status.ObservedWorkloads = append(status.ObservedWorkloads, seen)
		}
	}
	open := false
	for _, reference := range wanted {
		known := func(seen appsv1alpha1.ObservedWorkload) bool { return seen.Workload == reference }
		if !slices.ContainsFunc(status.ObservedWorkloads, known) {
			status.ObservedWorkloads = append(status.ObservedWorkloads, appsv1alpha1.ObservedWorkload{Workload: reference})
			open = true
		}
	}
	if !open {
		status.FinishTime = before.FinishTime
	}
	slices.SortFunc(status.ObservedWorkloads, func(a, b appsv1alpha1.ObservedWorkload) int { return compare(a.Workload, b.Workload) })
	return status, nil
}

func compare(a, b appsv1alpha1.ObjectReference) int {
	return cmp.Or(cmp.Compare(a.APIVersion, b.APIVersion), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// resolve lists the workloads that a request names, those that it selects included.
func (r *rebalancer) resolve(ctx context.Context, deps control.Deps, request *appsv1alpha1.WorkloadRebalancer) ([]appsv1alpha1.ObjectReference, error) {
	var wanted []appsv1alpha1.ObjectReference
	for _, reference := range request.Spec.Workloads {
		if reference.Name != names.RebalanceEvery || r.options.Reference {
			wanted = append(wanted, reference)
			continue
		}
		selected, err := selected(ctx, deps, request, reference)
		if err != nil {
			return nil, err
		}
		wanted = append(wanted, selected...)
	}
	return wanted, nil
}

// selected are the workloads of one kind that have been placed and that the selector of a request matches. A selector that cannot be
// read and a kind that nobody knows select nothing, and an event says so.
func selected(ctx context.Context, deps control.Deps, request *appsv1alpha1.WorkloadRebalancer, of appsv1alpha1.ObjectReference) ([]appsv1alpha1.ObjectReference, error) {
	selector, err := labels.Parse(request.Annotations[names.AnnotationWorkloadSelector])
	if err != nil {
		deps.Events.Eventf(request, corev1.EventTypeWarning, names.EventRebalanceRefused, "annotation %s is no label selector: %v", names.AnnotationWorkloadSelector, err)
		return nil, nil
	}
	kind := schema.FromAPIVersionAndKind(of.APIVersion, of.Kind)
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(of.Kind + "List"))
	err = deps.Client.List(ctx, list, client.InNamespace(of.Namespace), client.MatchingLabelsSelector{Selector: selector})
	if meta.IsNoMatchError(err) {
		deps.Events.Eventf(request, corev1.EventTypeWarning, names.EventRebalanceRefused, "%s %s is no kind that this control plane knows, so it selects nothing", of.APIVersion, of.Kind)
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing the objects of kind %s that WorkloadRebalancer %s selects: %w", of.Kind, request.Name, err)
	}
	var found []appsv1alpha1.ObjectReference
	for i := range list.Items {
		reference := of
		reference.Namespace, reference.Name = list.Items[i].Namespace, list.Items[i].Name
		_, err := binding.Get(ctx, deps.Client, bindingOf(reference))
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("reading binding %s: %w", bindingOf(reference), err)
		}
		if err == nil {
			found = append(found, reference)
		}
	}
	return found, nil
}

func bindingOf(reference appsv1alpha1.ObjectReference) types.NamespacedName {
	return types.NamespacedName{Namespace: reference.Namespace, Name: names.Binding(reference.Kind, reference.Name)}
}

// atOnce reads a number, or a part of all that is rounded up.
func atOnce(text string, all int) (int, error) {
	given := intstr.Parse(text)
	most, err := intstr.GetScaledValueFromIntOrPercent(&given, all, true)
	if err != nil || most < 1 {
		return 0, fmt.Errorf("annotation %s: %q is neither a number from 1 on nor a part such as 10%%", names.AnnotationAtOnce, text)
	}
	return most, nil
}
