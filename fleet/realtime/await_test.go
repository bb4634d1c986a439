package realtime

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestAwaitTimesOut(t *testing.T) {
	asked := 0
	err := Await(t.Context(), 3*awaitPoll/2, "the impossible", func(context.Context) (bool, error) { asked++; return false, nil })
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "the impossible") || asked < 2 {
		t.Errorf("after asking %d times: %v", asked, err)
	}
	broken := errors.New("broken")
	err = Await(t.Context(), time.Hour, "the broken", func(context.Context) (bool, error) { return false, broken })
	if !errors.Is(err, broken) {
		t.Errorf("a condition that fails: %v", err)
	}
}
