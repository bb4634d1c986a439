package report

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

const (
	// APIVersion and Kind head the JSON of a Report.
	APIVersion = "simulator.seatrial.io/v1alpha1"
	Kind       = "Report"
)

// Report is what a run has shown. Times are seconds since its start.
type Report struct {
	APIVersion  string    `json:"apiVersion"`
	Kind        string    `json:"kind"`
	Scenario    string    `json:"scenario"`
	Description string    `json:"description,omitempty"`
	Seed        uint64    `json:"seed"`
	Start       time.Time `json:"start"`
	Duration    float64   `json:"duration"`
	// Partial: the run was ended before its time.
	Partial bool `json:"partial"`
	// Passed: every objective was kept and no invariant violated.
	Passed bool `json:"passed"`

	Objectives   []Outcome         `json:"objectives"`
	Violations   []Violation       `json:"violations,omitempty"`
	Total        Totals            `json:"total"`
	Workloads    []WorkloadResult  `json:"workloads"`
	Clusters     []ClusterResult   `json:"clusters"`
	ControlPlane ControlPlaneState `json:"controlPlane"`
	Marks        []Mark            `json:"marks"`
	DroppedMarks int64             `json:"droppedMarks,omitempty"`
	Timeline     Timeline          `json:"timeline"`
}

// Totals are the measures of some workloads together.
type Totals struct {
	Workloads int   `json:"workloads"`
	Desired   int64 `json:"desired"`
	Ready     int64 `json:"ready"`
	Pending   int64 `json:"pending"`
	// Availability over time; LowestAvailability of any workload at any time.
	Availability              float64   `json:"availability"`
	LowestAvailability        float64   `json:"lowestAvailability"`
	SecondsBelowFloor         float64   `json:"secondsBelowFloor"`
	UnavailableReplicaSeconds float64   `json:"unavailableReplicaSeconds"`
	Recovery                  Quantiles `json:"recovery"`
	// Unrecovered counts incidents that had not ended; they are part of Recovery with their duration so far.
	Unrecovered           int64     `json:"unrecovered"`
	Startup               Quantiles `json:"startup"`
	Moves                 int64     `json:"moves"`
	PeakSurge             int64     `json:"peakSurge"`
	SurgeReplicaSeconds   float64   `json:"surgeReplicaSeconds"`
	PeakPending           int64     `json:"peakPending"`
	PendingReplicaSeconds float64   `json:"pendingReplicaSeconds"`
	Evictions             int64     `json:"evictions"`
	// Those below are of the fleet as a whole, and 0 for a single workload.
	OverCommitPodSeconds float64 `json:"overCommitPodSeconds"`
	PodsLost             int64   `json:"podsLost"`
	Cost                 float64 `json:"cost"`
	Utilisation          float64 `json:"utilisation"`
}

// WorkloadResult is one workload.
type WorkloadResult struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Deleted   bool   `json:"deleted,omitempty"`
	// MinReady is the lowest number of ready replicas since it was first complete.
	MinReady int64 `json:"minReady"`
	Totals

	Line Line `json:"line"`
	// Clusters are the ready replicas in each cluster, of the first workloads only.
	Clusters []ClusterLine `json:"clusters,omitempty"`
}

// ClusterResult is one cluster.
type ClusterResult struct {
	Name            string   `json:"name"`
	Provider        string   `json:"provider,omitempty"`
	Region          string   `json:"region,omitempty"`
	Zones           []string `json:"zones,omitempty"`
	Nodes           int64    `json:"nodes"`
	Ready           int64    `json:"ready"`
	Utilisation     float64  `json:"utilisation"`
	PeakUtilisation float64  `json:"peakUtilisation"`
	PeakPending     int64    `json:"peakPending"`
	OverCommit      float64  `json:"overCommitPodSeconds"`
	PodsLost        int64    `json:"podsLost"`
	Evictions       int64    `json:"evictions"`
	Cost            float64  `json:"cost"`
	States          []Period `json:"states"`
}

