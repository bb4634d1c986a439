package scale

import (
	"context"
	"fmt"
	"slices"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/autoscale"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fieldpatch"
	"github.com/seatrial/seatrial/workload"
)

func (t *turn) at() *metav1.Time { return &metav1.Time{Time: t.now} }

// tell sets a condition. Its time is that of the last change between true and false.
func (t *turn) tell(condition autoscale.Condition) {
	at := slices.IndexFunc(t.status.Conditions, func(c autoscalingv2.HorizontalPodAutoscalerCondition) bool { return c.Type == condition.Type })
	if at < 0 {
		at = len(t.status.Conditions)
		t.status.Conditions = append(t.status.Conditions, autoscalingv2.HorizontalPodAutoscalerCondition{Type: condition.Type})
	}
	told := &t.status.Conditions[at]
	if told.Status != condition.Status {
		told.LastTransitionTime = *t.at()
	}
	told.Status, told.Reason, told.Message = condition.Status, condition.Reason, condition.Message
}

// fail tells why a turn could not go on, by an event as well if that is news.
func (t *turn) fail(f *fault) {
	event := f.event
	if event == "" {
		event = f.reason
	}
	if t.news(f.condition, f.reason) {
		t.deps.Events.Eventf(t.read, corev1.EventTypeWarning, event, "%v", f.err)
	}
	t.tell(autoscale.Condition{Type: f.condition, Status: corev1.ConditionFalse, Reason: f.reason, Message: f.err.Error()})
}

// unfollowed tells of metrics that decide nothing, if that is news.
func (t *turn) unfollowed(decision autoscale.Decision) {
	for _, condition := range decision.Conditions {
		if condition.Type != autoscalingv2.ScalingActive || condition.Status != corev1.ConditionFalse || decision.Failure == nil || !t.news(condition.Type, condition.Reason) {
			continue
		}
		t.deps.Events.Eventf(t.read, corev1.EventTypeWarning, condition.Reason, "%s", condition.Message)
		t.deps.Events.Eventf(t.read, corev1.EventTypeWarning, names.EventFailedComputeMetricsReplicas, "%v", decision.Failure)
	}
}

// news tells whether an autoscaler has not been told of a failure before.
func (t *turn) news(condition autoscalingv2.HorizontalPodAutoscalerConditionType, reason string) bool {
	return !slices.ContainsFunc(t.read.Status.Conditions, func(c autoscalingv2.HorizontalPodAutoscalerCondition) bool {
		return c.Type == condition && c.Status == corev1.ConditionFalse && c.Reason == reason
	})
}

// write writes what has changed of the status.
func (t *turn) write(ctx context.Context) error {
	if workload.Equal(&t.read.Status, t.status) {
		return nil
	}
	fields := fieldpatch.Between(&t.read.Status, t.status)
	err := fieldpatch.Status(ctx, t.deps.Client, t.read, fieldpatch.Fields{Status: fields, Force: true})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the status of FederatedHPA %s: %w", t.key, err)
	}
	return nil
}

// history is what is remembered, or the beginning of it.
func (t *turn) history(replicas int32) autoscale.History {
	t.mu.Lock()
	defer t.mu.Unlock()
	if known := t.known[t.key]; known != nil && known.history.Known() {
		return known.history
	}
	last := time.Time{}
	if scaled := t.read.Status.LastScaleTime; scaled != nil {
		last = scaled.Time
	}
	return autoscale.Begin(replicas, last, t.now)
}

func (s *scaler) remember(key control.Key, history autoscale.History) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[key] == nil {
		s.known[key] = &memory{}
	}
	s.known[key].history = history
}

func (s *scaler) forget(key control.Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.known, key)
}
