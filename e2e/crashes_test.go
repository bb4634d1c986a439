package e2e_test

import (
	"context"
	"flag"
	"fmt"
	"testing"

	"github.com/seatrial/seatrial/e2e"
	"github.com/seatrial/seatrial/fleet"
)

var (
	crashCount = flag.Int("crashes", 0, "kill so many components of an embedded installation, clusters among them, at random moments")
	crashSeed  = flag.Uint64("crash-seed", 1, "seed of -crashes")
)

// TestCrashes restarts all controllers of a simulated fleet at random moments, which do not cost anything there.
func TestCrashes(t *testing.T) {
	seeds := uint64(4)
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			env := simulated(t)
			e2e.CrashesLoseNothing(t, env, e2e.Crashes{
				Seed: seed, Count: 25, Components: []string{"controllers"},
				Crash: func(context.Context, string) error { return env.Restart(controllers()...) },
			})
		})
	}
}

// crashes are few enough for every run of the embedded suites.
func crashes(t *testing.T, env *installation) {
	e2e.CrashesLoseNothing(t, env, e2e.Crashes{
		Seed: 1, Count: 6, Components: []string{"controller-manager", "scheduler"},
		Crash: func(ctx context.Context, component string) error {
			return env.crashOf(ctx, t.Output(), func(name string) bool { return name == component })
		},
	})
}

// TestEmbeddedCrashes kills everything there is: components, API servers and whole members.
func TestEmbeddedCrashes(t *testing.T) {
	if *crashCount == 0 {
		t.Skip("kills components of an embedded installation only with -crashes=N")
	}
	env := install(t)
	status, err := env.local.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	clusters := map[string]bool{fleet.ControlPlaneName: true}
	var components []string
	for _, component := range status.Components {
		components = append(components, component.Name)
	}
	for _, cluster := range status.Clusters {
		clusters[cluster.Name] = true
		components = append(components, cluster.Name)
	}
	e2e.CrashesLoseNothing(t, env, e2e.Crashes{
		Seed: *crashSeed, Count: *crashCount, Components: components,
		Crash: func(ctx context.Context, component string) error {
			if !clusters[component] {
				return env.crashOf(ctx, t.Output(), func(name string) bool { return name == component })
			}
			if err := env.Kill(ctx, component); err != nil {
				return err
			}
			return env.up(ctx, t.Output())
		},
	})
}
