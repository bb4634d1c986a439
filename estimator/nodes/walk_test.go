package nodes_test

import (
	"math"
	"math/big"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/component-helpers/resource"
	schedulinghelpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/estimator/nodes"
)

// walk is the plain way to estimate: look at every node, and on every node at every pod. It is what an index is held
// against.
type walk struct {
	nodes []*corev1.Node
	pods  []*corev1.Pod
	// byNode is filled once by settle, as the reference keeps it.
	byNode map[string][]*corev1.Pod
	// requests are those of the pods that were looked at since.
	requests map[*corev1.Pod]corev1.ResourceList
	volumes  map[string][]estimator.Volume
	limits   map[string]map[string]int64
}

func (w *walk) settle() *walk {
	w.requests = map[*corev1.Pod]corev1.ResourceList{}
	w.byNode = map[string][]*corev1.Pod{}
	for _, pod := range w.pods {
		if pod.Spec.NodeName != "" && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
			w.byNode[pod.Spec.NodeName] = append(w.byNode[pod.Spec.NodeName], pod)
		}
	}
	return w
}

// quantityOf rounds up to an integer, with numbers of any size on the way.
func quantityOf(name corev1.ResourceName, list corev1.ResourceList) int64 {
	quantity := list[name]
	if about := quantity.AsApproximateFloat64(); about >= 0 && about < 1<<50 {
		if name == corev1.ResourceCPU {
			return quantity.MilliValue()
		}
		return quantity.Value()
	}
	exact, ok := new(big.Rat).SetString(quantity.AsDec().String())
	if !ok {
		panic("a quantity is no number: " + quantity.String())
	}
	if name == corev1.ResourceCPU {
		exact.Mul(exact, big.NewRat(1000, 1))
	}
	up := new(big.Int).Sub(exact.Denom(), big.NewInt(1))
	rounded := up.Div(up.Add(up, exact.Num()), exact.Denom())
	switch {
	case rounded.Sign() < 0:
		return 0
	case !rounded.IsInt64():
		return math.MaxInt64
	}
	return rounded.Int64()
}

func isCounted(name corev1.ResourceName) bool {
	return name == "cpu" || name == "memory" || name == "ephemeral-storage" || name == "example.com/gpu" || name == "hugepages-2Mi"
}

// free is what pods that cannot be preempted leave of a resource.
func (w *walk) free(node *corev1.Node, name corev1.ResourceName, below *int32) int64 {
	used := new(big.Int)
	pods := int64(0)
	for _, pod := range w.byNode[node.Name] {
		if below != nil && schedulinghelpers.PodPriority(pod) < *below {
			continue
		}
		pods++
		used.Add(used, big.NewInt(quantityOf(name, w.requested(pod))))
	}
	if name == corev1.ResourcePods {
		used.SetInt64(pods)
	}
	left := new(big.Int).Sub(big.NewInt(quantityOf(name, node.Status.Allocatable)), used)
	if left.Sign() < 0 {
		return 0
	}
	return left.Int64()
}

func (w *walk) requested(pod *corev1.Pod) corev1.ResourceList {
	list, ok := w.requests[pod]
	if !ok {
		list = resource.PodRequests(pod, resource.PodResourcesOptions{})
		w.requests[pod] = list
	}
	return list
}

func (w *walk) room(node *corev1.Node, request corev1.ResourceList, below *int32) int64 {
	fit := w.free(node, corev1.ResourcePods, below)
	for name := range request {
		if wanted := quantityOf(name, request); wanted > 0 && isCounted(name) {
			fit = min(fit, w.free(node, name, below)/wanted)
		}
	}
	return fit
}

func claimOf(demand *nodes.Demand) (workv1alpha2.NodeClaim, corev1.ResourceList) {
	if demand.Requirements == nil {
		return workv1alpha2.NodeClaim{}, nil
	}
	if demand.Requirements.NodeClaim == nil {
		return workv1alpha2.NodeClaim{}, demand.Requirements.ResourceRequest
	}
	return *demand.Requirements.NodeClaim, demand.Requirements.ResourceRequest
}

