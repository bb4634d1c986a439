package scheduler

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
)

// counted notes what is written to the API server of a stage from now on.
func (s *stage) counted(t *testing.T) (patches, statuses *int) {
	t.Helper()
	plane, ok := s.deps.Client.(client.WithWatch)
	if !ok {
		t.Fatalf("%T cannot be intercepted", s.deps.Client)
	}
	patches, statuses = new(int), new(int)
	s.deps.Client = interceptor.NewClient(plane, interceptor.Funcs{
		Patch: func(ctx context.Context, to client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			*patches++
			return to.Patch(ctx, object, patch, options...)
		},
		SubResourcePatch: func(ctx context.Context, to client.Client, resource string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			*statuses++
			return to.SubResource(resource).Patch(ctx, object, patch, options...)
		},
	})
	return patches, statuses
}

// later lets time pass, so that the binding is looked at again as by a new process.
func (s *stage) later(by time.Duration) { s.clock.SetTime(s.clock.Now().Add(by)) }

func (s *stage) scheduledAt(t *testing.T) int64 {
	t.Helper()
	last := s.stored(t).Status.LastScheduledTime
	if last == nil {
		t.Fatal("the binding has no time of its last decision")
	}
	return last.Unix()
}

// TestEveryDecisionIsDated: a decision that the fleet calls for and that comes out as before costs one status write, which brings no
// further turn.
func TestEveryDecisionIsDated(t *testing.T) {
	s := newStage(t, everywhere())
	s.turn(t, fleetKey)
	if _, decided := s.turn(t, s.key); !decided || s.scheduledAt(t) != 1 {
		t.Fatalf("the first turn decided: %t, at %d", decided, s.scheduledAt(t))
	}
	patches, statuses := s.counted(t)
	before := s.stored(t)
	for round, wait := range []time.Duration{time.Second, 10 * flight} {
		s.later(wait)
		s.label(t, "m1", fmt.Sprint(round))
		if result, _ := s.turn(t, fleetKey); len(result.Wake) != 1 {
			t.Fatalf("a changed cluster wakes %v", result.Wake)
		}
		s.later(time.Second)
		if _, decided := s.turn(t, s.key); !decided || *patches != 0 || *statuses != round+1 {
			t.Fatalf("the decision of round %d: %t, %d patches, %d of the status", round, decided, *patches, *statuses)
		}
		if got, want := s.scheduledAt(t), s.clock.Now().Unix(); got != want {
			t.Errorf("decided at %d, want %d", got, want)
		}
	}
	after := s.stored(t)
	if keys := onBinding(t.Context(), nil, control.Event{Old: before.Object, New: after.Object}); len(keys) != 0 || after.GetGeneration() != before.GetGeneration() {
		t.Errorf("the scheduler's own write wakes %v", keys)
	}
	if _, decided := s.turn(t, s.key); decided || *patches+*statuses != 2 {
		t.Errorf("a turn without a reason decided: %t, %d writes", decided, *patches+*statuses)
	}
}

// TestDecisionThatConflictsIsDated: a change of the fleet calls for a decision until there is one.
func TestDecisionThatConflictsIsDated(t *testing.T) {
	s := newStage(t, everywhere())
	s.turn(t, fleetKey)
	s.turn(t, s.key)
	s.later(flight)
	s.label(t, "m1", "x")
	s.turn(t, fleetKey)
	plane := s.deps.Client
	s.deps.Client = interceptor.NewClient(plane.(client.WithWatch), interceptor.Funcs{
		SubResourcePatch: func(context.Context, client.Client, string, client.Object, client.Patch, ...client.SubResourcePatchOption) error {
			return errors.New("lost on the way")
		},
	})
	if _, err := s.reconcile(t.Context(), s.deps, s.key); err == nil {
		t.Fatal("a write that failed is no error")
	}
	s.deps.Client = plane
	s.later(flight)
	if _, decided := s.turn(t, s.key); !decided || s.scheduledAt(t) != s.clock.Now().Unix() {
		t.Errorf("decided: %t, last at %d", decided, s.scheduledAt(t))
	}
}

// TestNewProcessDatesNothing: what follows from the fleet is looked at by a new process, which knows of no change.
func TestNewProcessDatesNothing(t *testing.T) {
	for _, fleetFirst := range []bool{true, false} {
		s := newStage(t, everywhere())
		s.turn(t, s.key)
		patches, statuses := s.counted(t)
		s.later(flight)
		s.scheduler = newScheduler(s.options)
		if fleetFirst {
			s.turn(t, fleetKey)
		}
		if _, decided := s.turn(t, s.key); !decided || *patches+*statuses != 0 || s.scheduledAt(t) != 1 {
			t.Errorf("decided: %t, %d writes, last at %d", decided, *patches+*statuses, s.scheduledAt(t))
		}
		if s.turn(t, fleetKey); *patches+*statuses != 0 {
			t.Errorf("%d writes for the fleet", *patches+*statuses)
		}
	}
}

