package placement

import (
	"slices"
	"strings"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
)

// Snapshot is the fleet at one moment. It never changes: With and Without return a new one that shares what stayed equal,
// so that any number of decisions may run on one Snapshot at once. Cluster objects given to it must not be modified.
//
// Rows are clusters in ascending order of name; each column has one entry a row.
type Snapshot struct {
	names       []string
	clusters    []*clusterv1alpha1.Cluster
	terminating []bool
	region      column[string]
	provider    column[string]
	zones       column[[]string]
	taints      column[taintSet]
	apis        column[apiSet]
	labels      labelColumns
	// prices are in millionths, noPrice for none.
	prices []int64
	// priceList is a checksum of all prices by name of cluster.
	priceList uint64
	// rows finds a row by name. Snapshots with the same set of names share it.
	rows  map[string]int32
	peers *Peers
}

// NewSnapshot builds a Snapshot of clusters in any order. Of several clusters with one name the last counts.
func NewSnapshot(clusters []*clusterv1alpha1.Cluster) *Snapshot {
	empty := &Snapshot{rows: map[string]int32{}, peers: &Peers{}}
	empty.resize(0)
	return empty.With(clusters...)
}

// With returns a Snapshot in which the given clusters are added or replaced. Its cost is a copy of the columns that change,
// not of the clusters.
func (s *Snapshot) With(clusters ...*clusterv1alpha1.Cluster) *Snapshot {
	next := s.share()
	next.clusters = slices.Clone(s.clusters)
	next.terminating = slices.Clone(s.terminating)
	next.prices = slices.Clone(s.prices)
	last := make(map[string]*clusterv1alpha1.Cluster, len(clusters))
	for _, cluster := range clusters {
		last[cluster.Name] = cluster
	}
	var fresh []*clusterv1alpha1.Cluster
	for _, cluster := range clusters {
		if last[cluster.Name] != cluster {
			continue
		}
		delete(last, cluster.Name)
		if row, ok := s.rows[cluster.Name]; ok {
			next.fill(row, cluster)
		} else {
			fresh = append(fresh, cluster)
		}
	}
	if len(fresh) > 0 {
		next.insert(fresh)
	}
	next.sumPrices()
	return next
}

// Without returns a Snapshot that lacks the named clusters; unknown names are ignored.
func (s *Snapshot) Without(names ...string) *Snapshot {
	kept := make([]int32, 0, len(s.names))
	for row, name := range s.names {
		if !slices.Contains(names, name) {
			kept = append(kept, int32(row))
		}
	}
	next := s.share()
	next.permute(kept)
	next.sumPrices()
	return next
}

// WithPeers returns a Snapshot with the same clusters and other peers.
func (s *Snapshot) WithPeers(peers *Peers) *Snapshot {
	next := *s
	next.peers = peers
	return &next
}

// Peers are the bindings that workload affinity sees.
func (s *Snapshot) Peers() *Peers { return s.peers }

// Len is the number of clusters, terminating ones included.
func (s *Snapshot) Len() int { return len(s.names) }

// Cluster finds a cluster by name, or returns nil. The object is shared and must not be modified.
func (s *Snapshot) Cluster(name string) *clusterv1alpha1.Cluster {
	if row, ok := s.rows[name]; ok {
		return s.clusters[row]
	}
	return nil
}

// Clusters lists the clusters in ascending order of name. The list and its objects are shared and must not be modified.
func (s *Snapshot) Clusters() []*clusterv1alpha1.Cluster { return s.clusters }

// share copies the Snapshot so that writes to the copy's columns leave this one as it is.
func (s *Snapshot) share() *Snapshot {
	next := *s
	next.region, next.provider = s.region.share(), s.provider.share()
	next.zones, next.taints, next.apis = s.zones.share(), s.taints.share(), s.apis.share()
	next.labels = s.labels.share()
	return &next
}

// insert appends rows, then restores the order by name.
func (s *Snapshot) insert(fresh []*clusterv1alpha1.Cluster) {
	first := len(s.names)
	rows := first + len(fresh)
	s.names = slices.Grow(slices.Clone(s.names), len(fresh))
	for _, cluster := range fresh {
		s.names = append(s.names, cluster.Name)
	}
	s.clusters = append(s.clusters, fresh...)
	s.terminating = append(s.terminating, make([]bool, len(fresh))...)
	s.prices = append(s.prices, make([]int64, len(fresh))...)
	s.resize(rows)
	for i, cluster := range fresh {
		s.fill(int32(first+i), cluster)
	}
	order := make([]int32, rows)
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return strings.Compare(s.names[a], s.names[b]) })
	s.permute(order)
}

func (s *Snapshot) resize(rows int) {
	s.region.resize(rows)
	s.provider.resize(rows)
	s.zones.resize(rows)
	s.taints.resize(rows)
	s.apis.resize(rows)
	s.labels.resize(rows)
}

// fill writes a cluster into its row.
func (s *Snapshot) fill(row int32, cluster *clusterv1alpha1.Cluster) {
	s.clusters[row] = cluster
	s.terminating[row] = !cluster.DeletionTimestamp.IsZero()
	s.region.set(row, cluster.Spec.Region, cluster.Spec.Region)
	s.provider.set(row, cluster.Spec.Provider, cluster.Spec.Provider)
	s.zones.set(row, strings.Join(cluster.Spec.Zones, "\x00"), cluster.Spec.Zones)
	taints := newTaintSet(cluster.Spec.Taints)
	s.taints.set(row, taints.key(), taints)
	s.apis.set(row, apiKey(cluster.Status.APIEnablements), apiSet{enablements: cluster.Status.APIEnablements})
	s.labels.set(row, cluster.Labels)
	s.prices[row] = priceOf(cluster)
}

// permute keeps the rows listed in order, in that order.
func (s *Snapshot) permute(order []int32) {
	s.names = pick(s.names, order)
	s.clusters = pick(s.clusters, order)
	s.terminating = pick(s.terminating, order)
	s.prices = pick(s.prices, order)
	s.region.permute(order)
	s.provider.permute(order)
	s.zones.permute(order)
	s.taints.permute(order)
	s.apis.permute(order)
	s.labels.permute(order)
	s.rows = make(map[string]int32, len(order))
	for row, name := range s.names {
		s.rows[name] = int32(row)
	}
}
