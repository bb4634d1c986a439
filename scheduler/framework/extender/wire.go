package extender

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	wire "k8s.io/kube-scheduler/extender/v1"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// Pod is what a workload looks like to an extender: one replica of it, owned by the template.
func Pod(request placement.Request) *corev1.Pod {
	template := request.Spec.Resource
	pod := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: template.Namespace,
			Name:      template.Name,
			UID:       template.UID,
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: template.APIVersion, Kind: template.Kind, Name: template.Name, UID: template.UID,
			}},
		},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "replica"}}},
	}
	if needs := request.Spec.ReplicaRequirements; needs != nil {
		pod.Spec.Containers[0].Resources.Requests = needs.ResourceRequest
		pod.Spec.PriorityClassName = needs.PriorityClassName
	}
	if request.Spec.Placement != nil {
		pod.Spec.Tolerations = request.Spec.Placement.ClusterTolerations
	}
	return pod
}

// Node is what a cluster looks like to an extender: its name, labels, annotations and taints, and the sum of what its nodes
// can allocate.
func Node(cluster *clusterv1alpha1.Cluster) corev1.Node {
	node := corev1.Node{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Node"},
		ObjectMeta: metav1.ObjectMeta{
			Name: cluster.Name, UID: cluster.UID, Labels: cluster.Labels, Annotations: cluster.Annotations,
			CreationTimestamp: cluster.CreationTimestamp,
		},
		Spec: corev1.NodeSpec{Taints: cluster.Spec.Taints},
	}
	if summary := cluster.Status.ResourceSummary; summary != nil {
		node.Status.Allocatable = summary.Allocatable
	}
	return node
}

// question is what both verbs ask about clusters.
func (c *client) question(pod *corev1.Pod, clusters []*clusterv1alpha1.Cluster) *wire.ExtenderArgs {
	args := &wire.ExtenderArgs{Pod: pod}
	if c.NamesOnly {
		names := make([]string, len(clusters))
		for i := range clusters {
			names[i] = clusters[i].Name
		}
		args.NodeNames = &names
		return args
	}
	args.Nodes = &corev1.NodeList{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "NodeList"},
		Items:    make([]corev1.Node, len(clusters)),
	}
	for i := range clusters {
		args.Nodes.Items[i] = Node(clusters[i])
	}
	return args
}
