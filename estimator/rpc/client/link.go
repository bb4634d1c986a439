package client

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
)

const (
	// connectTimeout bounds one attempt to connect.
	connectTimeout = 2 * time.Second
	// A connection with a call on it that hears nothing for keepaliveTime is tested, and given up after keepaliveTimeout.
	// Idle ones are not: servers cut clients off that test them.
	keepaliveTime    = 20 * time.Second
	keepaliveTimeout = 5 * time.Second
	// plainTime is how long an estimator that knows no batches is asked without them. It may be replaced by one that does.
	plainTime = 5 * time.Minute
)

// link is the way to the estimator of one cluster: its breaker, and a connection while it is needed.
type link struct {
	cluster  string
	recorder Recorder
	dial     func(address string) (*grpc.ClientConn, error)
	// retire closes a connection that has no users, which may take seconds, and does not wait for it.
	retire func(*grpc.ClientConn)

	mu      sync.Mutex
	breaker breaker
	told    State
	conn    *connection
	gone    bool
}

// connection is shared by the calls to one estimator. The last user closes one that was dropped. All fields belong to the
// lock of the link.
type connection struct {
	*grpc.ClientConn
	address string
	users   int
	dropped bool
	// plain is until when the estimator is taken not to know batches.
	plain time.Time
}

// pass is a call that a link let through.
type pass struct {
	link *link
	conn *connection
	era  uint64
}

// state is that of the breaker, and how long it stays so when it is open.
func (l *link) state(now time.Time) (State, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.breaker.state(now), l.breaker.until.Sub(now)
}

// enter lets a call through to an address, over a new connection after an opening of the breaker. Each pass must be left.
func (l *link) enter(address string, now time.Time) (*pass, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return nil, errLeft
	}
	era, ok := l.breaker.admit(now)
	if !ok {
		return nil, l.refusal(now)
	}
	l.tell(now)
	if l.conn != nil && l.conn.address != address {
		l.drop()
	}
	if l.conn == nil {
		dialed, err := l.dial(address)
		if err != nil {
			l.breaker.settle(era, failed, now)
			l.tell(now)
			return nil, fmt.Errorf("connecting to %s: %w", address, err)
		}
		l.conn = &connection{ClientConn: dialed, address: address}
	}
	l.conn.users++
	return &pass{link: l, conn: l.conn, era: era}, nil
}

// refusal is why the breaker lets a call not through. The lock is held.
func (l *link) refusal(now time.Time) error {
	if l.breaker.state(now) == HalfOpen {
		return errProbing
	}
	return openError(l.breaker.until.Sub(now))
}

// leave settles the call. An opening breaker drops the connection, for it may be what is broken.
func (p *pass) leave(outcome outcome, now time.Time) {
	l := p.link
	l.mu.Lock()
	defer l.mu.Unlock()
	p.conn.users--
	l.retireUnused(p.conn)
	l.breaker.settle(p.era, outcome, now)
	l.tell(now)
	if l.breaker.state(now) == Open {
		l.drop()
	}
}

// knowsBatches is false for some time after the estimator was found not to.
func (p *pass) knowsBatches(now time.Time) bool {
	p.link.mu.Lock()
	defer p.link.mu.Unlock()
	return !now.Before(p.conn.plain)
}

func (p *pass) withoutBatches(now time.Time) {
	p.link.mu.Lock()
	defer p.link.mu.Unlock()
	p.conn.plain = now.Add(plainTime)
}

// forget drops the connection for good.
func (l *link) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = true
	l.drop()
	l.recorder.Forgotten(l.cluster)
}

// drop lets go of the connection. The lock is held.
func (l *link) drop() {
	if l.conn != nil {
		l.conn.dropped = true
		l.retireUnused(l.conn)
		l.conn = nil
	}
}

func (l *link) retireUnused(conn *connection) {
	if conn.dropped && conn.users == 0 {
		l.retire(conn.ClientConn)
	}
}

// tell reports the state of the breaker when it has changed. The lock is held.
func (l *link) tell(now time.Time) {
	if state := l.breaker.state(now); state != l.told && !l.gone {
		l.told = state
		l.recorder.Breaker(l.cluster, state)
	}
}

// dialer makes connections of the client's kind. They connect when they are used.
func dialer(options Options, credentials credentials.TransportCredentials) func(address string) (*grpc.ClientConn, error) {
	common := []grpc.DialOption{
		grpc.WithTransportCredentials(credentials),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.DefaultConfig, MinConnectTimeout: connectTimeout}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.WithDisableServiceConfig(),
	}
	scheme := "dns:///"
	if options.Dial != nil {
		scheme = "passthrough:///"
		common = append(common, grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return options.Dial(ctx, address)
		}))
	}
	return func(address string) (*grpc.ClientConn, error) { return grpc.NewClient(scheme+address, common...) }
}
