package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/estimator/rpc/wire"
)

// TestSilentEstimator lets an estimator fall silent and come back: it is asked once in each back-off, callers hardly wait
// for that, and it counts again after.
func TestSilentEstimator(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m1, told := &fake{count: 5, delay: -1}, &history{}
		n := newNetwork(t, map[string]*fake{"m1": m1})
		c := n.client(func(o *Options) { o.Recorder = told })
		ask := func(want string) (took time.Duration) {
			t.Helper()
			began := time.Now()
			expect(t, c.Estimate(t.Context(), question("1"), []string{"m1"}), want)
			return time.Since(began)
		}
		if took := ask("error"); took != DefaultTimeout {
			t.Errorf("the first question took %s", took)
		}
		synctest.Wait()
		began, probes := time.Now(), 0
		for time.Since(began) < 5*time.Minute {
			took := ask("error")
			if took > DefaultTimeout/probeShare {
				t.Fatalf("a question to an estimator that is known to be silent took %s", took)
			}
			if took > 0 {
				probes++
			}
			time.Sleep(100 * time.Millisecond)
		}
		// Back-offs of 1, 2, 4, 8, 16, 32 and 60 seconds, with the timeouts between them.
		if asked := m1.asked(); asked < 9 || asked > 11 {
			t.Errorf("the estimator was asked %d times in five minutes", asked)
		}
		if open, _ := n.connections("m1"); open > 1 {
			t.Errorf("%d connections are open", open)
		}
		m1.set(func(f *fake) { f.delay = 0 })
		time.Sleep(maxBackoff + DefaultTimeout)
		ask("5")
		ask("5")
		told.mu.Lock()
		defer told.mu.Unlock()
		if last := told.breakers[len(told.breakers)-2:]; !slices.Equal(last, []string{"m1 half-open", "m1 closed"}) {
			t.Errorf("in the end the breaker was %q", last)
		}
	})
}

// TestProbeInTime answers the caller that tries whether an estimator is back, and tells others that one does.
func TestProbeInTime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m1, told := &fake{count: 5, delay: -1}, &history{}
		c := newNetwork(t, map[string]*fake{"m1": m1}).client(func(o *Options) { o.Recorder = told })
		expect(t, c.Estimate(t.Context(), question("1"), []string{"m1"}), "error")
		synctest.Wait()
		answers := c.Estimate(t.Context(), question("1"), []string{"m1"})
		if !errors.Is(answers[0].Err, ErrOpen) {
			t.Errorf("got error %v, want that the estimator is left alone", answers[0].Err)
		}
		m1.set(func(f *fake) { f.delay = 200 * time.Millisecond })
		time.Sleep(firstBackoff)
		var callers sync.WaitGroup
		callers.Go(func() { expect(t, c.Estimate(t.Context(), question("1"), []string{"m1"}), "5") })
		synctest.Wait()
		expect(t, c.Estimate(t.Context(), question("2"), []string{"m1"}), "error")
		callers.Wait()
		expect(t, c.Estimate(t.Context(), question("2"), []string{"m1"}), "5")
		told.expectBreakers(t, "m1 closed", "m1 open", "m1 half-open", "m1 closed")
	})
}

// TestProbeThatLasts ends after its caller has gone, and closes the breaker all the same.
func TestProbeThatLasts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m1 := &fake{count: 5, delay: -1}
		c := newNetwork(t, map[string]*fake{"m1": m1}).client()
		c.Estimate(t.Context(), question("1"), []string{"m1"})
		m1.set(func(f *fake) { f.delay = time.Second })
		time.Sleep(firstBackoff + time.Millisecond)
		expect(t, c.Estimate(t.Context(), question("1"), []string{"m1"}), "error")
		time.Sleep(time.Second)
		expect(t, c.Estimate(t.Context(), question("2"), []string{"m1"}), "5")
	})
}

// TestCrowdOfProbes has more estimators to try again than may be tried at once: the others have their turn with a later
// question, and no call waits for one.
func TestCrowdOfProbes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		fakes, clusters := map[string]*fake{}, members(10)
		for _, cluster := range clusters {
			fakes[cluster] = &fake{delay: -1}
		}
		calls := func() (sum int) {
			for _, asked := range fakes {
				sum += asked.asked()
			}
			return sum
		}
		c := newNetwork(t, fakes).client(func(o *Options) { o.Concurrency = probeShare })
		c.Estimate(t.Context(), question("1"), clusters)
		time.Sleep(firstBackoff)
		for range 3 {
			before := calls()
			for i := range 3 {
				for _, answer := range c.Estimate(t.Context(), question(fmt.Sprint(i)), clusters) {
					if !errors.Is(answer.Err, ErrOpen) {
						t.Errorf("got %+v, want that the estimator is left alone", answer)
					}
				}
			}
			time.Sleep(2 * DefaultTimeout)
			if made := calls() - before; made != 1 {
				t.Errorf("%d estimators were tried, want one", made)
			}
		}
	})
}

