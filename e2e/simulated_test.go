package e2e_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/seatrial/seatrial/agent"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/controlplane"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/simulator"
)

// controllers are the values that run in production, with the features that suites need.
func controllers() []control.Controller {
	settings := controlplane.Defaults()
	settings.Preemption, settings.MultiClusterService = true, true
	return append(controlplane.Controllers(settings), scheduler.New(scheduler.Options{Name: "default-scheduler"}))
}

func simulated(t *testing.T) *simulator.Fleet {
	t.Helper()
	return simulatedFrom(t, simulator.Options{Seed: 1, Checked: true}, controllers())
}

func simulatedFrom(t *testing.T, options simulator.Options, controllers []control.Controller) *simulator.Fleet {
	t.Helper()
	return simulatedWith(t, options, controllers, "member3")
}

// simulatedWith says which members are in Pull mode.
func simulatedWith(t *testing.T, options simulator.Options, controllers []control.Controller, pulled ...string) *simulator.Fleet {
	t.Helper()
	options.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	env, err := simulator.New(t.Context(), options)
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
		if err := env.Add(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		join := env.Join
		if slices.Contains(pulled, spec.Name) {
			join = func(ctx context.Context, name string) error { return env.Register(ctx, name, agentOf(name)) }
		}
		if err := join(t.Context(), spec.Name); err != nil {
			t.Fatal(err)
		}
	}
	return env
}

// agentOf are the controllers of the agent of a member in Pull mode.
func agentOf(name string) func() []control.Controller {
	settings := agent.Defaults()
	settings.Cluster, settings.MultiClusterService = name, true
	return func() []control.Controller { return append(agent.Controllers(settings), agent.Heartbeat(settings)) }
}

// TestSimulated runs all cases that simulated fleets can.
func TestSimulated(t *testing.T) {
	playSimulated(t, runnable(onSimulated, func(testCase) bool { return true }))
}

// runnable are the chosen ones of the cases that can run somewhere.
func runnable(env environment, chosen func(testCase) bool) []testCase {
	return slices.DeleteFunc(allCases(), func(c testCase) bool {
		_, not := c.not[env]
		return not || !chosen(c)
	})
}

// TestOneFleet runs the cases one after the other on one fleet of each preset: each leaves it as it found it. The controllers stand in
// the opposite order, which gives the turns after each event another order.
func TestOneFleet(t *testing.T) {
	if testing.Short() {
		t.Skip("plays most cases once more; TestSimulated plays them")
	}
	backwards := controllers()
	slices.Reverse(backwards)
	one := simulatedRigOf(t, standard)
	one.Fleet = simulatedFrom(t, simulator.Options{Seed: 2}, backwards)
	one.plane = clientOf(t, one.Fleet, fleet.ControlPlaneName)
	failing := simulatedRigOf(t, failover)
	for _, c := range allCases() {
		rig, shared := map[preset]*simulatedRig{standard: one, failover: failing}[c.settings()]
		if _, not := c.not[onSimulated]; not || !shared {
			continue
		}
		if !t.Run(c.name, func(t *testing.T) { play(t, rig, onSimulated, c) }) {
			return
		}
	}
}
