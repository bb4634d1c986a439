package scheduler

import (
	"time"

	"k8s.io/utils/clock"

	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/scheduler/framework"
	"github.com/seatrial/seatrial/scheduler/queue"
)

// Steps of a decision.
const (
	StepFilter = "Filter"
	// StepAsk waits for extenders and estimators. Other decisions are made meanwhile.
	StepAsk      = "Ask"
	StepEstimate = "Estimate"
	StepAssign   = "AssignReplicas"
)

// Parts of a write.
const (
	WriteTargets = "targets"
	WriteStatus  = "status"
)

// Why a binding was scheduled.
const (
	ReconcileSchedule = "ReconcileSchedule"
	ScaleSchedule     = "ScaleSchedule"
)

// Recorder is told what a scheduler does. It is called from several goroutines at once.
type Recorder interface {
	queue.Recorder
	framework.Observer
	// Step tells how long one step of a decision took.
	Step(step string, took time.Duration)
	// Attempt tells how long a decision and its writes took; err is nil when the binding was scheduled.
	Attempt(scheduleType string, err error, took time.Duration)
	// Write tells how long one patch took.
	Write(part string, err error, took time.Duration)
	// InFlight tells how many assignments clusters do not report yet.
	InFlight(assignments int)
}

// kindOf tells a change of replicas alone from all other reasons.
func kindOf(bound binding.Binding) string {
	if !waits(bound) && !rescheduleAsked(bound) && replicasChanged(bound.Spec) && len(bound.Spec.Clusters) > 0 {
		return ScaleSchedule
	}
	return ReconcileSchedule
}

// timing measures the steps of a decision; the zero value does not.
type timing struct {
	clock    clock.PassiveClock
	recorder Recorder
}

func (t timing) start() time.Time {
	if t.clock == nil {
		return time.Time{}
	}
	return t.clock.Now()
}

// step ends a step and begins the next.
func (t timing) step(name string, began time.Time) time.Time {
	if t.clock == nil {
		return began
	}
	now := t.clock.Now()
	t.recorder.Step(name, now.Sub(began))
	return now
}

// observes has a profile measured as well.
func (t timing) observes(profile *framework.Profile) *framework.Profile {
	if t.clock == nil || t.recorder == (silent{}) {
		return profile
	}
	return profile.Timed(t.clock, t.recorder)
}

type silent struct{}

func (silent) Incoming(string)                              {}
func (silent) Pending(int, int, int)                        {}
func (silent) Waited(time.Duration)                         {}
func (silent) Step(string, time.Duration)                   {}
func (silent) Attempt(string, error, time.Duration)         {}
func (silent) Write(string, error, time.Duration)           {}
func (silent) InFlight(int)                                 {}
func (silent) ExtensionPoint(string, string, time.Duration) {}
func (silent) Plugin(string, string, string, time.Duration) {}
