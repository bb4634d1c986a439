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
	"github.com/seatrial/seatrial/fleet/embedded"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/simulator"
	"github.com/seatrial/seatrial/simulator/kube"
)

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
	placing := drillScheduler()
	placing.ReferenceFailover, placing.DropMoved = reference, reference
	return append(controlplane.Controllers(options), scheduler.New(placing))
}

// nodesOf are the nodes of a spec, for a member in columns.
func nodesOf(spec fleet.Spec) []kube.NodePool {
	return []kube.NodePool{{Name: "nodes", Count: spec.Nodes.Count, Allocatable: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(spec.Nodes.CPU), corev1.ResourceMemory: resource.MustParse(spec.Nodes.Memory),
		corev1.ResourcePods: resource.MustParse(spec.Nodes.Pods),
	}}}
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
	for _, spec := range embedded.DefaultSpecs() {
		if spec.Role != fleet.Member {
			continue
		}
		if _, err := env.AddColumnar(t.Context(), spec, simulator.Columns{Pools: nodesOf(spec)}); err != nil {
			t.Fatal(err)
		}
		if err := env.Join(t.Context(), spec.Name); err != nil {
			t.Fatal(err)
		}
	}
	return env
}
