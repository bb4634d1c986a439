package scheduler

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/seatrial/seatrial/api/names"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// TestWhatHasLeftGoes: a binding that fits nowhere keeps its targets, except those that are no clusters any more.
func TestWhatHasLeftGoes(t *testing.T) {
	for name, c := range map[string]struct {
		before []workv1alpha2.TargetCluster
		after  string
	}{
		"one has left":  {[]workv1alpha2.TargetCluster{{Name: "gone", Replicas: 3}, {Name: "m1", Replicas: 4}}, "m1:4"},
		"all have left": {[]workv1alpha2.TargetCluster{{Name: "away", Replicas: 1}, {Name: "gone", Replicas: 3}}, ""},
		"none has left": {[]workv1alpha2.TargetCluster{{Name: "m1", Replicas: 4}, {Name: "m2", Replicas: 3}}, "m1:4 m2:3"},
	} {
		bound := asking(40)
		bound.Spec.Clusters = c.before
		s := newStage(t, bound)
		if _, decided := s.turn(t, s.key); !decided {
			t.Fatalf("%s: nothing was decided", name)
		}
		stored := s.stored(t)
		if got := told(stored.Spec.Clusters); got != c.after {
			t.Errorf("%s: targets %q, want %q", name, got, c.after)
		}
		if !meta.IsStatusConditionFalse(stored.Status.Conditions, names.ConditionScheduled) {
			t.Errorf("%s: conditions %v, want one that says that there is no room", name, stored.Status.Conditions)
		}
	}
}
