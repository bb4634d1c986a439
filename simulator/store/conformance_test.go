package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/seatrial/seatrial/simulator/store"
	"github.com/seatrial/seatrial/simulator/store/conformance"
)

// counter makes identifiers by counting.
type counter struct{ last uint64 }

func (c *counter) NewID() string {
	c.last++
	return uuid.NewSHA1(uuid.Nil, fmt.Append(nil, c.last)).String()
}

func newStore(t testing.TB, change ...func(*store.Options)) *store.Store {
	t.Helper()
	options := store.Options{
		Scheme:    conformance.Scheme(),
		Clock:     clocktesting.NewFakePassiveClock(time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)),
		IDs:       &counter{},
		Resources: store.Builtins(),
	}
	for _, c := range change {
		c(&options)
	}
	s, err := store.New(options)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func envOf(s *store.Store) conformance.Env {
	return conformance.Env{
		Client: s.Client(), Namespace: "case",
		Settle: func(ctx context.Context, done func() (bool, error)) error {
			for {
				ok, err := done()
				if ok || err != nil {
					return err
				}
				worked, err := s.Step(ctx)
				if err != nil {
					return err
				}
				if !worked {
					if ok, err := done(); ok || err != nil {
						return err
					}
					return errors.New("nothing is left to do, but what was awaited has not come about")
				}
			}
		},
	}
}

func TestConformance(t *testing.T) {
	conformance.Run(t, func(t *testing.T) conformance.Env {
		s := newStore(t, func(o *store.Options) { o.Checked = true })
		env := envOf(s)
		conformance.Prepare(t.Context(), t, env)
		t.Cleanup(func() {
			if err := s.Verify(); err != nil {
				t.Error(err)
			}
		})
		return env
	})
}
