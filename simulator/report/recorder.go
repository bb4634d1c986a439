package report

import (
	"fmt"
	"math"
	"time"
)

// Options fix what is measured.
type Options struct {
	// Scenario and Seed name the run; Description is for people.
	Scenario, Description string
	Seed                  uint64
	// Start is the virtual time at which the run begins.
	Start time.Time
	// Duration is how long it is meant to last. It only chooses the width of the timeline.
	Duration time.Duration
	// Points is the most points that a line of the timeline has; 0 means DefaultPoints.
	Points int
	// Detailed is how many workloads get a timeline for each of their clusters, the first that arrive; 0 means DefaultDetailed.
	Detailed   int
	Objectives []Objective
}

// What Options mean when they do not say.
const (
	DefaultPoints   = 480
	DefaultDetailed = 100
)

// sparkPoints is the most points of the line of a workload.
const sparkPoints = 80

// maxMarks is more than a reader can look at; further ones are counted only.
const maxMarks = 4096

type (
	// WorkloadID stands for a workload that was added.
	WorkloadID int32
	// ClusterID stands for a cluster that was added, or, as Plane, for the control plane.
	ClusterID int32
)

// Recorder takes the events of one run. Each takes the time since the start; time never goes back, and a Recorder panics when it
// does, or when it is given an identifier that it did not hand out. It is not safe for concurrent use.
type Recorder struct {
	options Options
	now     int64

	workloads []workload
	clusters  []cluster
	total     *scope
	scopes    []*scope
	watches   []*watch

	readyNodes int64

	decisions, failedDecisions, writes, podStarts int64
	queued                                        samples
	reconciles                                    map[string]int64
	violations                                    []Violation
	violated                                      map[string]int64

	marks       []Mark
	droppedMark int64

	lines lines
}

// lines are the timelines of the whole fleet.
type lines struct{ desired, ready, promised, missing, pending, nodes *series }

// New prepares a recorder.
func New(options Options) *Recorder {
	if options.Points == 0 {
		options.Points = DefaultPoints
	}
	if options.Detailed == 0 {
		options.Detailed = DefaultDetailed
	}
	r := &Recorder{options: options, total: newScope(0, math.MaxInt64), reconciles: map[string]int64{}, violated: map[string]int64{}}
	r.scopes = []*scope{r.total}
	r.lines = lines{r.line(), r.line(), r.line(), r.line(), r.line(), r.line()}
	for _, objective := range options.Objectives {
		r.watch(objective)
	}
	return r
}

func (r *Recorder) line() *series { return newSeries(r.options.Points, r.width(r.options.Points)) }

// width lets so many points cover the meant duration in whole seconds.
func (r *Recorder) width(points int) int64 {
	seconds := int64(math.Ceil(r.options.Duration.Seconds() / float64(points)))
	return max(seconds, 1) * second
}

// watch gives an objective the scope that it counts in. Those over everything and all the time share one.
func (r *Recorder) watch(objective Objective) {
	if _, known := kinds()[objective.Measure]; !known {
		panic(fmt.Sprintf("objective %s: no measure %q", objective.Name, objective.Measure))
	}
	scope := r.total
	if objective.Measure.OfWorkloads() && (objective.Select != nil || objective.From > 0 || objective.Until > 0) {
		until := int64(math.MaxInt64)
		if objective.Until > 0 {
			until = objective.Until.Microseconds()
		}
		scope = newScope(objective.From.Microseconds(), until)
		r.scopes = append(r.scopes, scope)
	}
	watched := &watch{Objective: objective, scope: scope, passed: never, bad: never}
	scope.watches = append(scope.watches, watched)
	r.watches = append(r.watches, watched)
}

// reach lets time pass.
func (r *Recorder) reach(at time.Duration) int64 {
	now := at.Microseconds()
	if now < r.now {
		panic(fmt.Sprintf("recording an event at %s: %s has been reached", at, time.Duration(r.now)*time.Microsecond))
	}
	if now > r.now {
		r.draw(r.now, now)
		r.now = now
	}
	return now
}

// draw lets the state of the fleet hold on its timelines.
func (r *Recorder) draw(from, to int64) {
	state := &r.total.now
	r.lines.desired.add(from, to, state.desired)
	r.lines.ready.add(from, to, state.ready)
	r.lines.promised.add(from, to, state.promised)
	r.lines.missing.add(from, to, state.missing)
	r.lines.pending.add(from, to, state.pending)
	r.lines.nodes.add(from, to, r.readyNodes)
}

// Reconciled counts turns of a controller.
func (r *Recorder) Reconciled(controller string, turns int64) { r.reconciles[controller] += turns }

// Wrote counts writes to the API of the control plane.
func (r *Recorder) Wrote(at time.Duration, writes int64) {
	now := r.reach(at)
	r.writes += writes
	r.count(Writes, r.writes, now)
}

// PodsStarted counts pods that were started in members.
func (r *Recorder) PodsStarted(pods int64) { r.podStarts += pods }

// count checks a count of the whole run against the objectives that bound it.
func (r *Recorder) count(measure Measure, value, at int64) {
	for _, w := range r.total.watches {
		if w.Measure == measure {
			w.exceeded(value, at, at)
		}
	}
}

// Mark is something that happened to the fleet, for the timeline and as a cause.
type Mark struct {
	// At is in seconds since the start.
	At float64 `json:"at"`
	// Kind is a short word such as fail, heal or scale; Text says what was done to what.
	Kind string `json:"kind"`
	Text string `json:"text"`
	// Clusters it was done to.
	Clusters []string `json:"clusters,omitempty"`
}

// Mark notes what was done to the fleet.
func (r *Recorder) Mark(at time.Duration, kind, text string, clusters ...string) {
	now := r.reach(at)
	if len(r.marks) == maxMarks {
		r.droppedMark++
		return
	}
	r.marks = append(r.marks, Mark{At: float64(now) / second, Kind: kind, Text: text, Clusters: clusters})
}

// causeOf is the last mark at or before a time.
func (r *Recorder) causeOf(at int64) *Mark {
	limit := float64(at) / second
	for i := len(r.marks) - 1; i >= 0; i-- {
		if r.marks[i].At <= limit {
			return &r.marks[i]
		}
	}
	return nil
}

// Violation is an invariant that did not hold.
type Violation struct {
	At        float64 `json:"at"`
	Invariant string  `json:"invariant"`
	Text      string  `json:"text"`
}

// maxViolations are told; all are counted.
const maxViolations = 100

// Violated notes that an invariant did not hold.
func (r *Recorder) Violated(at time.Duration, invariant, text string) {
	now := r.reach(at)
	r.violated[invariant]++
	if len(r.violations) < maxViolations {
		r.violations = append(r.violations, Violation{At: float64(now) / second, Invariant: invariant, Text: text})
	}
	for _, w := range r.total.watches {
		if w.Measure == Invariant {
			w.exceeded(r.violationsOf(w.Subject), now, now)
		}
	}
}

func (r *Recorder) violationsOf(invariant string) int64 {
	if invariant != "" {
		return r.violated[invariant]
	}
	var sum int64
	for _, count := range r.violated {
		sum += count
	}
	return sum
}
