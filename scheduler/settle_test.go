package scheduler

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	testclock "k8s.io/utils/clock/testing"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// shell is a scheduler that has looked at a fleet of one cluster, with room for ten replicas by its summary.
func shell(options Options) (*scheduler, control.Deps) {
	made := newScheduler(options)
	made.fleet.Sync([]clusterv1alpha1.Cluster{*roomy("m1", 10)})
	return made, control.Deps{Clock: testclock.NewFakePassiveClock(time.Unix(1, 0))}
}

// TestAnswersAgeWhileTheyAreWaitedFor: two bindings ask at the same time, and both hear of room for four.
func TestAnswersAgeWhileTheyAreWaitedFor(t *testing.T) {
	for _, overcommit := range []bool{false, true} {
		var made *scheduler
		var deps control.Deps
		var other placement.Decision
		nested := false
		made, deps = shell(Options{Name: "default-scheduler", Overcommit: overcommit, Estimators: estimateFunc(
			func(_ estimator.Question, clusters []string) []estimator.Answer {
				if !made.mu.TryLock() {
					t.Fatal("the lock is held while an estimator is asked")
				}
				made.mu.Unlock()
				if !nested {
					nested = true
					second := asking(3)
					second.SetName("second")
					other, _ = made.settle(t.Context(), deps, second)
				}
				return []estimator.Answer{{Count: 4}}
			},
		)})
		first, _ := made.settle(t.Context(), deps, asking(3))
		var full *placement.UnschedulableError
		if other.Err != nil || errors.As(first.Err, &full) == overcommit {
			t.Errorf("overcommit %t: first %v, second %v", overcommit, first.Err, other.Err)
		}
	}
}

// TestRoomIsGivenOnce: however many ask side by side, the nodes get no more than they have room for.
func TestRoomIsGivenOnce(t *testing.T) {
	const room, size, count = 30, 3, 25
	made, deps := shell(Options{Name: "default-scheduler", Estimators: estimateFunc(func(question estimator.Question, clusters []string) []estimator.Answer {
		left := int32(room)
		for _, assumed := range question.Assumed(clusters[0]) {
			left -= assumed.Components[0].Replicas
		}
		runtime.Gosched()
		return []estimator.Answer{{Count: max(left, 0)}}
	})})
	made.fleet.Sync([]clusterv1alpha1.Cluster{*roomy("m1", 10*room)})
	var given atomic.Int32
	var turns sync.WaitGroup
	for i := range count {
		turns.Go(func() {
			bound := asking(size)
			bound.SetName(fmt.Sprint("web-", i))
			if decision, _ := made.settle(t.Context(), deps, bound); decision.Err == nil {
				given.Add(decision.Clusters[0].Replicas)
			}
		})
	}
	turns.Wait()
	if got := given.Load(); got > room || got < size {
		t.Errorf("nodes with room for %d were given %d", room, got)
	}
}

// TestAssumedWorkloadsReachEstimators: what was decided before is part of the question.
func TestAssumedWorkloadsReachEstimators(t *testing.T) {
	var assumed []estimator.AssumedWorkload
	made, deps := shell(Options{Name: "default-scheduler", Estimators: estimateFunc(func(question estimator.Question, clusters []string) []estimator.Answer {
		assumed = question.Assumed(clusters[0])
		return []estimator.Answer{{Count: 9}}
	})})
	first := asking(3)
	first.SetName("first")
	for _, bound := range []binding.Binding{first, asking(2)} {
		if decision, _ := made.settle(t.Context(), deps, bound); decision.Err != nil {
			t.Fatal(decision.Err)
		}
	}
	if len(assumed) != 1 || assumed[0].Components[0].Replicas != 3 {
		t.Errorf("the second question assumes %v", assumed)
	}
}

