package scheduler

import (
	"context"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
)

// asksAnew is a binding of six replicas in m1, for which somebody asked for a fresh placement by room.
func asksAnew() binding.Binding {
	bound := asking(6)
	bound.Spec.Placement.ReplicaScheduling.ReplicaDivisionPreference = policyv1alpha1.ReplicaDivisionPreferenceWeighted
	bound.Spec.Placement.ReplicaScheduling.WeightPreference = &policyv1alpha1.ClusterPreferences{DynamicWeight: policyv1alpha1.DynamicWeightByAvailableReplicas}
	bound.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: "m1", Replicas: 6}}
	bound.GetAnnotations()[names.AnnotationAppliedPlacement] = appliedPlacement(bound)
	last, asked := metav1.NewTime(time.Unix(10, 0)), metav1.NewTime(time.Unix(100, 0))
	bound.Status.LastScheduledTime, bound.Spec.RescheduleTriggeredAt = &last, &asked
	return bound
}

// TestFreshPlacementIsMadeOnce: somebody changes a binding between the targets of an answer and its date. What was moved then is not
// moved again by another count of the room.
func TestFreshPlacementIsMadeOnce(t *testing.T) {
	s := newStage(t, asksAnew())
	if err := s.deps.Client.Create(t.Context(), roomy("m3", 10)); err != nil {
		t.Fatal(err)
	}
	s.clock.SetTime(time.Unix(101, 0))
	// The nodes of m1 have six of their eleven places taken, and nothing of the move has happened yet. Counted once more, that would
	// give 1, 3 and 2.
	s.options.Estimators = answers{"m1": {Count: 5}, "m2": {Count: 11}}
	const want = "m1:2 m2:2 m3:2"
	const conflicts = 3
	refusals := 0
	plane, _ := s.deps.Client.(client.WithWatch)
	s.deps.Client = interceptor.NewClient(plane, interceptor.Funcs{SubResourcePatch: func(
		ctx context.Context, inner client.Client, part string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption,
	) error {
		if refusals++; refusals <= conflicts {
			return apierrors.NewConflict(schema.GroupResource{}, object.GetName(), nil)
		}
		return inner.SubResource(part).Patch(ctx, object, patch, options...)
	}})
	for turn := range conflicts {
		if _, err := s.reconcile(t.Context(), s.deps, s.key); !apierrors.IsConflict(err) {
			t.Fatalf("turn %d: %v, want a conflict", turn, err)
		}
		if got := told(s.stored(t).Spec.Clusters); got != want {
			t.Errorf("after turn %d: %s", turn, got)
		}
		if got := s.inFlight.Assumed("m2"); len(got) != 1 || got[0].Components[0].Replicas != 2 {
			t.Errorf("after turn %d, on their way to m2: %v", turn, got)
		}
	}
	if _, decided := s.turn(t, s.key); !decided {
		t.Error("the answer was not written")
	}
	if bound := s.stored(t); told(bound.Spec.Clusters) != want || !bound.Answered() {
		t.Errorf("in the end: %s, last scheduled at %v", told(bound.Spec.Clusters), bound.Status.LastScheduledTime)
	}
	again := s.stored(t)
	later := metav1.NewTime(time.Unix(200, 0))
	again.Spec.RescheduleTriggeredAt = &later
	if err := s.deps.Client.Update(t.Context(), again.Object); err != nil {
		t.Fatal(err)
	}
	if _, decided := s.turn(t, s.key); !decided || !s.stored(t).Answered() {
		t.Error("the next one who asks gets no answer")
	}
}
