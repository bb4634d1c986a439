package scheduler

import (
	"cmp"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seatrial/seatrial/api/names"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// condition tells users what was decided, or what stands in the way.
func condition(decision placement.Decision, now metav1.Time, generation int64) metav1.Condition {
	result := metav1.Condition{
		Type: names.ConditionScheduled, Status: metav1.ConditionTrue, Reason: names.ReasonScheduled,
		Message: "scheduled to " + describe(decision.Clusters), LastTransitionTime: now, ObservedGeneration: generation,
	}
	if decision.Err == nil {
		if decision.Kept != "" {
			result.Message += "; " + names.MessageKept + decision.Kept
		}
		return result
	}
	result.Status, result.Reason, result.Message = metav1.ConditionFalse, names.ReasonSchedulerError, decision.Err.Error()
	var fit *placement.FitError
	var unschedulable *placement.UnschedulableError
	switch {
	case errors.As(decision.Err, &fit):
		result.Reason = names.ReasonNoClusterFit
	case errors.As(decision.Err, &unschedulable):
		result.Reason = names.ReasonUnschedulable
	case quotaExceeded(decision.Err):
		result.Reason = names.ReasonQuotaExceeded
	}
	return result
}

// quotaExceeded tells that admission refused a decision for the quota of its namespace.
func quotaExceeded(err error) bool { return apierrors.ReasonForError(err) == names.ReasonQuotaExceeded }

func report(deps control.Deps, bound binding.Binding, decision placement.Decision) {
	if decision.Err != nil {
		deps.Events.Eventf(bound.Object, corev1.EventTypeWarning, names.EventScheduleBindingFailed, "%v", decision.Err)
		return
	}
	deps.Events.Eventf(bound.Object, corev1.EventTypeNormal, names.EventScheduleBindingSucceed, "scheduled to %s", describe(decision.Clusters))
}

// describe reads "member1:2, member2:1"; clusters of objects without replicas stand alone.
func describe(clusters []workv1alpha2.TargetCluster) string {
	text := ""
	for i, cluster := range clusters {
		if i > 0 {
			text += ", "
		}
		text += cluster.Name
		if cluster.Replicas > 0 {
			text += fmt.Sprintf(":%d", cluster.Replicas)
		}
	}
	return cmp.Or(text, "no cluster")
}
