package scheduler

import (
	"math"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/scheduler/placement"
	"github.com/seatrial/seatrial/scheduler/snapshot"
)

// undated is an answer of which the targets are written and the date is not, because the binding changed in between. A fresh placement
// that was asked for must not be made once more then: replicas that the first one moves are neither where they were nor where they
// are to be, so the second would count their room wrong and move others.
type undated struct {
	decision placement.Decision
	// asked is the request for a fresh placement that it answers.
	asked *metav1.Time
}

// unsettled is a revision that no fleet has: what was written at it has more to say.
const unsettled = math.MaxUint64

// keepUndated remembers an answer until its date is written. Changed is the binding as the targets were written. What goes to all clusters that
// fit takes no room that could be counted wrong, and must hear of those that have come meanwhile.
func (s *scheduler) keepUndated(deps control.Deps, bound, changed binding.Binding, decision placement.Decision) {
	if decision.Err != nil || !rescheduleAsked(bound) || followsFleet(bound.Spec) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.undated[bound.NamespacedName()] = undated{decision, bound.Spec.RescheduleTriggeredAt}
	s.written[bound.NamespacedName()] = version{number: snapshot.Version(changed.GetResourceVersion()), revision: unsettled, at: deps.Clock.Now()}
}

// recall finds the answer that a binding has already, but for the date. What it takes of the room is in flight as it was.
func (s *scheduler) recall(bound binding.Binding, fleet *placement.Snapshot) (decision placement.Decision, undo func(), known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, known := s.undated[bound.NamespacedName()]
	if !known {
		return placement.Decision{}, nil, false
	}
	if !last.asked.Equal(bound.Spec.RescheduleTriggeredAt) || !sameTargets(last.decision.Clusters, bound.Spec.Clusters) || outdated(bound, fleet) {
		delete(s.undated, bound.NamespacedName())
		return placement.Decision{}, nil, false
	}
	return last.decision, func() {}, true
}

// halfWritten tells whether the targets of a decision are written though its status is not: what they take stays in flight.
func (s *scheduler) halfWritten(bound binding.Binding, decision placement.Decision) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, known := s.undated[bound.NamespacedName()]
	return known && sameTargets(last.decision.Clusters, decision.Clusters)
}
