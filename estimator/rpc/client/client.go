package client

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/estimator/rpc/wire"
)

// probeShare is the part of the timeout that callers wait for a call which tries whether an estimator is back, and the part
// of the calls at one time that may be such.
const probeShare = 10

// Client asks estimators. It is safe for concurrent use.
type Client struct {
	options Options
	dial    func(address string) (*grpc.ClientConn, error)
	cache   *cache
	flights singleflight.Group
	// Calls that try whether an estimator is back have slots of their own, so that many who hang cost the others none.
	slots, probes *semaphore.Weighted

	// ctx ends with the client. Calls run under it rather than under that of their first caller.
	ctx    context.Context
	cancel context.CancelFunc

	mu     sync.Mutex
	links  map[string]*link
	closed bool
	// ending counts what Close waits for: calls, and connections that are being closed.
	ending sync.WaitGroup
}

var _ estimator.Estimators = (*Client)(nil)

// New makes a client. It connects to an estimator when it is first asked. Errors are about the options.
func New(options Options) (*Client, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	credentials, err := options.TLS.credentials()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Client{
		options: options, dial: dialer(options, credentials), cache: newCache(options),
		slots:  semaphore.NewWeighted(int64(options.Concurrency)),
		probes: semaphore.NewWeighted(int64(max(options.Concurrency/probeShare, 1))),
		ctx:    ctx, cancel: cancel, links: map[string]*link{},
	}, nil
}

// Estimate implements estimator.Estimators. It calls question.Assumed before it waits, for one cluster after the other.
func (c *Client) Estimate(ctx context.Context, question estimator.Question, clusters []string) []estimator.Answer {
	answers := make([]estimator.Answer, len(clusters))
	ctx, cancel := context.WithTimeoutCause(ctx, c.options.Timeout, lateError(c.options.Timeout))
	defer cancel()
	patience, lose := context.WithTimeoutCause(ctx, c.options.Timeout/probeShare, errProbing)
	defer lose()
	demand, asked, err := encode(&question)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	waiting := make([]ticket, 0, len(clusters))
	for i, cluster := range clusters {
		if err != nil {
			answers[i].Err = err
			continue
		}
		var pending ticket
		if answers[i], pending = c.ask(&question, cluster, demand, asked); pending.result != nil {
			pending.at = i
			waiting = append(waiting, pending)
		}
	}
	for _, pending := range waiting {
		if pending.probe {
			answers[pending.at] = pending.wait(patience)
		} else {
			answers[pending.at] = pending.wait(ctx)
		}
	}
	for i := range answers {
		if answers[i].Err != nil {
			answers[i] = estimator.Answer{Err: fmt.Errorf("asking the estimator of cluster %s: %w", clusters[i], answers[i].Err)}
		}
	}
	return answers
}

// ticket is a place in the line for the result of a call.
type ticket struct {
	at     int
	probe  bool
	result <-chan singleflight.Result
}

// wait prefers an answer that is there to a context that has ended.
func (t ticket) wait(ctx context.Context) estimator.Answer {
	var got singleflight.Result
	select {
	case got = <-t.result:
	case <-ctx.Done():
		select {
		case got = <-t.result:
		default:
			return estimator.Answer{Err: context.Cause(ctx)}
		}
	}
	if got.Err != nil {
		return estimator.Answer{Err: got.Err}
	}
	return got.Val.(estimator.Answer)
}

// ask begins to ask a cluster, or joins those who do, unless its answer is known without.
func (c *Client) ask(question *estimator.Question, cluster string, demand *wire.Demand, asked digest) (estimator.Answer, ticket) {
	address, l, err := c.reach(cluster)
	if err != nil {
		return estimator.Answer{Err: err}, ticket{}
	}
	q, err := inquire(cluster, question, demand)
	if err != nil {
		return estimator.Answer{Err: err}, ticket{}
	}
	k := key{cluster: cluster, demand: asked}
	if k.assumed, err = digestOfAssumed(q.assumed); err != nil {
		return estimator.Answer{Err: err}, ticket{}
	}
	version, now := c.options.Version(cluster), c.options.Clock.Now()
	if answer, ok := c.cache.get(k, version); ok {
		c.options.Recorder.Cache(true)
		return answer, ticket{}
	}
	c.options.Recorder.Cache(false)
	state, left := l.state(now)
	if state == Open {
		return estimator.Answer{Err: openError(left)}, ticket{}
	}
	result := c.flights.DoChan(k.flight(version), func() (any, error) {
		ctx, cancel := context.WithTimeout(c.ctx, c.options.Timeout)
		defer cancel()
		got, err := c.converse(ctx, l, address, q)
		if err != nil {
			return nil, err
		}
		c.cache.put(k, version, now, got.answer)
		return got.answer, nil
	})
	return estimator.Answer{}, ticket{probe: state == HalfOpen, result: result}
}

