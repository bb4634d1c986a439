package rebalance

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1alpha1 "github.com/seatrial/seatrial/api/apps/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/control"
)

// TestRequestsWake: what users change does, and what the controller itself writes does not.
func TestRequestsWake(t *testing.T) {
	one := &appsv1alpha1.WorkloadRebalancer{ObjectMeta: metav1.ObjectMeta{Name: "r", Generation: 1}}
	annotated := one.DeepCopy()
	annotated.Annotations = map[string]string{names.AnnotationAtOnce: "2"}
	observed, told := one.DeepCopy(), one.DeepCopy()
	observed.Status.ObservedGeneration = 1
	told.Status.ObservedWorkloads = []appsv1alpha1.ObservedWorkload{{Result: appsv1alpha1.RebalanceSuccessful}}
	changed := one.DeepCopy()
	changed.Generation = 2
	for name, c := range map[string]struct {
		event control.Event
		wakes int
	}{
		"new":        {control.Event{New: one}, 1},
		"its status": {control.Event{Old: one, New: told}, 0},
		"observed":   {control.Event{Old: one, New: observed}, 1},
		"changed":    {control.Event{Old: one, New: changed}, 1},
		"annotated":  {control.Event{Old: one, New: annotated}, 1},
		"gone":       {control.Event{Old: one}, 0},
	} {
		if keys := onRequest(t.Context(), nil, c.event); len(keys) != c.wakes {
			t.Errorf("%s: wakes %v, want %d", name, keys, c.wakes)
		}
	}
}
