package component

import (
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/time/rate"
	"k8s.io/client-go/util/workqueue"

	"github.com/seatrial/seatrial/control"
)

// retries say how turns that fail are spaced, by the flags of the reference.
type retries struct {
	first, longest time.Duration
	// qps and burst bound the retries of one controller; a negative qps does not.
	qps   float64
	burst int
}

// defaultRetries are those of the reference, but for the overall rate: after an outage of many members it would keep the others
// waiting, and each key has a backoff of its own.
func defaultRetries() retries {
	return retries{first: 5 * time.Millisecond, longest: 1000 * time.Second, qps: -1, burst: 100}
}

func (r *retries) addTo(flags *pflag.FlagSet) {
	flags.DurationVar(&r.first, "rate-limiter-base-delay", r.first, "Pause before a turn that failed is tried again; it doubles with every failure")
	flags.DurationVar(&r.longest, "rate-limiter-max-delay", r.longest, "Longest such pause")
	flags.Float64Var(&r.qps, "rate-limiter-qps", r.qps, "Tries a second of all failed turns of one controller; negative means no limit beside the pauses")
	flags.IntVar(&r.burst, "rate-limiter-bucket-size", r.burst, "Such tries above that rate for a short while")
}

// limiter is that of one controller.
func (r *retries) limiter() workqueue.TypedRateLimiter[control.Key] {
	each := workqueue.NewTypedItemExponentialFailureRateLimiter[control.Key](r.first, r.longest)
	if r.qps < 0 {
		return each
	}
	all := &workqueue.TypedBucketRateLimiter[control.Key]{Limiter: rate.NewLimiter(rate.Limit(r.qps), r.burst)}
	return workqueue.NewTypedMaxOfRateLimiter(each, all)
}
