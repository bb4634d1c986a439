package render

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/override"
	"github.com/seatrial/seatrial/workload"
)

// overdrawn tells that the template asks more than a quota allows, and the binding still says what was admitted before.
func overdrawn(object client.Object) bool {
	bound, ok := binding.Of(object)
	if !ok {
		return false
	}
	told := meta.FindStatusCondition(bound.Status.Conditions, names.ConditionUpToDate)
	return told != nil && told.Status == metav1.ConditionFalse && told.Reason == names.ReasonQuotaExceeded
}

// keepOrRender renders the template for a cluster, unless the template is overdrawn: then the cluster keeps what it was given before,
// and nothing but its share of the replicas changes, so that moves within the quota go on. One that has nothing yet is given the
// template as it is: a workload that moves must not wait for somebody to mend its quota.
func keepOrRender(
	ctx context.Context, deps control.Deps, bound binding.Binding, works []workv1alpha1.Work, template *unstructured.Unstructured,
	target share, overrides []override.Policy,
) (written bool, err error) {
	if overdrawn(bound.Object) {
		for i := range works {
			if works[i].Namespace == names.ExecutionSpace(target.Name) && works[i].DeletionTimestamp.IsZero() {
				return reshare(ctx, deps, bound, &works[i], target)
			}
		}
	}
	return renderFor(ctx, deps, bound, template, target, overrides)
}

// reshare gives the manifests of a Work the replicas of its cluster. The completions of a Job are divided anew with its template.
func reshare(ctx context.Context, deps control.Deps, bound binding.Binding, work *workv1alpha1.Work, target share) (written bool, err error) {
	manifests, err := workload.Manifests(work)
	if err != nil {
		return false, err
	}
	target.completions = nil
	changed := work.DeepCopy()
	for i, manifest := range manifests {
		revised, err := divided(ctx, deps, bound, manifest, target)
		if err != nil {
			return false, fmt.Errorf("giving manifest %d of Work %s/%s its replicas: %w", i, work.Namespace, work.Name, err)
		}
		if workload.Equal(revised.Object, manifest.Object) {
			continue
		}
		if changed.Spec.Workload.Manifests[i].Raw, err = json.Marshal(revised.Object); err != nil {
			return false, fmt.Errorf("encoding manifest %d of Work %s/%s: %w", i, work.Namespace, work.Name, err)
		}
		written = true
	}
	if !written {
		return false, nil
	}
	if err := deps.Client.Update(ctx, changed); err != nil {
		return false, fmt.Errorf("updating Work %s/%s: %w", work.Namespace, work.Name, err)
	}
	return true, nil
}
