package client

import (
	"context"
	"errors"
	"net"
	"time"

	"k8s.io/utils/clock"
)

// Defaults of Options.
const (
	DefaultTimeout     = 3 * time.Second
	DefaultConcurrency = 256
	DefaultMaxAge      = 5 * time.Second
	DefaultCacheSize   = 16384
)

// Resolver finds the estimator of a cluster, as host:port. ok is false for clusters that have none. It is asked for every
// question, so it must not wait for a network.
type Resolver func(cluster string) (address string, ok bool)

// Options say whom a Client asks, and how. Only Resolver has no default.
type Options struct {
	Resolver Resolver
	// Skip tells clusters that are not asked although they may have an estimator; nil for none.
	Skip func(cluster string) bool
	// Version changes whenever the state of a cluster has, as the resource version of its Cluster does. Answers to an older
	// version count no more. Nil leaves it to MaxAge alone.
	Version func(cluster string) string
	// TLS secures the connections; its zero value leaves them in plain text.
	TLS TLS
	// Dial opens connections; nil for TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Timeout bounds a question to all its clusters.
	Timeout time.Duration
	// Concurrency bounds the calls at one time, over all questions.
	Concurrency int
	// MaxAge is how long an answer counts at most; below zero for not at all.
	MaxAge time.Duration
	// CacheSize bounds the number of answers that are kept.
	CacheSize int
	// Clock tells the age of answers and of failures. Deadlines are kept by contexts.
	Clock clock.PassiveClock
	// Recorder is told what the client does; nil for nobody.
	Recorder Recorder
}

func (o Options) withDefaults() (Options, error) {
	if o.Resolver == nil {
		return o, errors.New("making a client of estimators: Options.Resolver is not set; DNS or Services make one")
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Concurrency <= 0 {
		o.Concurrency = DefaultConcurrency
	}
	if o.MaxAge == 0 {
		o.MaxAge = DefaultMaxAge
	}
	if o.CacheSize <= 0 {
		o.CacheSize = DefaultCacheSize
	}
	if o.Skip == nil {
		o.Skip = func(string) bool { return false }
	}
	if o.Version == nil {
		o.Version = func(string) string { return "" }
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Recorder == nil {
		o.Recorder = silent{}
	}
	return o, nil
}
