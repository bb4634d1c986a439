package report

import (
	"fmt"
	"io"
	"strings"
)

// metric is one number of a report. Names are those of CSV too.
type metric struct {
	name, help string
	unit       Unit
	value      func(*Report) float64
}

// metrics are the numbers that runs are compared by, in the order in which they are told.
func metrics() []metric {
	return []metric{
		{"played_seconds", "Virtual time that was played.", Seconds, func(r *Report) float64 { return r.Duration }},
		{"partial", "1 for a run that was ended before its time.", Count, func(r *Report) float64 { return truth(r.Partial) }},
		{"availability_ratio", "Part of the promised replica-seconds that were ready.", Ratio, func(r *Report) float64 { return r.Total.Availability }},
		{"lowest_availability_ratio", "Lowest part of its promised replicas that a workload had ready.", Ratio, func(r *Report) float64 { return r.Total.LowestAvailability }},
		{"below_floor_seconds", "Time of workloads below their floor.", Seconds, func(r *Report) float64 { return r.Total.SecondsBelowFloor }},
		{"unavailable_replica_seconds", "Missing replicas times seconds.", ReplicaSeconds, func(r *Report) float64 { return r.Total.UnavailableReplicaSeconds }},
		{"recovery_p50_seconds", "Median duration of incidents.", Seconds, func(r *Report) float64 { return r.Total.Recovery.P50 }},
		{"recovery_p90_seconds", "90% of incidents are not longer.", Seconds, func(r *Report) float64 { return r.Total.Recovery.P90 }},
		{"recovery_p99_seconds", "99% of incidents are not longer.", Seconds, func(r *Report) float64 { return r.Total.Recovery.P99 }},
		{"recovery_max_seconds", "The longest incident.", Seconds, func(r *Report) float64 { return r.Total.Recovery.Max }},
		{"unrecovered", "Incidents that were not over.", Count, func(r *Report) float64 { return float64(r.Total.Unrecovered) }},
		{"startup_p99_seconds", "99% of workloads were complete after this.", Seconds, func(r *Report) float64 { return r.Total.Startup.P99 }},
		{"moves", "Replicas that decisions moved.", Count, func(r *Report) float64 { return float64(r.Total.Moves) }},
		{"peak_surge_replicas", "Most replicas beyond the desired ones.", Count, func(r *Report) float64 { return float64(r.Total.PeakSurge) }},
		{"peak_pending_replicas", "Most replicas that ran nowhere.", Count, func(r *Report) float64 { return float64(r.Total.PeakPending) }},
		{"pending_replicas", "Replicas that ran nowhere at the end.", Count, func(r *Report) float64 { return float64(r.Total.Pending) }},
		{"evictions", "Replicas evicted from clusters.", Count, func(r *Report) float64 { return float64(r.Total.Evictions) }},
		{"pods_lost", "Pods that ended with a node or a cluster.", Count, func(r *Report) float64 { return float64(r.Total.PodsLost) }},
		{"overcommit_pod_seconds", "Pods without room in their cluster times seconds.", ReplicaSeconds, func(r *Report) float64 { return r.Total.OverCommitPodSeconds }},
		{"utilisation_ratio", "Requested part of the CPU of all nodes.", Ratio, func(r *Report) float64 { return r.Total.Utilisation }},
		{"cost", "What the nodes cost, in the unit of the prices.", Money, func(r *Report) float64 { return r.Total.Cost }},
		{"decisions", "Decisions of the scheduler.", Count, func(r *Report) float64 { return float64(r.ControlPlane.Decisions) }},
		{"failed_decisions", "Decisions without a result.", Count, func(r *Report) float64 { return float64(r.ControlPlane.FailedDecisions) }},
		{"writes", "Writes to the control plane.", Count, func(r *Report) float64 { return float64(r.ControlPlane.Writes) }},
		{"reconciles", "Turns of controllers.", Count, func(r *Report) float64 { return float64(r.ControlPlane.turns()) }},
		{"pod_starts", "Pods that were started.", Count, func(r *Report) float64 { return float64(r.ControlPlane.PodStarts) }},
		{"queue_p50_seconds", "Half of the workloads waited no longer for a decision.", Seconds, func(r *Report) float64 { return r.ControlPlane.QueueTime.P50 }},
		{"queue_p99_seconds", "99% of workloads waited no longer for a decision.", Seconds, func(r *Report) float64 { return r.ControlPlane.QueueTime.P99 }},
		{"broken_objectives", "Objectives that were broken.", Count, func(r *Report) float64 {
			broken := 0.0
			for i := range r.Objectives {
				if !r.Objectives[i].Passed {
					broken++
				}
			}
			return broken
		}},
	}
}

func truth(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// turns are those of all controllers.
func (c *ControlPlaneState) turns() int64 {
	var sum int64
	for _, of := range c.Reconciles {
		sum += of.Count
	}
	return sum
}

// openMetricsUnit is the unit of a metric where its name says it.
func (m *metric) openMetricsUnit() string {
	for _, unit := range []string{"seconds", "ratio"} {
		if strings.HasSuffix(m.name, "_"+unit) {
			return unit
		}
	}
	return ""
}

// OpenMetrics writes the numbers of runs in the OpenMetrics text format, with labels for the run, its scenario and its seed.
func OpenMetrics(w io.Writer, runs []Run) error {
	var out strings.Builder
	for _, m := range metrics() {
		name := "seatrial_simulation_" + m.name
		fmt.Fprintf(&out, "# TYPE %s gauge\n", name)
		if unit := m.openMetricsUnit(); unit != "" {
			fmt.Fprintf(&out, "# UNIT %s %s\n", name, unit)
		}
		fmt.Fprintf(&out, "# HELP %s %s\n", name, m.help)
		for _, r := range runs {
			fmt.Fprintf(&out, "%s{%s} %s\n", name, r.labels(), number(m.value(r.Report)))
		}
	}
	const turns = "seatrial_simulation_controller_reconciles"
	fmt.Fprintf(&out, "# TYPE %s gauge\n# HELP %s Turns of a controller.\n", turns, turns)
	for _, r := range runs {
		for _, of := range r.ControlPlane.Reconciles {
			fmt.Fprintf(&out, "%s{%s,controller=\"%s\"} %d\n", turns, r.labels(), escapeLabel(of.Controller), of.Count)
		}
	}
	const passed = "seatrial_simulation_objective_passed"
	fmt.Fprintf(&out, "# TYPE %s gauge\n# HELP %s 1 when the objective was kept, 0 when it was broken.\n", passed, passed)
	for _, r := range runs {
		for i := range r.Objectives {
			o := &r.Objectives[i]
			fmt.Fprintf(&out, "%s{%s,objective=\"%s\",index=\"%d\"} %s\n", passed, r.labels(), escapeLabel(o.Name), i, number(truth(o.Passed)))
		}
	}
	out.WriteString("# EOF\n")
	return write(w, out.String())
}

func (r *Run) labels() string {
	return fmt.Sprintf(`run="%s",scenario="%s",seed="%d"`, escapeLabel(r.Name), escapeLabel(r.Scenario), r.Seed)
}

func escapeLabel(text string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(text)
}
