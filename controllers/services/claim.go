package services

import (
	"context"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/seatrial/seatrial/api/names"
	networkingv1alpha1 "github.com/seatrial/seatrial/api/networking/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fieldpatch"
	"github.com/seatrial/seatrial/policy"
	"github.com/seatrial/seatrial/workload"
)

var serviceKind = corev1.SchemeGroupVersion.WithKind("Service")

// placeService claims the Service of a MultiClusterService and has it placed in clusters, in the way a policy does.
func placeService(ctx context.Context, deps control.Deps, mcs *networkingv1alpha1.MultiClusterService, clusters []string) (changed bool, err error) {
	service := &corev1.Service{}
	err = deps.Client.Get(ctx, client.ObjectKeyFromObject(mcs), service)
	if apierrors.IsNotFound(err) || err == nil && !service.DeletionTimestamp.IsZero() {
		return false, fmt.Errorf("there is no Service %s/%s in the control plane", mcs.Namespace, mcs.Name)
	}
	if err != nil {
		return false, fmt.Errorf("reading Service %s/%s: %w", mcs.Namespace, mcs.Name, err)
	}
	claimed, err := claim(ctx, deps, mcs, service)
	if err != nil {
		return false, err
	}
	slices.Sort(clusters)
	bound, err := bind(ctx, deps, mcs, service, slices.Compact(clusters))
	return claimed || bound, err
}

// claim marks a Service so that policies leave it alone.
func claim(ctx context.Context, deps control.Deps, mcs *networkingv1alpha1.MultiClusterService, service *corev1.Service) (changed bool, err error) {
	marked := &metav1.ObjectMeta{Labels: service.Labels, Annotations: service.Annotations}
	policy.Unclaim(marked)
	marked.Labels = joinedKeys(marked.Labels, map[string]string{
		names.LabelClaimedBy: names.MultiClusterServiceKind, names.LabelMultiClusterServiceID: mcs.Labels[names.LabelMultiClusterServiceID],
	})
	marked.Annotations = joinedKeys(marked.Annotations, map[string]string{
		names.MultiClusterServiceNamespace: mcs.Namespace, names.MultiClusterServiceName: mcs.Name,
	})
	if maps.Equal(marked.Labels, service.Labels) && maps.Equal(marked.Annotations, service.Annotations) {
		return false, nil
	}
	fields := fieldpatch.Fields{
		Labels: fieldpatch.BetweenText(service.Labels, marked.Labels), Annotations: fieldpatch.BetweenText(service.Annotations, marked.Annotations),
		KeepOwners: true,
	}
	if err := fieldpatch.Object(ctx, deps.Client, service, fields); err != nil {
		return false, fmt.Errorf("claiming Service %s/%s: %w", service.Namespace, service.Name, err)
	}
	return true, nil
}

// bind makes the binding of a Service. The clusters that the scheduler chose are its own.
func bind(ctx context.Context, deps control.Deps, mcs *networkingv1alpha1.MultiClusterService, service *corev1.Service, clusters []string) (changed bool, err error) {
	current := &workv1alpha2.ResourceBinding{}
	name := types.NamespacedName{Namespace: service.Namespace, Name: names.Binding(serviceKind.Kind, service.Name)}
	err = deps.Client.Get(ctx, name, current)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("reading binding %s: %w", name, err)
	}
	missing := err != nil
	if owner := metav1.GetControllerOfNoCopy(current); !current.DeletionTimestamp.IsZero() || owner != nil && owner.UID != service.UID {
		// It belongs to an earlier Service; its end wakes the MultiClusterService.
		return false, nil
	}
	desired := current.DeepCopy()
	desired.Namespace, desired.Name = name.Namespace, name.Name
	policy.Unclaim(desired)
	desired.Labels = joinedKeys(desired.Labels, map[string]string{
		names.LabelBindingManagedBy: names.MultiClusterServiceKind, names.LabelMultiClusterServiceID: mcs.Labels[names.LabelMultiClusterServiceID],
	})
	if desired.Labels[names.LabelResourceBindingID] == "" {
		desired.Labels[names.LabelResourceBindingID] = deps.IDs.NewID()
	}
	desired.Annotations = joinedKeys(desired.Annotations, map[string]string{
		names.MultiClusterServiceNamespace: mcs.Namespace, names.MultiClusterServiceName: mcs.Name,
	})
	desired.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(service, serviceKind)}
	controllerutil.AddFinalizer(desired, names.FinalizerResourceBinding)
	desired.Spec.Placement = &policyv1alpha1.Placement{ClusterAffinity: &policyv1alpha1.ClusterAffinity{ClusterNames: clusters}}
	desired.Spec.ConflictResolution = policyv1alpha1.ConflictOverwrite
	desired.Spec.Resource = workv1alpha2.ObjectReference{
		APIVersion: serviceKind.GroupVersion().String(), Kind: serviceKind.Kind, Namespace: service.Namespace, Name: service.Name,
		UID: service.UID, ResourceVersion: service.ResourceVersion,
	}
	if missing {
		if err := deps.Client.Create(ctx, desired); err != nil {
			return false, fmt.Errorf("creating binding %s: %w", name, err)
		}
		return true, nil
	}
	if workload.Equal(current.ObjectMeta, desired.ObjectMeta) && workload.Equal(current.Spec, desired.Spec) {
		return false, nil
	}
	if err := deps.Client.Update(ctx, desired); err != nil {
		return false, fmt.Errorf("updating binding %s: %w", name, err)
	}
	return true, nil
}

// leaveService takes the marks of a MultiClusterService off its Service and the binding.
func leaveService(ctx context.Context, deps control.Deps, name types.NamespacedName) error {
	service, bound := &corev1.Service{}, &workv1alpha2.ResourceBinding{}
	bindingName := types.NamespacedName{Namespace: name.Namespace, Name: names.Binding(serviceKind.Kind, name.Name)}
	for _, marked := range []struct {
		object client.Object
		name   types.NamespacedName
		label  string
	}{{service, name, names.LabelClaimedBy}, {bound, bindingName, names.LabelBindingManagedBy}} {
		if err := deps.Client.Get(ctx, marked.name, marked.object); err != nil {
			if client.IgnoreNotFound(err) == nil {
				continue
			}
			return fmt.Errorf("reading %T %s: %w", marked.object, marked.name, err)
		}
		if marked.object.GetLabels()[marked.label] != names.MultiClusterServiceKind {
			continue
		}
		fields := fieldpatch.Fields{
			Labels:      map[string]any{marked.label: nil, names.LabelMultiClusterServiceID: nil},
			Annotations: map[string]any{names.MultiClusterServiceNamespace: nil, names.MultiClusterServiceName: nil}, KeepOwners: true,
		}
		if err := client.IgnoreNotFound(fieldpatch.Object(ctx, deps.Client, marked.object, fields)); err != nil {
			return fmt.Errorf("taking the marks of MultiClusterService %s off %T %s: %w", name, marked.object, marked.name, err)
		}
	}
	return nil
}