// ControlPlaneState is the work of the control plane.
type ControlPlaneState struct {
	Decisions       int64     `json:"decisions"`
	FailedDecisions int64     `json:"failedDecisions"`
	QueueTime       Quantiles `json:"queueTime"`
	Writes          int64     `json:"writes"`
	PodStarts       int64     `json:"podStarts"`
	Reconciles      []Turns   `json:"reconciles,omitempty"`
}

// Turns are those of one controller.
type Turns struct {
	Controller string `json:"controller"`
	Count      int64  `json:"count"`
}

// Timeline is the whole fleet over time. All lines have points of the same width.
type Timeline struct {
	// Width of a point in seconds.
	Width    float64       `json:"width"`
	Desired  []float64     `json:"desired"`
	Promised []float64     `json:"promised"`
	Ready    []float64     `json:"ready"`
	Missing  []float64     `json:"missing"`
	Worst    []float64     `json:"peakMissing"`
	Pending  []float64     `json:"pending"`
	Nodes    []float64     `json:"nodes"`
	Clusters []ClusterLine `json:"clusters"`
}

// Line is one line with the width of its points in seconds.
type Line struct {
	Width  float64   `json:"width"`
	Points []float64 `json:"points"`
}

// ClusterLine is what a cluster has ready over time.
type ClusterLine struct {
	Cluster string    `json:"cluster"`
	Width   float64   `json:"width,omitempty"`
	Ready   []float64 `json:"ready"`
}

// Finish ends the recording and evaluates it; partial says that the run was ended before its time. The Recorder must not be used
// after it.
func (r *Recorder) Finish(at time.Duration, partial bool) *Report {
	unrecovered := r.settle(at)
	report := &Report{
		APIVersion: APIVersion, Kind: Kind, Scenario: r.options.Scenario, Description: r.options.Description, Seed: r.options.Seed, Start: r.options.Start.UTC(),
		Duration: float64(r.now) / second, Partial: partial, Passed: len(r.violations) == 0,
		Violations: r.violations, Marks: r.marks, DroppedMarks: r.droppedMark,
		Total: r.totals(r.total, r.total.now), Timeline: r.timeline(),
	}
	report.Total.Workloads, report.Total.Unrecovered = len(r.workloads), unrecovered
	for _, w := range r.watches {
		outcome := w.judge(r)
		report.Objectives = append(report.Objectives, outcome)
		report.Passed = report.Passed && outcome.Passed
	}
	for i := range r.workloads {
		report.Workloads = append(report.Workloads, r.workloadResult(&r.workloads[i]))
	}
	for i := range r.clusters {
		report.Clusters = append(report.Clusters, r.clusterResult(&r.clusters[i]))
	}
	slices.SortStableFunc(report.Workloads, func(a, b WorkloadResult) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
	})
	slices.SortStableFunc(report.Clusters, func(a, b ClusterResult) int { return cmp.Compare(a.Name, b.Name) })
	report.ControlPlane = r.controlPlane()
	report.Total.OverCommitPodSeconds = round(float64(r.overCommit()) / second)
	report.Total.PodsLost, report.Total.Cost = r.podsLost(), round(r.cost())
	utilisation, _ := r.utilisation()
	report.Total.Utilisation = round(utilisation)
	return report
}

// settle lets every state hold until the end and counts incidents that go on.
func (r *Recorder) settle(at time.Duration) (unrecovered int64) {
	now := r.reach(at)
	for i := range r.workloads {
		w := &r.workloads[i]
		w.hold(now)
		for _, s := range w.scopes {
			s.seeWorkload(now, now+1, w.missingSince, w.now)
		}
		if w.missingSince != never {
			if w.now.missing > 0 {
				unrecovered++
			}
			for _, s := range w.scopes {
				s.recovered(w.missingSince, now)
			}
		}
		w.own.pass(now)
		for j := range w.shares {
			if held := &w.shares[j]; held.line != nil {
				held.line.add(held.since, now, held.ready)
			}
		}
	}
	for _, s := range r.scopes {
		s.pass(now)
		if s.sees(now, now+1) {
			s.mark(now)
			s.observe(now)
		}
	}
	for i := range r.clusters {
		c := &r.clusters[i]
		c.spend(now)
		c.wait(now)
		c.draw(now, 0)
		c.states[len(c.states)-1].To = float64(now) / second
	}
	return unrecovered
}

