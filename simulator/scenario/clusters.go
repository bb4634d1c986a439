package scenario

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/configfile"
	"github.com/seatrial/seatrial/fleet"
)

const defaultPool = "default"

func (p *planner) addClusters() {
	if p.scenario.Fleet.Snapshot != "" {
		p.addSnapshot()
	}
	for i := range p.scenario.Fleet.Clusters {
		field := index("fleet.clusters", i)
		p.plan.Clusters = append(p.plan.Clusters, p.grow(field, &p.scenario.Fleet.Clusters[i])...)
	}
}

// grow makes the clusters of a group and enters them into the model.
func (p *planner) grow(field string, g *ClusterGroup) []*Cluster {
	var made []*Cluster
	for n := range max(g.Count, 1) {
		c := p.cluster(field, g, named(g.Name, n+1))
		if !p.fleet.add(c) {
			p.add(field+".name", "give each cluster a name of its own", "there is another cluster %s", c.Name)
			continue
		}
		made = append(made, c)
	}
	return made
}

func (p *planner) cluster(field string, g *ClusterGroup, name string) *Cluster {
	members := &p.scenario.Settings.Members
	c := &Cluster{
		Name: name, Provider: g.Provider, Region: g.Region, Zones: g.Zones, Labels: maps.Clone(g.Labels), Taints: taints(g.Taints),
		SyncMode: cmp.Or(g.SyncMode, "Push"), Startup: g.Startup, API: members.API, Scheduler: p.kubeScheduler(field, g.Scheduler),
	}
	if c.Startup == nil {
		c.Startup = members.Startup
	}
	if g.API != nil {
		c.API = *g.API
	}
	if g.Price != nil {
		c.Price = price(*g.Price)
	}
	pools := g.Pools
	if len(pools) == 0 {
		pools = []NodePool{{Count: fleet.DefaultNodes}}
	}
	for i := range pools {
		pool := pools[i].shape()
		c.Pools = append(c.Pools, pool)
		c.extend(pool, pools[i].Count)
	}
	return c
}

func price(value float64) string { return strconv.FormatFloat(value, 'f', -1, 64) }

// extend adds nodes to a pool, spread over the zones in turn.
func (c *Cluster) extend(pool *Pool, count int) []Node {
	first := 0
	for i := range c.Nodes {
		if c.Nodes[i].Pool == pool {
			first++
		}
	}
	c.Nodes = slices.Grow(c.Nodes, count)
	for i := range count {
		node := Node{Name: fmt.Sprintf("%s-%s-%d", c.Name, pool.Name, first+i+1), Pool: pool}
		if len(c.Zones) > 0 {
			node.Zone = c.Zones[(first+i)%len(c.Zones)]
		}
		c.Nodes = append(c.Nodes, node)
	}
	return c.Nodes[len(c.Nodes)-count:]
}

func (n *NodePool) shape() *Pool {
	pool := &Pool{
		Name: orWord(n.Name, defaultPool), Labels: maps.Clone(n.Labels), Taints: taints(n.Taints), Price: n.Price, Autoscaling: n.Autoscaling,
		Allocatable: corev1.ResourceList{
			corev1.ResourceCPU: n.CPU.or(fleet.DefaultCPU), corev1.ResourceMemory: n.Memory.or(fleet.DefaultMemory),
			corev1.ResourcePods: n.Pods.or(fleet.DefaultPods),
		},
	}
	for name, quantity := range n.Extended {
		pool.Allocatable[corev1.ResourceName(name)] = quantity.Quantity
	}
	return pool
}

func (q *Quantity) or(otherwise string) resource.Quantity {
	if q.empty() {
		return resource.MustParse(otherwise)
	}
	return q.Quantity
}

func taints(list []Taint) []corev1.Taint {
	var made []corev1.Taint
	for _, t := range list {
		made = append(made, t.object())
	}
	return made
}

func (t Taint) object() corev1.Taint {
	return corev1.Taint{Key: t.Key, Value: t.Value, Effect: corev1.TaintEffect(t.Effect)}
}

