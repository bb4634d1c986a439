package native

import (
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
)

// aggregateJob adds up pods until the Job is over: failed with the first member, complete with the last. A Job that is over
// stays as it is.
func aggregateJob(old batchv1.JobStatus, members []reported[batchv1.JobStatus], clock clock.PassiveClock) batchv1.JobStatus {
	if end := endOf(old); end != "" {
		return old
	}
	sum := batchv1.JobStatus{StartTime: old.StartTime, CompletionTime: old.CompletionTime}
	var completed int
	var failed []string
	var started, finished *metav1.Time
	for _, member := range members {
		if member.status == nil {
			continue
		}
		sum.Active += member.status.Active
		sum.Succeeded += member.status.Succeeded
		sum.Failed += member.status.Failed
		switch endOf(*member.status) {
		case batchv1.JobComplete:
			completed++
		case batchv1.JobFailed:
			failed = append(failed, member.cluster)
		}
		started = earlier(started, member.status.StartTime)
		finished = later(finished, member.status.CompletionTime)
	}
	if sum.StartTime == nil {
		sum.StartTime = started
	}
	if len(failed) > 0 {
		sum.Conditions = append(sum.Conditions, jobCondition(clock, batchv1.JobFailed, "JobFailed",
			"Job executed failed in member clusters "+strings.Join(failed, ",")))
	}
	if len(members) > 0 && completed == len(members) {
		sum.Conditions = append(sum.Conditions, jobCondition(clock, batchv1.JobComplete, "Completed", "Job completed"))
		if sum.CompletionTime == nil {
			sum.CompletionTime = finished
		}
	}
	return sum
}

func jobCondition(clock clock.PassiveClock, kind batchv1.JobConditionType, reason, message string) batchv1.JobCondition {
	now := metav1.NewTime(clock.Now())
	return batchv1.JobCondition{
		Type: kind, Status: corev1.ConditionTrue, Reason: reason, Message: message,
		LastProbeTime: now, LastTransitionTime: now,
	}
}

// endOf is the condition that ended a Job, empty while it runs.
func endOf(status batchv1.JobStatus) batchv1.JobConditionType {
	for _, condition := range status.Conditions {
		over := condition.Type == batchv1.JobComplete || condition.Type == batchv1.JobFailed
		if over && condition.Status == corev1.ConditionTrue {
			return condition.Type
		}
	}
	return ""
}

// earlier is the earlier of two times, of which nil is the latest.
func earlier(a, b *metav1.Time) *metav1.Time {
	if a == nil || (b != nil && b.Before(a)) {
		return b
	}
	return a
}
