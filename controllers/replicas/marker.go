package replicas

import (
	"context"
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/policy"
	"github.com/seatrial/seatrial/workload"
)

// Marker is the controller named "hpaScaleTargetMarker". Its keys are the targets of autoscalers that a policy propagates: they
// are marked so that members keep their own number of replicas, and lose the mark with the last such autoscaler.
func Marker(workers int) control.Controller {
	return control.Controller{
		Name:       "hpaScaleTargetMarker",
		Watches:    []control.Watch{{Object: &autoscalingv2.HorizontalPodAutoscaler{}, Keys: onAutoscaler}},
		SourceKeys: onTarget,
		Indexes:    []control.Index{byTarget()},
		Workers:    workers,
		Reconcile:  mark,
	}
}

const targetField = "seatrial.target"

// byTarget indexes autoscalers by their targets.
func byTarget() control.Index {
	return control.Index{Object: &autoscalingv2.HorizontalPodAutoscaler{}, Field: targetField, Values: func(object client.Object) []string {
		if target, ok := targetOf(object.(*autoscalingv2.HorizontalPodAutoscaler)); ok {
			return []string{target.String()}
		}
		return nil
	}}
}

// targetOf is what an autoscaler scales; ok is false for a reference that leads nowhere.
func targetOf(scaler *autoscalingv2.HorizontalPodAutoscaler) (target control.Key, ok bool) {
	reference := scaler.Spec.ScaleTargetRef
	gv, err := schema.ParseGroupVersion(reference.APIVersion)
	if err != nil || gv.Version == "" || reference.Kind == "" || reference.Name == "" {
		return control.Key{}, false
	}
	return control.Key{GVK: gv.WithKind(reference.Kind), Namespace: scaler.Namespace, Name: reference.Name}, true
}

func propagated(scaler *autoscalingv2.HorizontalPodAutoscaler) bool {
	_, claimed := policy.ClaimOf(scaler)
	return claimed && scaler.DeletionTimestamp.IsZero()
}

// onAutoscaler wakes the targets of an autoscaler, now and before, when it comes under a policy, leaves it or scales another.
func onAutoscaler(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	old, _ := event.Old.(*autoscalingv2.HorizontalPodAutoscaler)
	current, _ := event.New.(*autoscalingv2.HorizontalPodAutoscaler)
	if old != nil && current != nil && propagated(old) == propagated(current) && old.Spec.ScaleTargetRef == current.Spec.ScaleTargetRef {
		return nil
	}
	var keys []control.Key
	for _, scaler := range []*autoscalingv2.HorizontalPodAutoscaler{old, current} {
		if scaler == nil || !propagated(scaler) {
			continue
		}
		if target, ok := targetOf(scaler); ok {
			keys = append(keys, target)
		}
	}
	return keys
}

// onTarget wakes a target that comes after its autoscaler, or has lost its mark.
func onTarget(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	if event.New == nil || marked(event.New) {
		return nil
	}
	key := control.KindKeyOf(event.GVK, event.New)
	if scaled, err := scaled(ctx, reader, key); err != nil || !scaled {
		return nil
	}
	return []control.Key{key}
}

func marked(object client.Object) bool {
	return object.GetLabels()[names.LabelRetainReplicas] == names.LabelRetainReplicasValue
}

// scaled tells whether a propagated autoscaler scales a target.
func scaled(ctx context.Context, reader client.Reader, target control.Key) (bool, error) {
	scalers := &autoscalingv2.HorizontalPodAutoscalerList{}
	err := reader.List(ctx, scalers, client.InNamespace(target.Namespace), client.MatchingFields{targetField: target.String()}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return false, fmt.Errorf("listing the autoscalers of %s: %w", target, err)
	}
	for i := range scalers.Items {
		if propagated(&scalers.Items[i]) {
			return true, nil
		}
	}
	return false, nil
}

// mark sets the label of a target, or takes it away. While it is scaled its kind is watched, as it may come later. Kinds that
// nobody serves wait for the next change of the autoscaler.
func mark(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	scaled, err := scaled(ctx, deps.Client, key)
	if err != nil {
		return control.Result{}, err
	}
	target := &unstructured.Unstructured{}
	target.SetGroupVersionKind(key.GVK)
	err = deps.Client.Get(ctx, key.NamespacedName(), target)
	if meta.IsNoMatchError(err) {
		return control.Result{}, nil
	}
	if client.IgnoreNotFound(err) != nil {
		return control.Result{}, fmt.Errorf("reading %s: %w", key, err)
	}
	result := control.Result{}
	if scaled {
		result.Sources = []control.Source{{GVK: key.GVK}}
	}
	if err != nil || marked(target) == scaled || !target.GetDeletionTimestamp().IsZero() {
		return result, nil
	}
	return result, label(ctx, deps, target, scaled)
}

func label(ctx context.Context, deps control.Deps, target *unstructured.Unstructured, set bool) error {
	changed := target.DeepCopy()
	labels := changed.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	delete(labels, names.LabelRetainReplicas)
	if set {
		labels[names.LabelRetainReplicas] = names.LabelRetainReplicasValue
	}
	changed.SetLabels(labels)
	if err := client.IgnoreNotFound(deps.Client.Patch(ctx, changed, client.MergeFrom(target))); err != nil {
		return fmt.Errorf("marking %s to keep the replicas of the members: %w", workload.Describe(target), err)
	}
	return nil
}
