package main

import (
	"bytes"
	"testing"

	"github.com/seatrial/seatrial/rebalance"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// TestPlanTellsItsDoubts: who asks estimators is told which of them did not answer, and what the plan went by instead.
func TestPlanTellsItsDoubts(t *testing.T) {
	const want = `nothing to move

The scheduler may know more, and divide otherwise:
* m1: counted by the resource summary of the cluster alone: no such host
* m2: counted on the nodes of an earlier moment: it is out of sight
`
	var out bytes.Buffer
	err := printPlan(&out, rebalance.Plan{Doubts: []rebalance.Doubt{
		{Cluster: "m1", Kind: placement.DoubtSummary, Reason: "no such host"}, {Cluster: "m2", Kind: placement.DoubtStale, Reason: "it is out of sight"},
	}})
	if err != nil || out.String() != want {
		t.Errorf("the plan reads %q (%v), want %q", &out, err, want)
	}
}