func (r *Recorder) totals(s *scope, end state) Totals {
	return Totals{
		Workloads: 1, Desired: end.desired, Ready: end.ready, Pending: end.pending,
		Availability: round(s.availability()), LowestAvailability: round(s.lowest),
		SecondsBelowFloor: round(float64(s.belowTime) / second), UnavailableReplicaSeconds: round(float64(s.missingTime) / second),
		Recovery: s.recoveries.quantiles(), Startup: s.startups.quantiles(), Moves: s.moves,
		PeakSurge: s.surgePeak, SurgeReplicaSeconds: round(float64(s.surgeTime) / second),
		PeakPending: s.pendingPeak, PendingReplicaSeconds: round(float64(s.pendingTime) / second), Evictions: s.evictions,
	}
}

func (r *Recorder) workloadResult(w *workload) WorkloadResult {
	result := WorkloadResult{
		Kind: w.info.Kind, Namespace: w.info.Namespace, Name: w.info.Name, Deleted: w.gone, MinReady: w.minReady, Totals: r.totals(w.own, w.now),
		Line: Line{Width: float64(w.spark.width) / second, Points: w.spark.lows(1.0 / perMille)},
	}
	if w.missingSince != never && w.now.missing > 0 {
		result.Unrecovered = 1
	}
	for _, held := range w.shares {
		if held.line != nil && held.line.used() {
			result.Clusters = append(result.Clusters, ClusterLine{
				Cluster: r.clusters[held.cluster].info.Name, Width: float64(held.line.width) / second, Ready: held.line.means(),
			})
		}
	}
	slices.SortFunc(result.Clusters, func(a, b ClusterLine) int { return cmp.Compare(a.Cluster, b.Cluster) })
	return result
}

func (r *Recorder) clusterResult(c *cluster) ClusterResult {
	result := ClusterResult{
		Name: c.info.Name, Provider: c.info.Provider, Region: c.info.Region, Zones: c.info.Zones,
		Nodes: c.capacity.Nodes, Ready: c.ready, PeakUtilisation: round(c.peak), PeakPending: c.peakPending,
		OverCommit: round(float64(c.overCommit) / second), PodsLost: c.lost, Evictions: c.evictions, Cost: round(c.cost), States: c.states,
	}
	if c.cpuTime > 0 {
		result.Utilisation = round(c.requestedTime / c.cpuTime)
	}
	return result
}

func (r *Recorder) controlPlane() ControlPlaneState {
	plane := ControlPlaneState{
		Decisions: r.decisions, FailedDecisions: r.failedDecisions, QueueTime: r.queued.quantiles(), Writes: r.writes, PodStarts: r.podStarts,
	}
	for _, name := range slices.Sorted(maps.Keys(r.reconciles)) {
		plane.Reconciles = append(plane.Reconciles, Turns{Controller: name, Count: r.reconciles[name]})
	}
	return plane
}

func (r *Recorder) timeline() Timeline {
	t := Timeline{
		Width: float64(r.lines.ready.width) / second, Desired: r.lines.desired.means(), Promised: r.lines.promised.means(),
		Ready: r.lines.ready.means(), Missing: r.lines.missing.means(), Worst: r.lines.missing.highs(1),
		Pending: r.lines.pending.means(), Nodes: r.lines.nodes.means(),
	}
	for i := range r.clusters {
		t.Clusters = append(t.Clusters, ClusterLine{Cluster: r.clusters[i].info.Name, Ready: r.clusters[i].line.means()})
	}
	slices.SortStableFunc(t.Clusters, func(a, b ClusterLine) int { return cmp.Compare(a.Cluster, b.Cluster) })
	return t
}
