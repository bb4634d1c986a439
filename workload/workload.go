// Package workload reads and judges the manifests that Works carry to member clusters.
package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/policy"
	"github.com/seatrial/seatrial/rawjson"
)

// Manifests decodes what a Work carries, in order.
func Manifests(work *workv1alpha1.Work) ([]*unstructured.Unstructured, error) {
	decoded := make([]*unstructured.Unstructured, 0, len(work.Spec.Workload.Manifests))
	for i := range work.Spec.Workload.Manifests {
		raw := work.Spec.Workload.Manifests[i].Raw
		if object, ok := plain(raw); ok {
			decoded = append(decoded, object)
			continue
		}
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(raw); err != nil {
			return nil, fmt.Errorf("manifest %d of Work %s/%s: %w", i, work.Namespace, work.Name, err)
		}
		decoded = append(decoded, object)
	}
	return decoded, nil
}

// plain decodes a manifest as API servers keep them; ok is false for others.
func plain(raw []byte) (object *unstructured.Unstructured, ok bool) {
	tree, _ := rawjson.Decode(raw)
	content, _ := tree.(map[string]any)
	object = &unstructured.Unstructured{Object: content}
	return object, content != nil && object.GetKind() != "" && !object.IsList()
}

// Identities are the manifests of a Work with nothing but their kinds, names and namespaces. Where that is enough, it spares
// their content being decoded.
func Identities(work *workv1alpha1.Work) ([]*unstructured.Unstructured, error) {
	decoded := make([]*unstructured.Unstructured, 0, len(work.Spec.Workload.Manifests))
	for i := range work.Spec.Workload.Manifests {
		head := identity{}
		if raw := work.Spec.Workload.Manifests[i].Raw; !head.skim(raw) {
			head = identity{}
			if err := json.Unmarshal(raw, &head); err != nil {
				return nil, fmt.Errorf("manifest %d of Work %s/%s: %w", i, work.Namespace, work.Name, err)
			}
		}
		object := &unstructured.Unstructured{}
		object.SetAPIVersion(head.APIVersion)
		object.SetKind(head.Kind)
		object.SetName(head.Metadata.Name)
		object.SetNamespace(head.Metadata.Namespace)
		decoded = append(decoded, object)
	}
	return decoded, nil
}

// identity is what Identities reads of a manifest.
type identity struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        struct{ Name, Namespace string }
}

// skim reads the identity of a manifest as API servers keep them, without decoding it. It reports false for others.
func (i *identity) skim(manifest []byte) bool {
	var metadata []byte
	plain := rawjson.Members(manifest, func(name, value []byte) (ok bool) {
		switch string(name) {
		case "apiVersion":
			i.APIVersion, ok = rawjson.Text(value)
		case "kind":
			i.Kind, ok = rawjson.Text(value)
		case "metadata":
			metadata, ok = value, true
		default:
			ok = true
		}
		return ok
	}) && rawjson.Members(metadata, func(name, value []byte) (ok bool) {
		switch string(name) {
		case "name":
			i.Metadata.Name, ok = rawjson.Text(value)
		case "namespace":
			i.Metadata.Namespace, ok = rawjson.Text(value)
		default:
			ok = true
		}
		return ok
	})
	return plain && i.APIVersion != "" && i.Kind != "" && i.Metadata.Name != ""
}

// Sources are the watches a Work needs in its member: one for each kind it carries.
func Sources(cluster string, manifests []*unstructured.Unstructured) []control.Source {
	var sources []control.Source
	for _, manifest := range manifests {
		sources = append(sources, control.Source{Cluster: cluster, GVK: manifest.GroupVersionKind(), View: control.Managed})
	}
	return sources
}

// OfMember leads from a member object to the Work it came from.
func OfMember(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	owner, ok := Owner(event.Object())
	if !ok || owner.Namespace != names.ExecutionSpace(event.Cluster) {
		return nil
	}
	return []control.Key{{Namespace: owner.Namespace, Name: owner.Name}}
}

// Owner is the name of the Work a member object came from.
func Owner(object client.Object) (work types.NamespacedName, ok bool) {
	annotations := object.GetAnnotations()
	work = types.NamespacedName{Namespace: annotations[names.AnnotationWorkNamespace], Name: annotations[names.AnnotationWorkName]}
	return work, work.Namespace != "" && work.Name != ""
}

