package client

import (
	"crypto/sha256"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"
	"k8s.io/utils/clock"
	"k8s.io/utils/lru"

	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/estimator/rpc/wire"
)

// digest stands for what an estimator is asked: the SHA-256 of the message, written with sorted maps.
type digest [sha256.Size]byte

func digestOf(message proto.Message) (digest, error) {
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	if err != nil {
		return digest{}, fmt.Errorf("encoding a question: %w", err)
	}
	return sha256.Sum256(encoded), nil
}

// key is a question to one cluster. The digest of assumed workloads is zero where there are none.
type key struct {
	cluster         string
	demand, assumed digest
}

// flight names a call that is on its way. Callers who know a newer version of the cluster do not join it.
func (k key) flight(version string) string {
	return string(k.demand[:]) + string(k.assumed[:]) + k.cluster + "\x00" + version
}

// digestOfAssumed is zero for none.
func digestOfAssumed(assumed []*wire.AssumedWorkload) (digest, error) {
	if len(assumed) == 0 {
		return digest{}, nil
	}
	return digestOf(&wire.EstimateRequest{AssumedWorkloads: assumed})
}

// kept is an answer with what it holds for.
type kept struct {
	answer  estimator.Answer
	version string
	at      time.Time
}

// cache keeps the answers that were asked for last.
type cache struct {
	answers *lru.Cache
	maxAge  time.Duration
	clock   clock.PassiveClock
}

func newCache(options Options) *cache {
	return &cache{answers: lru.New(options.CacheSize), maxAge: options.MaxAge, clock: options.Clock}
}

// get finds an answer that still counts.
func (c *cache) get(k key, version string) (estimator.Answer, bool) {
	found, ok := c.answers.Get(k)
	if !ok {
		return estimator.Answer{}, false
	}
	entry := found.(kept)
	if entry.version != version || c.clock.Since(entry.at) >= c.maxAge {
		c.answers.Remove(k)
		return estimator.Answer{}, false
	}
	return entry.answer, true
}

// put keeps an answer that was asked for at a version and a time. Those that may be better the next time are not kept.
func (c *cache) put(k key, version string, at time.Time, answer estimator.Answer) {
	if c.maxAge > 0 && answer.Err == nil && !answer.Stale {
		c.answers.Add(k, kept{answer: answer, version: version, at: at})
	}
}
