package admission

import (
	"encoding/json"
	"reflect"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
)

func newWork(manifests ...string) *workv1alpha1.Work {
	work := &workv1alpha1.Work{ObjectMeta: metav1.ObjectMeta{Name: "w", Namespace: "karmada-es-member1"}}
	for _, manifest := range manifests {
		work.Spec.Workload.Manifests = append(work.Spec.Workload.Manifests,
			workv1alpha1.Manifest{RawExtension: runtime.RawExtension{Raw: []byte(manifest)}})
	}
	return work
}

// cleaned completes a Work of one manifest and answers the manifest.
func cleaned(t *testing.T, manifest string) *unstructured.Unstructured {
	t.Helper()
	work := newWork(manifest)
	if err := DefaultWork(work, counting()); err != nil {
		t.Fatalf("%s: %v", manifest, err)
	}
	once := string(work.Spec.Workload.Manifests[0].Raw)
	if err := DefaultWork(work, counting()); err != nil || string(work.Spec.Workload.Manifests[0].Raw) != once {
		t.Errorf("completing twice changed the manifest: %v\n%s\n%s", err, once, work.Spec.Workload.Manifests[0].Raw)
	}
	object := &unstructured.Unstructured{}
	if err := json.Unmarshal([]byte(once), &object.Object); err != nil {
		t.Fatal(err)
	}
	return object
}

func TestDefaultWorkRecordsWhatItOwns(t *testing.T) {
	object := cleaned(t, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","labels":{"b":"1","a":"2"},
		"annotations":{"z":"1"},"uid":"u","resourceVersion":"5","creationTimestamp":null,"finalizers":["f"],
		"ownerReferences":[{"name":"o"}],"managedFields":[],"generation":3,"selfLink":"s"},"status":{"a":1},"data":{"k":"v"}}`)
	want := map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]any{"k": "v"},
		"metadata": map[string]any{
			"name": "c", "labels": map[string]any{"a": "2", "b": "1", names.LabelWorkID: "id-1"},
			"annotations": map[string]any{
				"z":                                "1",
				names.AnnotationManagedLabels:      "a,b," + names.LabelWorkID,
				names.AnnotationManagedAnnotations: names.AnnotationManagedAnnotations + "," + names.AnnotationManagedLabels + ",z",
			},
		},
	}
	if !reflect.DeepEqual(object.Object, want) {
		t.Errorf("got %v\nwant %v", object.Object, want)
	}
}

func TestCleanManifestByKind(t *testing.T) {
	for name, c := range map[string]struct{ manifest, path, want string }{
		"deployment": {
			`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"annotations":{"deployment.kubernetes.io/revision":"3"}}}`,
			"metadata.annotations", "",
		},
		"job": {
			`{"apiVersion":"batch/v1","kind":"Job","spec":{"ttlSecondsAfterFinished":5,"selector":{"matchLabels":
			{"controller-uid":"u","batch.kubernetes.io/controller-uid":"u","mine":"x"}},"template":{"metadata":{"labels":
			{"job-name":"j","batch.kubernetes.io/job-name":"j","app":"a"}}}}}`,
			"spec", `{"selector":{"matchLabels":{"mine":"x"}},"template":{"metadata":{"labels":{"app":"a"}}}}`,
		},
		"job with its own selector": {
			`{"apiVersion":"batch/v1","kind":"Job","spec":{"manualSelector":true,"ttlSecondsAfterFinished":5,
			"selector":{"matchLabels":{"controller-uid":"u"}}}}`,
			"spec", `{"manualSelector":true,"selector":{"matchLabels":{"controller-uid":"u"}}}`,
		},
		"token": {
			`{"apiVersion":"v1","kind":"Secret","type":"kubernetes.io/service-account-token","data":{"token":"eA=="}}`,
			"data", "null",
		},
		"opaque secret": {`{"apiVersion":"v1","kind":"Secret","type":"Opaque","data":{"k":"eA=="}}`, "data", `{"k":"eA=="}`},
		"service account": {
			`{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"sa"},"secrets":[{"name":"sa-token-x"},{"name":"mine"}]}`,
			"secrets", `[{"name":"mine"}]`,
		},
		"service":  {`{"apiVersion":"v1","kind":"Service","spec":{"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1"],"type":"ClusterIP"}}`, "spec", `{"type":"ClusterIP"}`},
		"headless": {`{"apiVersion":"v1","kind":"Service","spec":{"clusterIP":"None","clusterIPs":["None"]}}`, "spec", `{"clusterIP":"None","clusterIPs":["None"]}`},
		"claim":    {`{"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"annotations":{"volume.kubernetes.io/selected-node":"n"}}}`, "metadata.annotations", ""},
	} {
		object := &unstructured.Unstructured{}
		if err := json.Unmarshal([]byte(c.manifest), &object.Object); err != nil {
			t.Fatal(err)
		}
		CleanManifest(object)
		path := []string{c.path}
		if c.path == "metadata.annotations" {
			path = []string{"metadata", "annotations"}
		}
		value, found, err := unstructured.NestedFieldNoCopy(object.Object, path...)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if found {
			raw, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			got = string(raw)
		}
		if got != c.want {
			t.Errorf("%s: %s is %s, want %s", name, c.path, got, c.want)
		}
	}
}