// addSnapshot makes clusters of the Cluster and Node objects of a file. Nodes that are alike share a pool.
func (p *planner) addSnapshot() {
	const field = "fleet.snapshot"
	name := p.scenario.Fleet.Snapshot
	content := p.readable(p.scenario, field, name)
	if content == nil {
		return
	}
	clusters := map[string]*Cluster{}
	var nodes []*corev1.Node
	for _, object := range p.objects(name, field, content) {
		switch object := object.(type) {
		case *clusterv1alpha1.Cluster:
			made := p.snapshotCluster(object)
			clusters[made.Name] = made
			if !p.fleet.add(made) {
				p.add(field, "keep each cluster once", "there is another cluster %s", made.Name)
			}
			p.plan.Clusters = append(p.plan.Clusters, made)
		case *corev1.Node:
			nodes = append(nodes, object)
		default:
			p.plan.Objects = append(p.plan.Objects, object)
			p.load.apply(object)
		}
	}
	slices.SortFunc(nodes, func(a, b *corev1.Node) int { return strings.Compare(a.Name, b.Name) })
	for _, node := range nodes {
		of, known := clusters[node.Annotations[ClusterAnnotation]]
		if !known {
			p.list = append(p.list, configfile.Problem{File: name, Text: fmt.Sprintf("Node %s belongs to cluster %q, which is not there", node.Name, node.Annotations[ClusterAnnotation]),
				Fix: "name a cluster of the snapshot in the annotation " + ClusterAnnotation})
			continue
		}
		of.adopt(node)
	}
}

func (p *planner) snapshotCluster(object *clusterv1alpha1.Cluster) *Cluster {
	members := &p.scenario.Settings.Members
	return &Cluster{
		Name: object.Name, Provider: object.Spec.Provider, Region: object.Spec.Region, Zones: object.Spec.Zones,
		Labels: object.Labels, Taints: object.Spec.Taints, SyncMode: SyncMode(cmp.Or(object.Spec.SyncMode, clusterv1alpha1.Push)),
		Price:   cmp.Or(object.Annotations[names.ClusterPrice], object.Labels[names.ClusterPrice]),
		Startup: members.Startup, API: members.API, Scheduler: p.kubeScheduler("", ""),
	}
}

// adopt takes a node as it is. Its hostname and topology are kept apart from what its pool shares.
func (c *Cluster) adopt(object *corev1.Node) {
	labels := maps.Clone(object.Labels)
	for _, own := range []string{corev1.LabelHostname, corev1.LabelTopologyRegion, corev1.LabelTopologyZone} {
		delete(labels, own)
	}
	alike := func(pool *Pool) bool {
		return maps.Equal(pool.Labels, labels) && slices.EqualFunc(pool.Taints, object.Spec.Taints, func(a, b corev1.Taint) bool { return a == b }) &&
			maps.EqualFunc(pool.Allocatable, object.Status.Allocatable, func(a, b resource.Quantity) bool { return a.Cmp(b) == 0 })
	}
	at := slices.IndexFunc(c.Pools, alike)
	if at < 0 {
		at = len(c.Pools)
		c.Pools = append(c.Pools, &Pool{
			Name: fmt.Sprintf("pool-%d", at+1), Labels: labels, Taints: object.Spec.Taints, Allocatable: object.Status.Allocatable,
		})
	}
	c.Nodes = append(c.Nodes, Node{Name: object.Name, Zone: object.Labels[corev1.LabelTopologyZone], Pool: c.Pools[at]})
}

func (p *planner) addManifests() {
	for i := range p.scenario.Manifests {
		m, field := &p.scenario.Manifests[i], index("manifests", i)
		objects := p.manifest(p.scenario, field, m)
		if m.At.Duration > 0 {
			p.arrivals = append(p.arrivals, Action{At: m.At.Duration, Verb: Apply, Name: "apply " + describe(objects), Field: field, Objects: objects})
			continue
		}
		p.plan.Objects = append(p.plan.Objects, objects...)
		for _, object := range objects {
			p.load.apply(object)
		}
	}
}

// describe names objects for people.
func describe(objects []client.Object) string {
	if len(objects) == 0 {
		return "nothing"
	}
	first := fmt.Sprintf("%s %s", kindName(objects[0]), objects[0].GetName())
	if len(objects) > 1 {
		return fmt.Sprintf("%s and %d more", first, len(objects)-1)
	}
	return first
}

func kindName(object client.Object) string { return object.GetObjectKind().GroupVersionKind().Kind }

// addNamespaces lets the namespaces exist that objects stand in, before them.
func (p *planner) addNamespaces() {
	needed := map[string]bool{}
	visit := func(objects []client.Object, into map[string]bool) {
		for _, object := range objects {
			if namespace := object.GetNamespace(); namespace != "" && namespace != corev1.NamespaceDefault {
				into[namespace] = true
			}
		}
	}
	visit(p.plan.Objects, needed)
	for i := range p.plan.Actions {
		visit(p.plan.Actions[i].Objects, needed)
	}
	var first, rest []client.Object
	for _, object := range p.plan.Objects {
		if namespace, ok := object.(*corev1.Namespace); ok {
			delete(needed, namespace.Name)
			first = append(first, object)
			continue
		}
		rest = append(rest, object)
	}
	for _, name := range slices.Sorted(maps.Keys(needed)) {
		made := &corev1.Namespace{}
		made.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
		made.Name = name
		first = append(first, made)
	}
	p.plan.Objects = slices.Concat(first, rest)
}