func claims(node *corev1.Node, claim workv1alpha2.NodeClaim, volumes []estimator.Volume) bool {
	pod := &corev1.Pod{Spec: corev1.PodSpec{NodeSelector: claim.NodeSelector, Affinity: &corev1.Affinity{
		NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: claim.HardNodeAffinity}}}}
	ok, err := nodeaffinity.GetRequiredNodeAffinity(pod).Match(node)
	for _, volume := range volumes {
		if ok && err == nil && volume.NodeAffinity != nil && volume.NodeAffinity.Required != nil {
			ok, err = nodeaffinity.NewLazyErrorNodeSelector(volume.NodeAffinity.Required).Match(node)
		}
	}
	return ok && err == nil
}

func tolerates(node *corev1.Node, tolerations []corev1.Toleration) bool {
	taints := slices.Clone(node.Spec.Taints)
	if node.Spec.Unschedulable {
		taints = append(taints, corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule})
	}
	_, untolerated := schedulinghelpers.FindMatchingUntoleratedTaint(klog.Logger{}, taints, tolerations,
		func(t *corev1.Taint) bool { return t.Effect != corev1.TaintEffectPreferNoSchedule }, false)
	return !untolerated
}

// replicas estimates without looking at other fields of the demand than its requirements.
func (w *walk) replicas(demand *nodes.Demand) int32 {
	claim, request := claimOf(demand)
	var sum int64
	for _, node := range w.nodes {
		if claims(node, claim, nil) && tolerates(node, claim.Tolerations) {
			if sum += w.room(node, request, nil); sum > math.MaxInt32 || sum < 0 {
				return math.MaxInt32
			}
		}
	}
	return int32(sum)
}

// sets packs components pod by pod, and returns bound when that many sets fit.
func (w *walk) sets(components []workv1alpha2.Component, assumed []estimator.AssumedWorkload, bound int32) int32 {
	trial := &walk{nodes: w.nodes, pods: slices.Clone(w.pods)}
	trial.settle()
	for _, workload := range assumed {
		trial.placeSet(workload.Components)
	}
	for sets := range bound {
		if !trial.placeSet(components) {
			return sets
		}
	}
	return bound
}

func (w *walk) placeSet(components []workv1alpha2.Component) bool {
	for _, component := range components {
		demand := &nodes.Demand{}
		if component.ReplicaRequirements != nil {
			demand.Requirements = &workv1alpha2.ReplicaRequirements{
				NodeClaim: component.ReplicaRequirements.NodeClaim, ResourceRequest: component.ReplicaRequirements.ResourceRequest,
			}
		}
		for range component.Replicas {
			if !w.placeOne(demand) {
				return false
			}
		}
	}
	return true
}

func (w *walk) placeOne(demand *nodes.Demand) bool {
	claim, request := claimOf(demand)
	for _, node := range w.nodes {
		if claims(node, claim, nil) && tolerates(node, claim.Tolerations) && w.room(node, request, nil) > 0 {
			w.byNode[node.Name] = append(w.byNode[node.Name], podOf(demand, node.Name))
			return true
		}
	}
	return false
}

// podOf is a replica of a demand on a node.
func podOf(demand *nodes.Demand, node string) *corev1.Pod {
	claim, request := claimOf(demand)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: demand.Labels}, Spec: corev1.PodSpec{
		NodeName: node, Tolerations: claim.Tolerations, Priority: demand.Priority,
		Containers: []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: request}}},
		Affinity:   &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: demand.AntiAffinity}},
	}}
	if demand.Requirements != nil {
		pod.Namespace = demand.Requirements.Namespace
	}
	for _, port := range demand.HostPorts {
		pod.Spec.Containers[0].Ports = append(pod.Spec.Containers[0].Ports,
			corev1.ContainerPort{HostPort: port.Port, HostIP: port.IP, Protocol: port.Protocol})
	}
	return pod
}

// special estimates a demand with all its wishes: replica by replica, each onto the node that is free for it and has the
// fewest pods around that its spread constraints mean. Where replicas have to found a domain, every one is tried.
func (w *walk) special(demand *nodes.Demand) int32 {
	first := w.open(w.pods, nil, demand)
	if len(demand.Affinity) == 0 || w.met(w.pods, demand) {
		return w.fill(demand, w.nodes)
	}
	best := int32(0)
	for _, founder := range first {
		var neighbours []*corev1.Node
		for _, node := range w.nodes {
			if together(founder, node, demand.Affinity) {
				neighbours = append(neighbours, node)
			}
		}
		best = max(best, w.fill(demand, neighbours))
	}
	return best
}

