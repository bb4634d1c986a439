package webhook

import (
	"fmt"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// longestRest bounds how long a webhook is left alone.
const longestRest = time.Minute

// rests are the webhooks that did not answer in time. Such a webhook is left alone for as long as it was waited for, and twice
// as long after each further question in vain. Then one question at a time finds out whether it is back.
type rests struct {
	clock clock.PassiveClock

	mu    sync.Mutex
	after map[string]*pause
}

type pause struct {
	until  time.Time
	length time.Duration
}

// enter fails while a webhook is left alone.
func (r *rests) enter(hook *hook) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	resting, now := r.after[hook.identity], r.clock.Now()
	if resting == nil {
		return nil
	}
	if now.Before(resting.until) {
		return unanswered(hook)
	}
	// This question finds out; all others wait for how it goes.
	resting.until = now.Add(hook.timeout)
	return nil
}

// unanswered says the same of a question in vain and of those that are not put for it, so that objects that are tried again do
// not have another condition every time.
func unanswered(hook *hook) error {
	return fmt.Errorf("no answer within %s; it is asked again after a while", hook.timeout)
}

// begin leaves a webhook alone.
func (r *rests) begin(hook *hook) {
	r.mu.Lock()
	defer r.mu.Unlock()
	resting := r.after[hook.identity]
	if resting == nil {
		resting = &pause{}
		r.after[hook.identity] = resting
	}
	resting.length = min(max(2*resting.length, hook.timeout), longestRest)
	resting.until = r.clock.Now().Add(resting.length)
}

// end is for webhooks that have answered, whatever it was.
func (r *rests) end(hook *hook) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.after, hook.identity)
}