// label gives a cluster a trait that matters to nobody here.
func (s *stage) label(t *testing.T, name, value string) {
	t.Helper()
	cluster := &clusterv1alpha1.Cluster{}
	if err := s.deps.Client.Get(t.Context(), client.ObjectKey{Name: name}, cluster); err != nil {
		t.Fatal(err)
	}
	cluster.Labels = map[string]string{"color": value}
	if err := s.deps.Client.Update(t.Context(), cluster); err != nil {
		t.Fatal(err)
	}
}

// TestIdleTurnsWriteNothing: where no decision is due, none is made and none is dated.
func TestIdleTurnsWriteNothing(t *testing.T) {
	bound := asking(4)
	bound.Status.Conditions = nil
	s := newStage(t, bound)
	s.turn(t, s.key)
	patches, statuses := s.counted(t)
	for range 3 {
		s.later(flight)
		if _, decided := s.turn(t, s.key); decided || *patches+*statuses != 0 || s.scheduledAt(t) != 1 {
			t.Fatalf("decided: %t, %d writes, last at %d", decided, *patches+*statuses, s.scheduledAt(t))
		}
	}
}

// TestFailuresKeepTheDate: what was asked for is not answered by a decision that failed, and a failure that was told before is not
// written again.
func TestFailuresKeepTheDate(t *testing.T) {
	bound := asking(4)
	bound.Status.Conditions = nil
	s := newStage(t, bound)
	s.turn(t, s.key)
	s.later(time.Minute)
	s.change(t, func(b binding.Binding) {
		b.Spec.Replicas, b.Spec.RescheduleTriggeredAt = 1000, &metav1.Time{Time: s.clock.Now()}
	})
	if _, decided := s.turn(t, s.key); !decided || s.scheduledAt(t) != 1 || s.stored(t).Answered() {
		t.Fatalf("decided: %t, last at %d", decided, s.scheduledAt(t))
	}
	patches, statuses := s.counted(t)
	s.later(parking)
	if _, decided := s.turn(t, s.key); !decided || *patches+*statuses != 0 {
		t.Errorf("failed again: %t, %d writes", decided, *patches+*statuses)
	}
	s.later(parking)
	s.change(t, func(b binding.Binding) { b.Spec.Replicas = 5 })
	if _, decided := s.turn(t, s.key); !decided || s.scheduledAt(t) != s.clock.Now().Unix() || !s.stored(t).Answered() {
		t.Errorf("decided: %t, last at %d", decided, s.scheduledAt(t))
	}
	if !meta.IsStatusConditionTrue(s.stored(t).Status.Conditions, names.ConditionScheduled) {
		t.Errorf("what fits again stands as %+v", s.stored(t).Status.Conditions)
	}
}

// TestAskedByAClockAhead: what was asked for by a clock that is ahead is answered, and one decision answers it.
func TestAskedByAClockAhead(t *testing.T) {
	s := newStage(t, asking(4))
	s.turn(t, s.key)
	s.later(time.Minute)
	ahead := s.clock.Now().Add(2 * time.Minute)
	s.change(t, func(b binding.Binding) { b.Spec.RescheduleTriggeredAt = &metav1.Time{Time: ahead} })
	if _, decided := s.turn(t, s.key); !decided || s.scheduledAt(t) != ahead.Unix() || !s.stored(t).Answered() {
		t.Errorf("decided: %t, at %d, want %d", decided, s.scheduledAt(t), ahead.Unix())
	}
	s.later(time.Second)
	if _, decided := s.turn(t, s.key); decided {
		t.Error("what is answered is decided on again")
	}
	s.change(t, func(b binding.Binding) { b.Spec.Replicas = 5 })
	if _, decided := s.turn(t, s.key); !decided || !s.stored(t).Answered() {
		t.Errorf("decided: %t; the next decision undid the answer: %t", decided, !s.stored(t).Answered())
	}
}

func (s *stage) change(t *testing.T, change func(binding.Binding)) {
	t.Helper()
	bound := s.stored(t)
	change(bound)
	if err := s.deps.Client.Update(t.Context(), bound.Object); err != nil {
		t.Fatal(err)
	}
}
