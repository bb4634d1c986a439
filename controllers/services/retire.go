package services

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/seatrial/seatrial/api/names"
	networkingv1alpha1 "github.com/seatrial/seatrial/api/networking/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/control"
)

// retireLook is how soon to look again for Works that are on their way out.
const retireLook = time.Second

// retire stands in for the controllers of MultiClusterServices where the gate is off, under the name of the first of them. What was
// exposed before stays as it is; what users delete goes, since nobody else would take off the finalizers.
func retire(options Options) control.Controller {
	return control.Controller{
		Name:      "multiclusterservice",
		Watches:   []control.Watch{{Object: &networkingv1alpha1.MultiClusterService{}, Keys: onExposure}},
		Workers:   options.Workers,
		Reconcile: retireService,
	}
}

func retireService(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	mcs := &networkingv1alpha1.MultiClusterService{}
	if err := deps.Client.Get(ctx, key.NamespacedName(), mcs); err != nil {
		return control.Result{}, client.IgnoreNotFound(err)
	}
	if mcs.DeletionTimestamp.IsZero() || !controllerutil.ContainsFinalizer(mcs, names.FinalizerMultiClusterService) {
		return control.Result{}, nil
	}
	works := &workv1alpha1.WorkList{}
	of := client.MatchingLabels{exposed.namespaceLabel: mcs.Namespace, exposed.nameLabel: mcs.Name}
	if err := deps.Client.List(ctx, works, of, client.UnsafeDisableDeepCopy); err != nil {
		return control.Result{}, fmt.Errorf("listing the Works of MultiClusterService %s: %w", key, err)
	}
	held, failures := false, []error(nil)
	for i := range works.Items {
		work := &works.Items[i]
		held = held || slices.Contains(work.Finalizers, exposed.finalizer)
		failures = append(failures, retireWork(ctx, deps, work))
	}
	if err := errors.Join(failures...); err != nil || held {
		return control.Result{RequeueAfter: retireLook}, err
	}
	if err := leaveService(ctx, deps, key.NamespacedName()); err != nil {
		return control.Result{}, err
	}
	before := mcs.DeepCopy()
	controllerutil.RemoveFinalizer(mcs, names.FinalizerMultiClusterService)
	err := deps.Client.Patch(ctx, mcs, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if err != nil && !apierrors.IsNotFound(err) {
		return control.Result{}, fmt.Errorf("releasing MultiClusterService %s: %w", key, err)
	}
	return control.Result{}, nil
}

// retireWork takes back an order, a report, or a slice that was sent to a consumer.
func retireWork(ctx context.Context, deps control.Deps, work *workv1alpha1.Work) error {
	switch {
	case !work.DeletionTimestamp.IsZero() && slices.Contains(work.Finalizers, exposed.finalizer):
		return letGo(ctx, deps, work, work.DeepCopy(), exposed.finalizer)
	case !work.DeletionTimestamp.IsZero():
		return nil
	case exposed.collected(work):
		return exposed.release(ctx, deps, work)
	}
	gone := &workv1alpha1.Work{}
	gone.Namespace, gone.Name = work.Namespace, work.Name
	if err := client.IgnoreNotFound(deps.Client.Delete(ctx, gone)); err != nil {
		return fmt.Errorf("deleting Work %s/%s: %w", work.Namespace, work.Name, err)
	}
	return nil
}