func TestDefaultWorkReadsObjectsAndRefusesOthers(t *testing.T) {
	work := newWork()
	object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}}
	work.Spec.Workload.Manifests = []workv1alpha1.Manifest{{RawExtension: runtime.RawExtension{Object: object}}}
	if err := Default(work, nil, Options{IDs: counting()}); err != nil || len(work.Spec.Workload.Manifests[0].Raw) == 0 {
		t.Errorf("a manifest given as an object: %v, raw %q", err, work.Spec.Workload.Manifests[0].Raw)
	}
	for _, manifest := range []string{"", "null", "[]", "7", "{"} {
		if err := DefaultWork(newWork(manifest), counting()); err == nil {
			t.Errorf("manifest %q passed", manifest)
		}
	}
}

// FuzzDefaultWork feeds any bytes as a manifest: what passes must be stable and keep its identity.
func FuzzDefaultWork(f *testing.F) {
	f.Add(`{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"a","labels":{"x":"y"}},"secrets":[1,{"name":2}]}`)
	f.Add(`{"apiVersion":"batch/v1","kind":"Job","spec":{"selector":[],"template":7},"metadata":3}`)
	f.Fuzz(func(t *testing.T, manifest string) {
		work := newWork(manifest)
		if DefaultWork(work, counting()) != nil {
			return
		}
		once := string(work.Spec.Workload.Manifests[0].Raw)
		if err := DefaultWork(work, counting()); err != nil || string(work.Spec.Workload.Manifests[0].Raw) != once {
			t.Errorf("not stable: %v\n%s\n%s", err, once, work.Spec.Workload.Manifests[0].Raw)
		}
	})
}