// TestBlackHole has an address that swallows all attempts to connect. One that took so long is enough.
func TestBlackHole(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		told := &history{}
		c := newNetwork(t, nil).client(func(o *Options) {
			o.Recorder = told
			o.Dial = func(ctx context.Context, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
		})
		expect(t, c.Estimate(t.Context(), question("1"), []string{"m1"}), "error")
		synctest.Wait()
		told.expectBreakers(t, "m1 closed", "m1 open")
	})
}

// TestDemandsThatFail sends what an estimator does not like, time and again: it is not left alone for that.
func TestDemandsThatFail(t *testing.T) {
	for _, code := range []codes.Code{codes.InvalidArgument, codes.Unknown, codes.Internal} {
		inBubble(t, func(t *testing.T) {
			m1, told := &fake{err: status.Error(code, "no")}, &history{}
			c := newNetwork(t, map[string]*fake{"m1": m1}).client(func(o *Options) { o.Recorder = told })
			for range 10 {
				expect(t, c.Estimate(t.Context(), question("1"), []string{"m1"}), "error")
			}
			m1.set(func(f *fake) { f.err, f.count = nil, 2 })
			expect(t, c.Estimate(t.Context(), question("2"), []string{"m1"}), "2")
			told.expectBreakers(t, "m1 closed")
			if got := told.calls[0]; got != "m1 MaxAvailableReplicas "+code.String() {
				t.Errorf("the recorder was told %q", got)
			}
		})
	}
}

// TestLittleTime asks with hardly any time left: that it was not enough says nothing about the estimator.
func TestLittleTime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m1, told := &fake{count: 2, delay: time.Second}, &history{}
		c := newNetwork(t, map[string]*fake{"m1": m1}).client(func(o *Options) { o.Recorder = told })
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if answer, _ := c.Explain(ctx, "m1", question("1")); !errors.Is(answer.Err, context.DeadlineExceeded) {
			t.Errorf("got %+v, want that time was up", answer)
		}
		if _, err := c.Unschedulable(ctx, "m1", deployment, time.Minute); err == nil {
			t.Error("a context that has ended got an answer")
		}
		told.expectBreakers(t, "m1 closed")
		expect(t, c.Estimate(t.Context(), question("1"), []string{"m1"}), "2")
	})
}

// TestRestart stops an estimator and starts another in its place.
func TestRestart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		told := &history{}
		n := newNetwork(t, map[string]*fake{"m1": {count: 1}})
		c := n.client(func(o *Options) { o.Recorder = told })
		expect(t, c.Estimate(t.Context(), question("1"), []string{"m1"}), "1")
		n.stop("m1")
		for range 2 * failuresToOpen {
			expect(t, c.Estimate(t.Context(), question("1"), []string{"m1"}), "error")
			synctest.Wait()
		}
		if _, dialed := n.connections("m1"); dialed > 1+failuresToOpen {
			t.Errorf("%d connections were tried", dialed)
		}
		n.start("m1", &fake{count: 2})
		time.Sleep(firstBackoff)
		expect(t, c.Estimate(t.Context(), question("1"), []string{"m1"}), "2")
		told.expectBreakers(t, "m1 closed", "m1 open", "m1 half-open", "m1 closed")
	})
}

// TestQuickRestart stops an estimator between two questions.
func TestQuickRestart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNetwork(t, map[string]*fake{"m1": {count: 1}})
		c := n.client()
		for count := range int32(4) {
			n.stop("m1")
			n.start("m1", &fake{count: count})
			synctest.Wait()
			expect(t, c.Estimate(t.Context(), question("1"), []string{"m1"}), fmt.Sprint(count))
		}
	})
}

