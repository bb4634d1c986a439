package store

import (
	"context"
	"fmt"
	"strings"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// aspectScale is the subresource that shows and sets the replicas of any workload in the same form.
const aspectScale aspect = "scale"

// workloadScale is where builtin workloads keep what a Scale shows.
var workloadScale = apiextensionsv1.CustomResourceSubresourceScale{
	SpecReplicasPath: ".spec.replicas", StatusReplicasPath: ".status.replicas",
}

// scalePaths tells where a kind keeps what a Scale shows; nil when it has no such subresource.
func (k *kind) scalePaths() *apiextensionsv1.CustomResourceSubresourceScale {
	switch k.resource.GVK.GroupKind().String() {
	case "Deployment.apps", "StatefulSet.apps", "ReplicaSet.apps":
		if k.resource.native != nil {
			return &workloadScale
		}
	}
	if schema := k.schemas[k.resource.GVK.Version]; schema != nil {
		return schema.scale
	}
	return nil
}

func steps(path string) []string {
	return strings.Split(strings.TrimPrefix(path, "."), ".")
}

// scaleOf shows a version as a Scale.
func (k *kind) scaleOf(v *version) (*autoscalingv1.Scale, error) {
	tree, err := v.treeForm(k.resource.GVK)
	if err != nil {
		return nil, err
	}
	paths := k.scalePaths()
	meta := v.meta()
	scale := &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{
		Name: meta.GetName(), Namespace: meta.GetNamespace(), UID: meta.GetUID(),
		ResourceVersion: meta.GetResourceVersion(), CreationTimestamp: meta.GetCreationTimestamp(),
	}}
	desired, _, err := unstructured.NestedInt64(tree.Object, steps(paths.SpecReplicasPath)...)
	if err != nil {
		return nil, fmt.Errorf("reading the replicas of %s %s: %w", k.resource.GVK.Kind, meta.GetName(), err)
	}
	observed, _, err := unstructured.NestedInt64(tree.Object, steps(paths.StatusReplicasPath)...)
	if err != nil {
		return nil, fmt.Errorf("reading the observed replicas of %s %s: %w", k.resource.GVK.Kind, meta.GetName(), err)
	}
	scale.Spec.Replicas, scale.Status.Replicas = int32(desired), int32(observed)
	if paths.LabelSelectorPath != nil {
		scale.Status.Selector, _, err = unstructured.NestedString(tree.Object, steps(*paths.LabelSelectorPath)...)
	} else if !k.custom() {
		scale.Status.Selector, err = selectorText(tree)
	}
	return scale, err
}

// selectorText writes the label selector of a builtin workload as text.
func selectorText(tree *unstructured.Unstructured) (string, error) {
	content, _, err := unstructured.NestedMap(tree.Object, "spec", "selector")
	if err != nil {
		return "", err
	}
	selector := &metav1.LabelSelector{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, selector); err != nil {
		return "", err
	}
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return "", err
	}
	return parsed.String(), nil
}

// readScale fills a Scale, or an unstructured object, with the scale of an object.
func (c *storeClient) readScale(object, into client.Object) error {
	k, _, err := c.store.target(object)
	if err != nil {
		return err
	}
	key := k.normalKey(client.ObjectKeyFromObject(object))
	v := c.store.current(k, key)
	if v == nil {
		return apierrors.NewNotFound(k.resource.groupResource(), key.Name)
	}
	return c.fillScale(k, v, into)
}

func (c *storeClient) fillScale(k *kind, v *version, into client.Object) error {
	scale, err := k.scaleOf(v)
	if err != nil {
		return err
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(scale)
	if err != nil {
		return err
	}
	if tree, ok := into.(*unstructured.Unstructured); ok {
		tree.Object = content
		tree.SetGroupVersionKind(autoscalingv1.SchemeGroupVersion.WithKind("Scale"))
		return nil
	}
	return runtime.DefaultUnstructuredConverter.FromUnstructured(content, into)
}

// writeScale changes the replicas of an object to what next makes of its present scale, and fills into with the result.
func (c *storeClient) writeScale(ctx context.Context, object, into client.Object, options writeOptions,
	next func(current *autoscalingv1.Scale) (*autoscalingv1.Scale, error)) error {
	k, _, err := c.store.target(object)
	if err != nil {
		return err
	}
	key := k.normalKey(client.ObjectKeyFromObject(object))
	v, err := c.store.modify(ctx, modification{
		kind: k, key: key, options: options,
		next: existing(k, key, func(current *version) (client.Object, error) {
			present, err := k.scaleOf(current)
			if err != nil {
				return nil, err
			}
			wanted, err := next(present)
			if err != nil {
				return nil, err
			}
			return c.store.scaled(k, current, wanted)
		}),
	})
	if err != nil {
		return err
	}
	return c.fillScale(k, v, into)
}

// scaled makes a draft of the current version with other replicas.
func (s *Store) scaled(k *kind, current *version, wanted *autoscalingv1.Scale) (client.Object, error) {
	if errs := apivalidation.ValidateNonnegativeField(int64(wanted.Spec.Replicas), field.NewPath("spec", "replicas")); len(errs) > 0 {
		kind := schema.GroupKind{Group: autoscalingv1.GroupName, Kind: "Scale"}
		return nil, apierrors.NewInvalid(kind, current.object.GetName(), errs)
	}
	if wanted.UID != "" && wanted.UID != current.object.GetUID() {
		return nil, conflictingUID(k, current.object.GetName(), wanted.UID, current.object.GetUID())
	}
	tree, err := current.treeForm(k.resource.GVK)
	if err != nil {
		return nil, err
	}
	changed := tree.DeepCopy()
	err = unstructured.SetNestedField(changed.Object, int64(wanted.Spec.Replicas), steps(k.scalePaths().SpecReplicasPath)...)
	if err != nil {
		return nil, err
	}
	if wanted.ResourceVersion != "" {
		changed.SetResourceVersion(wanted.ResourceVersion)
	}
	return s.draftFromContent(k, k.resource.GVK, changed.Object, false)
}
