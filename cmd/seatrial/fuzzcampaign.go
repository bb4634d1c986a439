package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/seatrial/seatrial/simulator/fuzz"
	"github.com/seatrial/seatrial/simulator/invariant"
)

// campaign is what came of all seeds.
type campaign struct {
	Commit string `json:"commit"`
	Size   string `json:"size"`
	From   uint64 `json:"from"`
	Seeds  uint64 `json:"seeds"`
	// Counted are the seeds whose runs were as large as one must be to count.
	Counted uint64        `json:"counted"`
	Faults  int           `json:"faults"`
	Writes  uint64        `json:"writes"`
	Virtual time.Duration `json:"virtual"`
	// Trace is a chain over the digests of all seeds in their order: each time the SHA-256, in hexadecimal, of what it was and the next.
	Trace     string        `json:"trace"`
	Coverage  fuzz.Coverage `json:"coverage"`
	Uncovered []string      `json:"uncovered,omitempty"`
	// Failed are the seeds of a run with a state file that failed; Failure is the one that ended a run without.
	Failed  []failedSeed `json:"failed,omitempty"`
	Failure *fuzzFailure `json:"failure,omitempty"`
}

type failedSeed struct {
	Seed      uint64               `json:"seed"`
	Violation *invariant.Violation `json:"violation"`
}

// fuzzFailure is one seed that failed.
type fuzzFailure struct {
	fuzz.Result
	Scenario fuzz.Scenario `json:"scenario"`
	Replay   string        `json:"replay"`
}

func newCampaign(size string, from uint64) *campaign {
	made := currentBuild()
	commit := cmp.Or(made.Commit, "unknown")
	if made.Modified {
		commit += " with changes"
	}
	return &campaign{Commit: commit, Size: size, From: from, Coverage: fuzz.Coverage{}}
}

// resumeCampaign reads how far a campaign came, or begins one where the file is not there yet. What another commit came to, or other
// seeds, does not count.
func resumeCampaign(file, size string, from uint64) (*campaign, error) {
	fresh := newCampaign(size, from)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	if err != nil {
		return nil, fmt.Errorf("--state: %w", err)
	}
	kept := &campaign{Coverage: fuzz.Coverage{}}
	if err := json.Unmarshal(text, kept); err != nil {
		return nil, fmt.Errorf("--state: reading %s: %w", file, err)
	}
	if kept.Commit != fresh.Commit || kept.Size != size || kept.From != from {
		return nil, fmt.Errorf("--state: %s is of %s seeds from %d at commit %s, and not of %s ones from %d at %s; name another file",
			file, kept.Size, kept.From, kept.Commit, size, from, fresh.Commit)
	}
	return kept, nil
}

// writeTo keeps a campaign in a file; whoever reads it meanwhile sees it as it was or as it is.
func (c *campaign) writeTo(file string) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	if err := os.WriteFile(file+".new", text, 0o644); err != nil {
		return fmt.Errorf("keeping the state: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("keeping the state: %w", err)
	}
	return nil
}

func (c *campaign) add(result fuzz.Result) {
	c.Seeds++
	if result.Counts() {
		c.Counted++
	}
	c.Faults += result.Faults
	c.Writes += result.Writes
	c.Virtual += result.Virtual
	c.Coverage.Merge(result.Coverage)
	c.Trace = fmt.Sprintf("%x", sha256.Sum256(fmt.Appendf(nil, "%s %d %s", c.Trace, result.Seed, result.Digest)))
}

func (c *campaign) print(out io.Writer, controllers []string) error {
	held := "held"
	for _, failed := range c.Failed {
		fmt.Fprintf(out, "Seed %d at commit %s: %s\n", failed.Seed, c.Commit, failed.Violation)
		held = "ran"
	}
	if c.Failure != nil {
		text, err := c.Failure.Scenario.YAML()
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\nSeed %d breaks it at commit %s, in %d steps:\n\n  %s\n\n  %s\n\n",
			text, c.Failure.Seed, c.Commit, c.Failure.Steps, c.Failure.Violation, c.Failure.Replay)
		held = "ran"
	}
	fmt.Fprintf(out, "%d seeds %s, %d of which count: %s of virtual time, %d faults that took effect, %d writes of the control planes.\nTrace %s.\n\n",
		c.Seeds, held, c.Counted, c.Virtual.Round(time.Minute), c.Faults, c.Writes, c.Trace)
	fmt.Fprintln(out, "Turns of controllers that each fault reached:")
	if err := c.Coverage.Print(out, controllers); err != nil {
		return err
	}
	for _, cell := range c.Uncovered {
		fmt.Fprintf(out, "never met: %s\n", cell)
	}
	return nil
}

// tally enters results into a campaign in the order of their seeds, whichever comes first, up to the smallest that failed.
type tally struct {
	mu      sync.Mutex
	found   *campaign
	next    uint64
	waiting map[uint64]fuzz.Result
	// onward: seeds that fail are noted, and those after them count.
	onward bool
	// failed is the smallest so far; nil where it is only noted.
	failed *fuzz.Result
}

func newTally(from uint64, found *campaign) *tally {
	return &tally{found: found, next: from, waiting: map[uint64]fuzz.Result{}}
}

// failedBefore tells whether a smaller seed has failed.
func (t *tally) failedBefore(seed uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failed != nil && t.failed.Seed < seed
}

// enter takes the result of a seed, and tells of each that has come in order and is in the campaign.
func (t *tally) enter(seed uint64, result fuzz.Result, tell func() error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if result.Violation != nil && !t.onward && (t.failed == nil || seed < t.failed.Seed) {
		t.failed = &result
	}
	t.waiting[seed] = result
	for {
		result, in := t.waiting[t.next]
		if !in || t.failed != nil && t.next > t.failed.Seed {
			return nil
		}
		delete(t.waiting, t.next)
		t.found.add(result)
		if t.onward && result.Violation != nil {
			t.found.Failed = append(t.found.Failed, failedSeed{result.Seed, result.Violation})
		}
		t.next++
		if err := tell(); err != nil {
			return err
		}
	}
}
