package nodes_test

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/estimator/nodes"
)

// sixNodes are two nodes with 4 CPUs and 10 pods in each of three zones.
func sixNodes(t *testing.T) *nodes.Index {
	t.Helper()
	index := nodes.NewIndex(nodes.Options{Quotas: true, Assumed: true})
	for i := range 6 {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("n", i)}}
		node.Labels = map[string]string{corev1.LabelHostname: node.Name, "zone": []string{"a", "b", "c"}[i/2]}
		node.Status.Allocatable = list("4", "10")
		if err := index.UpsertNode(node); err != nil {
			t.Fatal(err)
		}
	}
	return index
}

func list(cpu, pods string) corev1.ResourceList {
	return corev1.ResourceList{"cpu": resource.MustParse(cpu), "pods": resource.MustParse(pods)}
}

func put(t *testing.T, index *nodes.Index, node, name, cpu string, change func(*corev1.Pod), volumes ...estimator.Volume) {
	t.Helper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, Labels: map[string]string{"app": "web"}}}
	pod.Spec.NodeName = node
	pod.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse(cpu)}}}}
	if change != nil {
		change(pod)
	}
	if err := index.UpsertPod(pod, volumes...); err != nil {
		t.Fatal(err)
	}
}

func oneCPU() *workv1alpha2.ReplicaRequirements {
	return &workv1alpha2.ReplicaRequirements{Namespace: "ns", ResourceRequest: corev1.ResourceList{"cpu": resource.MustParse("1")}}
}

var (
	web    = map[string]string{"app": "web"}
	webs   = &metav1.LabelSelector{MatchLabels: web}
	byNode = corev1.PodAffinityTerm{TopologyKey: corev1.LabelHostname, LabelSelector: webs}
	byZone = corev1.PodAffinityTerm{TopologyKey: "zone", LabelSelector: webs}
)

func spread(key string, skew int32) corev1.TopologySpreadConstraint {
	return corev1.TopologySpreadConstraint{TopologyKey: key, MaxSkew: skew, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: webs}
}

// TestWishes starts from six empty nodes with room for 24 replicas, and one web pod with 2 CPUs on the first.
func TestWishes(t *testing.T) {
	for name, c := range map[string]struct {
		pod  estimator.PodDemand
		want int32
	}{
		"none":                               {estimator.PodDemand{}, 22},
		"one a node":                         {estimator.PodDemand{Labels: web, AntiAffinity: []corev1.PodAffinityTerm{byNode}}, 5},
		"one a zone":                         {estimator.PodDemand{Labels: web, AntiAffinity: []corev1.PodAffinityTerm{byZone}}, 2},
		"away from web":                      {estimator.PodDemand{AntiAffinity: []corev1.PodAffinityTerm{byZone}}, 16},
		"beside web":                         {estimator.PodDemand{Affinity: []corev1.PodAffinityTerm{byZone}}, 6},
		"on the node of web":                 {estimator.PodDemand{Affinity: []corev1.PodAffinityTerm{byNode}}, 2},
		"beside a pod that is not there":     {estimator.PodDemand{Affinity: []corev1.PodAffinityTerm{{TopologyKey: "zone", LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}}}}, 0},
		"beside each other":                  {estimator.PodDemand{Labels: map[string]string{"app": "db"}, Affinity: []corev1.PodAffinityTerm{{TopologyKey: "zone", LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}}}}, 8},
		"evenly over zones":                  {estimator.PodDemand{Labels: web, Spread: []corev1.TopologySpreadConstraint{spread("zone", 1)}}, 6 + 8 + 8},
		"evenly over nodes":                  {estimator.PodDemand{Labels: web, Spread: []corev1.TopologySpreadConstraint{spread(corev1.LabelHostname, 1)}}, 2 + 5*4},
		"soft":                               {estimator.PodDemand{Labels: web, Spread: []corev1.TopologySpreadConstraint{{TopologyKey: "none", MaxSkew: 1, WhenUnsatisfiable: corev1.ScheduleAnyway, LabelSelector: webs}}}, 22},
		"over a key that no node has":        {estimator.PodDemand{Labels: web, Spread: []corev1.TopologySpreadConstraint{spread("rack", 1)}}, 0},
		"over more domains than there are":   {estimator.PodDemand{Labels: web, Spread: []corev1.TopologySpreadConstraint{{TopologyKey: "zone", MaxSkew: 2, MinDomains: ptr.To[int32](5), WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: webs}}}, 5},
		"host port":                          {estimator.PodDemand{HostPorts: []estimator.HostPort{{Port: 80}}}, 6},
		"host port in use":                   {estimator.PodDemand{HostPorts: []estimator.HostPort{{Port: 443}}}, 5},
		"host port in use on another IP":     {estimator.PodDemand{HostPorts: []estimator.HostPort{{Port: 443, IP: "10.0.0.2"}}}, 6},
		"host port with another protocol":    {estimator.PodDemand{HostPorts: []estimator.HostPort{{Port: 443, Protocol: corev1.ProtocolUDP}}}, 6},
		"two volumes":                        {estimator.PodDemand{Volumes: []estimator.Volume{{Driver: "disk"}, {Driver: "disk"}}}, 1 + 20},
		"a shared volume":                    {estimator.PodDemand{Volumes: []estimator.Volume{{Driver: "disk", Shared: true}}}, 22},
		"a volume of a driver without limit": {estimator.PodDemand{Volumes: []estimator.Volume{{Driver: "other"}}}, 22},
		"a volume in a zone": {estimator.PodDemand{Volumes: []estimator.Volume{{Driver: "other", NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "zone", Operator: corev1.NodeSelectorOpIn, Values: []string{"b"}}}}}}}}}}, 8},
		"above web":              {estimator.PodDemand{Priority: ptr.To[int32](8)}, 24},
		"beside web in priority": {estimator.PodDemand{Priority: ptr.To[int32](7)}, 22},
	} {
		index := sixNodes(t)
		limits := &storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: "n0"}}
		limits.Spec.Drivers = []storagev1.CSINodeDriver{{Name: "disk", Allocatable: &storagev1.VolumeNodeResources{Count: ptr.To[int32](4)}}}
		index.UpsertCSINode(limits)
		put(t, index, "n0", "web", "2", func(pod *corev1.Pod) {
			pod.Spec.Priority = ptr.To[int32](7)
			pod.Spec.Containers[0].Ports = []corev1.ContainerPort{{HostPort: 443, HostIP: "10.0.0.1"}}
		}, estimator.Volume{Driver: "disk"})
		demand := &nodes.Demand{Requirements: oneCPU(), PodDemand: c.pod}
		if got, err := index.Replicas(demand, nil); got != c.want || err != nil {
			t.Errorf("%s: room for %d, %v, want %d", name, got, err, c.want)
		}
	}
}

