package embedded

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A node whose kubelet the cluster's process plays carries this label. Taking it off silences the node: its lease is no longer
// renewed, and the cluster's own controllers mark it lost and evict its pods as they would with a real one. Putting it back
// mends it.
const (
	KubeletLabel = "kwok.x-k8s.io/node"
	KubeletValue = "fake"
)

// nodeObjects are the nodes of a member, spread over its zones in turn.
func nodeObjects(r *record) []*corev1.Node {
	pool := r.Spec.Nodes
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse(pool.CPU),
		corev1.ResourceMemory: resource.MustParse(pool.Memory),
		corev1.ResourcePods:   resource.MustParse(pool.Pods),
	}
	ownRanges := capacity.Pods().Value() <= maxPodsPerRange
	nodes := make([]*corev1.Node, pool.Count)
	for i := range nodes {
		name := fmt.Sprintf("%s-node-%d", r.name(), i+1)
		labels := map[string]string{
			KubeletLabel:                   KubeletValue,
			corev1.LabelHostname:           name,
			corev1.LabelOSStable:           "linux",
			corev1.LabelArchStable:         "amd64",
			corev1.LabelInstanceTypeStable: "fake",
		}
		if r.Spec.Region != "" {
			labels[corev1.LabelTopologyRegion] = r.Spec.Region
		}
		if zones := r.Spec.Zones; len(zones) > 0 {
			labels[corev1.LabelTopologyZone] = zones[i%len(zones)]
		}
		maps.Copy(labels, pool.Labels)
		node := &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
			Status: corev1.NodeStatus{
				Capacity:    capacity,
				Allocatable: capacity,
				Addresses: []corev1.NodeAddress{
					{Type: corev1.NodeInternalIP, Address: nodeIP(r.Index, i)},
					{Type: corev1.NodeHostName, Address: name},
				},
				NodeInfo: corev1.NodeSystemInfo{OperatingSystem: "linux", Architecture: "amd64", KubeletVersion: "v" + Kubernetes},
			},
		}
		if ownRanges && i < maxNodesInRanges {
			node.Spec.PodCIDR = podCIDR(r.Index, i)
			node.Spec.PodCIDRs = []string{node.Spec.PodCIDR}
		}
		nodes[i] = node
	}
	return nodes
}

// createNodes makes the member's nodes; those that exist are left alone.
func createNodes(ctx context.Context, c client.Client, r *record) error {
	for _, node := range nodeObjects(r) {
		if err := c.Create(ctx, node); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("creating node %s: %w", node.Name, err)
		}
	}
	return nil
}

// nodesReady says which node with a kubelet is not ready.
func nodesReady(ctx context.Context, c client.Client) error {
	nodes := &corev1.NodeList{}
	if err := c.List(ctx, nodes, client.MatchingLabels{KubeletLabel: KubeletValue}); err != nil {
		return fmt.Errorf("listing nodes: %w", err)
	}
	for i := range nodes.Items {
		if !nodeReady(&nodes.Items[i]) {
			return fmt.Errorf("node %s is not ready", nodes.Items[i].Name)
		}
	}
	return nil
}

func nodeReady(node *corev1.Node) bool {
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
