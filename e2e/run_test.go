package e2e_test

import (
	"cmp"
	"context"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seatrial/seatrial/e2e"
)

var (
	chosenEnvironment = flag.String("env", "", "run cases on a fleet of this kind: simulated, embedded or kind")
	chosenLabels      = flag.String("label", "", "with -env: only cases with one of these labels, parted by commas")
	chosenName        = flag.String("name", "", "with -env: only cases with one of these in their name, parted by commas")
	artefacts         = flag.String("artefacts", filepath.Join("..", ".cache", "e2e"), "folder for what a fleet holds and tells where a case fails")
)

// toKeep bounds how long it takes to write the artefacts of a failure.
const toKeep = time.Minute

// TestFleet runs the cases that are asked for, on the fleet that is asked for. It is what `make e2e` runs.
func TestFleet(t *testing.T) {
	if *chosenEnvironment == "" {
		t.Skip("runs with -env=simulated, -env=embedded or -env=kind; see make e2e")
	}
	env := environment(*chosenEnvironment)
	cases := choose(t, env)
	switch env {
	case onSimulated:
		playSimulated(t, cases)
	case onEmbedded:
		for _, group := range groups(cases) {
			t.Run(group.name, func(t *testing.T) {
				// As many as there are places run at the same time.
				t.Parallel()
				playOn(t, installPreset(t, group.preset), env, group.cases)
			})
		}
	case onKind:
		playKind(t, groups(cases))
	default:
		t.Fatalf("-env=%s: there are fleets of kinds simulated, embedded and kind", env)
	}
}

// choose gives the cases with the labels and the name asked for, and tells which of them cannot run.
func choose(t *testing.T, env environment) []testCase {
	t.Helper()
	var chosen []testCase
	known := map[string]bool{}
	for _, c := range allCases() {
		for _, name := range c.labels {
			known[name] = true
		}
		asked := func(name string) bool { return slices.Contains(strings.Split(*chosenLabels, ","), name) }
		named := func(part string) bool { return strings.Contains(c.name, part) }
		if *chosenLabels != "" && !slices.ContainsFunc(c.labels, asked) || !slices.ContainsFunc(strings.Split(*chosenName, ","), named) {
			continue
		}
		if reason, not := c.not[env]; not {
			t.Logf("%s does not run on %s fleets: %s", c.name, env, reason)
			continue
		}
		chosen = append(chosen, c)
	}
	if len(chosen) == 0 {
		t.Fatalf("no case with label %q and %q in its name runs on %s fleets; the labels are %s",
			*chosenLabels, *chosenName, env, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
	}
	return chosen
}

// group are cases that share a fleet.
type group struct {
	name   string
	preset preset
	cases  []testCase
}

// groups parts cases by what they need of the components. Where that is the standard, those that disturb others are parted by what
// they are about: waiting is most of what they do, and several fleets wait at the same time.
func groups(cases []testCase) []group {
	var made []group
	for _, c := range cases {
		name := string(c.settings())
		switch {
		case c.settings() != standard:
		case !c.alone:
		case c.labels[0] == "membership":
			name = "membership"
		case slices.Contains([]string{"proxy", "search", "cli"}, c.labels[0]):
			name = "access"
		case slices.Contains([]string{"pull", "service", "autoscaling"}, c.labels[0]):
			name = "agents"
		case c.labels[0] == "healing":
			name = "healing"
		default:
			name = "outages"
		}
		at := slices.IndexFunc(made, func(g group) bool { return g.name == name })
		if at < 0 {
			at = len(made)
			made = append(made, group{name: name, preset: c.settings()})
		}
		made[at].cases = append(made[at].cases, c)
	}
	return made
}

// playSimulated gives each case a fleet of its own, so that what it sees does not depend on which others are chosen.
func playSimulated(t *testing.T, cases []testCase) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { play(t, simulatedRigOf(t, c.settings()), onSimulated, c) })
	}
}

// playOn runs cases on one fleet: those that disturb nobody at the same time, the others one after the other.
func playOn(t *testing.T, rig e2e.Rig, env environment, cases []testCase) {
	t.Helper()
	t.Run("calm", func(t *testing.T) {
		for _, c := range cases {
			if !c.alone {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					play(t, rig, env, c)
				})
			}
		}
	})
	for _, c := range cases {
		if c.alone {
			t.Run(c.name, func(t *testing.T) { play(t, rig, env, c) })
		}
	}
}

// play runs a case. What the fleet holds when it fails is kept, in a folder that the failure names.
func play(t *testing.T, rig e2e.Rig, env environment, c testCase) {
	t.Helper()
	defer func() {
		if t.Failed() {
			keep(t, rig, env, c)
		}
	}()
	c.run(t, rig)
}

func keep(t *testing.T, rig e2e.Rig, env environment, c testCase) {
	t.Helper()
	folder, err := filepath.Abs(filepath.Join(*artefacts, string(env), c.name))
	if err == nil {
		err = cmp.Or(os.RemoveAll(folder), os.MkdirAll(folder, 0o755))
	}
	if err != nil {
		t.Errorf("no artefacts are kept: %v", err)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), toKeep)
	defer cancel()
	if err := e2e.Keep(ctx, rig, folder); err != nil {
		t.Errorf("some artefacts are missing: %v", err)
	}
	t.Errorf("%s failed on a fleet of kind %s; objects, events and logs are in %s; again: make e2e ENV=%s NAME=%s", c.name, env, folder, env, c.name)
}