func together(a, b *corev1.Node, terms []corev1.PodAffinityTerm) bool {
	for _, term := range terms {
		if value, ok := b.Labels[term.TopologyKey]; !ok || value != a.Labels[term.TopologyKey] {
			return false
		}
	}
	return true
}

// fill places replicas onto some of the nodes until none fits.
func (w *walk) fill(demand *nodes.Demand, among []*corev1.Node) int32 {
	var placed []*corev1.Pod
	for {
		var choice *corev1.Node
		least := int64(math.MaxInt64)
		for _, node := range w.open(w.pods, placed, demand) {
			if crowd := w.crowd(placed, demand, node); slices.Contains(among, node) && crowd < least {
				choice, least = node, crowd
			}
		}
		if choice == nil {
			return int32(len(placed))
		}
		placed = append(placed, podOf(demand, choice.Name))
	}
}

// open lists the nodes that can take one more replica.
func (w *walk) open(pods, placed []*corev1.Pod, demand *nodes.Demand) []*corev1.Node {
	claim, request := claimOf(demand)
	var open []*corev1.Node
	for _, node := range w.nodes {
		mine := int64(0)
		for _, pod := range placed {
			if pod.Spec.NodeName == node.Name {
				mine++
			}
		}
		if claims(node, claim, demand.Volumes) && tolerates(node, claim.Tolerations) && w.room(node, request, demand.Priority) > mine &&
			w.portsFree(node, mine, demand) && w.volumesFit(node, mine+1, demand) &&
			w.spreads(placed, demand, node) && w.apart(pods, placed, demand, node) && w.near(pods, placed, demand, node) {
			open = append(open, node)
		}
	}
	return open
}

func (w *walk) portsFree(node *corev1.Node, mine int64, demand *nodes.Demand) bool {
	if len(demand.HostPorts) == 0 {
		return true
	}
	for _, pod := range w.byNode[node.Name] {
		if demand.Priority != nil && schedulinghelpers.PodPriority(pod) < *demand.Priority {
			continue
		}
		for _, port := range pod.Spec.Containers[0].Ports {
			for _, wanted := range demand.HostPorts {
				if port.HostPort == wanted.Port && (port.HostIP == wanted.IP || port.HostIP == "" || wanted.IP == "") {
					return false
				}
			}
		}
	}
	return mine == 0
}

func (w *walk) volumesFit(node *corev1.Node, replicas int64, demand *nodes.Demand) bool {
	needed := map[string]int64{}
	for _, volume := range demand.Volumes {
		if volume.Shared {
			needed[volume.Driver]++
		} else {
			needed[volume.Driver] += replicas
		}
	}
	for _, pod := range w.byNode[node.Name] {
		if demand.Priority != nil && schedulinghelpers.PodPriority(pod) < *demand.Priority {
			continue
		}
		for _, volume := range w.volumes[pod.Namespace+"/"+pod.Name] {
			if needed[volume.Driver] > 0 {
				needed[volume.Driver]++
			}
		}
	}
	for driver, count := range needed {
		if limit, ok := w.limits[node.Name][driver]; ok && count > limit {
			return false
		}
	}
	return true
}

func (w *walk) node(name string) *corev1.Node {
	for _, node := range w.nodes {
		if node.Name == name {
			return node
		}
	}
	return nil
}

func selects(selector *metav1.LabelSelector, pod *corev1.Pod) bool {
	read, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && read.Matches(labels.Set(pod.Labels))
}

func running(pods, placed []*corev1.Pod) []*corev1.Pod {
	all := slices.DeleteFunc(slices.Clone(pods), func(pod *corev1.Pod) bool {
		return pod.Spec.NodeName == "" || pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	})
	return append(all, placed...)
}

// means covers terms of one namespace, those that the test makes.
func means(term corev1.PodAffinityTerm, namespace string, pod *corev1.Pod) bool {
	return pod.Namespace == namespace && selects(term.LabelSelector, pod)
}

