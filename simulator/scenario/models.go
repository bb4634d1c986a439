package scenario

import (
	"cmp"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// fleetModel follows which clusters and nodes there are while the timeline is expanded.
type fleetModel struct{ clusters map[string]*Cluster }

func newFleetModel() *fleetModel { return &fleetModel{clusters: map[string]*Cluster{}} }

// add reports whether the cluster is new. The model has a copy of its own, for its nodes will change.
func (m *fleetModel) add(c *Cluster) bool {
	if _, exists := m.clusters[c.Name]; exists {
		return false
	}
	m.clusters[c.Name] = c
	return true
}

// part makes the clusters the model's own: those of the plan stay as they are at the beginning. Their nodes are shared until some
// come or go.
func (m *fleetModel) part() {
	for name, c := range m.clusters {
		mine := *c
		mine.Nodes = slices.Clip(c.Nodes)
		m.clusters[name] = &mine
	}
}

// choose finds the clusters that a selection means, sorted by name.
func (m *fleetModel) choose(s *Clusters, from rand.Source) []*Cluster {
	var chosen []*Cluster
	for _, name := range slices.Sorted(maps.Keys(m.clusters)) {
		if c := m.clusters[name]; s.matches(c) {
			chosen = append(chosen, c)
		}
	}
	return pick(chosen, &s.Pick, from)
}

func (s *Clusters) matches(c *Cluster) bool {
	return (len(s.Names) == 0 || slices.Contains(s.Names, c.Name)) &&
		(s.Provider == "" || s.Provider == c.Provider) && (s.Region == "" || s.Region == c.Region) &&
		(s.Zone == "" || slices.Contains(c.Zones, s.Zone)) && (s.SyncMode == "" || s.SyncMode == c.SyncMode) &&
		labels.SelectorFromSet(s.Labels).Matches(labels.Set(c.Labels))
}

// pick takes a random part of a list and keeps its order; all without an amount.
func pick[T any](all []T, amount *Amount, from rand.Source) []T {
	chosen := sample(len(all), amount, from)
	if chosen == nil {
		return all
	}
	picked := make([]T, 0, len(chosen))
	for _, i := range chosen {
		picked = append(picked, all[i])
	}
	return picked
}

// sample draws different places in a list of so many, in order (Floyd's algorithm); nil means all of them.
func sample(total int, amount *Amount, from rand.Source) []int {
	if amount.empty() || amount.of(total) == total {
		return nil
	}
	chance, wanted := rand.New(from), amount.of(total)
	seen := make(map[int]bool, wanted)
	chosen := make([]int, 0, wanted)
	for last := total - wanted; last < total; last++ {
		at := chance.IntN(last + 1)
		if seen[at] {
			at = last
		}
		seen[at] = true
		chosen = append(chosen, at)
	}
	slices.Sort(chosen)
	return chosen
}

// located is a node with its cluster.
type located struct {
	cluster *Cluster
	name    string
}

// chooseNodes finds the nodes that a selection means, by cluster. A fleet may have very many of them: they are counted before any
// is listed.
func (m *fleetModel) chooseNodes(s *Nodes, from rand.Source) []located {
	clusters := m.choose(&s.Clusters, from)
	total := 0
	for _, c := range clusters {
		total += s.count(c)
	}
	chosen := sample(total, &s.Pick, from)
	var found []located
	first := 0
	for _, c := range clusters {
		end := first + s.count(c)
		if chosen == nil {
			for _, node := range s.of(c) {
				found = append(found, located{c, node.Name})
			}
		} else if len(chosen) > 0 && chosen[0] < end {
			nodes := s.of(c)
			for ; len(chosen) > 0 && chosen[0] < end; chosen = chosen[1:] {
				found = append(found, located{c, nodes[chosen[0]-first].Name})
			}
		}
		first = end
	}
	return found
}

func (s *Nodes) matches(node *Node) bool {
	return (s.Pool == "" || s.Pool == node.Pool.Name) && (s.Zone == "" || s.Zone == node.Zone)
}

// count is how many nodes of a cluster the selection means.
func (s *Nodes) count(c *Cluster) int {
	if s.Pool == "" && s.Zone == "" {
		return len(c.Nodes)
	}
	count := 0
	for i := range c.Nodes {
		if s.matches(&c.Nodes[i]) {
			count++
		}
	}
	return count
}

// of are the nodes of a cluster that the selection means.
func (s *Nodes) of(c *Cluster) []Node {
	if s.Pool == "" && s.Zone == "" {
		return c.Nodes
	}
	var meant []Node
	for i := range c.Nodes {
		if s.matches(&c.Nodes[i]) {
			meant = append(meant, c.Nodes[i])
		}
	}
	return meant
}

func byCluster(nodes []located) []NodesOf {
	var grouped []NodesOf
	for _, node := range nodes {
		if last := len(grouped) - 1; last < 0 || grouped[last].Cluster != node.cluster.Name {
			grouped = append(grouped, NodesOf{Cluster: node.cluster.Name})
		}
		last := &grouped[len(grouped)-1]
		last.Names = append(last.Names, node.name)
	}
	return grouped
}

// loadModel follows which workloads there are, and with how many replicas, as far as the scenario says.
type loadModel struct {
	workloads map[string]*loadEntry
	// sorted are its keys in order, until something comes or goes.
	sorted []string
}

type loadEntry struct {
	target Target
	labels map[string]string
}

func newLoadModel() *loadModel { return &loadModel{workloads: map[string]*loadEntry{}} }

func keyOf(kind, namespace, name string) string { return kind + "/" + namespace + "/" + name }

// apply enters an object if it has replicas.
func (m *loadModel) apply(object client.Object) {
	var replicas int32
	switch object := object.(type) {
	case *appsv1.Deployment:
		replicas = ptr.Deref(object.Spec.Replicas, 1)
	case *appsv1.StatefulSet:
		replicas = ptr.Deref(object.Spec.Replicas, 1)
	case *batchv1.Job:
		replicas = ptr.Deref(object.Spec.Parallelism, 1)
	default:
		return
	}
	gvk := object.GetObjectKind().GroupVersionKind()
	namespace := cmp.Or(object.GetNamespace(), "default")
	m.workloads[keyOf(gvk.Kind, namespace, object.GetName())] = &loadEntry{
		labels: object.GetLabels(),
		target: Target{APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind, Namespace: namespace, Name: object.GetName(), Replicas: replicas},
	}
	m.sorted = nil
}

func (m *loadModel) remove(key string) {
	delete(m.workloads, key)
	m.sorted = nil
}

// choose finds the workloads that a selection means, sorted by kind, namespace and name.
func (m *loadModel) choose(s *Selection, from rand.Source) []*loadEntry {
	if m.sorted == nil {
		m.sorted = slices.SortedFunc(maps.Keys(m.workloads), strings.Compare)
	}
	var chosen []*loadEntry
	for _, key := range m.sorted {
		if entry := m.workloads[key]; s.matches(entry.target.Namespace, entry.target.Name, entry.labels) {
			chosen = append(chosen, entry)
		}
	}
	return pick(chosen, &s.Pick, from)
}

func (s *Selection) matches(namespace, name string, of map[string]string) bool {
	return (len(s.Namespaces) == 0 || slices.Contains(s.Namespaces, namespace)) && (len(s.Names) == 0 || slices.Contains(s.Names, name)) &&
		labels.SelectorFromSet(s.Labels).Matches(labels.Set(of))
}
