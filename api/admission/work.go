package admission

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	k8sjson "k8s.io/apimachinery/pkg/util/json"

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
	var apiVersion, kind string
	var metadata []byte
	plain := rawjson.Members(manifest.Raw, func(name, value []byte) bool {
		switch string(name) {
		case "apiVersion":
			apiVersion, _ = rawjson.Text(value)
		case "kind":
			kind, _ = rawjson.Text(value)
		case "metadata":
			metadata = value
		case "status":
			return false
		}
		return true
	})
	return plain && !CleansBelow(schema.FromAPIVersionAndKind(apiVersion, kind)) && finishedMetadata(metadata, workID)
}

// finishedMetadata tells of metadata that nothing is to be taken from, and that its labels and annotations are complete.
func finishedMetadata(metadata []byte, workID string) bool {
	var labels, annotations map[string]string
	plain := rawjson.Members(metadata, func(name, value []byte) (ok bool) {
		switch string(name) {
		case "labels":
			labels, ok = texts(value)
		case "annotations":
			annotations, ok = texts(value)
		default:
			ok = !slices.Contains(serverFields(), string(name))
		}
		return ok
	})
	if !plain || labels[names.LabelWorkID] != workID || cleanedAnnotation(annotations) {
		return false
	}
	return annotations[names.AnnotationManagedLabels] == keys(labels) && annotations[names.AnnotationManagedAnnotations] == keys(annotations)
}

// texts are the members of an object, if they are all text.
func texts(object []byte) (members map[string]string, ok bool) {
	members = map[string]string{}
	ok = rawjson.Members(object, func(name, value []byte) (ok bool) {
		members[string(name)], ok = rawjson.Text(value)
		return ok
	})
	return members, ok
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
	return rawjson.Encode(object.Object)
}

func finish(object *unstructured.Unstructured, workID string) {
	CleanManifest(object)
	Entries(object, "labels")[names.LabelWorkID] = workID
	RecordManaged(object)
}

// Entries are the labels or the annotations of an object, which has some then. What is written to them is written to the object.
func Entries(object *unstructured.Unstructured, field string) map[string]any {
	if entries, plain := plainEntries(object, field); plain {
		return entries
	}
	// Null stands for no text, and nothing counts where there is anything but text.
	texts, _, _ := unstructured.NestedNullCoercingStringMap(object.Object, "metadata", field)
	entries := make(map[string]any, len(texts))
	for key, text := range texts {
		entries[key] = text
	}
	metadata, ok := object.Object["metadata"].(map[string]any)
	if !ok {
		metadata = map[string]any{}
		object.Object["metadata"] = metadata
	}
	metadata[field] = entries
	return entries
}

// plainEntries are labels or annotations that are there and all text.
func plainEntries(object *unstructured.Unstructured, field string) (entries map[string]any, plain bool) {
	metadata, _ := object.Object["metadata"].(map[string]any)
	entries, _ = metadata[field].(map[string]any)
	for _, value := range entries {
		if _, text := value.(string); !text {
			return nil, false
		}
	}
	return entries, entries != nil
}

// RecordManaged notes the keys of the labels and annotations that a manifest has, itself included, in two annotations. A
// later manifest without one of these keys removes it in the member, where others may have added more.
func RecordManaged(manifest *unstructured.Unstructured) {
	annotations := Entries(manifest, "annotations")
	// They are managed themselves.
	annotations[names.AnnotationManagedLabels], annotations[names.AnnotationManagedAnnotations] = "", ""
	if labels, plain := plainEntries(manifest, "labels"); plain {
		annotations[names.AnnotationManagedLabels] = keys(labels)
	} else {
		annotations[names.AnnotationManagedLabels] = keys(manifest.GetLabels())
	}
	annotations[names.AnnotationManagedAnnotations] = keys(annotations)
}

// keys lists those of labels or annotations, sorted.
func keys[Text any](entries map[string]Text) string {
	listed := slices.AppendSeq(make([]string, 0, len(entries)), maps.Keys(entries))
	slices.Sort(listed)
	return strings.Join(listed, ",")
}
