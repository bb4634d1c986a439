package execute

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/control"
)

func state(uid types.UID, generation int64, version string, labels map[string]string) *unstructured.Unstructured {
	made := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment"}}
	made.SetNamespace("shop")
	made.SetName("web")
	made.SetUID(uid)
	made.SetGeneration(generation)
	made.SetResourceVersion(version)
	made.SetLabels(labels)
	return made
}

func content(manifest *unstructured.Unstructured) uint64 {
	encoded, err := manifest.MarshalJSON()
	if err != nil {
		panic(err)
	}
	return fingerprint(encoded)
}

func TestRecord(t *testing.T) {
	type keys = map[string]string
	manifest, another := state("", 0, "", keys{"a": "1"}), state("", 0, "", keys{"a": "2"})
	counted, uncounted := state("u", 2, "10", keys{"a": "1"}), state("u", 0, "10", keys{"a": "1"})
	for _, c := range []struct {
		name               string
		written            *unstructured.Unstructured
		manifest, observed *unstructured.Unstructured
		current            bool
	}{
		{"nothing written", nil, manifest, counted, false},
		{"as written", counted, manifest, counted, true},
		{"another manifest", counted, another, counted, false},
		{"another object of the name", counted, manifest, state("v", 2, "10", keys{"a": "1"}), false},
		{"status written", counted, manifest, state("u", 2, "11", keys{"a": "1"}), true},
		{"spec drifted", counted, manifest, state("u", 3, "11", keys{"a": "1"}), false},
		{"seen before the write", counted, manifest, state("u", 1, "9", nil), true},
		{"metadata drifted", counted, manifest, state("u", 2, "11", keys{"a": "9"}), false},
		{"metadata seen before the write", counted, manifest, state("u", 2, "9", keys{"a": "9"}), true},
		{"labels added in the member", counted, manifest, state("u", 2, "11", keys{"a": "1", "local": "1"}), true},
		{"without generations, as written", uncounted, manifest, uncounted, true},
		{"without generations, another version", uncounted, manifest, state("u", 0, "11", keys{"a": "1"}), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			kept := newRecord()
			if c.written != nil {
				kept.put("m1", manifest, content(manifest), c.written)
			}
			if got := kept.current("m1", c.manifest, content(c.manifest), c.observed); got != c.current {
				t.Errorf("current: %t, want %t", got, c.current)
			}
			if kept.current("m2", c.manifest, content(c.manifest), c.observed) {
				t.Error("what was written to one cluster counts for another")
			}
			kept.forget("m1", manifest)
			if kept.current("m1", c.manifest, content(c.manifest), c.observed) {
				t.Error("current after it was forgotten")
			}
		})
	}
}

func TestOlderVersions(t *testing.T) {
	for _, c := range []struct {
		seen, written string
		want          bool
	}{{"9", "10", true}, {"10", "9", false}, {"10", "10", false}, {"", "10", false}, {"9", "x", false}} {
		if got := older(state("u", 1, c.seen, nil), c.written); got != c.want {
			t.Errorf("%q older than %q: %t, want %t", c.seen, c.written, got, c.want)
		}
	}
}

func workOf(generation int64, status metav1.ConditionStatus, message string) *workv1alpha1.Work {
	work := &workv1alpha1.Work{ObjectMeta: metav1.ObjectMeta{Namespace: "karmada-es-m1", Name: "w", Generation: generation}}
	work.Status.Conditions = []metav1.Condition{{Type: names.ConditionWorkApplied, Status: status, Message: message}}
	return work
}

// TestOnWork: a status that says another outcome wakes the Work again. The turn that wrote the outcome before may have found its
// own in an older view, and nothing to write.
func TestOnWork(t *testing.T) {
	applied, failed := workOf(1, metav1.ConditionTrue, ""), workOf(1, metav1.ConditionFalse, "no")
	leaving := workOf(1, metav1.ConditionTrue, "")
	leaving.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	for _, c := range []struct {
		name     string
		old, now client.Object
		wakes    bool
	}{
		{"new", nil, applied, true}, {"gone", applied, nil, true}, {"changed", applied, workOf(2, metav1.ConditionTrue, ""), true},
		{"leaving", applied, leaving, true}, {"failed", applied, failed, true}, {"mended", failed, applied, true},
		{"failed otherwise", failed, workOf(1, metav1.ConditionFalse, "never"), false}, {"the same", applied, applied, false},
	} {
		if keys := onWork(t.Context(), nil, control.Event{Old: c.old, New: c.now}); (len(keys) == 1) != c.wakes {
			t.Errorf("a Work that is %s wakes %v, want a turn: %t", c.name, keys, c.wakes)
		}
	}
}

func TestOnMember(t *testing.T) {
	mark := func(object *unstructured.Unstructured) *unstructured.Unstructured {
		object.SetAnnotations(map[string]string{names.AnnotationWorkNamespace: "karmada-es-m1", names.AnnotationWorkName: "w"})
		return object
	}
	first := mark(state("u", 2, "10", nil))
	for _, c := range []struct {
		name     string
		cluster  string
		old, now client.Object
		wakes    bool
	}{
		{"new", "m1", nil, first, true}, {"gone", "m1", first, nil, true},
		{"status", "m1", first, mark(state("u", 2, "11", nil)), false},
		{"spec", "m1", first, mark(state("u", 3, "11", nil)), true},
		{"labels", "m1", first, mark(state("u", 2, "11", map[string]string{"a": "1"})), true},
		{"no generation", "m1", mark(state("u", 0, "10", nil)), mark(state("u", 0, "11", nil)), true},
		{"another's", "m1", nil, state("u", 2, "10", nil), false},
		{"copied from another cluster", "m2", nil, first, false},
	} {
		keys := onMember(t.Context(), nil, control.Event{Cluster: c.cluster, Old: c.old, New: c.now})
		if (len(keys) == 1) != c.wakes {
			t.Errorf("%s wakes %v, want a turn: %t", c.name, keys, c.wakes)
		}
	}
}
