package clusterstatus

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/control"
)

// survey asks a member what its nodes and pods add up to, or lists them.
func survey(ctx context.Context, member control.Member, models []clusterv1alpha1.ResourceModel) (control.Survey, error) {
	if surveyor, ok := member.(control.Surveyor); ok {
		return surveyor.Survey(ctx, models)
	}
	nodes, pods := &corev1.NodeList{}, &corev1.PodList{}
	if err := errors.Join(member.Inventory().List(ctx, nodes), member.Inventory().List(ctx, pods)); err != nil {
		return control.Survey{}, err
	}
	found := control.Survey{Nodes: *summariseNodes(nodes.Items), Resources: *summariseResources(nodes.Items, pods.Items)}
	found.Resources.AllocatableModelings = countGrades(models, nodes.Items, pods.Items)
	return found, nil
}

func summariseNodes(nodes []corev1.Node) *clusterv1alpha1.NodeSummary {
	summary := &clusterv1alpha1.NodeSummary{TotalNum: int32(len(nodes))}
	for i := range nodes {
		for _, condition := range nodes[i].Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
				summary.ReadyNum++
			}
		}
	}
	return summary
}

// summariseResources adds up, over the cluster: what its nodes offer, what pods without a node ask for, and what pods on
// nodes hold until they have finished.
func summariseResources(nodes []corev1.Node, pods []corev1.Pod) *clusterv1alpha1.ResourceSummary {
	summary := &clusterv1alpha1.ResourceSummary{
		Allocatable: corev1.ResourceList{}, Allocating: corev1.ResourceList{}, Allocated: corev1.ResourceList{},
	}
	for i := range nodes {
		add(summary.Allocatable, nodes[i].Status.Allocatable)
	}
	for i := range pods {
		switch {
		case pods[i].Spec.NodeName == "":
			add(summary.Allocating, requests(&pods[i]))
		case !finished(&pods[i]):
			add(summary.Allocated, requests(&pods[i]))
		}
	}
	return summary
}

// requests is what a pod asks for, itself counted as one of resource "pods".
func requests(pod *corev1.Pod) corev1.ResourceList {
	list := resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{})
	list[corev1.ResourcePods] = *resource.NewQuantity(1, resource.DecimalSI)
	return list
}

func finished(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

func add(total, more corev1.ResourceList) {
	for name, quantity := range more {
		sum := total[name]
		sum.Add(quantity)
		total[name] = sum
	}
}

// countGrades counts the nodes by the resource-model grade their free resources reach: the lowest over the resources of the
// models. A node without room for one more pod is not counted.
func countGrades(models []clusterv1alpha1.ResourceModel, nodes []corev1.Node, pods []corev1.Pod) []clusterv1alpha1.AllocatableModeling {
	if len(models) == 0 {
		return nil
	}
	held := map[string]corev1.ResourceList{}
	for i := range pods {
		if node := pods[i].Spec.NodeName; node != "" && !finished(&pods[i]) {
			if held[node] == nil {
				held[node] = corev1.ResourceList{}
			}
			add(held[node], requests(&pods[i]))
		}
	}
	counts := make([]clusterv1alpha1.AllocatableModeling, len(models))
	for i := range models {
		counts[i].Grade = models[i].Grade
	}
	for i := range nodes {
		free := nodes[i].Status.Allocatable.DeepCopy()
		for name, quantity := range held[nodes[i].Name] {
			if left, offered := free[name]; offered {
				left.Sub(quantity)
				free[name] = left
			}
		}
		if free.Pods().Sign() > 0 {
			counts[gradeOf(models, free)].Count++
		}
	}
	return counts
}

// gradeOf is the index of the model that fits free resources. Models are sorted by grade and their ranges are contiguous,
// which admission sees to.
func gradeOf(models []clusterv1alpha1.ResourceModel, free corev1.ResourceList) int {
	lowest := len(models) - 1
	for position := range models[0].Ranges {
		name := models[0].Ranges[position].Name
		available := free[name]
		reached := 0
		for i := range models {
			if position < len(models[i].Ranges) && available.Cmp(models[i].Ranges[position].Min) >= 0 {
				reached = i
			}
		}
		lowest = min(lowest, reached)
	}
	return lowest
}
