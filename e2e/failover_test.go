package e2e_test

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/controlplane"
	"github.com/seatrial/seatrial/e2e"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/simulator"
	"github.com/seatrial/seatrial/simulator/kube"
)

// failoverControllers fail over, as the reference does or better.
func failoverControllers(reference bool) []control.Controller {
	options := controlplane.Defaults()
	options.Eviction = e2e.FailoverOptions()
	options.Eviction.Reference = reference
	placing := scheduler.Options{Name: "default-scheduler", ReferenceFailover: reference, DropMoved: reference}
	return append(controlplane.Controllers(options), scheduler.New(placing))
}

// tightFleet is a fleet whose members run no more than fits onto their nodes.
func tightFleet(t *testing.T, controllers []control.Controller) *simulator.Fleet {
	t.Helper()
	env, err := simulator.New(t.Context(), simulator.Options{Seed: 3, Checked: true, Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	if err := env.Run(controllers...); err != nil {
		t.Fatal(err)
	}
	nodes := kube.NodePool{Name: "nodes", Count: 3, Allocatable: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourceMemory: resource.MustParse("32Gi"), corev1.ResourcePods: resource.MustParse("110"),
	}}
	for i := range 3 {
		spec := fleet.Spec{Name: fmt.Sprintf("member%d", i+1), Role: fleet.Member, Region: "region-1"}
		if _, err := env.AddColumnar(t.Context(), spec, simulator.Columns{Pools: []kube.NodePool{nodes}}); err != nil {
			t.Fatal(err)
		}
		if err := env.Join(t.Context(), spec.Name); err != nil {
			t.Fatal(err)
		}
	}
	return env
}

var failoverSuites = []struct {
	name string
	run  func(*testing.T, fleet.Environment)
}{
	{"LostClusterIsReplaced", e2e.LostClusterIsReplaced},
	{"EvictionWaitsForRoom", e2e.EvictionWaitsForRoom},
	{"EvictionIsWithdrawn", e2e.EvictionIsWithdrawn},
	{"DirectPurgeWaitsForNothing", e2e.DirectPurgeWaitsForNothing},
	{"PartitionIsWaitedOut", e2e.PartitionIsWaitedOut},
	{"LastServingCopyOutlivesTimeout", e2e.LastServingCopyOutlivesTimeout},
	{"GracePeriodOfUserEndsCopy", e2e.GracePeriodOfUserEndsCopy},
	{"UnhealthyWorkloadMovesWithItsState", e2e.UnhealthyWorkloadMovesWithItsState},
	{"SwitchedPolicyHoldsCopies", e2e.SwitchedPolicyHoldsCopies},
	{"GrowthLeavesUnreachableClustersAlone", e2e.GrowthLeavesUnreachableClustersAlone},
	{"TaintPolicyFollowsReadiness", e2e.TaintPolicyFollowsReadiness},
}

// TestFailover runs the suites one after the other on one simulated fleet: each leaves it as it found it.
func TestFailover(t *testing.T) {
	env := tightFleet(t, failoverControllers(false))
	for _, suite := range failoverSuites {
		if !t.Run(suite.name, func(t *testing.T) { suite.run(t, env) }) {
			return
		}
	}
}

func TestReferenceFailover(t *testing.T) {
	e2e.ReferenceFailoverWaitsForNothing(t, tightFleet(t, failoverControllers(true)))
}
