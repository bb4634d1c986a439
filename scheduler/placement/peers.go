package placement

import (
	"maps"

	"k8s.io/apimachinery/pkg/types"
)

// Peer is a binding as workload affinity sees it.
type Peer struct {
	Binding types.NamespacedName
	// ResourceVersion orders the states of one binding, larger ones are later.
	ResourceVersion uint64
	// InFlight marks a decision whose write is on its way. It counts instead of the stored binding while its resource
	// version is the larger one.
	InFlight bool
	// AffinityGroup and AntiAffinityGroup are the groups of the workload, empty for none.
	AffinityGroup     string
	AntiAffinityGroup string
	// Clusters are the clusters the workload is assigned to.
	Clusters []string
}

// Peers holds the bindings with a group. It never changes: Put and Drop return a new one.
type Peers struct {
	// byNamespace holds, for each namespace, the known states by binding name.
	byNamespace map[string]map[string]peerStates
}

type peerStates struct {
	stored, inFlight *Peer
}

// current is the state that counts: nothing for a binding that is not stored.
func (p peerStates) current() *Peer {
	if p.stored != nil && p.inFlight != nil && p.inFlight.ResourceVersion > p.stored.ResourceVersion {
		return p.inFlight
	}
	return p.stored
}

// inGroup is the state that counts when that and the stored one are in the group, otherwise nil.
func (p peerStates) inGroup(group string, of func(*Peer) string) *Peer {
	if current := p.current(); group != "" && current != nil && of(current) == group && of(p.stored) == group {
		return current
	}
	return nil
}

// Put returns Peers in which the given states replace those of the same binding and kind (stored or in flight).
func (p *Peers) Put(peers ...Peer) *Peers {
	next := &Peers{byNamespace: maps.Clone(p.byNamespace)}
	if next.byNamespace == nil {
		next.byNamespace = map[string]map[string]peerStates{}
	}
	copied := map[string]bool{}
	for i := range peers {
		namespace := peers[i].Binding.Namespace
		if !copied[namespace] {
			copied[namespace] = true
			next.byNamespace[namespace] = maps.Clone(next.byNamespace[namespace])
			if next.byNamespace[namespace] == nil {
				next.byNamespace[namespace] = map[string]peerStates{}
			}
		}
		states := next.byNamespace[namespace][peers[i].Binding.Name]
		if peers[i].InFlight {
			states.inFlight = &peers[i]
		} else {
			states.stored = &peers[i]
		}
		next.byNamespace[namespace][peers[i].Binding.Name] = states
	}
	return next
}

// Drop returns Peers without the stored or the in-flight state of a binding.
func (p *Peers) Drop(binding types.NamespacedName, inFlight bool) *Peers {
	states, ok := p.byNamespace[binding.Namespace][binding.Name]
	if !ok {
		return p
	}
	if inFlight {
		states.inFlight = nil
	} else {
		states.stored = nil
	}
	next := &Peers{byNamespace: maps.Clone(p.byNamespace)}
	inNamespace := maps.Clone(p.byNamespace[binding.Namespace])
	if states == (peerStates{}) {
		delete(inNamespace, binding.Name)
	} else {
		inNamespace[binding.Name] = states
	}
	next.byNamespace[binding.Namespace] = inNamespace
	return next
}

// groupFilter rejects clusters by the workloads that are there.
type groupFilter struct {
	// required are the clusters that all workloads of the affinity group share; nil when none of them is placed yet.
	required rowSet
	// forbidden are the clusters of any workload of the anti-affinity group.
	forbidden rowSet
}

func newGroupFilter(r *Request, s *Snapshot) groupFilter {
	var f groupFilter
	groups := r.Spec.WorkloadAffinityGroups
	if groups == nil {
		return f
	}
	for name, states := range s.peers.byNamespace[r.Binding.Namespace] {
		if name == r.Binding.Name {
			continue
		}
		friend := states.inGroup(groups.AffinityGroup, func(p *Peer) string { return p.AffinityGroup })
		if friend != nil && len(friend.Clusters) > 0 {
			f.required = f.required.both(s.rowsNamed(friend.Clusters))
		}
		rival := states.inGroup(groups.AntiAffinityGroup, func(p *Peer) string { return p.AntiAffinityGroup })
		if rival != nil {
			f.forbidden = f.forbidden.either(s.rowsNamed(rival.Clusters))
		}
	}
	return f
}

func (f *groupFilter) judge(row int32) PluginSet {
	var rejecting PluginSet
	if f.required != nil && !f.required.has(row) {
		rejecting |= 1 << WorkloadAffinity
	}
	if f.forbidden.has(row) {
		rejecting |= 1 << WorkloadAntiAffinity
	}
	return rejecting
}
