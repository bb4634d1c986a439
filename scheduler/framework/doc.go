// Package framework lets others take part in placement: plugins that are compiled in, profiles that say which of them run,
// and the contract by which verdicts from outside reach the pure core.
//
// A Configuration is loaded once from a file and a Registry. Each of its profiles serves the bindings of one scheduler name.
// A caller runs, for each attempt of a request whose options went through Profile.Options, on a placement.Batch of the fleet,
//
//	candidates, err := profile.Candidates(attempt, batch)                       // Filter and Score
//	verdicts, err := gather(ctx, candidates)                                    // HTTP extenders; may wait
//	candidates = candidates.Apply(verdicts...)
//	decision := profile.Assign(candidates, estimate(candidates))                // Select, then Assign
//
// Plugins are pure functions like the core itself: they get what they judge as arguments and must give the same answer to the
// same question. What has to ask the world is an extender. The zero Profile runs the built-in plugins and nothing else.
package framework

import (
	"context"

	"github.com/seatrial/seatrial/scheduler/placement"
)

// Gatherer asks the world about candidates. Its verdicts are only about those; they are meant for CandidateSet.Apply. It is
// called without locks, for it may wait for a network.
type Gatherer func(ctx context.Context, candidates *placement.CandidateSet) ([]placement.Foreign, error)
