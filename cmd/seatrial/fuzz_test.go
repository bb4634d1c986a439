package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/simulator/fuzz"
	"github.com/seatrial/seatrial/simulator/invariant"
)

// TestFuzzReplays plays a small scenario from a file and tells what it met.
func TestFuzzReplays(t *testing.T) {
	file := filepath.Join(t.TempDir(), "scenario.yaml")
	scenario := "seed: 1\nclusters: [{name: member1}]\nduration: 2m\nsteps: [{at: 20s, do: kill, cluster: member1, for: 30s}]\n"
	if err := os.WriteFile(file, []byte(scenario), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--replay", file}, "1 seeds held, 0 of which count"},
		{[]string{"--replay", file}, "never met: crash x binding"},
		{[]string{"--replay", file, "-o", "json"}, `"faults": 1`},
	} {
		var out bytes.Buffer
		command := newFuzzCommand()
		command.SetArgs(c.args)
		command.SetOut(&out)
		if err := command.ExecuteContext(t.Context()); err != nil || !strings.Contains(out.String(), c.want) {
			t.Errorf("%v: %v, printed %q", c.args, err, out.String())
		}
	}
}

func TestFuzzRefuses(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--seeds", "0"}, "give a number of seeds, or --duration"},
		{[]string{"--replay", "no-such-file"}, "neither a seed nor a file"},
		{[]string{"--size", "huge"}, "there is no size"},
	} {
		command := newFuzzCommand()
		command.SetArgs(c.args)
		command.SilenceUsage, command.SilenceErrors = true, true
		if err := command.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: error %v, want one with %q", c.args, err, c.want)
		}
	}
}

// TestFuzzResumes cuts a run after two seeds of three: what it comes to is what it comes to uncut. Seeds that fail are noted, and those
// after them run.
func TestFuzzResumes(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.json")
	run := func(state, seeds string) string {
		var out bytes.Buffer
		command := newFuzzCommand()
		command.SetArgs([]string{"--size", "small", "--state", state, "--seeds", seeds})
		command.SetOut(&out)
		if err := command.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	run(file, "2")
	if cut, whole := run(file, "3"), run(filepath.Join(t.TempDir(), "other.json"), "3"); cut != whole || !strings.Contains(whole, "3 seeds held") {
		t.Errorf("cut:\n%s\nwhole:\n%s", cut, whole)
	}
	if _, err := resumeCampaign(file, fuzz.Small, 7); err == nil {
		t.Error("what other seeds came to counts")
	}
	found := newCampaign(fuzz.Small, 1)
	tally := newTally(1, found)
	tally.onward = true
	for seed := uint64(1); seed <= 2; seed++ {
		result := fuzz.Result{Seed: seed, Violation: &invariant.Violation{Invariant: "totals"}}
		if err := tally.enter(seed, result, func() error { return nil }); err != nil || tally.failedBefore(seed+1) {
			t.Errorf("seed %d ends the run: %v", seed, err)
		}
	}
	if len(found.Failed) != 2 {
		t.Errorf("%d of 2 seeds are noted", len(found.Failed))
	}
}

// TestFuzzTwice has the controllers of the second run be others than those of the first, and the same: only then is it the same run.
func TestFuzzTwice(t *testing.T) {
	for _, differ := range []bool{true, false} {
		starts := 0
		options := &fuzzing{twice: true, options: fuzz.Options{Settling: 1, Controllers: func(scenario fuzz.Scenario, estimators fuzz.Estimators) []control.Controller {
			if starts++; differ && starts > 1 {
				return fuzz.Production(scenario, estimators)[:1]
			}
			return nil
		}}}
		if err := options.prepare(); err != nil {
			t.Fatal(err)
		}
		_, err := options.runSeed(t.Context(), 1)
		if told := err != nil && strings.Contains(err.Error(), "seed 1 has the digest"); told != differ || err != nil && !told {
			t.Errorf("other controllers: %t, error %v", differ, err)
		}
	}
}

// TestFuzzTally enters the same results in several orders, as they come when several seeds run at once: what is told is the same,
// ends with the smallest seed that failed, and names the commit, the command that replays it and what was not covered.
func TestFuzzTally(t *testing.T) {
	result := func(seed uint64, fails bool) fuzz.Result {
		r := fuzz.Result{
			Seed: seed, Digest: strconv.FormatUint(seed, 16), Writes: seed, Faults: 1, Coverage: fuzz.Coverage{fuzz.Crash: {"binding": int(seed)}},
		}
		if fails {
			r.Violation = &invariant.Violation{Invariant: "totals", Message: "one too many"}
		}
		return r
	}
	told := map[string]bool{}
	for _, order := range [][]uint64{{5, 6, 7, 8, 9}, {6, 5, 8, 7}, {8, 7, 6, 5}, {7, 9, 8, 6, 5}} {
		found := newCampaign(fuzz.Large, 5)
		tally := newTally(5, found)
		for _, seed := range order {
			if err := tally.enter(seed, result(seed, seed >= 7), func() error { return nil }); err != nil {
				t.Fatal(err)
			}
		}
		if tally.failed == nil || tally.failed.Seed != 7 || !tally.failedBefore(8) || tally.failedBefore(7) {
			t.Fatalf("in order %v the smallest failure is %+v", order, tally.failed)
		}
		found.Failure = &fuzzFailure{Result: *tally.failed, Replay: "seatrial fuzz --replay seed-7.yaml"}
		found.Uncovered = []string{"kill x binding"}
		var out bytes.Buffer
		if err := found.print(&out, fuzz.ControllerNames()); err != nil {
			t.Fatal(err)
		}
		told[out.String()] = true
	}
	for text := range told {
		for _, want := range []string{
			"Seed 7 breaks it at commit " + newCampaign(fuzz.Large, 5).Commit, "3 seeds ran", "18 writes", "one too many", "--replay seed-7.yaml", "never met: kill x binding",
		} {
			if len(told) != 1 || !strings.Contains(text, want) {
				t.Errorf("%d different texts; this one should have %q:\n%s", len(told), want, text)
			}
		}
	}
}
