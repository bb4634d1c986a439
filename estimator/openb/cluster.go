package openb

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator/nodes"
)

const (
	// ResourceGPU counts GPUs in thousandths, summed over the node: a share of one may be cut from several here.
	ResourceGPU corev1.ResourceName = "openb.example.com/milli-gpu"
	// LabelModel is the GPU model of a node.
	LabelModel = "openb.example.com/gpu-model"
	// LabelQoS is the class of a task.
	LabelQoS = "openb.example.com/qos"
	// Namespace is that of every pod.
	Namespace = "openb"
	// PodsPerNode is the usual limit of a kubelet; the trace does not tell.
	PodsPerNode = 110
)

const mebibyte = 1 << 20

// Object is the node as its cluster knows it.
func (n *Node) Object() *corev1.Node {
	object := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: map[string]string{corev1.LabelHostname: n.Name}}}
	if n.Model != "" {
		object.Labels[LabelModel] = n.Model
	}
	object.Status.Allocatable = resources(n.MilliCPU, n.MemoryMiB, n.GPUs*1000)
	object.Status.Allocatable[corev1.ResourcePods] = *resource.NewQuantity(PodsPerNode, resource.DecimalSI)
	object.Status.Capacity = object.Status.Allocatable.DeepCopy()
	return object
}

func resources(milliCPU, memoryMiB, milliGPU int64) corev1.ResourceList {
	list := corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewMilliQuantity(milliCPU, resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(memoryMiB*mebibyte, resource.BinarySI),
	}
	if milliGPU > 0 {
		list[ResourceGPU] = *resource.NewQuantity(milliGPU, resource.DecimalSI)
	}
	return list
}

// Requirements are what a replica like the task needs.
func (t *Task) Requirements() *workv1alpha2.ReplicaRequirements {
	requirements := &workv1alpha2.ReplicaRequirements{Namespace: Namespace, ResourceRequest: resources(t.MilliCPU, t.MemoryMiB, t.GPUs*t.MilliGPU)}
	if len(t.Models) > 0 {
		requirements.NodeClaim = &workv1alpha2.NodeClaim{HardNodeAffinity: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchExpressions: []corev1.NodeSelectorRequirement{{Key: LabelModel, Operator: corev1.NodeSelectorOpIn, Values: t.Models}}}}}}
	}
	return requirements
}

// Pod is the task on a node; the empty name leaves it pending.
func (t *Task) Pod(node string) *corev1.Pod {
	requirements := t.Requirements()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: t.Name, Labels: map[string]string{LabelQoS: t.QoS}},
		Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{
			Name: "task", Resources: corev1.ResourceRequirements{Requests: requirements.ResourceRequest}}}},
	}
	if requirements.NodeClaim != nil {
		pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: requirements.NodeClaim.HardNodeAffinity}}
	}
	return pod
}

// Cluster is a trace put onto nodes.
type Cluster struct {
	Nodes []*corev1.Node
	Pods  []*corev1.Pod
	// Left are tasks that found no node.
	Left int
}

// Fill puts tasks, in the order of the list, onto the first node with room until they request a share of the CPU of all
// nodes, from 0 to 1, or none is left.
func (t *Trace) Fill(share float64) *Cluster {
	c := &Cluster{}
	free := make([]Node, len(t.Nodes))
	var all, used int64
	for i := range t.Nodes {
		c.Nodes = append(c.Nodes, t.Nodes[i].Object())
		all += t.Nodes[i].MilliCPU
		free[i] = t.Nodes[i]
		free[i].GPUs *= 1000
	}
	pods := make([]int, len(t.Nodes))
	for i := range t.Tasks {
		task := &t.Tasks[i]
		if float64(used+task.MilliCPU) > share*float64(all) {
			break
		}
		at := task.firstFit(free, pods)
		if at < 0 {
			c.Left++
			continue
		}
		pods[at]++
		free[at].MilliCPU -= task.MilliCPU
		free[at].MemoryMiB -= task.MemoryMiB
		free[at].GPUs -= task.GPUs * task.MilliGPU
		used += task.MilliCPU
		c.Pods = append(c.Pods, task.Pod(free[at].Name))
	}
	return c
}

// firstFit finds the first of what is left of the nodes, with GPUs in thousandths, that has room for the task.
func (t *Task) firstFit(free []Node, pods []int) int {
	for i := range free {
		n := &free[i]
		if pods[i] < PodsPerNode && n.MilliCPU >= t.MilliCPU && n.MemoryMiB >= t.MemoryMiB && n.GPUs >= t.GPUs*t.MilliGPU && t.wants(n.Model) {
			return i
		}
	}
	return -1
}

func (t *Task) wants(model string) bool {
	for _, wanted := range t.Models {
		if wanted == model {
			return true
		}
	}
	return len(t.Models) == 0
}

// Index holds the cluster ready for estimates.
func (c *Cluster) Index() (*nodes.Index, error) {
	index := nodes.NewIndex(nodes.Options{})
	for _, node := range c.Nodes {
		if err := index.UpsertNode(node); err != nil {
			return nil, fmt.Errorf("indexing node %s of the trace: %w", node.Name, err)
		}
	}
	for _, pod := range c.Pods {
		if err := index.UpsertPod(pod); err != nil {
			return nil, fmt.Errorf("indexing task %s of the trace: %w", pod.Name, err)
		}
	}
	return index, nil
}