// same reports whether a pod runs in the domain of a node.
func (w *walk) same(pod *corev1.Pod, node *corev1.Node, key string) bool {
	at := w.node(pod.Spec.NodeName)
	if at == nil {
		return false
	}
	value, ok := at.Labels[key]
	mine, found := node.Labels[key]
	return ok && found && value == mine
}

// apart covers anti-affinity in both directions.
func (w *walk) apart(pods, placed []*corev1.Pod, demand *nodes.Demand, node *corev1.Node) bool {
	me := podOf(demand, node.Name)
	for _, pod := range running(pods, placed) {
		for _, term := range demand.AntiAffinity {
			if means(term, me.Namespace, pod) && w.same(pod, node, term.TopologyKey) {
				return false
			}
		}
		if pod.Spec.Affinity == nil || pod.Spec.Affinity.PodAntiAffinity == nil || len(demand.Labels) == 0 {
			continue
		}
		for _, term := range pod.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
			if means(term, pod.Namespace, me) && w.same(pod, node, term.TopologyKey) {
				return false
			}
		}
	}
	return true
}

// meetsAll reports whether a pod is one that every affinity term means.
func meetsAll(pod *corev1.Pod, demand *nodes.Demand) bool {
	return !slices.ContainsFunc(demand.Affinity, func(term corev1.PodAffinityTerm) bool {
		return !means(term, podOf(demand, "").Namespace, pod)
	})
}

func (w *walk) met(pods []*corev1.Pod, demand *nodes.Demand) bool {
	return slices.ContainsFunc(running(pods, nil), func(pod *corev1.Pod) bool {
		at := w.node(pod.Spec.NodeName)
		return at != nil && meetsAll(pod, demand) && slices.ContainsFunc(demand.Affinity, func(term corev1.PodAffinityTerm) bool {
			_, ok := at.Labels[term.TopologyKey]
			return ok
		})
	})
}

func (w *walk) near(pods, placed []*corev1.Pod, demand *nodes.Demand, node *corev1.Node) bool {
	founding := !w.met(running(pods, placed), demand) && meetsAll(podOf(demand, ""), demand)
	for _, term := range demand.Affinity {
		if _, ok := node.Labels[term.TopologyKey]; !ok {
			return false
		}
		if !founding && !slices.ContainsFunc(running(pods, placed), func(pod *corev1.Pod) bool {
			return meetsAll(pod, demand) && w.same(pod, node, term.TopologyKey)
		}) {
			return false
		}
	}
	return true
}

// around counts, for one constraint, the pods in the domain of every eligible node.
func (w *walk) around(placed []*corev1.Pod, demand *nodes.Demand, spread corev1.TopologySpreadConstraint) map[string]int64 {
	claim, _ := claimOf(demand)
	counts := map[string]int64{}
	for _, node := range w.nodes {
		eligible := claims(node, claim, demand.Volumes)
		for _, other := range demand.Spread {
			_, ok := node.Labels[other.TopologyKey]
			eligible = eligible && ok
		}
		if !eligible {
			continue
		}
		counts[node.Labels[spread.TopologyKey]] += 0
		for _, pod := range running(w.pods, placed) {
			if pod.Spec.NodeName == node.Name && pod.Namespace == podOf(demand, "").Namespace && selects(spread.LabelSelector, pod) {
				counts[node.Labels[spread.TopologyKey]]++
			}
		}
	}
	return counts
}

func (w *walk) spreads(placed []*corev1.Pod, demand *nodes.Demand, node *corev1.Node) bool {
	for _, spread := range demand.Spread {
		counts := w.around(placed, demand, spread)
		here, ok := counts[node.Labels[spread.TopologyKey]]
		if !ok {
			return false
		}
		least := int64(math.MaxInt64)
		for _, count := range counts {
			least = min(least, count)
		}
		if spread.MinDomains != nil && len(counts) < int(*spread.MinDomains) {
			least = 0
		}
		if selects(spread.LabelSelector, podOf(demand, "")) {
			here++
		}
		if here-least > int64(spread.MaxSkew) {
			return false
		}
	}
	return true
}

func (w *walk) crowd(placed []*corev1.Pod, demand *nodes.Demand, node *corev1.Node) int64 {
	var crowd int64
	for _, spread := range demand.Spread {
		crowd += w.around(placed, demand, spread)[node.Labels[spread.TopologyKey]]
	}
	return crowd
}
