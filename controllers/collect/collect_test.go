package collect

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/control"
)

func work(generation int64, applied metav1.ConditionStatus, health workv1alpha1.ResourceHealth) *workv1alpha1.Work {
	made := &workv1alpha1.Work{ObjectMeta: metav1.ObjectMeta{Namespace: "karmada-es-m1", Name: "w", Generation: generation}}
	made.Status.Conditions = []metav1.Condition{{Type: names.ConditionWorkApplied, Status: applied}}
	if health != "" {
		made.Status.ManifestStatuses = []workv1alpha1.ManifestStatus{{Health: health}}
	}
	return made
}

// TestOnWork: a written status wakes the Work again. The turn that wrote the status before may have found its own in an older
// view, and nothing to write.
func TestOnWork(t *testing.T) {
	healthy := work(1, metav1.ConditionTrue, workv1alpha1.ResourceHealthy)
	for _, c := range []struct {
		name     string
		old, now client.Object
		wakes    bool
	}{
		{"new", nil, healthy, true},
		{"changed", healthy, work(2, metav1.ConditionTrue, workv1alpha1.ResourceHealthy), true},
		{"applied", work(1, metav1.ConditionFalse, ""), work(1, metav1.ConditionTrue, ""), true},
		{"reported", healthy, work(1, metav1.ConditionTrue, workv1alpha1.ResourceUnhealthy), true},
		{"the same", healthy, work(1, metav1.ConditionTrue, workv1alpha1.ResourceHealthy), false},
	} {
		if keys := onWork(t.Context(), nil, control.Event{Old: c.old, New: c.now}); (len(keys) == 1) != c.wakes {
			t.Errorf("a Work that is %s wakes %v, want a turn: %t", c.name, keys, c.wakes)
		}
	}
}

func TestCollectable(t *testing.T) {
	leaving := work(1, metav1.ConditionTrue, workv1alpha1.ResourceHealthy)
	leaving.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	for _, c := range []struct {
		name string
		work *workv1alpha1.Work
		want bool
	}{
		{"applied", work(1, metav1.ConditionTrue, ""), true},
		{"never applied", work(1, metav1.ConditionFalse, ""), false},
		{"a change was refused", work(2, metav1.ConditionFalse, workv1alpha1.ResourceHealthy), true},
		{"leaving", leaving, false},
	} {
		if got := collectable(c.work); got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
}

// TestProgress: what somebody waits for is written at once.
func TestProgress(t *testing.T) {
	status := func(healths ...workv1alpha1.ResourceHealth) []workv1alpha1.ManifestStatus {
		var made []workv1alpha1.ManifestStatus
		for i, health := range healths {
			made = append(made, workv1alpha1.ManifestStatus{Identifier: workv1alpha1.ResourceIdentifier{Ordinal: i}, Health: health})
		}
		return made
	}
	const healthy, ill, unknown = workv1alpha1.ResourceHealthy, workv1alpha1.ResourceUnhealthy, workv1alpha1.ResourceUnknown
	for _, c := range []struct {
		name          string
		before, after []workv1alpha1.ManifestStatus
		want          bool
	}{
		{"starting", nil, status(ill), true},
		{"started at once", nil, status(healthy), false},
		{"nothing to judge", nil, status(unknown), false},
		{"rolling out", status(ill), status(ill), true},
		{"rolled out", status(ill), status(healthy), false},
		{"one of two rolled out", status(ill, ill), status(healthy, ill), true},
		{"the other one too", status(healthy, ill), status(healthy, healthy), false},
		{"failing", status(healthy, ill), status(ill, ill), false},
		{"still healthy", status(healthy), status(healthy), true},
		{"gone", status(healthy, healthy), status(healthy), false},
	} {
		if got := progress(c.before, c.after); got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
}