// Managed tells whether a member object is owned by the control plane.
func Managed(object client.Object) bool {
	if tree, ok := object.(*unstructured.Unstructured); ok {
		// Its labels would be copied.
		value, _, _ := unstructured.NestedString(tree.Object, "metadata", "labels", names.LabelManaged)
		return value == names.LabelManagedValue
	}
	return object.GetLabels()[names.LabelManaged] == names.LabelManagedValue
}

// Describe names an object in messages: "Deployment default/nginx".
func Describe(object client.Object) string {
	return object.GetObjectKind().GroupVersionKind().Kind + " " + names.NamespacedKey(object.GetNamespace(), object.GetName())
}

// Merge prepares a manifest to replace a member object: what the member owns of the metadata stays, keys that vanished from
// the manifest go, all else is the manifest's, and shared with it.
func Merge(manifest, observed *unstructured.Unstructured) *unstructured.Unstructured {
	merged := &unstructured.Unstructured{Object: maps.Clone(manifest.Object)}
	if metadata, ok := merged.Object["metadata"].(map[string]any); ok {
		merged.Object["metadata"] = maps.Clone(metadata)
	}
	merged.SetUID(observed.GetUID())
	merged.SetResourceVersion(observed.GetResourceVersion())
	merged.SetCreationTimestamp(observed.GetCreationTimestamp())
	merged.SetGeneration(observed.GetGeneration())
	merged.SetFinalizers(observed.GetFinalizers())
	merged.SetOwnerReferences(observed.GetOwnerReferences())
	managed := observed.GetAnnotations()
	merged.SetLabels(mergeKeys(manifest.GetLabels(), observed.GetLabels(), managed[names.AnnotationManagedLabels]))
	merged.SetAnnotations(mergeKeys(manifest.GetAnnotations(), managed, managed[names.AnnotationManagedAnnotations]))
	if status, found := observed.Object["status"]; found {
		merged.Object["status"] = status
	}
	return merged
}

// mergeKeys keeps the keys that someone added in the member. Those listed as the control plane's own are the manifest's.
func mergeKeys(wanted, observed map[string]string, ownedList string) map[string]string {
	owned := strings.Split(ownedList, ",")
	merged := make(map[string]string, len(wanted)+len(observed))
	for key, value := range observed {
		if !slices.Contains(owned, key) {
			merged[key] = value
		}
	}
	for key, value := range wanted {
		merged[key] = value
	}
	return merged
}

// CarriesMetadata tells whether all labels and annotations of the manifest stand on the member object.
func CarriesMetadata(manifest, observed *unstructured.Unstructured) bool {
	return subset(manifest.GetLabels(), observed.GetLabels()) && subset(manifest.GetAnnotations(), observed.GetAnnotations())
}

func subset(wanted, observed map[string]string) bool {
	for key, value := range wanted {
		if found, ok := observed[key]; !ok || found != value {
			return false
		}
	}
	return true
}

// HandOver is a member object without the marks of the control plane, claims of policies included, so that it goes on as the
// member's own.
func HandOver(observed *unstructured.Unstructured) *unstructured.Unstructured {
	freed := observed.DeepCopy()
	freed.SetLabels(without(observed.GetLabels(), names.LabelManaged, names.LabelWorkID, names.LabelResourceBindingID, names.LabelClusterResourceBindingID))
	freed.SetAnnotations(without(observed.GetAnnotations(),
		names.AnnotationWorkNamespace, names.AnnotationWorkName, names.AnnotationTemplateUID, names.AnnotationTemplateGeneration,
		names.AnnotationManagedLabels, names.AnnotationManagedAnnotations, names.AnnotationConflictResolution,
		names.AnnotationResourceBindingNamespace, names.AnnotationResourceBindingName, names.AnnotationClusterResourceBindingName))
	policy.Unclaim(freed)
	return freed
}

func without(all map[string]string, keys ...string) map[string]string {
	kept := maps.Clone(all)
	for _, key := range keys {
		delete(kept, key)
	}
	return kept
}
