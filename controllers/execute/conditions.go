package execute

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fieldpatch"
)

func dispatching(suspended bool) metav1.Condition {
	if suspended {
		return metav1.Condition{Type: names.ConditionWorkDispatching, Status: metav1.ConditionFalse,
			Reason: names.ReasonWorkSuspendDispatch, Message: "spec.suspendDispatching is set"}
	}
	return metav1.Condition{Type: names.ConditionWorkDispatching, Status: metav1.ConditionTrue,
		Reason: names.ReasonWorkDispatching, Message: "changes are sent to the member cluster"}
}

// applied says how many of the manifests were written, and what went wrong with the others.
func applied(written, total int, failure error) metav1.Condition {
	if failure != nil {
		return metav1.Condition{Type: names.ConditionWorkApplied, Status: metav1.ConditionFalse,
			Reason: names.ReasonWorkApplyFailed, Message: fmt.Sprintf("%d of %d manifests applied: %v", written, total, failure)}
	}
	return metav1.Condition{Type: names.ConditionWorkApplied, Status: metav1.ConditionTrue,
		Reason: names.ReasonWorkApplied, Message: fmt.Sprintf("%d of %d manifests applied", written, total)}
}

// writeConditions writes those that changed, in one patch. Whoever writes another condition of a Work puts it back when an outcome
// takes it away from an older view. Where there is no outcome, the list must not be older than the rest: it would take back the last.
func writeConditions(ctx context.Context, deps control.Deps, work *workv1alpha1.Work, conditions ...metav1.Condition) error {
	changed := *work
	changed.Status.Conditions = slices.Clone(work.Status.Conditions)
	for _, condition := range conditions {
		condition.LastTransitionTime = metav1.NewTime(deps.Clock.Now())
		condition.ObservedGeneration = work.Generation
		meta.SetStatusCondition(&changed.Status.Conditions, condition)
	}
	if equality.Semantic.DeepEqual(work.Status.Conditions, changed.Status.Conditions) {
		return nil
	}
	outcome := slices.ContainsFunc(conditions, func(c metav1.Condition) bool { return c.Type == names.ConditionWorkApplied })
	fields := fieldpatch.Fields{Status: map[string]any{"conditions": changed.Status.Conditions}, Force: outcome}
	if err := fieldpatch.Status(ctx, deps.Client, &changed, fields); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the conditions of Work %s/%s: %w", work.Namespace, work.Name, err)
	}
	tellDispatching(deps, work, &changed)
	return nil
}

// tellDispatching tells users that changes are held back, or are no longer. That they are sent goes without saying.
func tellDispatching(deps control.Deps, before, after *workv1alpha1.Work) {
	was := meta.FindStatusCondition(before.Status.Conditions, names.ConditionWorkDispatching)
	is := meta.FindStatusCondition(after.Status.Conditions, names.ConditionWorkDispatching)
	held := was != nil && was.Status == metav1.ConditionFalse
	if is != nil && held != (is.Status == metav1.ConditionFalse) {
		deps.Events.Eventf(after, corev1.EventTypeNormal, names.EventWorkDispatching, "%s", is.Message)
	}
}
