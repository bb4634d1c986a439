// Package snapshot keeps the fleet as decisions see it up to date with what a cache of the API server holds, at the price
// of what changed. It is lost with the process without harm: the first Sync builds it anew.
package snapshot

import (
	"maps"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/scheduler/placement"
	"github.com/seatrial/seatrial/workload"
)

// Cache holds the newest Snapshot. It is not safe for concurrent use; the Snapshots it returns are.
type Cache struct {
	current  *placement.Snapshot
	revision uint64
	peers    *placement.Peers
}

// New is the cache of an empty fleet.
func New() *Cache {
	return &Cache{current: placement.NewSnapshot(nil), peers: &placement.Peers{}}
}

// Current is the newest Snapshot.
func (c *Cache) Current() *placement.Snapshot { return c.current }

// Revision counts the Snapshots there were: while it stays, so does Current.
func (c *Cache) Revision() uint64 { return c.revision }

func (c *Cache) replace(next *placement.Snapshot) {
	c.current = next
	c.revision++
}

// Change is how a fleet differs from before.
type Change struct {
	// Traits is set when clusters came, went, or changed in what filters and scores look at.
	Traits bool
	// Capacity lists the clusters, in ascending order of name, whose reported resources changed, those that came included.
	Capacity []string
	// Gone lists the clusters that went, in ascending order of name.
	Gone []string
}

// Matters tells whether a change of one cluster may change a decision.
func Matters(old, current *clusterv1alpha1.Cluster) bool {
	return !sameTraits(old, current) || !sameCapacity(old, current)
}

// Sync takes over what differs in the clusters, which may be in any order. Objects are told apart by resource version, and
// copied only where they differ, without what they point to: that must not be modified.
func (c *Cache) Sync(clusters []clusterv1alpha1.Cluster) Change {
	var change Change
	present := make(map[string]bool, len(clusters))
	var different []*clusterv1alpha1.Cluster
	for i := range clusters {
		next := &clusters[i]
		present[next.Name] = true
		known := c.current.Cluster(next.Name)
		if known != nil && known.UID == next.UID && known.ResourceVersion == next.ResourceVersion {
			continue
		}
		// A pointer into the list would keep all of it in memory.
		copied := *next
		different = append(different, &copied)
		change.Traits = change.Traits || known == nil || !sameTraits(known, next)
		if known == nil || !sameCapacity(known, next) {
			change.Capacity = append(change.Capacity, next.Name)
		}
	}
	for _, known := range c.current.Clusters() {
		if !present[known.Name] {
			change.Gone = append(change.Gone, known.Name)
		}
	}
	if len(change.Gone) > 0 {
		c.replace(c.current.Without(change.Gone...))
		change.Traits = true
	}
	if len(different) > 0 {
		c.replace(c.current.With(different...))
	}
	slices.Sort(change.Capacity)
	return change
}

func sameTraits(a, b *clusterv1alpha1.Cluster) bool {
	return a.Generation == b.Generation && maps.Equal(a.Labels, b.Labels) && maps.Equal(a.Annotations, b.Annotations) &&
		a.DeletionTimestamp.IsZero() == b.DeletionTimestamp.IsZero() &&
		workload.EqualEnablements(a.Status.APIEnablements, b.Status.APIEnablements) &&
		meta.IsStatusConditionTrue(a.Status.Conditions, names.ConditionCompleteAPIEnablements) ==
			meta.IsStatusConditionTrue(b.Status.Conditions, names.ConditionCompleteAPIEnablements)
}

func sameCapacity(a, b *clusterv1alpha1.Cluster) bool {
	return workload.Equal(a.Status.ResourceSummary, b.Status.ResourceSummary)
}

// Store records a binding for workload affinity, as it was read. Bindings without groups leave no trace.
func (c *Cache) Store(bound binding.Binding) {
	groups := bound.Spec.WorkloadAffinityGroups
	if groups == nil {
		c.drop(bound.NamespacedName(), false)
		return
	}
	c.put(peerOf(bound))
}

// Assume records a decision for workload affinity whose write is on its way.
func (c *Cache) Assume(bound binding.Binding, decision placement.Decision) {
	if bound.Spec.WorkloadAffinityGroups == nil || decision.Err != nil {
		return
	}
	peer := peerOf(bound)
	peer.InFlight, peer.Clusters = true, nil
	// Whatever version the write gets, it is later than the one it was decided on.
	peer.ResourceVersion++
	for _, target := range decision.Clusters {
		peer.Clusters = append(peer.Clusters, target.Name)
	}
	c.put(peer)
}

// Retract forgets a decision that was not written.
func (c *Cache) Retract(name types.NamespacedName) { c.drop(name, true) }

// Delete forgets a binding.
func (c *Cache) Delete(name types.NamespacedName) {
	c.drop(name, false)
	c.drop(name, true)
}

func (c *Cache) put(peer placement.Peer) {
	c.peers = c.peers.Put(peer)
	c.replace(c.current.WithPeers(c.peers))
}

func (c *Cache) drop(name types.NamespacedName, inFlight bool) {
	if peers := c.peers.Drop(name, inFlight); peers != c.peers {
		c.peers = peers
		c.replace(c.current.WithPeers(peers))
	}
}

func peerOf(bound binding.Binding) placement.Peer {
	peer := placement.Peer{
		Binding:           bound.NamespacedName(),
		AffinityGroup:     bound.Spec.WorkloadAffinityGroups.AffinityGroup,
		AntiAffinityGroup: bound.Spec.WorkloadAffinityGroups.AntiAffinityGroup,
		// A version that is no number orders nothing, and counts as the oldest.
		ResourceVersion: Version(bound.GetResourceVersion()),
	}
	for _, target := range bound.Spec.Clusters {
		peer.Clusters = append(peer.Clusters, target.Name)
	}
	return peer
}

// Version is a resource version as a number, 0 for one that is none.
func Version(resourceVersion string) uint64 {
	version, err := strconv.ParseUint(resourceVersion, 10, 64)
	if err != nil {
		return 0
	}
	return version
}
