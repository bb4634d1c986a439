package fuzz

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestSeeds runs a fixed set of seeds twice: every invariant holds, both runs have the same history, and a whole scenario is as
// large as one must be to count.
func TestSeeds(t *testing.T) {
	for seed, until := range map[uint64]time.Duration{17: 0, 1: 5 * time.Minute, 2: 5 * time.Minute} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			if testing.Short() && until == 0 {
				t.Skip("takes long")
			}
			t.Parallel()
			first, again := runSeed(t, seed, until), runSeed(t, seed, until)
			if first.Digest != again.Digest {
				t.Errorf("digests %s and %s", first.Digest, again.Digest)
			}
		})
	}
}

// runSeed runs all of a seed, or its beginning.
func runSeed(t *testing.T, seed uint64, until time.Duration) Result {
	t.Helper()
	scenario := Generate(seed, ControllerNames())
	if until > 0 {
		scenario = brief(scenario, until)
	}
	result, err := Run(t.Context(), scenario, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if result.Violation != nil {
		t.Fatal(result.Violation)
	}
	if until > 0 {
		return result
	}
	if workloads := workloadsOf(scenario); result.Clusters < 5 || workloads < 20 || result.Faults < 10 || result.Virtual < 30*time.Minute {
		t.Errorf("%d clusters, %d workloads, %d faults that took effect, %s", result.Clusters, workloads, result.Faults, result.Virtual)
	}
	return result
}

func workloadsOf(scenario Scenario) int {
	names := map[string]bool{}
	for _, step := range scenario.Steps {
		if step.Do == Apply && slices.ContainsFunc(kindsOfWorkloads, func(k struct{ apiVersion, kind string }) bool { return k.kind == step.Object.GetKind() }) {
			names[step.Object.GetKind()+step.Object.GetNamespace()+"/"+step.Object.GetName()] = true
		}
	}
	return len(names)
}

// TestOtherSeedsDiffer keeps the seed from being lost on the way.
func TestOtherSeedsDiffer(t *testing.T) {
	one, other := text(t, Generate(1, ControllerNames())), text(t, Generate(2, ControllerNames()))
	if one == other || one != text(t, Generate(1, ControllerNames())) {
		t.Error("a scenario does not follow from its seed alone")
	}
}

func text(t *testing.T, scenario Scenario) string {
	t.Helper()
	text, err := scenario.YAML()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestShrink makes a small scenario of one that finds a bug; read back from its text it still does.
func TestShrink(t *testing.T) {
	at := slices.IndexFunc(bugs, func(b bug) bool { return b.name == "a Work loses its finalizer" })
	options := Options{Controllers: bugs[at].controllers, Settling: time.Minute}
	scenario := brief(Generate(1, ControllerNames()), time.Minute)
	failed, err := Run(t.Context(), scenario, options)
	if err != nil || failed.Violation == nil {
		t.Fatalf("the bug is not found: %v", err)
	}
	small, result, err := Shrink(t.Context(), scenario, failed, options, 80)
	if err != nil {
		t.Fatal(err)
	}
	if len(small.Steps) > 6 || len(small.Clusters) > 2 || result.Violation.Invariant != "finalizers" {
		t.Errorf("%d steps of %d and %d clusters are left, with %v", len(small.Steps), len(scenario.Steps), len(small.Clusters), result.Violation)
	}
	read, err := Parse([]byte(text(t, small)))
	if err != nil {
		t.Fatal(err)
	}
	again, err := Run(t.Context(), read, options)
	if err != nil || again.Digest != result.Digest || again.Violation == nil {
		t.Errorf("replayed: digest %s instead of %s, %v, %v", again.Digest, result.Digest, again.Violation, err)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", "clusters: there is none"},
		{"clusters: [{name: a}]\nsteps: [{do: dance}]", `steps[0]: do: there is no action "dance"`},
		{"clusters: [{name: a}]\nsteps: [{do: apply}]", "steps[0]: object: apply needs one"},
		{"clusters: [{name: a}]\nsteps: [{do: kill}]", "steps[0]: cluster: kill needs one"},
		{"clusters: [{name: a}]\nstep: []", `unknown field "step"`},
	} {
		if _, err := Parse([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want one with %q", c.text, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("clusters: [{name: a}]\nduration: 1m\nsteps: [{at: 1s, do: kill, cluster: a, for: 10s}]"))
	f.Add([]byte(`{"clusters":[{"name":"a"}],"steps":[{"do":"apply","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x"}}}]}`))
	f.Fuzz(func(t *testing.T, input []byte) {
		scenario, err := Parse(input)
		if err != nil {
			return
		}
		if _, err := Parse([]byte(text(t, scenario))); err != nil {
			t.Errorf("what was read cannot be read again: %v", err)
		}
	})
}

func TestCoverage(t *testing.T) {
	c := Coverage{}
	c.add(Crash, "binding")
	c.Merge(Coverage{Crash: {"binding": 2}, Kill: {"binding": 1}})
	if c[Crash]["binding"] != 3 || c[Kill]["binding"] != 1 {
		t.Errorf("counts %v", c)
	}
	empty := c.Empty([]string{"binding"})
	if slices.Contains(empty, "crash x binding") || slices.Contains(empty, "badEstimator x binding") || !slices.Contains(empty, "refuse x binding") {
		t.Errorf("empty cells %v", empty)
	}
	var printed bytes.Buffer
	if err := c.Print(&printed, []string{"binding"}); err != nil || !strings.Contains(printed.String(), "crash        3") {
		t.Errorf("printed %q, %v", printed.String(), err)
	}
}