// TestMoves finds an estimator at another address.
func TestMoves(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNetwork(t, map[string]*fake{"old": {count: 1}, "new": {count: 2}})
		address := "old"
		c := n.client(func(o *Options) { o.Resolver = func(string) (string, bool) { return address, true } })
		expect(t, c.Estimate(t.Context(), question("1"), []string{"m1"}), "1")
		address = "new"
		expect(t, c.Estimate(t.Context(), question("1"), []string{"m1"}), "2")
		synctest.Wait()
		if open, _ := n.connections("old"); open != 0 {
			t.Errorf("%d connections to the old address are open", open)
		}
	})
}

// TestLeave drops the connections of clusters that have left, one of them amid a call, and makes new ones if they return.
func TestLeave(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		fakes, told := map[string]*fake{"m1": {count: 1}, "m2": {count: 2}, "m3": {count: 3, delay: time.Second}}, &history{}
		n := newNetwork(t, fakes)
		c := n.client(func(o *Options) { o.Recorder = told })
		all := []string{"m1", "m2", "m3"}
		expect(t, c.Estimate(t.Context(), question("1"), all), "1", "2", "3")
		var callers sync.WaitGroup
		callers.Go(func() { expect(t, c.Estimate(t.Context(), question("1"), all[2:]), "3") })
		synctest.Wait()
		for _, gone := range []string{"m1", "m3", "m8"} {
			c.Forget(gone)
		}
		callers.Wait()
		synctest.Wait()
		for cluster, want := range map[string]int{"m1": 0, "m2": 1, "m3": 0} {
			if open, _ := n.connections(cluster); open != want {
				t.Errorf("%s has %d connections open, want %d", cluster, open, want)
			}
		}
		slices.Sort(told.breakers)
		told.expectBreakers(t, "m1 closed", "m1 forgotten", "m2 closed", "m3 closed", "m3 forgotten")
		expect(t, c.Estimate(t.Context(), question("1"), all), "1", "2", "3")
	})
}

// TestClose ends a client amid calls. The bubble fails the test when a goroutine outlives it.
func TestClose(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNetwork(t, map[string]*fake{"m1": {count: 1}, "m2": {delay: -1}})
		c := n.client()
		all := []string{"m1", "m2", "m3"}
		var callers sync.WaitGroup
		for i := range 5 {
			callers.Go(func() { expect(t, c.Estimate(t.Context(), question(fmt.Sprint(i)), all), "1", "error", "error") })
		}
		callers.Go(func() {
			if _, err := c.Unschedulable(t.Context(), "m2", deployment, 0); err == nil {
				t.Error("a call survived the end of its client")
			}
		})
		synctest.Wait()
		began := time.Now()
		c.Close()
		callers.Wait()
		if took := time.Since(began); took != 0 {
			t.Errorf("closing took %s", took)
		}
		synctest.Wait()
		for _, cluster := range all {
			if open, _ := n.connections(cluster); open != 0 {
				t.Errorf("%s has %d connections open", cluster, open)
			}
		}
		answers := c.Estimate(t.Context(), question("1"), all)
		expect(t, answers, "error", "error", "error")
		if !errors.Is(answers[0].Err, errClosed) {
			t.Errorf("got error %v, want that the client is closed", answers[0].Err)
		}
		c.Forget("m1")
		c.Close()
	})
}

// TestCache asks again while answers count, and when they no longer do.
func TestCache(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m1, told := &fake{count: 3}, &history{}
		version, assumed := "1", []estimator.AssumedWorkload(nil)
		c := newNetwork(t, map[string]*fake{"m1": m1}).client(func(o *Options) {
			o.MaxAge, o.Recorder = 0, told
			o.Version = func(string) string { return version }
		})
		ask := func(cpu, what string, calls int) {
			t.Helper()
			q := question(cpu)
			q.Workload = what
			q.Assumed = func(string) []estimator.AssumedWorkload { return assumed }
			expect(t, c.Estimate(t.Context(), q, []string{"m1"}), fmt.Sprint(m1.count))
			if m1.asked() != calls {
				t.Errorf("%s: %d calls were made, want %d", what, m1.asked(), calls)
			}
		}
		ask("1", "the first", 1)
		ask("1", "an equal one", 1)
		ask("1000m", "the same in other words", 1)
		ask("2", "another demand", 2)
		assumed = []estimator.AssumedWorkload{{Namespace: "a"}}
		ask("1", "beside something assumed", 3)
		ask("1", "beside the same", 3)
		assumed = nil
		ask("1", "beside nothing again", 3)
		version = "2"
		ask("1", "after a change of the cluster", 4)
		time.Sleep(DefaultMaxAge - 1)
		ask("1", "before it is too old", 4)
		time.Sleep(time.Nanosecond)
		ask("1", "when it is too old", 5)
		if told.hits != 5 || told.misses != 5 {
			t.Errorf("the recorder was told of %d hits and %d misses", told.hits, told.misses)
		}
	})
}