// converse makes one call about an inquiry.
func (c *Client) converse(ctx context.Context, l *link, address string, q *inquiry) (reply, error) {
	var got reply
	err := c.call(named(ctx, q.workload), l, address, q.purpose(), func(ctx context.Context, p *pass) error {
		var err error
		got, err = c.put(ctx, p, q)
		return err
	})
	return got, err
}

// call makes one call when there is a slot and the breaker lets it through, and settles with the breaker.
func (c *Client) call(ctx context.Context, l *link, address, purpose string, talk func(context.Context, *pass) error) error {
	if !c.begin() {
		return errClosed
	}
	defer c.ending.Done()
	release, err := c.slot(ctx, l)
	if err != nil {
		return err
	}
	defer release()
	deadline, _ := ctx.Deadline()
	granted := time.Until(deadline)
	began := c.options.Clock.Now()
	p, err := l.enter(address, began)
	if err != nil {
		return err
	}
	err = talk(ctx, p)
	ended := c.options.Clock.Now()
	p.leave(c.weigh(judge(err), granted, ended.Sub(began)), ended)
	c.options.Recorder.Call(l.cluster, purpose, codeOf(err), ended.Sub(began))
	if status.Code(err) == codes.DeadlineExceeded {
		return lateError(granted.Round(time.Millisecond))
	}
	return err
}

// slot waits until a call may be made. One that would try whether an estimator is back does not wait: there will be others.
func (c *Client) slot(ctx context.Context, l *link) (release func(), err error) {
	if state, _ := l.state(c.options.Clock.Now()); state == HalfOpen {
		if !c.probes.TryAcquire(1) {
			return nil, errCrowded
		}
		return func() { c.probes.Release(1) }, nil
	}
	if err := c.slots.Acquire(ctx, 1); err != nil {
		return nil, fmt.Errorf("waiting for other calls to end: %w", err)
	}
	return func() { c.slots.Release(1) }, nil
}

// weigh looks at the time that a call was granted and that it took. With little of it left, running out of it tells nothing.
// And a failure that took long costs callers as much as one that ran out of it.
func (c *Client) weigh(ended outcome, granted, took time.Duration) outcome {
	switch half := c.options.Timeout / 2; {
	case ended == timedOut && granted < half:
		return unheard
	case ended == failed && took >= half:
		return timedOut
	}
	return ended
}

// begin counts a call that Close waits for.
func (c *Client) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false
	}
	c.ending.Add(1)
	return true
}

// reach finds the way to the estimator of a cluster.
func (c *Client) reach(cluster string) (address string, l *link, err error) {
	if c.options.Skip(cluster) {
		return "", nil, errSkipped
	}
	address, ok := c.options.Resolver(cluster)
	if !ok {
		return "", nil, ErrNoEstimator
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return "", nil, errClosed
	}
	l = c.links[cluster]
	if l == nil {
		l = &link{cluster: cluster, recorder: c.options.Recorder, dial: c.dial, retire: c.retire}
		c.links[cluster] = l
		c.options.Recorder.Breaker(cluster, Closed)
	}
	return address, l, nil
}

// Forget drops what is known of a cluster that has left. Calls to it that are on their way may still be answered.
func (c *Client) Forget(cluster string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.forget(cluster)
	}
}

// forget drops the link of a cluster. The lock is held.
func (c *Client) forget(cluster string) {
	if l := c.links[cluster]; l != nil {
		delete(c.links, cluster)
		l.forget()
	}
}

// retire runs in a call, or under the lock of a client that is open: never after Close has begun to wait for nothing.
func (c *Client) retire(conn *grpc.ClientConn) {
	c.ending.Go(func() {
		// A connection that is closed already is the only error there is.
		_ = conn.Close()
	})
}

// Close ends all calls and connections, and returns when they have ended. Questions after that find no answer.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.ending.Wait()
	c.mu.Lock()
	for cluster := range c.links {
		c.forget(cluster)
	}
	c.mu.Unlock()
	c.ending.Wait()
}
