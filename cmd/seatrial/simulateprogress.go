package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/term"
)

// concurrently does something for each of a list, as many at once as there are processors.
func concurrently[T any](list []T, do func(int) error) error {
	group := errgroup.Group{}
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range list {
		group.Go(func() error { return do(i) })
	}
	return group.Wait()
}

// teller tells on a terminal how far simulations have come; elsewhere it is silent.
type teller struct {
	out   io.Writer
	began time.Time
	all   time.Duration

	mu     sync.Mutex
	passed []time.Duration
	last   time.Time
}

// newTeller has nothing to say to what is no terminal.
func newTeller(out io.Writer, plays []*play) *teller {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return &teller{}
	}
	t := &teller{out: out, began: time.Now(), passed: make([]time.Duration, len(plays))}
	for _, p := range plays {
		t.all += p.duration
	}
	fmt.Fprint(out, "preparing")
	return t
}

// tell notes how far one simulation has come, and writes a line a few times a second.
func (t *teller) tell(which int, passed time.Duration) {
	if t.out == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.passed[which] = passed
	now := time.Now()
	if now.Sub(t.last) < 200*time.Millisecond {
		return
	}
	t.last = now
	var sum time.Duration
	for _, passed := range t.passed {
		sum += passed
	}
	fmt.Fprintf(t.out, "\r\x1b[K%s", progressLine(sum, t.all, now.Sub(t.began)))
}

// progressLine tells virtual time, how much faster than real time it passes, and when it will be over.
func progressLine(passed, all, took time.Duration) string {
	line := fmt.Sprintf("%s of %s", passed.Round(time.Second), all)
	if passed <= 0 || took <= 0 {
		return line
	}
	speed := passed.Seconds() / took.Seconds()
	left := time.Duration((all - passed).Seconds() / speed * float64(time.Second))
	return fmt.Sprintf("%s, %.0f times as fast as real time, %s left", line, speed, left.Round(time.Second))
}

// end clears the line.
func (t *teller) end() {
	if t.out != nil {
		fmt.Fprint(t.out, "\r\x1b[K")
	}
}
