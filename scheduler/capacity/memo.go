// Package capacity remembers what the general estimator said of each cluster, so that bindings that request the same share
// the work: a decision changes what is left in the few clusters it chose, and only those are estimated anew.
package capacity

import (
	"maps"
	"slices"
	"strings"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
)

// demands bounds how many different requests are remembered. A fleet has fewer sizes of pods than that; one that has more
// starts over.
const demands = 256

// Memo is a general estimator with a memory; of sets of components, which are seldom alike, it keeps none. It is lost without
// harm, and not safe for concurrent use.
//
// An answer counts as long as the Cluster and the assumed workloads are the very ones it was made from. Both must not be
// modified in place.
type Memo struct {
	general estimator.General
	known   map[string]map[string]answer
}

type answer struct {
	cluster  *clusterv1alpha1.Cluster
	assumed  []estimator.AssumedWorkload
	replicas int32
}

// New is a memory of nothing.
func New(general estimator.General) *Memo {
	return &Memo{general: general, known: map[string]map[string]answer{}}
}

// Replicas answers as estimator.General does, for any number of clusters.
func (m *Memo) Replicas(requirements *workv1alpha2.ReplicaRequirements) func(*clusterv1alpha1.Cluster, []estimator.AssumedWorkload) int32 {
	key := keyOf(requirements)
	known := m.known[key]
	if known == nil {
		if len(m.known) >= demands {
			clear(m.known)
		}
		known = map[string]answer{}
		m.known[key] = known
	}
	return func(cluster *clusterv1alpha1.Cluster, assumed []estimator.AssumedWorkload) int32 {
		last, ok := known[cluster.Name]
		if !ok || last.cluster != cluster || !same(last.assumed, assumed) {
			last = answer{cluster: cluster, assumed: assumed, replicas: m.general.Replicas(cluster, requirements, assumed)}
			known[cluster.Name] = last
		}
		return last.replicas
	}
}

// keyOf tells apart what the general estimator tells apart, which looks at resources only.
func keyOf(requirements *workv1alpha2.ReplicaRequirements) string {
	if requirements == nil {
		return ""
	}
	var key strings.Builder
	key.WriteByte('=')
	for _, name := range slices.Sorted(maps.Keys(requirements.ResourceRequest)) {
		quantity := requirements.ResourceRequest[name]
		key.WriteString(string(name))
		key.WriteByte('=')
		key.WriteString(quantity.String())
		key.WriteByte(';')
	}
	return key.String()
}

// same reports whether two slices are one.
func same(a, b []estimator.AssumedWorkload) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