// TestFinished sees to it that the short way is taken where it may, and nowhere else.
func TestFinished(t *testing.T) {
	const id = "id-1"
	marks := `"annotations":{"` + names.AnnotationManagedAnnotations + `":"` + names.AnnotationManagedAnnotations + "," + names.AnnotationManagedLabels +
		`","` + names.AnnotationManagedLabels + `":"` + names.LabelWorkID + `"},"labels":{"` + names.LabelWorkID + `":"` + id + `"},"name":"x"`
	for manifest, want := range map[string]bool{
		`{"apiVersion":"v1","kind":"ConfigMap","metadata":{` + marks + `}}`:                                                  true,
		`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{` + marks + `},"spec":{"replicas":3}}`:                      true,
		`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{` + marks + `},"spec":{"replicas":3},"status":{}}`:          false,
		`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{` + marks + `,"uid":"u"}}`:                                  false,
		`{"apiVersion":"batch/v1","kind":"Job","metadata":{` + marks + `},"spec":{"ttlSecondsAfterFinished":5}}`:             false,
		`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}}`:                                                     false,
		`{"kind":"ConfigMap","apiVersion":"v1","metadata":{` + marks + `}}`:                                                  false,
		`{"apiVersion":"v1","kind":"ConfigMap","metadata":{` + marks + `},"spec":{"text":"é"}}`:                              false,
		`{"apiVersion":"v1","kind":"ConfigMap","metadata":{` + marks[:len(marks)-len(`,"name":"x"`)] + `,"zone":{"a":"b"}}}`: true,
		`{"apiVersion":"v1","kind":"ConfigMap","Metadata":{` + marks + `}}`:                                                  false,
		`{"apiVersion":"v1","kind":"ConfigMap","metadata":[]}`:                                                               false,
		`[]`: false, `null`: false, ``: false,
	} {
		manifest := newWork(manifest).Spec.Workload.Manifests[0]
		if got := finished(&manifest, id); got != want {
			t.Errorf("finished(%s) is %t", manifest.Raw, got)
		}
		holdsFinished(t, manifest, id)
	}
	other := newWork(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{` + marks + `}}`).Spec.Workload.Manifests[0]
	if finished(&other, "id-2") {
		t.Error("finished for another Work")
	}
}

// holdsFinished compares what is said of a manifest with what preparing it does.
func holdsFinished(t *testing.T, manifest workv1alpha1.Manifest, id string) {
	t.Helper()
	if !finished(&manifest, id) {
		return
	}
	if raw, err := prepareManifest(&manifest, id); err != nil || string(raw) != string(manifest.Raw) {
		t.Errorf("%s is said to be finished, and becomes %s, %v", manifest.Raw, raw, err)
	}
}

// FuzzFinished does so with anything, and with what preparing it has left.
func FuzzFinished(f *testing.F) {
	f.Add([]byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","labels":{"a":"b"}}}`))
	f.Add([]byte(`{"apiVersion":"v1","kind":"Service","metadata":{"annotations":{"a":null}},"spec":{"clusterIP":"1.2.3.4"}}`))
	f.Add([]byte(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"annotations":{"deployment.kubernetes.io/revision":"1"}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		manifest := workv1alpha1.Manifest{RawExtension: runtime.RawExtension{Raw: raw}}
		holdsFinished(t, manifest, "id")
		if prepared, err := prepareManifest(&manifest, "id"); err == nil {
			manifest.Raw = prepared
			holdsFinished(t, manifest, "id")
		}
	})
}

// TestEntriesAreThoseOfTheObject holds labels that can be written to against those that are read and set as a whole.
func TestEntriesAreThoseOfTheObject(t *testing.T) {
	for name, metadata := range map[string]any{
		"none":        map[string]any{"name": "x"},
		"no metadata": nil,
		"some":        map[string]any{"labels": map[string]any{"a": "1", "b": "2"}},
		"null":        map[string]any{"labels": map[string]any{"a": nil, "b": "2"}},
		"a number":    map[string]any{"labels": map[string]any{"a": int64(1), "b": "2"}},
		"no object":   map[string]any{"labels": "a"},
	} {
		t.Run(name, func(t *testing.T) {
			object := &unstructured.Unstructured{Object: map[string]any{}}
			if metadata != nil {
				object.Object["metadata"] = metadata
			}
			wanted := object.DeepCopy()
			labels := wanted.GetLabels()
			if labels == nil {
				labels = map[string]string{}
			}
			labels["c"] = "3"
			wanted.SetLabels(labels)
			Entries(object, "labels")["c"] = "3"
			if !reflect.DeepEqual(object, wanted) {
				t.Errorf("got %v, want %v", object.Object, wanted.Object)
			}
		})
	}
}