func TestPolicyChanged(t *testing.T) {
	for name, c := range map[string]struct {
		change func(binding.Binding)
		want   bool
	}{
		"nothing":  {func(binding.Binding) {}, false},
		"replicas": {func(b binding.Binding) { b.Spec.Replicas++ }, false},
		"placement": {func(b binding.Binding) {
			b.Spec.Placement.SpreadConstraints = []policyv1alpha1.SpreadConstraint{{MinGroups: 1}}
		}, true},
		"claim":   {func(b binding.Binding) { b.GetAnnotations()[names.AnnotationPropagationPolicyName] = "other" }, true},
		"wish":    {func(b binding.Binding) { b.GetAnnotations()[names.AnnotationPrefer] = names.PreferCheap }, true},
		"targets": {func(b binding.Binding) { b.Spec.Clusters = nil }, false},
	} {
		after := placed()
		c.change(after)
		if got := policyChanged(control.Event{Old: placed().Object, New: after.Object}); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
	if policyChanged(control.Event{New: placed().Object}) {
		t.Error("a new binding counts as a changed policy")
	}
}

func TestChangedWishesWake(t *testing.T) {
	wish := placed()
	wish.GetAnnotations()[names.AnnotationStaticWeights] = names.StaticWeightsWithinCapacity
	if keys := onBinding(t.Context(), nil, control.Event{Old: placed().Object, New: wish.Object}); len(keys) != 1 {
		t.Errorf("a new wish wakes %v", keys)
	}
	other := placed()
	other.GetAnnotations()["example.com/note"] = "x"
	if keys := onBinding(t.Context(), nil, control.Event{Old: placed().Object, New: other.Object}); len(keys) != 0 {
		t.Errorf("any annotation wakes %v", keys)
	}
}

func TestAppliedPreferences(t *testing.T) {
	bound := placed()
	decision := &placement.Decision{}
	if applied := appliedBy(bound, decision); len(applied) != 1 || !keeps(bound, applied) {
		t.Errorf("without preferences: %v", applied)
	}
	bound.GetAnnotations()[names.AnnotationSpread] = names.SpreadEvery
	applied := appliedBy(bound, decision)
	if got := applied[names.AnnotationAppliedPreferences]; got != `{"seatrial.io/spread":"Every"}` || keeps(bound, applied) {
		t.Errorf("with a preference: %v", applied)
	}
	bound.GetAnnotations()[names.AnnotationAppliedPreferences] = applied[names.AnnotationAppliedPreferences].(string)
	if !keeps(bound, applied) || due(bound, fleetOf(cluster("m1"), cluster("m2"))) {
		t.Error("a decision by these preferences is due again")
	}
	bound.GetAnnotations()[names.AnnotationPrefer] = names.PreferCheap
	if a, b := appliedPreferences(bound, 1), appliedPreferences(bound, 2); a == b || !strings.Contains(a, names.ClusterPrice) {
		t.Errorf("prices do not count: %s, %s", a, b)
	}
	delete(bound.GetAnnotations(), names.AnnotationSpread)
	delete(bound.GetAnnotations(), names.AnnotationPrefer)
	if gone, listed := appliedBy(bound, decision)[names.AnnotationAppliedPreferences]; !listed || gone != nil || keeps(bound, appliedBy(bound, decision)) {
		t.Errorf("without preferences any more: %v", gone)
	}
}

func TestLegible(t *testing.T) {
	cause := &placement.UnschedulableError{Message: strings.Repeat("no room\n", 10_000)}
	got := makeLegible(&placement.Decision{Err: cause})
	if text := got.Error(); strings.Contains(text, "\n") || len(text) > maxMessage+3 || !strings.HasPrefix(text, "no room; no room") {
		t.Errorf("%d bytes: %.80q", len(text), text)
	}
	var full *placement.UnschedulableError
	if !errors.As(got, &full) {
		t.Error("the cause is lost")
	}
	short := errors.New("fine as it is")
	if got := makeLegible(&placement.Decision{Err: short}); !errors.Is(got, short) || got.Error() != short.Error() || makeLegible(&placement.Decision{}) != nil {
		t.Error("what fits is changed")
	}
}
