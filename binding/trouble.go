package binding

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fieldpatch"
)

// longestMessage is in bytes: failures of many clusters must not outgrow what a status can hold.
const longestMessage = 4096

// Report makes a condition of a binding tell of a failure, and takes it off when there is none. It writes when that changes
// something, and never about reads that were too old: another turn settles those. An event tells of the end of a failure.
func Report(ctx context.Context, deps control.Deps, bound Binding, condition, reason string, failure error) error {
	if failure != nil && control.Stale(failure) {
		return nil
	}
	standing := meta.FindStatusCondition(bound.Status.Conditions, condition)
	conditions := slices.Clone(bound.Status.Conditions)
	switch {
	case failure == nil && standing == nil:
		return nil
	case failure == nil:
		meta.RemoveStatusCondition(&conditions, condition)
	default:
		message := failure.Error()
		if standing != nil && standing.Message == Shortened(message) && standing.Reason == reason {
			return nil
		}
		meta.SetStatusCondition(&conditions, metav1.Condition{
			Type: condition, Status: metav1.ConditionFalse, Reason: reason, Message: Shortened(message),
			ObservedGeneration: bound.GetGeneration(), LastTransitionTime: metav1.NewTime(deps.Clock.Now()),
		})
	}
	// Others write conditions as well, and the patch replaces the list whole: it must not be older than the rest.
	err := fieldpatch.Status(ctx, deps.Client, bound.Object, fieldpatch.Fields{Status: map[string]any{"conditions": conditions}})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing condition %s of binding %s: %w", condition, bound.NamespacedName(), err)
	}
	if failure == nil {
		if ended := names.EventOfEnd(standing.Reason); ended != "" {
			deps.Events.Eventf(bound.Object, corev1.EventTypeNormal, ended, "it is well again")
		}
	}
	return nil
}

// Shortened cuts a message to what a condition may hold, between two characters.
func Shortened(message string) string {
	if len(message) <= longestMessage {
		return message
	}
	const more = " ..."
	cut := longestMessage - len(more)
	for cut > 0 && message[cut]&0xC0 == 0x80 {
		cut--
	}
	return message[:cut] + more
}
