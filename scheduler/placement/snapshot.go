package placement

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
)

// Snapshot is the fleet at one moment. It never changes: With and Without return a new one that shares what stayed equal,
// so that any number of decisions may run on one Snapshot at once. Cluster objects given to it must not be modified.
//
// Rows are clusters in ascending order of name; each column has one entry a row.
type Snapshot struct {
	names    []string
	clusters []*clusterv1alpha1.Cluster
	labels   []labels.Set
	region   []int32
	provider []int32
	taints   []int32
	apis     []int32
	flags    []rowFlag

	// rows finds a row by name. Snapshots with the same set of names share it.
	rows map[string]int32
	// The dictionaries turn what many clusters have in common into small numbers. They only grow from one Snapshot to its
	// successors, which keeps numbers of shared columns valid.
	regions   dictionary[string]
	providers dictionary[string]
	taintSets dictionary[taintSet]
	apiSets   dictionary[apiSet]

	peers *Peers
}

type rowFlag uint8

const (
	// rowTerminating marks a cluster that is being deleted.
	rowTerminating rowFlag = 1 << iota
)

// NewSnapshot builds a Snapshot of clusters in any order. Of several clusters with one name the last counts.
func NewSnapshot(clusters []*clusterv1alpha1.Cluster) *Snapshot {
	empty := &Snapshot{rows: map[string]int32{}, peers: &Peers{}}
	return empty.With(clusters...)
}

// With returns a Snapshot in which the given clusters are added or replaced. Its cost is a copy of the columns, not of the
// clusters.
func (s *Snapshot) With(clusters ...*clusterv1alpha1.Cluster) *Snapshot {
	next := s.copyColumns()
	fresh := next.replaceKnown(clusters)
	if len(fresh) > 0 {
		next.insert(fresh)
	}
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
	next := *s
	next.permute(kept)
	return &next
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

func (s *Snapshot) copyColumns() *Snapshot {
	next := *s
	next.clusters = slices.Clone(s.clusters)
	next.labels = slices.Clone(s.labels)
	next.region = slices.Clone(s.region)
	next.provider = slices.Clone(s.provider)
	next.taints = slices.Clone(s.taints)
	next.apis = slices.Clone(s.apis)
	next.flags = slices.Clone(s.flags)
	next.regions.owned, next.providers.owned, next.taintSets.owned, next.apiSets.owned = false, false, false, false
	return &next
}

// replaceKnown fills the rows of clusters that have one and returns the others.
func (s *Snapshot) replaceKnown(clusters []*clusterv1alpha1.Cluster) []*clusterv1alpha1.Cluster {
	var fresh []*clusterv1alpha1.Cluster
	for _, cluster := range clusters {
		if row, ok := s.rows[cluster.Name]; ok {
			s.fill(row, cluster)
			continue
		}
		fresh = append(fresh, cluster)
	}
	return fresh
}

// insert appends rows, then restores the order by name.
func (s *Snapshot) insert(fresh []*clusterv1alpha1.Cluster) {
	last := make(map[string]*clusterv1alpha1.Cluster, len(fresh))
	for _, cluster := range fresh {
		last[cluster.Name] = cluster
	}
	s.names = slices.Grow(slices.Clone(s.names), len(last))
	for _, cluster := range fresh {
		if last[cluster.Name] != cluster {
			continue
		}
		delete(last, cluster.Name)
		s.names = append(s.names, cluster.Name)
		s.clusters = append(s.clusters, nil)
		s.labels = append(s.labels, nil)
		s.region = append(s.region, 0)
		s.provider = append(s.provider, 0)
		s.taints = append(s.taints, 0)
		s.apis = append(s.apis, 0)
		s.flags = append(s.flags, 0)
		s.fill(int32(len(s.names)-1), cluster)
	}
	order := make([]int32, len(s.names))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return strings.Compare(s.names[a], s.names[b]) })
	s.permute(order)
}

func (s *Snapshot) fill(row int32, cluster *clusterv1alpha1.Cluster) {
	s.clusters[row] = cluster
	s.labels[row] = cluster.Labels
	s.region[row] = s.regions.number(cluster.Spec.Region, cluster.Spec.Region)
	s.provider[row] = s.providers.number(cluster.Spec.Provider, cluster.Spec.Provider)
	taints := newTaintSet(cluster.Spec.Taints)
	s.taints[row] = s.taintSets.number(taints.key(), taints)
	s.apis[row] = s.apiSets.number(apiKey(cluster.Status.APIEnablements), apiSet{enablements: cluster.Status.APIEnablements})
	s.flags[row] = 0
	if !cluster.DeletionTimestamp.IsZero() {
		s.flags[row] |= rowTerminating
	}
}

// permute keeps the rows listed in order, in that order.
func (s *Snapshot) permute(order []int32) {
	s.names = pick(s.names, order)
	s.clusters = pick(s.clusters, order)
	s.labels = pick(s.labels, order)
	s.region = pick(s.region, order)
	s.provider = pick(s.provider, order)
	s.taints = pick(s.taints, order)
	s.apis = pick(s.apis, order)
	s.flags = pick(s.flags, order)
	s.rows = make(map[string]int32, len(order))
	for row, name := range s.names {
		s.rows[name] = int32(row)
	}
}

func pick[T any](column []T, order []int32) []T {
	picked := make([]T, len(order))
	for i, from := range order {
		picked[i] = column[from]
	}
	return picked
}

// dictionary numbers distinct values by a key that tells them apart. Copies of a dictionary agree: a number, once given,
// means the same value in all of them.
type dictionary[V any] struct {
	numbers map[string]int32
	values  []V
	// owned is false while other copies use the same map and list.
	owned bool
}

// number finds or gives the number of a value. It copies what it grows, so that other copies never see a write.
func (d *dictionary[V]) number(key string, value V) int32 {
	if number, ok := d.numbers[key]; ok {
		return number
	}
	if !d.owned {
		d.numbers = maps.Clone(d.numbers)
		d.values = slices.Clip(d.values)
		d.owned = true
	}
	if d.numbers == nil {
		d.numbers = map[string]int32{}
	}
	number := int32(len(d.values))
	d.numbers[key] = number
	d.values = append(d.values, value)
	return number
}

// String names the clusters, for messages of tests and tools.
func (s *Snapshot) String() string {
	return fmt.Sprintf("%d clusters: %s", len(s.names), strings.Join(s.names, " "))
}
