// Package realtime is what fleets in real time have in common.
package realtime

import (
	"context"
	"fmt"
	"time"
)

const awaitPoll = 100 * time.Millisecond

// Await is Environment.Await for environments in real time: it asks for the condition ten times a second.
func Await(ctx context.Context, timeout time.Duration, what string, condition func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for {
		ok, err := condition(ctx)
		if ok && err == nil {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("awaiting %s: %w", what, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("awaiting %s for %s: %w", what, timeout, ctx.Err())
		case <-time.After(awaitPoll):
		}
	}
}
