package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// CSV writes one line for each number of each run: run, scenario, seed, of what (fleet, controller, workload or cluster), its name,
// measure, value.
func CSV(w io.Writer, runs []Run) error {
	var out strings.Builder
	lines := csv.NewWriter(&out)
	rows := [][]string{{"run", "scenario", "seed", "of", "name", "measure", "value"}}
	for i := range runs {
		rows = append(rows, runs[i].rows()...)
	}
	if err := lines.WriteAll(rows); err != nil {
		return fmt.Errorf("writing a report: %w", err)
	}
	return write(w, out.String())
}

func (r *Run) rows() [][]string {
	var rows [][]string
	add := func(of, name, measure string, value float64) {
		rows = append(rows, []string{r.Name, r.Scenario, strconv.FormatUint(r.Seed, 10), of, name, measure, number(value)})
	}
	for _, m := range metrics() {
		add("fleet", "", m.name, m.value(r.Report))
	}
	for _, of := range r.ControlPlane.Reconciles {
		add("controller", of.Controller, "reconciles", float64(of.Count))
	}
	for i := range r.Workloads {
		w := &r.Workloads[i]
		name := w.Namespace + "/" + w.Name
		add("workload", name, "availability_ratio", w.Availability)
		add("workload", name, "lowest_availability_ratio", w.LowestAvailability)
		add("workload", name, "min_ready_replicas", float64(w.MinReady))
		add("workload", name, "below_floor_seconds", w.SecondsBelowFloor)
		add("workload", name, "unavailable_replica_seconds", w.UnavailableReplicaSeconds)
		add("workload", name, "recovery_max_seconds", w.Recovery.Max)
		add("workload", name, "moves", float64(w.Moves))
		add("workload", name, "pending_replicas", float64(w.Pending))
	}
	for i := range r.Clusters {
		c := &r.Clusters[i]
		add("cluster", c.Name, "utilisation_ratio", c.Utilisation)
		add("cluster", c.Name, "pods_lost", float64(c.PodsLost))
		add("cluster", c.Name, "evictions", float64(c.Evictions))
		add("cluster", c.Name, "overcommit_pod_seconds", c.OverCommit)
		add("cluster", c.Name, "cost", c.Cost)
	}
	return rows
}
