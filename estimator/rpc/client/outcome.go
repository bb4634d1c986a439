package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

var (
	// ErrNoEstimator is why clusters that have none give no answer.
	ErrNoEstimator = errors.New("the cluster has no estimator")
	// ErrOpen is why estimators that failed before give no answer: they are left alone for a while.
	ErrOpen = errors.New("the estimator has failed before and is left alone")

	errSkipped = errors.New("it is not to be asked")
	errProbing = fmt.Errorf("%w: one call tries whether it is back", ErrOpen)
	errCrowded = fmt.Errorf("%w: others are tried first", ErrOpen)
	errLeft    = errors.New("the cluster has left")
	errClosed  = errors.New("the client of estimators is closed")
)

func lateError(timeout time.Duration) error {
	return fmt.Errorf("no answer within %s: %w", timeout, context.DeadlineExceeded)
}

func openError(left time.Duration) error {
	return fmt.Errorf("%w for another %s", ErrOpen, max(left, 0).Round(time.Millisecond))
}

// nonsense is an answer that no estimator would give.
type nonsense struct{ error }

// judge says what the end of a call tells about the estimator. What it says to a question it does not like, or stumbles
// over, is an answer: one workload that nobody can read must not cut off a whole fleet.
func judge(err error) outcome {
	var garbage nonsense
	switch {
	case err == nil:
		return answered
	case errors.As(err, &garbage):
		return failed
	}
	switch status.Code(err) {
	case codes.Canceled:
		return unheard
	case codes.DeadlineExceeded:
		return timedOut
	case codes.Unavailable, codes.Unimplemented, codes.ResourceExhausted, codes.Unauthenticated, codes.PermissionDenied:
		return failed
	}
	return answered
}

// codeOf names the end of a call, for metrics.
func codeOf(err error) string {
	var garbage nonsense
	if errors.As(err, &garbage) {
		return "Nonsense"
	}
	return status.Code(err).String()
}
