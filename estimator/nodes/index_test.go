package nodes_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/utils/ptr"

	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/estimator/nodes"
)

// cluster is an index beside the objects it was told of.
type cluster struct {
	maker
	index   *nodes.Index
	nodes   []*corev1.Node
	pods    map[string]*corev1.Pod
	volumes map[string][]estimator.Volume
	limits  map[string]map[string]int64
}

func newCluster(seed uint64) *cluster {
	return &cluster{
		maker: newMaker(seed), index: nodes.NewIndex(nodes.Options{Assumed: true}), pods: map[string]*corev1.Pod{},
		volumes: map[string][]estimator.Volume{}, limits: map[string]map[string]int64{},
	}
}

func (c *cluster) walk() *walk {
	w := &walk{nodes: c.nodes, volumes: c.volumes, limits: c.limits}
	for _, key := range slices.Sorted(maps.Keys(c.pods)) {
		w.pods = append(w.pods, c.pods[key])
	}
	return w.settle()
}

// event changes the cluster and tells the index.
func (c *cluster) event(t testing.TB) {
	name := fmt.Sprint("node", c.IntN(7))
	at := slices.IndexFunc(c.nodes, func(n *corev1.Node) bool { return n.Name == name })
	switch kind := c.IntN(12); {
	case kind < 2 || len(c.nodes) < 3:
		node := c.node(name)
		if at < 0 {
			c.nodes = append(c.nodes, node)
		} else {
			c.nodes[at] = node
		}
		if err := c.index.UpsertNode(node); err != nil {
			t.Fatal(err)
		}
	case kind == 2:
		c.nodes = slices.DeleteFunc(c.nodes, func(n *corev1.Node) bool { return n.Name == name })
		c.index.DeleteNode(name)
	case kind == 3:
		c.limit(name)
	case kind < 6:
		for _, key := range slices.Sorted(maps.Keys(c.pods)) {
			if c.one(5) {
				c.index.DeletePod(c.pods[key].Namespace, c.pods[key].Name)
				delete(c.pods, key)
			}
		}
	default:
		c.upsertPod(t, name)
	}
}

func (c *cluster) limit(node string) {
	delete(c.limits, node)
	if c.one(3) {
		c.index.DeleteCSINode(node)
		return
	}
	object := &storagev1.CSINode{}
	object.Name = node
	c.limits[node] = map[string]int64{}
	for _, driver := range []string{"disk.example.com", "nfs.example.com"} {
		if c.one(2) {
			count := int32(c.IntN(4))
			c.limits[node][driver] = int64(count)
			object.Spec.Drivers = append(object.Spec.Drivers, storagev1.CSINodeDriver{
				Name: driver, Allocatable: &storagev1.VolumeNodeResources{Count: ptr.To(count)}})
		}
	}
	c.index.UpsertCSINode(object)
}

func (c *cluster) upsertPod(t testing.TB, node string) {
	if c.one(10) {
		node = ""
	}
	pod := c.pod(fmt.Sprint("pod", c.IntN(25)), node)
	key := pod.Namespace + "/" + pod.Name
	delete(c.volumes, key)
	for c.one(3) {
		c.volumes[key] = append(c.volumes[key], estimator.Volume{Driver: pick(c.maker, "disk.example.com", "nfs.example.com")})
	}
	c.pods[key] = pod
	if err := c.index.UpsertPod(pod, c.volumes[key]...); err != nil {
		t.Fatal(err)
	}
}

// TestIndexEqualsWalk changes clusters at random and asks the index and the plain walk the same.
func TestIndexEqualsWalk(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 10
	}
	positive := map[string]int{}
	for seed := range seeds {
		c := newCluster(seed)
		for step := range 60 {
			c.event(t)
			w := c.walk()
			demand := &nodes.Demand{Requirements: c.requirements()}
			got, err := c.index.Replicas(demand, nil)
			want := w.replicas(demand)
			check(t, positive, "replicas", seed, step, got, want, err)
			if step%4 > 0 {
				continue
			}
			special := c.special()
			got, err = c.index.Replicas(special, nil)
			want = w.special(special)
			check(t, positive, "special", seed, step, got, want, err)
			components, assumed := c.components(), []estimator.AssumedWorkload{{Components: c.components()}, {Components: c.components()}}
			got, err = c.index.Sets("ns1", components, assumed)
			want = w.sets(components, assumed, 1000)
			if len(c.nodes) == 0 {
				want = 0
			}
			check(t, positive, "sets", seed, step, got, want, err)
		}
	}
	t.Logf("answers above zero: %v", positive)
	for _, op := range []string{"replicas", "special", "sets"} {
		if positive[op] < int(seeds)/2 {
			t.Errorf("only %d answers to %s were above zero: the test shows nothing", positive[op], op)
		}
	}
}

func check(t *testing.T, positive map[string]int, op string, seed uint64, step int, got, want int32, err error) {
	t.Helper()
	if err != nil || got != want {
		t.Fatalf("seed %d, step %d: %s = %d, %v; the walk finds %d", seed, step, op, got, err, want)
	}
	if got > 0 {
		positive[op]++
	}
}

// TestIndexForgets empties a cluster: what is left must answer as a new index does.
func TestIndexForgets(t *testing.T) {
	c := newCluster(1)
	for range 300 {
		c.event(t)
	}
	for _, pod := range c.pods {
		c.index.DeletePod(pod.Namespace, pod.Name)
	}
	clear(c.pods)
	for _, node := range c.nodes {
		c.index.DeleteNode(node.Name)
	}
	c.nodes = nil
	if got, err := c.index.Replicas(&nodes.Demand{}, nil); got != 0 || err != nil {
		t.Errorf("an empty cluster has room for %d, %v", got, err)
	}
	node := c.node("again")
	node.Spec = corev1.NodeSpec{}
	node.Status.Allocatable[corev1.ResourcePods] = *ptr.To(node.Status.Allocatable.Cpu().DeepCopy())
	c.nodes = append(c.nodes, node)
	if err := c.index.UpsertNode(node); err != nil {
		t.Fatal(err)
	}
	demand := &nodes.Demand{}
	if got, err := c.index.Replicas(demand, nil); got != c.walk().replicas(demand) || err != nil {
		t.Errorf("a node after all have gone has room for %d, %v; the walk finds %d", got, err, c.walk().replicas(demand))
	}
}
