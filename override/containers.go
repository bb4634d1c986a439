package override

import (
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// podPath is where a kind has its pod spec; nil for kinds that have none, as far as overriders know.
func podPath(manifest *unstructured.Unstructured) (path []string, prototype any) {
	template := []string{"spec", "template", "spec"}
	switch manifest.GetKind() {
	case "Pod":
		return []string{"spec"}, &corev1.Pod{}
	case "Deployment":
		return template, &appsv1.Deployment{}
	case "ReplicaSet":
		return template, &appsv1.ReplicaSet{}
	case "DaemonSet":
		return template, &appsv1.DaemonSet{}
	case "StatefulSet":
		return template, &appsv1.StatefulSet{}
	case "Job":
		return template, &batchv1.Job{}
	default:
		return nil, nil
	}
}

// fitsKind checks that a manifest with a pod spec can be read as its kind.
func fitsKind(manifest *unstructured.Unstructured) error {
	_, prototype := podPath(manifest)
	if prototype == nil {
		return nil
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(manifest.Object, prototype); err != nil {
		return fmt.Errorf("reading %s: %w", manifest.GetKind(), err)
	}
	return nil
}

// containers are those of the pod spec of a manifest, to be changed in place. Kinds without a pod spec have none.
func containers(manifest *unstructured.Unstructured) ([]map[string]any, error) {
	path, _ := podPath(manifest)
	if path == nil {
		return nil, nil
	}
	value, _, err := unstructured.NestedFieldNoCopy(manifest.Object, append(path, "containers")...)
	if err != nil {
		return nil, err
	}
	entries, isList := value.([]any)
	if value != nil && !isList {
		return nil, fmt.Errorf("the containers are a %T, want a list", value)
	}
	var found []map[string]any
	for i, entry := range entries {
		container, isObject := entry.(map[string]any)
		if !isObject {
			return nil, fmt.Errorf("container %d is a %T, want an object", i, entry)
		}
		found = append(found, container)
	}
	return found, nil
}

// overrideWords changes the command or the arguments of a container: words are added at the end, or removed wherever they
// stand.
func overrideWords(
	manifest *unstructured.Unstructured, fieldName string, overrider *policyv1alpha1.CommandArgsOverrider,
) error {
	list, err := containers(manifest)
	if err != nil {
		return err
	}
	for _, container := range list {
		if container["name"] != overrider.ContainerName {
			continue
		}
		words, _, err := unstructured.NestedStringSlice(container, fieldName)
		if err != nil {
			return err
		}
		switch overrider.Operator {
		case policyv1alpha1.OverriderOpAdd:
			words = append(words, overrider.Value...)
		case policyv1alpha1.OverriderOpRemove:
			words = slices.DeleteFunc(words, func(word string) bool { return slices.Contains(overrider.Value, word) })
		default:
			return fmt.Errorf("operator %q is not for words", overrider.Operator)
		}
		if err := unstructured.SetNestedStringSlice(container, words, fieldName); err != nil {
			return err
		}
	}
	return nil
}