func TestRepelledByPodsThatRun(t *testing.T) {
	index := sixNodes(t)
	put(t, index, "n2", "alone", "1", func(pod *corev1.Pod) {
		pod.Labels = map[string]string{"app": "db"}
		pod.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{byZone}}}
	})
	for labels, want := range map[string]int32{"web": 16, "other": 23} {
		demand := &nodes.Demand{Requirements: oneCPU(), PodDemand: estimator.PodDemand{Labels: map[string]string{"app": labels}}}
		if got, err := index.Replicas(demand, nil); got != want || err != nil {
			t.Errorf("room for %d of %s, %v, want %d", got, labels, err, want)
		}
	}
}

func TestNamespacesOfTerms(t *testing.T) {
	index := sixNodes(t)
	put(t, index, "n0", "web", "1", func(pod *corev1.Pod) { pod.Namespace = "shop" })
	index.UpsertNamespace(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{"team": "sales"}}})
	term := byZone
	for name, c := range map[string]struct {
		change func(*corev1.PodAffinityTerm)
		want   int32
	}{
		"own":   {func(*corev1.PodAffinityTerm) {}, 23},
		"named": {func(term *corev1.PodAffinityTerm) { term.Namespaces = []string{"shop"} }, 16},
		"all":   {func(term *corev1.PodAffinityTerm) { term.NamespaceSelector = &metav1.LabelSelector{} }, 16},
		"selected": {func(term *corev1.PodAffinityTerm) {
			term.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "sales"}}
		}, 16},
		"other selected": {func(term *corev1.PodAffinityTerm) {
			term.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "ops"}}
		}, 23},
	} {
		term = byZone
		c.change(&term)
		if got, err := index.Replicas(&nodes.Demand{Requirements: oneCPU(), PodDemand: estimator.PodDemand{AntiAffinity: []corev1.PodAffinityTerm{term}}}, nil); got != c.want || err != nil {
			t.Errorf("%s: room for %d, %v, want %d", name, got, err, c.want)
		}
	}
}

func TestBatchEqualsSingles(t *testing.T) {
	c := newCluster(11)
	for range 80 {
		c.event(t)
	}
	var demands []*nodes.Demand
	for range 40 {
		demands = append(demands, &nodes.Demand{Requirements: c.requirements()}, c.special())
	}
	answers := make([]int32, len(demands))
	assumed := []estimator.AssumedWorkload{{Components: c.components()}}
	for _, beside := range [][]estimator.AssumedWorkload{nil, assumed} {
		if err := c.index.ReplicasOfAll(demands, beside, answers); err != nil {
			t.Fatal(err)
		}
		for i, demand := range demands {
			if single, err := c.index.Replicas(demand, beside); err != nil || single != answers[i] {
				t.Errorf("demand %d: %d in a batch, %d alone, %v", i, answers[i], single, err)
			}
		}
	}
}

