package kube

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/utils/ptr"
)

// Nodes makes the Node objects of the cluster in the order of its pools. They share what nodes of a pool share: readers must
// not change them.
func (c *Cluster) Nodes() []*corev1.Node {
	c.advance()
	var made []*corev1.Node
	for i := range c.pools {
		for _, row := range c.pools[i].nodes {
			if row != none && c.nodes[row].is(nodeKnown) {
				made = append(made, c.nodeObject(row))
			}
		}
	}
	return made
}

// Node makes the object of one node, nil when there is none.
func (c *Cluster) Node(name string) *corev1.Node {
	c.advance()
	if row := c.findNode(name); row != none {
		return c.nodeObject(row)
	}
	return nil
}

func (c *Cluster) nodeObject(row int32) *corev1.Node {
	n := &c.nodes[row]
	p := &c.pools[n.pool]
	name := c.nodeName(row)
	object := c.shapes.rows[n.shape].object(name)
	object.UID = types.UID("node-" + strconv.Itoa(int(row)) + "-" + strconv.Itoa(int(n.gen)))
	object.CreationTimestamp = metav1.NewTime(c.epoch)
	object.Spec.Unschedulable = n.is(nodeCordoned)
	list := c.resources.list(p.capacity, p.pods)
	object.Status.Capacity, object.Status.Allocatable = list, list
	condition := corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady", LastHeartbeatTime: metav1.NewTime(c.time(c.now))}
	if n.is(nodeDown) {
		condition.LastHeartbeatTime = metav1.NewTime(c.time(n.failed))
	}
	if n.is(nodeLost) {
		condition.Status, condition.Reason = corev1.ConditionUnknown, "NodeStatusUnknown"
	}
	object.Status.Conditions = []corev1.NodeCondition{condition}
	return object
}

// Pods makes the Pod objects of a namespace, or of all with an empty one, that a selector selects; nil selects all. They are
// in the order of their rows, and share what pods of a template share: readers must not change them.
func (c *Cluster) Pods(namespace string, selects labels.Selector) []*corev1.Pod {
	c.advance()
	var made []*corev1.Pod
	chosen := make([]int8, len(c.sets))
	for id := range c.pods {
		of := c.pods[id].set
		if of == none || c.pods[id].serial == 0 {
			continue
		}
		if chosen[of] == 0 {
			chosen[of] = -1
			t := c.sets[of].template
			if (namespace == "" || t.namespace == namespace) && (selects == nil || selects.Matches(t.labels)) {
				chosen[of] = 1
			}
		}
		if chosen[of] > 0 {
			made = append(made, c.podObject(int32(id)))
		}
	}
	return made
}

// PodsOn makes the Pod objects of one node.
func (c *Cluster) PodsOn(name string) []*corev1.Pod {
	c.advance()
	row := c.findNode(name)
	if row == none {
		return nil
	}
	var made []*corev1.Pod
	for id := c.nodes[row].first; id != none; id = c.pods[id].next {
		made = append(made, c.podObject(id))
	}
	slices.SortFunc(made, func(a, b *corev1.Pod) int { return strings.Compare(a.Namespace+"/"+a.Name, b.Namespace+"/"+b.Name) })
	return made
}

func (c *Cluster) podName(id int32) string {
	p := &c.pods[id]
	s := &c.sets[p.set]
	w := &c.works[s.work]
	// The multiplier has no factor in common with 100000, so names differ as long as serial numbers do.
	suffix := rand.SafeEncodeString(fmt.Sprintf("%05d", uint64(p.serial)*2654435761%100000))
	if more := p.serial / 100000; more > 0 {
		suffix += strconv.FormatUint(uint64(more), 36)
	}
	switch w.key.Kind {
	case KindDeployment:
		return w.key.Name + "-" + s.hash + "-" + suffix
	case KindStatefulSet:
		return w.key.Name + "-" + strconv.Itoa(int(p.number))
	case KindPod:
		return w.key.Name
	}
	return w.key.Name + "-" + suffix
}

func (c *Cluster) podObject(id int32) *corev1.Pod {
	p := &c.pods[id]
	s := &c.sets[p.set]
	t := s.template
	w := &c.works[s.work]
	object := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: w.key.Namespace, Name: c.podName(id), UID: types.UID("pod-" + strconv.FormatUint(uint64(p.serial), 10)),
			Labels: t.labels, Annotations: t.spec.Annotations, CreationTimestamp: metav1.NewTime(c.time(p.created)),
			OwnerReferences: owner(w, s),
		},
		Spec: *t.pod,
	}
	object.Spec.Tolerations = t.tolerations
	object.Spec.Priority = ptr.To(t.priority)
	if p.is(podTerminating) {
		object.DeletionTimestamp = ptr.To(metav1.NewTime(c.time(c.now)))
	}
	if p.node != none {
		object.Spec.NodeName = c.nodeName(p.node)
	}
	object.Status = c.podStatus(p)
	return object
}

func owner(w *workload, s *set) []metav1.OwnerReference {
	reference := metav1.OwnerReference{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: w.key.Kind, Name: w.key.Name, Controller: ptr.To(true)}
	switch w.key.Kind {
	case KindPod:
		return nil
	case KindDeployment:
		reference.Kind, reference.Name = "ReplicaSet", w.key.Name+"-"+s.hash
	case KindJob:
		reference.APIVersion = "batch/v1"
	}
	if w.object != nil {
		reference.UID = w.object.GetUID()
	}
	return []metav1.OwnerReference{reference}
}

func (c *Cluster) podStatus(p *pod) corev1.PodStatus {
	status := corev1.PodStatus{Phase: corev1.PodPending}
	scheduled := corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}
	isReady := corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionFalse}
	switch {
	case p.phase == pending:
		scheduled.Status, scheduled.Reason = corev1.ConditionFalse, corev1.PodReasonUnschedulable
		if c.sets[p.set].template.gated {
			scheduled.Reason = corev1.PodReasonSchedulingGated
		}
	case p.phase == succeeded:
		status.Phase = corev1.PodSucceeded
	case p.phase == failed:
		status.Phase = corev1.PodFailed
	case p.phase == ready || p.since <= c.now:
		status.Phase = corev1.PodRunning
		status.StartTime = ptr.To(metav1.NewTime(c.time(p.since)))
	}
	if p.shown() {
		isReady.Status, isReady.LastTransitionTime = corev1.ConditionTrue, metav1.NewTime(c.time(p.since))
	}
	status.Conditions = []corev1.PodCondition{scheduled, isReady}
	return status
}

// Placed counts the pods of a workload by node pool: those on nodes that have not finished and do not end.
func (c *Cluster) Placed(key Key) map[string]int {
	c.join()
	placed := map[string]int{}
	id, ok := c.workOf[key]
	if !ok {
		return placed
	}
	for _, of := range c.works[id].sets {
		for _, pod := range c.sets[of].pods {
			if p := &c.pods[pod]; p.node != none && p.active() && c.nodes[p.node].pool != none {
				placed[c.pools[c.nodes[p.node].pool].spec.Name]++
			}
		}
	}
	return placed
}

// PoolSize is how many nodes of a pool there are; 0 when there is no such pool.
func (c *Cluster) PoolSize(name string) int {
	c.join()
	if id, ok := c.poolOf[name]; ok {
		return c.pools[id].alive
	}
	return 0
}
