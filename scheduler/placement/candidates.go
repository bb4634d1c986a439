package placement

import (
	"cmp"
	"math"
	"slices"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
)

// Answers of estimators that are not numbers.
const (
	// Unknown means that nothing is known about the capacity of a cluster.
	Unknown int32 = -1
	// Unlimited means that capacity does not bound the workload.
	Unlimited int32 = math.MaxInt32
)

// CandidateSet holds the clusters that pass all filters, with their scores, in ascending order of name.
type CandidateSet struct {
	request  Request
	snapshot *Snapshot
	filter   *filter
	// previous are the clusters of the last decision.
	previous rowSet
	// candidates are in row order.
	candidates []candidate
	// rejecting are the plugins that reject each cluster, by row.
	rejecting []PluginSet
	foreign   map[int32][]Foreign
	// shared are the equal candidates of other requests of a Batch, if any.
	shared *CandidateSet
}

// candidate is a cluster that may get the workload.
type candidate struct {
	row  int32
	tier int32
	// score is the sum of all scoring plugins.
	score int64
	// capacity is what the cluster can take in addition, in replicas or sets; held what it has of the last decision.
	capacity int32
	held     int32
	// kept says that the cluster would not be chosen anew, and gets nothing more.
	kept bool
}

// room is what the cluster could run in total.
func (c *candidate) room() int64 { return int64(c.capacity) + int64(c.held) }

// Foreign is the verdict of a plugin outside this package, such as an extender, about one cluster.
type Foreign struct {
	Cluster string
	Plugin  string
	// Reason rejects the cluster when it is not empty.
	Reason string
	// Score is added to the score of the cluster.
	Score int64
}

// Candidates filters and scores the clusters of a snapshot. Terminating clusters are left out without a reason.
func Candidates(request Request, snapshot *Snapshot) *CandidateSet {
	c := &CandidateSet{request: request, snapshot: snapshot, filter: newFilter(&request, snapshot)}
	claims := newClaims(&c.request, snapshot)
	c.rejecting = c.filter.rejecting
	claims.judge(c.rejecting, request.Options.Disabled)
	c.collect(claims.previous)
	return c
}

// collect lists and scores the clusters that no plugin rejects. Previous are those of the last decision.
func (c *CandidateSet) collect(previous []int32) {
	count := 0
	for _, plugins := range c.rejecting {
		if plugins == 0 {
			count++
		}
	}
	c.candidates = make([]candidate, 0, count)
	tiers := int32(len(c.filter.tiers))
	for row, plugins := range c.rejecting {
		if plugins != 0 || c.snapshot.terminating[row] {
			continue
		}
		next := candidate{row: int32(row)}
		if tiers > 1 {
			next.tier = min(c.filter.tier(next.row), tiers-1)
		}
		c.candidates = append(c.candidates, next)
	}
	if len(previous) > 0 {
		c.previous = c.snapshot.noRows()
	}
	for _, row := range previous {
		c.previous.add(row)
		if at, ok := find(c.candidates, row); ok {
			c.candidates[at].score = c.localityOf(row)
		}
	}
	if c.request.scores(ClusterPrice) {
		c.addPrices()
	}
}

// find looks for a row among candidates in row order.
func find(candidates []candidate, row int32) (at int, ok bool) {
	return slices.BinarySearchFunc(candidates, row, func(c candidate, row int32) int { return cmp.Compare(c.row, row) })
}

// localityOf is the score of a cluster for being part of the last decision.
func (c *CandidateSet) localityOf(row int32) int64 {
	if c.request.scores(ClusterLocality) && c.previous.has(row) {
		return localityScore
	}
	return 0
}

// Apply returns the candidates that foreign plugins leave, with the scores they add. Verdicts about other clusters are
// ignored.
func (c *CandidateSet) Apply(verdicts ...Foreign) *CandidateSet {
	next := *c
	next.shared = nil
	next.foreign = make(map[int32][]Foreign, len(c.foreign)+len(verdicts))
	for row, earlier := range c.foreign {
		next.foreign[row] = earlier
	}
	added := map[int32]int64{}
	rejected := map[int32]bool{}
	for _, verdict := range verdicts {
		row, ok := c.snapshot.rows[verdict.Cluster]
		if !ok {
			continue
		}
		next.foreign[row] = append(next.foreign[row][:len(next.foreign[row]):len(next.foreign[row])], verdict)
		added[row] += verdict.Score
		rejected[row] = rejected[row] || verdict.Reason != ""
	}
	next.candidates = make([]candidate, 0, len(c.candidates))
	for _, candidate := range c.candidates {
		if !rejected[candidate.row] {
			candidate.score += added[candidate.row]
			next.candidates = append(next.candidates, candidate)
		}
	}
	return &next
}

// Request is what the candidates are for.
func (c *CandidateSet) Request() Request { return c.request }

// Len is the number of candidates.
func (c *CandidateSet) Len() int { return len(c.candidates) }

// Name is the name of a candidate.
func (c *CandidateSet) Name(i int) string { return c.snapshot.names[c.candidates[i].row] }

// Cluster is the object of a candidate. It is shared and must not be modified.
func (c *CandidateSet) Cluster(i int) *clusterv1alpha1.Cluster {
	return c.snapshot.clusters[c.candidates[i].row]
}

// Names lists the names of the candidates, ascending.
func (c *CandidateSet) Names() []string {
	names := make([]string, len(c.candidates))
	for i := range names {
		names[i] = c.Name(i)
	}
	return names
}

// Clusters lists the objects of the candidates in ascending order of name. They are shared and must not be modified.
func (c *CandidateSet) Clusters() []*clusterv1alpha1.Cluster {
	clusters := make([]*clusterv1alpha1.Cluster, len(c.candidates))
	for i := range clusters {
		clusters[i] = c.Cluster(i)
	}
	return clusters
}

// Demand says what capacity to estimate.
func (c *CandidateSet) Demand() Demand { return c.request.Demand() }

// Tighten lowers capacities to the answers of one more estimator: Unknown changes nothing, otherwise the smaller number
// counts. Both lists are in the order of the candidates; an answer that is too short leaves the rest.
func Tighten(capacity, answer []int32) {
	for i := range min(len(capacity), len(answer)) {
		if answer[i] != Unknown && (capacity[i] == Unknown || answer[i] < capacity[i]) {
			capacity[i] = answer[i]
		}
	}
}

// NoCapacity returns n times Unknown, the start for Tighten.
func NoCapacity(n int) []int32 {
	capacity := make([]int32, n)
	for i := range capacity {
		capacity[i] = Unknown
	}
	return capacity
}