func TestQuotaBounds(t *testing.T) {
	index := sixNodes(t)
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "q"}}
	quota.Status.Hard = corev1.ResourceList{"requests.cpu": resource.MustParse("10")}
	quota.Status.Used = corev1.ResourceList{"requests.cpu": resource.MustParse("3")}
	index.UpsertQuota(quota)
	assumed := []estimator.AssumedWorkload{{Namespace: "ns", Components: []workv1alpha2.Component{{Name: "a", Replicas: 2,
		ReplicaRequirements: &workv1alpha2.ComponentReplicaRequirements{ResourceRequest: oneCPU().ResourceRequest}}}}}
	demand := &nodes.Demand{Requirements: oneCPU()}
	explained, err := index.Explain(demand)
	if err != nil || !explained.Quota || !strings.HasPrefix(explained.String(), "7 replicas: resource quota; without it cpu on 6 of 6") {
		t.Errorf("explained as %q, %v", explained, err)
	}
	if got, err := index.Replicas(demand, assumed); got != 5 || err != nil {
		t.Errorf("beside two assumed replicas there is room for %d, %v, want 5", got, err)
	}
	index.DeleteQuota("ns", "q")
	if got, err := index.Replicas(demand, assumed); got != 22 || err != nil {
		t.Errorf("without the quota there is room for %d, %v, want 22", got, err)
	}
}

func TestExplain(t *testing.T) {
	index := sixNodes(t)
	tainted := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n5", Labels: map[string]string{"zone": "c"}}}
	tainted.Status.Allocatable = list("4", "10")
	tainted.Spec.Taints = []corev1.Taint{{Key: "maint", Effect: corev1.TaintEffectNoSchedule}}
	if err := index.UpsertNode(tainted); err != nil {
		t.Fatal(err)
	}
	put(t, index, "n0", "full", "4", nil)
	claimed := oneCPU()
	claimed.NodeClaim = &workv1alpha2.NodeClaim{NodeSelector: map[string]string{"zone": "c"}}
	gpu := &workv1alpha2.ReplicaRequirements{ResourceRequest: corev1.ResourceList{"example.com/gpu": resource.MustParse("1")}}
	for want, demand := range map[string]*nodes.Demand{
		"16 replicas: cpu on 5 of 6 nodes, taint on 1":                                {Requirements: oneCPU()},
		"49 replicas: pods on 5 of 6 nodes, taint on 1":                               {},
		"4 replicas: node selector or affinity on 4 of 6 nodes, cpu on 1, taint on 1": {Requirements: claimed},
		"0 replicas: example.com/gpu on 6 of 6 nodes":                                 {Requirements: gpu},
		"4 replicas: host port on 4 of 6 nodes, cpu on 1, taint on 1":                 {Requirements: oneCPU(), PodDemand: estimator.PodDemand{HostPorts: []estimator.HostPort{{Port: 80}}}},
		"2 replicas: pods around on 4 of 6 nodes, cpu on 1, taint on 1":               {Requirements: oneCPU(), PodDemand: estimator.PodDemand{Labels: web, AntiAffinity: []corev1.PodAffinityTerm{byZone}}},
		"12 replicas: cpu on 4 of 6 nodes, pods around on 1, taint on 1":              {Requirements: oneCPU(), PodDemand: estimator.PodDemand{AntiAffinity: []corev1.PodAffinityTerm{byZone}}},
	} {
		got, err := index.Explain(demand)
		if err != nil || got.String() != want {
			t.Errorf("explained as %q, %v, want %q", got, err, want)
		}
		sum := 0
		for _, constraint := range got.Constraints {
			sum += constraint.Nodes
		}
		if sum != got.Nodes {
			t.Errorf("%q: constraints name %d of %d nodes", want, sum, got.Nodes)
		}
	}
	if got, err := nodes.NewIndex(nodes.Options{}).Explain(&nodes.Demand{}); err != nil || got.String() != "0 replicas: no nodes" {
		t.Errorf("an empty cluster is explained as %q, %v", got, err)
	}
}

func TestBadDemands(t *testing.T) {
	index := sixNodes(t)
	negative := &workv1alpha2.ReplicaRequirements{ResourceRequest: corev1.ResourceList{"cpu": resource.MustParse("-1")}}
	unreadable := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: "Like"}}}
	for want, demand := range map[string]*nodes.Demand{
		"there is none":                                          nil,
		"request for cpu is negative":                            {Requirements: negative},
		"hostPorts[0].port":                                      {PodDemand: estimator.PodDemand{HostPorts: []estimator.HostPort{{Port: 70000}}}},
		"topologySpreadConstraints[0].maxSkew":                   {PodDemand: estimator.PodDemand{Spread: []corev1.TopologySpreadConstraint{{TopologyKey: "zone"}}}},
		"affinity[0].labelSelector.matchExpressions[0].operator": {PodDemand: estimator.PodDemand{Affinity: []corev1.PodAffinityTerm{{TopologyKey: "zone", LabelSelector: unreadable}}}},
	} {
		if _, err := index.Replicas(demand, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	if _, err := index.Sets("ns", []workv1alpha2.Component{{Name: "a", Replicas: 1, ReplicaRequirements: &workv1alpha2.ComponentReplicaRequirements{ResourceRequest: negative.ResourceRequest}}}, nil); err == nil {
		t.Error("a set with a negative request was not refused")
	}
	if index.UpsertNode(nil) == nil || index.UpsertNode(&corev1.Node{}) == nil || index.UpsertPod(nil) == nil || index.UpsertPod(&corev1.Pod{}) == nil {
		t.Error("an object without a name was not refused")
	}
}
