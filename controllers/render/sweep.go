package render

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/policy"
	"github.com/seatrial/seatrial/workload"
)

// sweep deletes Works that are left of a binding which is gone: the view of Works may not have shown, when the binding was let
// go, what had been written for it just before.
//
// All it goes by is asked of the API server itself, since the view of bindings may be older than that of Works. While a policy
// claims the template there will be another binding of that name, which takes the Works over: bindings that were lost, with a
// backup that is older than the Works or by an accident, cost no workload its copies.
func sweep(ctx context.Context, deps control.Deps, name types.NamespacedName) error {
	works, err := workload.WorksOf(ctx, deps.Client, name)
	if err != nil || len(works) == 0 {
		return err
	}
	if _, err := binding.Get(ctx, deps.Live, name); !apierrors.IsNotFound(err) {
		return err
	}
	var failures []error
	for i := range works {
		awaited, err := claimed(ctx, deps, &works[i])
		if err == nil && !awaited {
			err = deleteWork(ctx, deps, &works[i])
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// claimed tells whether a policy claims the template of a Work.
func claimed(ctx context.Context, deps control.Deps, work *workv1alpha1.Work) (bool, error) {
	manifests, err := workload.Manifests(work)
	if err != nil {
		return false, err
	}
	if len(manifests) == 0 {
		return false, nil
	}
	template := &unstructured.Unstructured{}
	template.SetGroupVersionKind(manifests[0].GroupVersionKind())
	if err := deps.Live.Get(ctx, client.ObjectKeyFromObject(manifests[0]), template); err != nil {
		if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
			return false, nil
		}
		return false, fmt.Errorf("reading the template of Work %s/%s: %w", work.Namespace, work.Name, err)
	}
	_, owned := policy.ClaimOf(template)
	return owned && template.GetDeletionTimestamp().IsZero(), nil
}
