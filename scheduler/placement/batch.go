package placement

import (
	"reflect"
	"slices"

	"github.com/seatrial/seatrial/scheduler/placement/webster"
)

// Batch makes the decisions of many requests on one Snapshot. Requests with equal placements, kinds and options are filtered
// and scored once; what they have of their own (the last decision, evictions, workload groups) is applied on top. Those with
// nothing of their own also share the decision while the capacities stay equal. The results equal those of Candidates and
// Assign. A Batch must not be used by several goroutines at once; the candidates it returns may.
type Batch struct {
	snapshot *Snapshot
	shared   map[batchKey][]*CandidateSet
	last     map[decisionKey]decided
	// kept counts what shared holds.
	kept int
}

// maxShared bounds the candidates that are kept: a Batch that meets more placements starts over.
const maxShared = 128

// decisionKey is what a decision depends on beside shared candidates, capacities and components.
type decisionKey struct {
	shared   *CandidateSet
	replicas int32
	// descending is the order in which equal clusters are served.
	descending bool
	fresh      bool
}

// decided is the last decision for a key.
type decided struct {
	capacity []int32
	decision Decision
}

// batchKey is what is cheap to compare of the requests that share candidates.
type batchKey struct {
	apiVersion, kind, term string
	fingerprint            string
	takesCapacity          bool
	options                Options
}

// NewBatch prepares decisions on a Snapshot.
func NewBatch(snapshot *Snapshot) *Batch {
	return &Batch{snapshot: snapshot, shared: map[batchKey][]*CandidateSet{}, last: map[decisionKey]decided{}}
}

// Snapshot is the fleet the batch decides on.
func (b *Batch) Snapshot() *Snapshot { return b.snapshot }

// Candidates filters and scores the clusters for one request.
func (b *Batch) Candidates(request Request) *CandidateSet {
	shared := b.sharedBy(&request)
	c := &CandidateSet{
		request: request, snapshot: b.snapshot, filter: shared.filter, candidates: shared.candidates, rejecting: shared.rejecting,
	}
	if claims := newClaims(&c.request, b.snapshot); claims.none() {
		c.shared = shared
	} else {
		c.rejecting = slices.Clone(shared.rejecting)
		claims.judge(c.rejecting, request.Options.Disabled)
		c.collect(claims.previous)
	}
	return c
}

// Assign selects and divides for candidates of this batch.
func (b *Batch) Assign(candidates *CandidateSet, capacity []int32) Decision {
	spec := candidates.request.Spec
	if candidates.shared == nil || len(spec.Clusters) > 0 {
		return Assign(candidates, capacity)
	}
	key := decisionKey{candidates.shared, spec.Replicas, webster.Descending(string(spec.Resource.UID)), candidates.request.fresh()}
	last, known := b.last[key]
	if known && (last.capacity == nil) == (capacity == nil) && slices.Equal(last.capacity, capacity) &&
		reflect.DeepEqual(last.decision.candidates.request.Spec.Components, spec.Components) {
		decision := last.decision
		decision.candidates, decision.Clusters = candidates, slices.Clone(decision.Clusters)
		return decision
	}
	decision := Assign(candidates, capacity)
	b.last[key] = decided{slices.Clone(capacity), decision}
	decision.Clusters = slices.Clone(decision.Clusters)
	return decision
}

// sharedBy finds or makes the candidates of a request without anything of its own.
func (b *Batch) sharedBy(r *Request) *CandidateSet {
	key := batchKey{
		apiVersion: r.Spec.Resource.APIVersion, kind: r.Spec.Resource.Kind, term: r.Term,
		fingerprint: r.Fingerprint, takesCapacity: r.takesCapacity(), options: r.Options,
	}
	for _, known := range b.shared[key] {
		if known.request.asksLike(r) {
			return known
		}
	}
	f := newFilter(r, b.snapshot)
	fresh := &CandidateSet{request: *r, snapshot: b.snapshot, filter: f, rejecting: f.rejecting}
	fresh.collect(nil)
	if b.kept++; b.kept > maxShared {
		clear(b.shared)
		clear(b.last)
		b.kept = 1
	}
	b.shared[key] = append(b.shared[key], fresh)
	return fresh
}

// asksLike reports whether two requests of the same fingerprint have equal placements and preferences.
func (r *Request) asksLike(other *Request) bool {
	return r.Fingerprint != "" || (r.Spec.Placement == other.Spec.Placement || reflect.DeepEqual(r.Spec.Placement, other.Spec.Placement)) &&
		reflect.DeepEqual(r.Preferences, other.Preferences)
}
