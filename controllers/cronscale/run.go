package cronscale

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autoscalingv1alpha1 "github.com/seatrial/seatrial/api/autoscaling/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/autoscale/target"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fieldpatch"
	"github.com/seatrial/seatrial/workload"
)

// kept is how many runs of each outcome are kept of a rule that does not say.
const kept = 3

// run does what a rule says. It may do so again, which changes nothing more.
func run(ctx context.Context, deps control.Deps, of *autoscalingv1alpha1.CronFederatedHPA, rule *autoscalingv1alpha1.CronFederatedHPARule) error {
	reference := of.Spec.ScaleTargetRef
	object, err := target.Of(of.Namespace, reference)
	if err != nil {
		return err
	}
	if object.GroupVersionKind().Group == autoscalingv1alpha1.GroupVersion.Group {
		if object.GetKind() != "FederatedHPA" {
			return fmt.Errorf("%s %s cannot be scaled; of its group only a FederatedHPA can", object.GetKind(), object.GetName())
		}
		return rebound(ctx, deps, types.NamespacedName{Namespace: of.Namespace, Name: reference.Name}, rule)
	}
	if rule.TargetReplicas == nil {
		return errors.New("targetReplicas is not set")
	}
	scale, err := target.Scale(ctx, deps.Client, object)
	if err != nil {
		return fmt.Errorf("reading the scale of %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	if scale.Spec.Replicas == *rule.TargetReplicas {
		return nil
	}
	if err := target.Resize(ctx, deps.Client, object, scale, *rule.TargetReplicas); err != nil {
		return fmt.Errorf("setting %d replicas for %s %s: %w", *rule.TargetReplicas, object.GetKind(), object.GetName(), err)
	}
	return nil
}

// rebound sets the bounds of a FederatedHPA.
func rebound(ctx context.Context, deps control.Deps, name types.NamespacedName, rule *autoscalingv1alpha1.CronFederatedHPARule) error {
	scaler := &autoscalingv1alpha1.FederatedHPA{}
	// An old view may show what the rule wants, and not what the rule before has just set.
	if err := deps.Live.Get(ctx, name, scaler); err != nil {
		return err
	}
	fields := map[string]any{}
	if least := rule.TargetMinReplicas; least != nil && ptr.Deref(scaler.Spec.MinReplicas, 1) != *least {
		fields["minReplicas"] = *least
	}
	if most := rule.TargetMaxReplicas; most != nil && scaler.Spec.MaxReplicas != *most {
		fields["maxReplicas"] = *most
	}
	if len(fields) == 0 {
		return nil
	}
	if err := fieldpatch.Object(ctx, deps.Client, scaler, fieldpatch.Fields{Spec: fields, KeepOwners: true}); err != nil {
		return fmt.Errorf("setting the bounds of FederatedHPA %s: %w", name, err)
	}
	return nil
}

// note keeps what became of a run, the newest first.
func (e *entry) note(now time.Time, failure error) {
	due, at := metav1.NewTime(e.due), metav1.NewTime(now)
	if failure != nil {
		runs := append([]autoscalingv1alpha1.FailedExecution{{ScheduleTime: &due, ExecutionTime: &at, Message: failure.Error()}}, e.history.FailedExecutions...)
		e.history.FailedExecutions = runs
		return
	}
	e.history.SuccessfulExecutions = append([]autoscalingv1alpha1.SuccessfulExecution{{
		ScheduleTime: &due, ExecutionTime: &at, AppliedReplicas: e.rule.TargetReplicas,
		AppliedMaxReplicas: e.rule.TargetMaxReplicas, AppliedMinReplicas: e.rule.TargetMinReplicas,
	}}, e.history.SuccessfulExecutions...)
}

// record is what the status shall say of a rule.
func (e *entry) record() autoscalingv1alpha1.ExecutionHistory {
	record := e.history
	if record.NextExecutionTime = nil; !e.next.IsZero() {
		record.NextExecutionTime = &metav1.Time{Time: e.next.UTC()}
	}
	record.SuccessfulExecutions = first(record.SuccessfulExecutions, ptr.Deref(e.rule.SuccessfulHistoryLimit, kept))
	record.FailedExecutions = first(record.FailedExecutions, ptr.Deref(e.rule.FailedHistoryLimit, kept))
	return record
}

func first[T any](runs []T, limit int32) []T {
	if len(runs) <= int(limit) {
		return runs
	}
	return runs[:limit]
}

// write writes what has changed of the status.
func write(ctx context.Context, deps control.Deps, read *autoscalingv1alpha1.CronFederatedHPA, entries []*entry) error {
	status, failed := autoscalingv1alpha1.CronFederatedHPAStatus{}, names.EventUpdateCronFederatedHPAFailed
	for _, e := range entries {
		if !e.due.IsZero() {
			failed = names.EventUpdateStatusFailed
		}
		status.ExecutionHistories = append(status.ExecutionHistories, e.record())
	}
	if workload.Equal(&read.Status, &status) {
		return nil
	}
	fields := fieldpatch.Between(&read.Status, &status)
	err := client.IgnoreNotFound(fieldpatch.Status(ctx, deps.Client, read, fieldpatch.Fields{Status: fields}))
	if err != nil && !control.Stale(err) {
		deps.Events.Eventf(read, corev1.EventTypeWarning, failed, "%v", err)
		return fmt.Errorf("writing the status of CronFederatedHPA %s/%s: %w", read.Namespace, read.Name, err)
	}
	return err
}
