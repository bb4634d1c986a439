package e2e_test

import (
	"testing"
	"time"

	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/controllers/aggregate"
	"github.com/seatrial/seatrial/controllers/cluster"
	"github.com/seatrial/seatrial/controllers/clusterstatus"
	"github.com/seatrial/seatrial/controllers/collect"
	"github.com/seatrial/seatrial/controllers/execute"
	"github.com/seatrial/seatrial/controllers/namespace"
	"github.com/seatrial/seatrial/controllers/propagate"
	"github.com/seatrial/seatrial/controllers/render"
	"github.com/seatrial/seatrial/e2e"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/simulator"
)

// controllers are the values that run in production.
func controllers() []control.Controller {
	return []control.Controller{
		cluster.New(1), clusterstatus.New(clusterstatus.Defaults()), namespace.New(nil, 1), propagate.New(propagate.Options{}),
		scheduler.New(scheduler.Options{Name: "default-scheduler"}),
		render.New(1), execute.New(1), collect.New(1), aggregate.New(1),
	}
}

func simulated(t *testing.T) *simulator.Fleet {
	t.Helper()
	env, err := simulator.New(t.Context(), simulator.Options{Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Seed: 1, Checked: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := env.Run(controllers()...); err != nil {
		t.Fatal(err)
	}
	for _, spec := range embedded.DefaultSpecs() {
		if spec.Role != fleet.Member {
			continue
		}
		if err := env.Add(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		if err := env.Join(t.Context(), spec.Name); err != nil {
			t.Fatal(err)
		}
	}
	return env
}

func TestSimulated(t *testing.T) {
	for _, suite := range []struct {
		name string
		run  func(*testing.T, fleet.Environment)
	}{
		{"Propagation", e2e.Propagation},
		{"DuplicatedPropagation", e2e.DuplicatedPropagation},
		{"DeletedPolicyKeepsCopies", e2e.DeletedPolicyKeepsCopies},
		{"ForcedPolicyLeavesNoClaim", e2e.ForcedPolicyLeavesNoClaim},
		{"DeselectedTemplateIsLetGo", e2e.DeselectedTemplateIsLetGo},
		{"ExcludedClusterGivesUpCopy", e2e.ExcludedClusterGivesUpCopy},
		{"BestPolicyClaims", e2e.BestPolicyClaims},
		{"RecreatedTemplateReplacesOld", e2e.RecreatedTemplateReplacesOld},
		{"DeletedBindingComesBack", e2e.DeletedBindingComesBack},
		{"DeletedWorkComesBack", e2e.DeletedWorkComesBack},
		{"DeletedCopyComesBack", e2e.DeletedCopyComesBack},
		{"CopyBeingRemovedIsAwaited", e2e.CopyBeingRemovedIsAwaited},
	} {
		t.Run(suite.name, func(t *testing.T) { suite.run(t, simulated(t)) })
	}
}
