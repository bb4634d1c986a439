package native

import (
	"errors"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/seatrial/seatrial/api/names"
)

// retainReplicas leaves the scale of a marked workload to the member.
func retainReplicas(desired, observed *unstructured.Unstructured) error {
	if desired.GetLabels()[names.LabelRetainReplicas] != names.LabelRetainReplicasValue {
		return nil
	}
	replicas, found, err := unstructured.NestedInt64(observed.Object, "spec", "replicas")
	if err != nil {
		return err
	}
	if !found {
		return errors.New("the member object has no spec.replicas to retain")
	}
	return unstructured.SetNestedField(desired.Object, replicas, "spec", "replicas")
}

// retainField keeps one field when the member set it to something other than zero.
func retainField(path ...string) func(desired, observed *unstructured.Unstructured) error {
	return func(desired, observed *unstructured.Unstructured) error {
		value, found, err := unstructured.NestedFieldNoCopy(observed.Object, path...)
		if err != nil || !found || value == nil || value == "" || value == int64(0) {
			return err
		}
		return unstructured.SetNestedField(desired.Object, runtime.DeepCopyJSONValue(value), path...)
	}
}

// retainAll applies retainField to several fields.
func retainAll(paths ...[]string) func(desired, observed *unstructured.Unstructured) error {
	return func(desired, observed *unstructured.Unstructured) error {
		for _, path := range paths {
			if err := retainField(path...)(desired, observed); err != nil {
				return err
			}
		}
		return nil
	}
}

// retainJobSelector keeps the selector and pod labels that the member generated for the Job; they are immutable.
func retainJobSelector(desired, observed *unstructured.Unstructured) error {
	return retainAll(
		[]string{"spec", "selector", "matchLabels"},
		[]string{"spec", "template", "metadata", "labels"},
	)(desired, observed)
}

// retainService keeps the addresses and the health check port that the member allocated.
func retainService(desired, observed *unstructured.Unstructured) error {
	return retainAll(
		[]string{"spec", "clusterIP"},
		[]string{"spec", "healthCheckNodePort"},
	)(desired, observed)
}

// retainTokenSecret keeps what the member's token controller wrote.
func retainTokenSecret(desired, observed *unstructured.Unstructured) error {
	kind, _, err := unstructured.NestedString(desired.Object, "type")
	if err != nil || kind != string(corev1.SecretTypeServiceAccountToken) {
		return err
	}
	return retainAll(
		[]string{"data"},
		[]string{"metadata", "annotations", corev1.ServiceAccountUIDKey},
	)(desired, observed)
}

// retainServiceAccount keeps secrets and pull secrets that the member added, after the ones of the template.
func retainServiceAccount(desired, observed *unstructured.Unstructured) error {
	for _, list := range []string{"secrets", "imagePullSecrets"} {
		mine, _, err := unstructured.NestedSlice(desired.Object, list)
		if err != nil {
			return err
		}
		theirs, found, err := unstructured.NestedSlice(observed.Object, list)
		if err != nil {
			return err
		}
		if !found {
			continue
		}
		desired.Object[list] = mergedByName(mine, theirs)
	}
	return nil
}

func mergedByName(mine, theirs []any) []any {
	seen := map[any]bool{}
	for _, entry := range mine {
		seen[nameOf(entry)] = true
	}
	for _, entry := range theirs {
		if name := nameOf(entry); !seen[name] {
			seen[name] = true
			mine = append(mine, entry)
		}
	}
	return mine
}

// nameOf is the name of a list entry, empty when it has none.
func nameOf(entry any) string {
	object, _ := entry.(map[string]any)
	name, _ := object["name"].(string)
	return name
}

// retainPod keeps what the scheduler and the admission plugins of the member filled in; a pod cannot change it later.
func retainPod(desired, observed *unstructured.Unstructured) error {
	for _, name := range []string{"nodeName", "serviceAccountName", "volumes"} {
		value, found, err := unstructured.NestedFieldCopy(observed.Object, "spec", name)
		if err != nil {
			return err
		}
		if !found {
			unstructured.RemoveNestedField(desired.Object, "spec", name)
			continue
		}
		if err := unstructured.SetNestedField(desired.Object, value, "spec", name); err != nil {
			return err
		}
	}
	for _, list := range []string{"containers", "initContainers"} {
		if err := retainVolumeMounts(desired, observed, list); err != nil {
			return err
		}
	}
	return nil
}

// retainVolumeMounts takes over the mounts of containers with the same name.
func retainVolumeMounts(desired, observed *unstructured.Unstructured, list string) error {
	mine, found, err := unstructured.NestedSlice(desired.Object, "spec", list)
	if err != nil || !found {
		return err
	}
	theirs, _, err := unstructured.NestedSlice(observed.Object, "spec", list)
	if err != nil {
		return err
	}
	for _, entry := range mine {
		container, isObject := entry.(map[string]any)
		for _, other := range theirs {
			member, memberIsObject := other.(map[string]any)
			if !isObject || !memberIsObject || nameOf(container) != nameOf(member) {
				continue
			}
			delete(container, "volumeMounts")
			if mounts, found := member["volumeMounts"]; found {
				container["volumeMounts"] = mounts
			}
			break
		}
	}
	return unstructured.SetNestedSlice(desired.Object, mine, "spec", list)
}
