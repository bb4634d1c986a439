package collect

import (
	"errors"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
)

// unjudged says that an interpreter could not tell how a member object is. The reason is that of the event about it.
type unjudged struct {
	error
	reason string
}

func (u unjudged) Unwrap() error { return u.error }

// reflected is the condition of a Work that tells of what interpreters could not judge, nil when they could judge all.
func reflected(work *workv1alpha1.Work, failures []error) *metav1.Condition {
	reason, messages := "", []string(nil)
	for _, failure := range failures {
		if trouble := (unjudged{}); errors.As(failure, &trouble) {
			reason = trouble.reason
			messages = append(messages, trouble.Error())
		}
	}
	if messages == nil {
		return nil
	}
	return &metav1.Condition{
		Type: names.ConditionStatusReflected, Status: metav1.ConditionFalse, Reason: reason, ObservedGeneration: work.Generation,
		Message: binding.Shortened(strings.Join(messages, "\n")),
	}
}

// tell tells users of trouble that is new, and of the end of trouble. It returns the conditions of the Work as they shall be, and
// whether they are others than before. Where member objects could not be read, nobody knows whether trouble has ended.
func tell(deps control.Deps, work *workv1alpha1.Work, failures []error, now time.Time) (conditions []metav1.Condition, changed bool) {
	standing, trouble := troubleOf(work), reflected(work, failures)
	conditions = slices.Clone(work.Status.Conditions)
	switch {
	case sameTrouble(standing, trouble), trouble == nil && len(failures) > 0:
		return conditions, false
	case trouble == nil:
		meta.RemoveStatusCondition(&conditions, names.ConditionStatusReflected)
		deps.Events.Eventf(work, corev1.EventTypeNormal, names.EventOfEnd(standing.Reason), "it is well again")
	default:
		trouble.LastTransitionTime = metav1.NewTime(now)
		meta.SetStatusCondition(&conditions, *trouble)
		deps.Events.Eventf(work, corev1.EventTypeWarning, trouble.Reason, "%s", trouble.Message)
	}
	return conditions, true
}

// sameTrouble compares what two conditions tell; nil tells of none.
func sameTrouble(a, b *metav1.Condition) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Reason == b.Reason && a.Message == b.Message
}

func troubleOf(work *workv1alpha1.Work) *metav1.Condition {
	return meta.FindStatusCondition(work.Status.Conditions, names.ConditionStatusReflected)
}