// TestNotCached are answers that may be better the next time.
func TestNotCached(t *testing.T) {
	for name, respond := range map[string]*wire.EstimateResponse{
		"stale":    {Stale: true, Estimates: []*wire.Estimate{{Count: 1}}},
		"an error": {Estimates: []*wire.Estimate{{Error: "no"}}},
		"unknown":  {Estimates: []*wire.Estimate{{Count: -1}}},
	} {
		inBubble(t, func(t *testing.T) {
			m1 := &fake{respond: func(*wire.EstimateRequest) *wire.EstimateResponse { return respond }}
			c := newNetwork(t, map[string]*fake{"m1": m1}).client(func(o *Options) { o.MaxAge = time.Hour })
			for range 3 {
				c.Estimate(t.Context(), question("1"), []string{"m1"})
			}
			if m1.asked() != 3 {
				t.Errorf("%s: %d calls were made, want 3", name, m1.asked())
			}
		})
	}
}

// TestCacheSize keeps the answers that were asked for last.
func TestCacheSize(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m1 := &fake{count: 1}
		c := newNetwork(t, map[string]*fake{"m1": m1}).client(func(o *Options) { o.MaxAge, o.CacheSize = time.Hour, 10 })
		for i := range 50 {
			c.Estimate(t.Context(), question(fmt.Sprint(i)), []string{"m1"})
			c.Estimate(t.Context(), question("0"), []string{"m1"})
		}
		if kept := c.cache.answers.Len(); kept != 10 || m1.asked() != 50 {
			t.Errorf("%d answers are kept after %d calls, want 10 after 50", kept, m1.asked())
		}
	})
}

// TestShared has equal questions at the same time: they are one call, which goes on when its first caller gives up. A caller
// that knows a newer version of the cluster has its own.
func TestShared(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m1, version := &fake{count: 3, delay: time.Second}, "1"
		c := newNetwork(t, map[string]*fake{"m1": m1}).client(func(o *Options) { o.Version = func(string) string { return version } })
		var callers sync.WaitGroup
		first, cancel := context.WithCancel(t.Context())
		callers.Go(func() { expect(t, c.Estimate(first, question("1"), []string{"m1"}), "error") })
		synctest.Wait()
		for range 5 {
			callers.Go(func() { expect(t, c.Estimate(t.Context(), question("1"), []string{"m1"}), "3") })
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		if m1.asked() != 1 {
			t.Errorf("%d calls were made, want one", m1.asked())
		}
		version = "2"
		callers.Go(func() { expect(t, c.Estimate(t.Context(), question("1"), []string{"m1"}), "3") })
		callers.Wait()
		if m1.asked() != 2 {
			t.Errorf("%d calls were made, want another for the new version", m1.asked())
		}
	})
}

// TestEverythingAtOnce asks, forgets and breaks from many sides.
func TestEverythingAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		fakes, clusters := map[string]*fake{}, members(20)
		for i, cluster := range clusters {
			fakes[cluster] = &fake{count: int32(i), delay: time.Duration(i%7) * 300 * time.Millisecond}
			if i%5 == 0 {
				fakes[cluster].err = status.Error(codes.Unavailable, "not now")
			}
		}
		n := newNetwork(t, fakes)
		c := n.client(func(o *Options) { o.MaxAge, o.Concurrency = time.Second, 16 })
		var callers sync.WaitGroup
		for caller := range 12 {
			callers.Go(func() {
				for round := range 15 {
					for i, answer := range c.Estimate(t.Context(), question(fmt.Sprint(round%4)), clusters) {
						if answer.Err == nil && (answer.Count != int32(i) || i%5 == 0) {
							t.Errorf("%s answered %+v", clusters[i], answer)
						}
					}
					c.Forget(clusters[(caller*round)%20])
					time.Sleep(time.Duration(caller) * 37 * time.Millisecond)
				}
			})
		}
		callers.Wait()
		c.Close()
		synctest.Wait()
		for _, cluster := range clusters {
			if open, _ := n.connections(cluster); open != 0 {
				t.Errorf("%s has %d connections open", cluster, open)
			}
		}
	})
}
