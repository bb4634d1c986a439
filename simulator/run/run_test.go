package run

import (
	"bytes"
	"context"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/seatrial/seatrial/simulator/scenario"
)

// plan is that of a scenario of the library, of one with thousands of workloads with fewer.
func plan(t *testing.T, name string, seed uint64, longest time.Duration) *scenario.Plan {
	t.Helper()
	const most = 500
	read, _, err := scenario.FromLibrary(name)
	if err != nil {
		t.Fatal(err)
	}
	if len(read.Workloads) > 0 && read.Workloads[0].Count > most {
		if read, err = read.Set("workloads[0].count", strconv.Itoa(most)); err != nil {
			t.Fatal(err)
		}
	}
	made, err := read.Plan(seed)
	if err != nil {
		t.Fatal(err)
	}
	made.Duration = min(made.Duration, longest)
	return made
}

func execute(t *testing.T, made *scenario.Plan) *Result {
	t.Helper()
	return executed(t, made, Options{Checked: true})
}

func executed(t *testing.T, made *scenario.Plan, options Options) *Result {
	t.Helper()
	result, err := Run(t.Context(), made, options)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// TestLibrary runs every scenario that needs nothing which is missing: its objectives must be kept. In short tests it runs the
// beginning, which brings workloads up.
func TestLibrary(t *testing.T) {
	limit := 24 * time.Hour
	if testing.Short() {
		limit = 6 * time.Minute
	}
	ran := 0
	for _, name := range scenario.Library() {
		made := plan(t, name, 1, limit)
		if missing := Missing(made); len(missing) > 0 {
			t.Logf("%s needs %v", name, missing)
			continue
		}
		ran++
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			told := executed(t, made, Options{}).Report
			t.Logf("%s: %d of %d ready, %d objectives, passed %t", time.Since(began), told.Total.Ready, told.Total.Desired, len(told.Objectives), told.Passed)
			if told.Duration != made.Duration.Seconds() || told.Partial {
				t.Errorf("it lasted %v s, partial %t; want %s", told.Duration, told.Partial, made.Duration)
			}
			if !testing.Short() && !told.Passed {
				t.Errorf("broken objectives: %+v", told.Objectives)
			}
			if told.Total.Workloads == 0 || told.Total.Startup.Count == 0 {
				t.Errorf("no workload came up: %+v", told.Total)
			}
		})
	}
	if ran < 5 {
		t.Errorf("only %d scenarios can be run", ran)
	}
}

// helper calls what it is given in a goroutine of its own.
func helper() (call func(func()), end func()) {
	work, done := make(chan func(), 64), make(chan struct{})
	go func() {
		defer close(done)
		for next := range work {
			next()
		}
	}()
	return func(next func()) { work <- next }, func() {
		close(work)
		<-done
	}
}

// TestSameBytes runs the beginning and the first events of some scenarios again, on another number of processors, beside each other
// and with help: none of it changes a byte.
func TestSameBytes(t *testing.T) {
	text := func(name string, helped bool) string {
		made, options := plan(t, name, 1, 16*time.Minute), Options{}
		if helped {
			call, end := helper()
			defer end()
			options.Beside = call
		}
		result, err := Run(t.Context(), made, options)
		if err != nil {
			t.Error(err)
			return ""
		}
		var out bytes.Buffer
		if err := result.Report.JSON(&out); err != nil {
			t.Error(err)
		}
		return result.Digest + out.String()
	}
	names := []string{"cluster-drain", "estimator-fails", "flapping-cluster", "slow-control-plane", "spot-reclaim", "zone-loss"}
	all := func(processors int) []string {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))
		texts := make([]string, len(names))
		var group sync.WaitGroup
		for i, name := range names {
			group.Go(func() { texts[i] = text(name, processors > 1) })
			if processors == 1 {
				group.Wait()
			}
		}
		group.Wait()
		return texts
	}
	alone, beside := all(1), all(4)
	for i, name := range names {
		if alone[i] != beside[i] {
			t.Errorf("%s: its bytes differ", name)
		}
	}
}

// TestSameSeed runs a scenario twice with one seed and once with another.
func TestSameSeed(t *testing.T) {
	text := func(seed uint64) (string, string) {
		result := execute(t, plan(t, "slow-control-plane", seed, 12*time.Minute))
		var out bytes.Buffer
		if err := result.Report.JSON(&out); err != nil {
			t.Fatal(err)
		}
		return out.String(), result.Digest
	}
	first, digest := text(3)
	again, same := text(3)
	if first != again || digest != same {
		t.Errorf("two runs with one seed differ: %s and %s", digest, same)
	}
	if _, other := text(4); other == digest {
		t.Error("another seed gives the same history")
	}
}

// TestCancelled ends a run in the middle.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	result, err := Run(ctx, plan(t, "zone-loss", 1, time.Hour), Options{Progress: func(passed time.Duration) {
		if passed >= 5*time.Minute {
			cancel()
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	if told := result.Report; !told.Partial || told.Duration < 300 || told.Duration > 320 {
		t.Errorf("partial %t after %v s, want a partial report of 5 minutes", told.Partial, told.Duration)
	}
}

// TestReferenceBreaksWhatIsPromised plays scenarios as the reference behaves: their objectives can be broken, and are.
func TestReferenceBreaksWhatIsPromised(t *testing.T) {
	for name, most := range map[string]float64{"guaranteed-total": 0.5, "policy-switch-over": 0.5, "swap-when-full": 0} {
		read, _, err := scenario.FromLibrary(name)
		if err != nil {
			t.Fatal(err)
		}
		if read, err = read.Set("settings.profile", string(scenario.ProfileReference)); err != nil {
			t.Fatal(err)
		}
		made, err := read.Plan(1)
		if err != nil {
			t.Fatal(err)
		}
		made.Duration = min(made.Duration, 30*time.Minute)
		if told := executed(t, made, Options{}).Report; told.Passed || told.Total.LowestAvailability > most {
			t.Errorf("%s: passed %t, lowest availability %v, want %v or less", name, told.Passed, told.Total.LowestAvailability, most)
		}
	}
}
