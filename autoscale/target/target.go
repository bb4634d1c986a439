// Package target reads and changes the replicas of whatever an autoscaler points at, through the scale subresource that all kinds
// have which can be scaled.
package target

import (
	"context"
	"fmt"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const subresource = "scale"

// Of is the empty form of what a reference in a namespace points at.
func Of(namespace string, reference autoscalingv2.CrossVersionObjectReference) (*unstructured.Unstructured, error) {
	gv, err := schema.ParseGroupVersion(reference.APIVersion)
	if err != nil {
		return nil, fmt.Errorf("the target's apiVersion: %w", err)
	}
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(gv.WithKind(reference.Kind))
	object.SetNamespace(namespace)
	object.SetName(reference.Name)
	return object, nil
}

// Scale reads how many replicas an object has and shall have. The object needs its kind and name only.
func Scale(ctx context.Context, cluster client.Client, object *unstructured.Unstructured) (*autoscalingv1.Scale, error) {
	read := &unstructured.Unstructured{}
	read.SetGroupVersionKind(autoscalingv1.SchemeGroupVersion.WithKind("Scale"))
	if err := cluster.SubResource(subresource).Get(ctx, object, read); err != nil {
		return nil, err
	}
	scale := &autoscalingv1.Scale{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(read.Object, scale); err != nil {
		return nil, fmt.Errorf("reading the scale of %s %s/%s: %w", object.GetKind(), object.GetNamespace(), object.GetName(), err)
	}
	return scale, nil
}

// Resize changes how many replicas an object shall have, unless it has changed since its scale was read, which is a conflict.
func Resize(ctx context.Context, cluster client.Client, object *unstructured.Unstructured, read *autoscalingv1.Scale, replicas int32) error {
	wanted := read.DeepCopy()
	wanted.Spec.Replicas = replicas
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(wanted)
	if err != nil {
		return fmt.Errorf("writing the scale of %s %s/%s: %w", object.GetKind(), object.GetNamespace(), object.GetName(), err)
	}
	body := &unstructured.Unstructured{Object: content}
	body.SetGroupVersionKind(autoscalingv1.SchemeGroupVersion.WithKind("Scale"))
	return cluster.SubResource(subresource).Update(ctx, object, client.WithSubResourceBody(body))
}
