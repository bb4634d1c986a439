package execute

import (
	"hash/fnv"
	"maps"
	"strconv"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/seatrial/seatrial/workload"
)

// record remembers what was last written to each member object, so that a manifest is not written again while neither it nor
// the object has changed. It only saves writes: without it, after a restart, each object is written once more.
type record struct {
	mu      sync.Mutex
	written map[target]writing
}

type target struct {
	cluster string
	gvk     schema.GroupVersionKind
	name    types.NamespacedName
}

type writing struct {
	manifest   uint64
	uid        types.UID
	generation int64
	version    string
}

func newRecord() *record { return &record{written: map[target]writing{}} }

func targetOf(cluster string, manifest *unstructured.Unstructured) target {
	return target{cluster: cluster, gvk: manifest.GroupVersionKind(),
		name: types.NamespacedName{Namespace: manifest.GetNamespace(), Name: manifest.GetName()}}
}

func (r *record) put(cluster string, manifest *unstructured.Unstructured, content uint64, result *unstructured.Unstructured) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.written[targetOf(cluster, manifest)] = writing{
		manifest: content, uid: result.GetUID(), generation: result.GetGeneration(), version: result.GetResourceVersion(),
	}
}

func (r *record) forget(cluster string, manifest *unstructured.Unstructured) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.written, targetOf(cluster, manifest))
}

// current tells whether the observed object is as the last writing of this same manifest left it. Kinds that count
// generations have drifted when it has grown or when metadata of the manifest is missing; an observation from before the
// writing is no drift. Other kinds have drifted with every new resource version.
func (r *record) current(cluster string, manifest *unstructured.Unstructured, content uint64, observed *unstructured.Unstructured) bool {
	r.mu.Lock()
	last, known := r.written[targetOf(cluster, manifest)]
	r.mu.Unlock()
	if !known || last.uid != observed.GetUID() || last.manifest != content {
		return false
	}
	if last.generation == 0 {
		return last.version == observed.GetResourceVersion()
	}
	if observed.GetGeneration() < last.generation {
		return true
	}
	return observed.GetGeneration() == last.generation && (workload.CarriesMetadata(manifest, observed) || older(observed, last.version))
}

// older compares resource versions, which are ordered by API convention (KEP-5504).
func older(observed *unstructured.Unstructured, version string) bool {
	seen, err := strconv.ParseUint(observed.GetResourceVersion(), 10, 64)
	if err != nil {
		return false
	}
	written, err := strconv.ParseUint(version, 10, 64)
	return err == nil && seen < written
}

// fingerprint tells apart the contents of manifests as they stand in Works, where API servers keep their keys sorted.
func fingerprint(manifest []byte) uint64 {
	sum := fnv.New64a()
	_, _ = sum.Write(manifest)
	return sum.Sum64()
}

func sameKeys(a, b map[string]string) bool { return maps.Equal(a, b) }
