package fuzz

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// Coverage counts the turns of each controller that each fault reached: those in which a request was tampered with or met what is
// broken, and those that a tampered delivery woke. A turn that calls no member counts when it is taken while one is out.
type Coverage map[Action]map[string]int

func (c Coverage) add(fault Action, controller string) {
	if c[fault] == nil {
		c[fault] = map[string]int{}
	}
	c[fault][controller]++
}

// Merge adds the counts of another run.
func (c Coverage) Merge(other Coverage) {
	for fault, counts := range other {
		for controller, count := range counts {
			if c[fault] == nil {
				c[fault] = map[string]int{}
			}
			c[fault][controller] += count
		}
	}
}

// reaches tells whether a fault can reach a controller at all. placementTruth reads what it watches and writes nothing; only the
// scheduler asks estimators; some controllers neither read a clock nor what members have marked with their own.
func reaches(fault Action, controller string) bool {
	switch fault {
	case PlaneDown, Conflict, Refuse, SlowAPI, Crash:
		return controller != "placementTruth"
	case BadEstimator, StaleEstimator:
		return controller == "scheduler"
	case ClockSkew:
		switch controller {
		case "cluster", "namespace", "detector", "binding", "dependencies", "federatedResourceQuotaSync", "federatedResourceQuotaStatus",
			enforcement, "unifiedAuth":
			return false
		}
	}
	return true
}

// asleep tells a controller that faults are aimed at and find without a turn: with its gate off it serves MultiClusterServices that were
// made before, and scenarios draw none.
func asleep(controller string) bool { return controller == "multiclusterservice" }

// Empty lists the cells without a count, where one could be.
func (c Coverage) Empty(controllers []string) []string {
	var empty []string
	for _, fault := range Faults() {
		for _, controller := range controllers {
			if reaches(fault, controller) && !asleep(controller) && c[fault][controller] == 0 {
				empty = append(empty, string(fault)+" x "+controller)
			}
		}
	}
	return empty
}

// Print writes a table of faults and controllers; - marks what cannot meet.
func (c Coverage) Print(to io.Writer, controllers []string) error {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(table, "\t")
	for _, controller := range controllers {
		fmt.Fprintf(table, "%s\t", controller)
	}
	fmt.Fprintln(table)
	for _, fault := range Faults() {
		fmt.Fprintf(table, "%s\t", fault)
		for _, controller := range controllers {
			if !reaches(fault, controller) {
				fmt.Fprint(table, "-\t")
				continue
			}
			fmt.Fprintf(table, "%d\t", c[fault][controller])
		}
		fmt.Fprintln(table)
	}
	return table.Flush()
}
