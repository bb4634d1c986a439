package e2e_test

import (
	"flag"
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

var embeddedFailover = flag.Bool("embedded-failover", false, "run all suites about failover on real API servers, some ten minutes, not only the quick ones")

// failoverFlags make real controllers fail over as failoverControllers do.
func failoverFlags() []string {
	options := e2e.FailoverOptions()
	return []string{
		"--feature-gates=Failover=true,StatefulFailoverInjection=true", "--enable-no-execute-taint-eviction",
		fmt.Sprint("--default-not-ready-toleration=", options.NotReady), fmt.Sprint("--default-unreachable-toleration=", options.Unreachable),
		fmt.Sprint("--graceful-eviction-timeout=", options.Timeout),
	}
}

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
	// quick suites run on real API servers in any case: there, the others wait for minutes.
	quick bool
}{
	{"LostClusterIsReplaced", e2e.LostClusterIsReplaced, false},
	{"EvictionWaitsForRoom", e2e.EvictionWaitsForRoom, true},
	{"EvictionIsWithdrawn", e2e.EvictionIsWithdrawn, false},
	{"DirectPurgeWaitsForNothing", e2e.DirectPurgeWaitsForNothing, false},
	{"PartitionIsWaitedOut", e2e.PartitionIsWaitedOut, false},
	{"LastServingCopyOutlivesTimeout", e2e.LastServingCopyOutlivesTimeout, false},
	{"GracePeriodOfUserEndsCopy", e2e.GracePeriodOfUserEndsCopy, false},
	{"UnhealthyWorkloadMovesWithItsState", e2e.UnhealthyWorkloadMovesWithItsState, false},
	{"SwitchedPolicyHoldsCopies", e2e.SwitchedPolicyHoldsCopies, true},
	{"GrowthLeavesUnreachableClustersAlone", e2e.GrowthLeavesUnreachableClustersAlone, false},
	{"TaintPolicyFollowsReadiness", e2e.TaintPolicyFollowsReadiness, false},
	{"DrainEmptiesCluster", e2e.DrainEmptiesCluster, true},
	{"RebalanceSpreadsLoad", e2e.RebalanceSpreadsLoad, true},
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

// TestEmbeddedFailover runs the quick ones on real API servers, one after the other on one fleet, and all of them when asked to.
func TestEmbeddedFailover(t *testing.T) {
	realServers(t)
	env := install(t, failoverFlags()...)
	for _, suite := range failoverSuites {
		if !suite.quick && !*embeddedFailover {
			continue
		}
		if !t.Run(suite.name, func(t *testing.T) { suite.run(t, env) }) {
			return
		}
	}
}

func TestReferenceFailover(t *testing.T) {
	e2e.ReferenceFailoverWaitsForNothing(t, tightFleet(t, failoverControllers(true)))
}
