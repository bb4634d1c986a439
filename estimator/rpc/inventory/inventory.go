// Package inventory follows a member cluster and keeps the index that its estimates are made from.
//
// There is no object cache. A watch hands each object to the index, which keeps a few hundred bytes of it, and forgets it;
// beside the index there are the names of what was seen, so that a new start of the watch finds out what has gone, and the
// few pods that the cluster found no node for.
//
// When a watch breaks, what was seen last stays and is answered from, the inventory says that it is stale, and the watch is
// opened again until it holds.
package inventory

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"

	"github.com/seatrial/seatrial/estimator/nodes"
)

// Options say what to follow, and how.
type Options struct {
	// Gates change answers, and what has to be watched for them.
	Gates nodes.Options
	// Clock defaults to the real one.
	Clock clock.Clock
	// Backoff is the pause between attempts to open a watch that broke. Zero steps mean the default: 1s, doubled up to 30s.
	Backoff wait.Backoff
}

// Inventory is what was seen of a cluster. Any number of readers look at it at once.
type Inventory struct {
	client  kubernetes.Interface
	options Options

	streams []*stream
	synced  chan struct{}

	// freshness guards what the streams say of themselves.
	freshness sync.Mutex
	broken    map[string]error

	// contents guards everything below: many readers, or one event.
	contents sync.RWMutex
	index    *nodes.Index
	claims   nodes.Claims
	pending  map[string]map[string]*corev1.Pod
}

// New returns the inventory of the cluster that client talks to; it is empty until Run.
func New(client kubernetes.Interface, options Options) *Inventory {
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	if options.Backoff.Steps == 0 {
		options.Backoff = wait.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.2, Steps: 6, Cap: 30 * time.Second}
	}
	v := &Inventory{
		client: client, options: options, synced: make(chan struct{}), broken: map[string]error{},
		index:   nodes.NewIndex(options.Gates),
		pending: map[string]map[string]*corev1.Pod{},
	}
	v.streams = v.kinds()
	return v
}

// Run follows the cluster until the context ends.
func (v *Inventory) Run(ctx context.Context) {
	var group wait.Group
	defer group.Wait()
	for _, s := range v.streams {
		group.StartWithContext(ctx, s.run)
	}
	for _, s := range v.streams {
		select {
		case <-s.synced:
		case <-ctx.Done():
			return
		}
	}
	close(v.synced)
}

// Synced is closed once all that the cluster holds was seen for the first time.
func (v *Inventory) Synced() <-chan struct{} { return v.synced }

// Stale reports whether a watch is broken, so that answers are of what was seen last.
func (v *Inventory) Stale() bool {
	v.freshness.Lock()
	defer v.freshness.Unlock()
	return len(v.broken) > 0
}

// Read lets a function look at the index, which does not change meanwhile. Events wait for it, so it must not.
func (v *Inventory) Read(look func(index *nodes.Index)) {
	v.contents.RLock()
	defer v.contents.RUnlock()
	look(v.index)
}

// change applies an event.
func (v *Inventory) change(apply func()) {
	v.contents.Lock()
	defer v.contents.Unlock()
	apply()
}

// report notes that the watch of a kind is broken, or holds again with a nil error. The first one that breaks and the last one
// that is mended are logged.
func (v *Inventory) report(kind string, err error) {
	v.freshness.Lock()
	defer v.freshness.Unlock()
	wasStale := len(v.broken) > 0
	if err != nil {
		v.broken[kind] = err
	} else {
		delete(v.broken, kind)
	}
	switch stale := len(v.broken) > 0; {
	case stale && !wasStale:
		log().Error(err, "Lost sight of the cluster; answers are of what was seen last", "kind", kind)
	case !stale && wasStale:
		log().Info("The cluster is in sight again")
	}
}
