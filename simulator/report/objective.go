package report

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Measure is something that an objective sets a bound to.
type Measure string

// Measures of workloads. They count within the objective's window, over the workloads it selects.
const (
	// Availability is the part of the promised replica-seconds that were ready, from 0 to 1.
	Availability Measure = "Availability"
	// LowestAvailability is the lowest part of its promised replicas that any workload ever had ready, from 0 to 1.
	LowestAvailability Measure = "LowestAvailability"
	// BelowFloor is the time below the floor in seconds, summed over workloads.
	BelowFloor Measure = "BelowFloor"
	// Unavailable is the missing replicas times the seconds they were missing.
	Unavailable Measure = "Unavailable"
	// Recovery is a quantile, or the longest, of the durations of incidents in seconds. An incident that has not ended counts
	// with its duration so far.
	Recovery Measure = "Recovery"
	// Startup is the same of the times from the arrival of a workload until it was first complete.
	Startup Measure = "Startup"
	// Pending is the most replicas that were desired and ran nowhere.
	Pending Measure = "Pending"
	// Surge is the most replicas that ran beyond what was desired.
	Surge Measure = "Surge"
	// Lost is the most workloads that had been ready and had not one ready replica left.
	Lost Measure = "Lost"
	// Moves is the number of replicas that decisions took from one cluster and gave to another.
	Moves Measure = "Moves"
	// Evictions is the number of replicas that were evicted from clusters.
	Evictions Measure = "Evictions"
)

// Measures of clusters and of the control plane. They count over the whole run.
const (
	// OverCommit is the pods that were assigned to a cluster without room for them, times seconds.
	OverCommit Measure = "OverCommit"
	// PodsLost is the number of pods that ended with a node or a cluster.
	PodsLost Measure = "PodsLost"
	// Cost is what the nodes cost, in the unit of the prices.
	Cost Measure = "Cost"
	// Utilisation is the requested part of the CPU of all nodes, from 0 to 1, over time.
	Utilisation Measure = "Utilisation"
	// Decisions is the number of decisions, and FailedDecisions of those without a result.
	Decisions       Measure = "Decisions"
	FailedDecisions Measure = "FailedDecisions"
	// Writes is the number of writes to the control plane.
	Writes Measure = "Writes"
	// QueueTime is a quantile, or the longest, of the waiting times of workloads for a decision in seconds.
	QueueTime Measure = "QueueTime"
	// Invariant is the number of violations of the named invariant, or of any.
	Invariant Measure = "Invariant"
)

// Unit of the values of a measure.
type Unit string

const (
	Count   Unit = "count"
	Ratio   Unit = "ratio"
	Seconds Unit = "seconds"
	// ReplicaSeconds are replicas times seconds.
	ReplicaSeconds Unit = "replica-seconds"
	Money          Unit = "cost"
)

// kind tells what a measure is.
type kind struct {
	unit Unit
	// ofWorkloads: it can be selected and windowed; quantile: it is one of a distribution.
	ofWorkloads, quantile bool
}

func kinds() map[Measure]kind {
	return map[Measure]kind{
		Availability: {unit: Ratio, ofWorkloads: true}, LowestAvailability: {unit: Ratio, ofWorkloads: true},
		BelowFloor: {unit: Seconds, ofWorkloads: true}, Unavailable: {unit: ReplicaSeconds, ofWorkloads: true},
		Recovery: {unit: Seconds, ofWorkloads: true, quantile: true}, Startup: {unit: Seconds, ofWorkloads: true, quantile: true},
		Pending: {unit: Count, ofWorkloads: true}, Surge: {unit: Count, ofWorkloads: true}, Lost: {unit: Count, ofWorkloads: true},
		Moves: {unit: Count, ofWorkloads: true}, Evictions: {unit: Count, ofWorkloads: true},
		OverCommit: {unit: ReplicaSeconds}, PodsLost: {unit: Count}, Cost: {unit: Money}, Utilisation: {unit: Ratio},
		Decisions: {unit: Count}, FailedDecisions: {unit: Count}, Writes: {unit: Count}, QueueTime: {unit: Seconds, quantile: true},
		Invariant: {unit: Count},
	}
}

// Measures lists all of them, sorted.
func Measures() []Measure { return slices.Sorted(maps.Keys(kinds())) }

// Unit is that of the measure's values and bounds; empty for an unknown measure.
func (m Measure) Unit() Unit { return kinds()[m].unit }

// OfWorkloads reports whether the measure can be taken of some workloads, and within a window.
func (m Measure) OfWorkloads() bool { return kinds()[m].ofWorkloads }

// Quantile reports whether the measure is a quantile of a distribution.
func (m Measure) Quantile() bool { return kinds()[m].quantile }

