package admission

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	k8sjson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/rawjson"
)

// DefaultWork gives the Work its identity and cleans its manifests, see CleanManifest. Every manifest learns the identity of
// the Work and which labels and annotations the control plane owns.
func DefaultWork(work *workv1alpha1.Work, ids func() string) error {
	ensureLabel(&work.ObjectMeta, names.LabelWorkID, ids)
	for i := range work.Spec.Workload.Manifests {
		manifest := &work.Spec.Workload.Manifests[i]
		if finished(manifest, work.Labels[names.LabelWorkID]) {
			continue
		}
		raw, err := prepareManifest(manifest, work.Labels[names.LabelWorkID])
		if err != nil {
			return fmt.Errorf("preparing manifest %d of work %s/%s: %w", i, work.Namespace, work.Name, err)
		}
		if !bytes.Equal(raw, manifest.Raw) || manifest.Object != nil {
			manifest.Raw, manifest.Object = raw, nil
		}
	}
	return nil
}

// finished tells of a manifest that is certainly as DefaultWork leaves it, as the control plane's own are.
func finished(manifest *workv1alpha1.Manifest, workID string) bool {
	if manifest.Object != nil || !rawjson.Canonical(manifest.Raw) {
		return false
	}
	var head struct {
		metav1.TypeMeta `json:",inline"`
		Metadata        map[string]any  `json:"metadata"`
		Status          json.RawMessage `json:"status"`
	}
	if k8sjson.Unmarshal(manifest.Raw, &head) != nil || head.Metadata == nil || head.Status != nil || cleanedBelow(head.GroupVersionKind()) {
		return false
	}
	object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": head.APIVersion, "kind": head.Kind, "metadata": head.Metadata}}
	before := object.DeepCopy()
	finish(object, workID)
	return reflect.DeepEqual(before, object)
}

func prepareManifest(manifest *workv1alpha1.Manifest, workID string) ([]byte, error) {
	raw := manifest.Raw
	if raw == nil && manifest.Object != nil {
		encoded, err := json.Marshal(manifest.Object)
		if err != nil {
			return nil, err
		}
		raw = encoded
	}
	object := &unstructured.Unstructured{}
	if err := k8sjson.Unmarshal(raw, &object.Object); err != nil {
		return nil, err
	}
	if object.Object == nil {
		return nil, fmt.Errorf("no object: %.40q", raw)
	}
	return FinishManifest(object, workID)
}

// FinishManifest encodes a manifest as DefaultWork leaves it in the Work of this identity. It changes the object.
func FinishManifest(object *unstructured.Unstructured, workID string) ([]byte, error) {
	finish(object, workID)
	return json.Marshal(object.Object)
}

func finish(object *unstructured.Unstructured, workID string) {
	CleanManifest(object)
	labels := object.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[names.LabelWorkID] = workID
	object.SetLabels(labels)
	RecordManaged(object)
}

// RecordManaged notes the keys of the labels and annotations that a manifest has, itself included, in two annotations. A
// later manifest without one of these keys removes it in the member, where others may have added more.
func RecordManaged(manifest *unstructured.Unstructured) {
	annotations := manifest.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	keys := sets.KeySet(annotations).Insert(names.AnnotationManagedAnnotations, names.AnnotationManagedLabels)
	annotations[names.AnnotationManagedAnnotations] = strings.Join(sets.List(keys), ",")
	annotations[names.AnnotationManagedLabels] = strings.Join(slices.Sorted(maps.Keys(manifest.GetLabels())), ",")
	manifest.SetAnnotations(annotations)
}
