package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"sync"
	"time"

	"github.com/seatrial/seatrial/simulator/fuzz"
)

// campaign is what came of all seeds.
type campaign struct {
	Commit string `json:"commit"`
	Seeds  uint64 `json:"seeds"`
	// Counted are the seeds whose runs were as large as one must be to count.
	Counted uint64        `json:"counted"`
	Faults  int           `json:"faults"`
	Writes  uint64        `json:"writes"`
	Virtual time.Duration `json:"virtual"`
	// Trace is the SHA-256, in hexadecimal, of the digests of all seeds in their order.
	Trace     string        `json:"trace"`
	Coverage  fuzz.Coverage `json:"coverage"`
	Uncovered []string      `json:"uncovered,omitempty"`
	Failure   *fuzzFailure  `json:"failure,omitempty"`

	digests hash.Hash
}

// fuzzFailure is one seed that failed.
type fuzzFailure struct {
	fuzz.Result
	Scenario fuzz.Scenario `json:"scenario"`
	Replay   string        `json:"replay"`
}

func newCampaign() *campaign {
	made := currentBuild()
	commit := cmp.Or(made.Commit, "unknown")
	if made.Modified {
		commit += " with changes"
	}
	return &campaign{Commit: commit, Coverage: fuzz.Coverage{}, digests: sha256.New()}
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
	fmt.Fprintf(c.digests, "%d %s\n", result.Seed, result.Digest)
	c.Trace = hex.EncodeToString(c.digests.Sum(nil))
}

func (c *campaign) print(out io.Writer) error {
	held := "held"
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
	if err := c.Coverage.Print(out, fuzz.ControllerNames()); err != nil {
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
	// failed is the smallest so far.
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

// enter takes the result of a seed, and tells once what has come in order is in the campaign.
func (t *tally) enter(seed uint64, result fuzz.Result, tell func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if result.Violation != nil && (t.failed == nil || seed < t.failed.Seed) {
		t.failed = &result
	}
	t.waiting[seed] = result
	for {
		result, in := t.waiting[t.next]
		if !in || t.failed != nil && t.next > t.failed.Seed {
			return
		}
		delete(t.waiting, t.next)
		t.found.add(result)
		t.next++
		tell()
	}
}