// Objective is a bound that a run has to keep.
type Objective struct {
	Name    string
	Measure Measure
	// Select picks the workloads; all when nil.
	Select func(Workload) bool
	// From and Until bound the time that counts, both included; Until 0 means the end of the run. A window of one instant sees the
	// state at that instant alone.
	From, Until time.Duration
	// Quantile between 0 and 1 of a distribution; 0 means its longest.
	Quantile float64
	// Subject is the name of an invariant; empty for any.
	Subject string
	// AtLeast and AtMost bound the value; at least one is set.
	AtLeast, AtMost *float64
}

// Breach is when and why an objective was broken.
type Breach struct {
	// At is when the bound was passed, in seconds since the start. For a bound that is judged at the end, such as an availability,
	// it is when the first replica was missing.
	At float64 `json:"at"`
	// Cause is the last thing that was done to the fleet before that; nil when nothing was.
	Cause *Mark `json:"cause,omitempty"`
}

// Outcome is an objective with its verdict.
type Outcome struct {
	Name     string   `json:"name"`
	Measure  Measure  `json:"measure"`
	Unit     Unit     `json:"unit"`
	Quantile float64  `json:"quantile,omitempty"`
	Subject  string   `json:"subject,omitempty"`
	AtLeast  *float64 `json:"atLeast,omitempty"`
	AtMost   *float64 `json:"atMost,omitempty"`
	Value    float64  `json:"value"`
	Passed   bool     `json:"passed"`
	// Unmeasured: nothing happened that the value could be taken of, such as an incident; bounds are kept then.
	Unmeasured bool    `json:"unmeasured,omitempty"`
	Breach     *Breach `json:"breach,omitempty"`
}

// kept reports whether a value is within the bounds.
func (o *Objective) kept(value float64) bool {
	return (o.AtLeast == nil || value >= *o.AtLeast) && (o.AtMost == nil || value <= *o.AtMost)
}

// watch is an objective while the run goes on.
type watch struct {
	Objective
	scope *scope
	// passed is when the upper bound was passed, and bad since when things were on the way there; never when they were not.
	passed, bad int64
}

const never = int64(-1)

// pass notes the time when a bound was passed first.
func (w *watch) pass(at, bad int64) {
	if w.passed == never || at < w.passed {
		w.passed, w.bad = at, bad
	}
}

// judge evaluates the objective at the end of a run.
func (w *watch) judge(r *Recorder) Outcome {
	value, measured := w.value(r)
	value = round(value)
	result := Outcome{
		Name: w.Name, Measure: w.Measure, Unit: w.Measure.Unit(), Quantile: w.Quantile, Subject: w.Subject, AtLeast: w.AtLeast, AtMost: w.AtMost,
		Value: value, Unmeasured: !measured, Passed: !measured || w.kept(value),
	}
	if result.Passed {
		return result
	}
	at, bad := w.passed, w.bad
	if at == never {
		at, bad = r.now, r.now
		if w.scope.firstMissing != never && w.Measure.OfWorkloads() {
			at, bad = w.scope.firstMissing, w.scope.firstMissing
		}
	}
	result.Breach = &Breach{At: float64(at) / second, Cause: r.causeOf(bad)}
	return result
}

func (w *watch) value(r *Recorder) (value float64, measured bool) {
	s := w.scope
	switch w.Measure {
	case Availability:
		return s.availability(), s.promisedTime > 0
	case LowestAvailability:
		return s.lowest, s.observed
	case BelowFloor:
		return float64(s.belowTime) / second, true
	case Unavailable:
		return float64(s.missingTime) / second, true
	case Recovery:
		return w.of(&s.recoveries)
	case Startup:
		return w.of(&s.startups)
	case Pending:
		return float64(s.pendingPeak), true
	case Surge:
		return float64(s.surgePeak), true
	case Lost:
		return float64(s.lostPeak), true
	case Moves:
		return float64(s.moves), true
	case Evictions:
		return float64(s.evictions), true
	}
	return w.valueOfRun(r)
}

func (w *watch) valueOfRun(r *Recorder) (value float64, measured bool) {
	switch w.Measure {
	case OverCommit:
		return float64(r.overCommit()) / second, true
	case PodsLost:
		return float64(r.podsLost()), true
	case Cost:
		return r.cost(), true
	case Utilisation:
		return r.utilisation()
	case Decisions:
		return float64(r.decisions), true
	case FailedDecisions:
		return float64(r.failedDecisions), true
	case Writes:
		return float64(r.writes), true
	case QueueTime:
		return w.of(&r.queued)
	case Invariant:
		return float64(r.violationsOf(w.Subject)), true
	}
	panic(fmt.Sprintf("objective %s: no measure %q", w.Name, w.Measure))
}

func (w *watch) of(s *samples) (value float64, measured bool) {
	if w.Quantile == 0 || w.Quantile >= 1 {
		return float64(s.longest) / second, s.count > 0
	}
	return quantile(w.Quantile, s.sorted()), s.count > 0
}
