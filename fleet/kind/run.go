package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/seatrial/seatrial/fleet"
)

const (
	// KeepEnv keeps a fleet for the next run if it is 1.
	KeepEnv = "KEEP"

	deleteTimeout = 2 * time.Minute
)

// Run brings a fleet up, does something with it and deletes it, whatever came of it: also when ctx ends, which does not wait for do.
// With keep, the fleet stays for the next Run to find, also if do failed.
func Run(ctx context.Context, options Options, keep bool, specs []fleet.Spec, do func(context.Context, *Fleet) error) (err error) {
	f, err := Open(ctx, options)
	if err != nil {
		return err
	}
	if !keep {
		defer func() {
			cleanUp, cancel := context.WithTimeout(context.WithoutCancel(ctx), deleteTimeout)
			defer cancel()
			err = errors.Join(err, f.Delete(cleanUp))
		}()
	}
	if err := f.Up(ctx, specs...); err != nil {
		return fmt.Errorf("bringing the fleet up: %w", err)
	}
	done := make(chan error, 1)
	go func() { done <- do(ctx, f) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Keep tells whether $KEEP asks for the fleet to be kept.
func Keep() bool { return os.Getenv(KeepEnv) == "1" }
