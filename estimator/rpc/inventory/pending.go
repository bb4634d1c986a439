package inventory

import (
	"context"
	"errors"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seatrial/seatrial/estimator"
)

// ErrUnsupportedKind is the error for workloads whose pods cannot be told from others.
var ErrUnsupportedKind = errors.New("only Deployments of apps/v1 have unschedulable replicas counted")

// Unschedulable counts the replicas of a Deployment that have found no node for longer than the threshold. The Deployment
// and its ReplicaSets are read from the API server, but only when pods wait in its namespace.
func (v *Inventory) Unschedulable(ctx context.Context, apiVersion, kind, namespace, name string, threshold time.Duration) (int32, error) {
	if apiVersion != appsv1.SchemeGroupVersion.String() || kind != "Deployment" {
		return 0, fmt.Errorf("counting unschedulable replicas of %s %s %s/%s: %w", apiVersion, kind, namespace, name, ErrUnsupportedKind)
	}
	pods := v.waiting(namespace)
	if len(pods) == 0 {
		return 0, nil
	}
	deployment, err := v.client.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return 0, fmt.Errorf("counting unschedulable replicas: reading Deployment %s/%s: %w", namespace, name, err)
	}
	sets, err := v.replicaSets(ctx, deployment)
	if err != nil {
		return 0, err
	}
	return estimator.Unschedulable(deployment, sets, pods, threshold, v.options.Clock.Now()), nil
}

func (v *Inventory) replicaSets(ctx context.Context, deployment *appsv1.Deployment) ([]*appsv1.ReplicaSet, error) {
	selector, err := metav1.LabelSelectorAsSelector(deployment.Spec.Selector)
	if err != nil {
		return nil, fmt.Errorf("counting unschedulable replicas: reading the selector of Deployment %s/%s: %w", deployment.Namespace, deployment.Name, err)
	}
	list, err := v.client.AppsV1().ReplicaSets(deployment.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return nil, fmt.Errorf("counting unschedulable replicas: listing the ReplicaSets of Deployment %s/%s: %w", deployment.Namespace, deployment.Name, err)
	}
	sets := make([]*appsv1.ReplicaSet, len(list.Items))
	for i := range list.Items {
		sets[i] = &list.Items[i]
	}
	return sets, nil
}

// waiting are the pods of a namespace that found no node, reduced to what counting them takes, in no order.
func (v *Inventory) waiting(namespace string) []*corev1.Pod {
	v.contents.RLock()
	defer v.contents.RUnlock()
	pods := make([]*corev1.Pod, 0, len(v.pending[namespace]))
	for _, pod := range v.pending[namespace] {
		pods = append(pods, pod)
	}
	return pods
}

// notePending keeps a pod that found no node, and forgets it when it has.
func (v *Inventory) notePending(pod *corev1.Pod) {
	condition := unschedulable(pod)
	controller := metav1.GetControllerOfNoCopy(pod)
	if condition == nil || controller == nil {
		v.forgetPending(pod.Namespace, pod.Name)
		return
	}
	kept := &corev1.Pod{}
	kept.Namespace, kept.Name, kept.OwnerReferences = pod.Namespace, pod.Name, []metav1.OwnerReference{*controller}
	kept.Status.Conditions = []corev1.PodCondition{{
		Type: condition.Type, Status: condition.Status, Reason: condition.Reason, LastTransitionTime: condition.LastTransitionTime,
	}}
	if v.pending[pod.Namespace] == nil {
		v.pending[pod.Namespace] = map[string]*corev1.Pod{}
	}
	v.pending[pod.Namespace][pod.Name] = kept
}

func (v *Inventory) forgetPending(namespace, name string) {
	waiting := v.pending[namespace]
	if _, ok := waiting[name]; !ok {
		return
	}
	if delete(waiting, name); len(waiting) == 0 {
		delete(v.pending, namespace)
	}
}

func unschedulable(pod *corev1.Pod) *corev1.PodCondition {
	for i := range pod.Status.Conditions {
		condition := &pod.Status.Conditions[i]
		if condition.Type == corev1.PodScheduled {
			if condition.Status == corev1.ConditionFalse && condition.Reason == corev1.PodReasonUnschedulable {
				return condition
			}
			return nil
		}
	}
	return nil
}
