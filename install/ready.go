package install

import (
	"context"
	"fmt"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// poll is how often the host is asked while something is waited for.
const poll = 250 * time.Millisecond

// awaitReady returns once every workload among the objects runs as wanted.
func awaitReady(ctx context.Context, host client.Client, objects []client.Object, say func(string)) error {
	return await(ctx, say, func(ctx context.Context) (string, error) {
		var waiting []string
		for _, object := range objects {
			lacks, err := lacking(ctx, host, object)
			if err != nil {
				return "", err
			}
			if lacks != "" {
				waiting = append(waiting, lacks)
			}
		}
		return strings.Join(waiting, "; "), nil
	})
}

// await asks until nothing is pending. Errors of asking do not end the wait: a server that is starting refuses at first.
func await(ctx context.Context, say func(string), pending func(context.Context) (string, error)) error {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		left, err := pending(ctx)
		if left == "" && err == nil {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			left = err.Error()
		}
		say(left)
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; last: %s", context.Cause(ctx), left)
		case <-tick.C:
		}
	}
}

// lacking says what a workload lacks; empty when it runs as wanted, or is no workload.
func lacking(ctx context.Context, host client.Client, object client.Object) (string, error) {
	var selector *metav1.LabelSelector
	var wanted, ready int32
	var current bool
	switch object := object.(type) {
	case *appsv1.Deployment:
		present := &appsv1.Deployment{}
		if err := host.Get(ctx, client.ObjectKeyFromObject(object), present); err != nil {
			return "", fmt.Errorf("looking at Deployment %s: %w", object.Name, err)
		}
		wanted, ready, selector = ptr.Deref(present.Spec.Replicas, 1), present.Status.AvailableReplicas, present.Spec.Selector
		current = present.Status.ObservedGeneration >= present.Generation && present.Status.UpdatedReplicas == wanted && present.Status.Replicas == wanted
	case *appsv1.StatefulSet:
		present := &appsv1.StatefulSet{}
		if err := host.Get(ctx, client.ObjectKeyFromObject(object), present); err != nil {
			return "", fmt.Errorf("looking at StatefulSet %s: %w", object.Name, err)
		}
		wanted, ready, selector = ptr.Deref(present.Spec.Replicas, 1), present.Status.ReadyReplicas, present.Spec.Selector
		current = present.Status.ObservedGeneration >= present.Generation && present.Status.UpdateRevision == present.Status.CurrentRevision
	default:
		return "", nil
	}
	if current && ready >= wanted {
		return "", nil
	}
	trouble, err := troubleOf(ctx, host, object.GetNamespace(), selector)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s: %d of %d ready%s", object.GetName(), min(ready, wanted), wanted, trouble), nil
}

// troubleOf tells what keeps pods from running, in the words of the host.
func troubleOf(ctx context.Context, host client.Client, namespace string, of *metav1.LabelSelector) (string, error) {
	selector, err := metav1.LabelSelectorAsSelector(of)
	if err != nil {
		return "", err
	}
	pods, err := podsOf(ctx, host, namespace, selector)
	if err != nil {
		return "", err
	}
	for _, pod := range pods {
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
				return fmt.Sprintf(" (pod %s: %s)", pod.Name, condition.Message), nil
			}
		}
		for _, container := range pod.Status.ContainerStatuses {
			if waiting := container.State.Waiting; waiting != nil && waiting.Reason != "ContainerCreating" {
				last := ""
				if ended := container.LastTerminationState.Terminated; ended != nil {
					last = fmt.Sprintf(", ended with status %d", ended.ExitCode)
				}
				return fmt.Sprintf(" (pod %s: %s%s; see kubectl logs -n %s %s)", pod.Name, waiting.Reason, last, namespace, pod.Name), nil
			}
		}
	}
	return "", nil
}

func podsOf(ctx context.Context, host client.Client, namespace string, selector labels.Selector) ([]corev1.Pod, error) {
	pods := &corev1.PodList{}
	if err := host.List(ctx, pods, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: selector}); err != nil {
		return nil, fmt.Errorf("listing pods in namespace %s: %w", namespace, err)
	}
	return pods.Items, nil
}
