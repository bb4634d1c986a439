package v1alpha1_test

import (
	"fmt"
	"math/rand"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/api/validation"
	metafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/conversion"
	"sigs.k8s.io/randfill"

	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// Whatever a client can write as v1alpha1 must come back as it was after a stay in the store.
func TestStoringKeepsEverything(t *testing.T) {
	kinds := []struct {
		name         string
		written, got conversion.Convertible
		stored       conversion.Hub
	}{
		{"ResourceBinding", &workv1alpha1.ResourceBinding{}, &workv1alpha1.ResourceBinding{},
			&workv1alpha2.ResourceBinding{}},
		{"ClusterResourceBinding", &workv1alpha1.ClusterResourceBinding{}, &workv1alpha1.ClusterResourceBinding{},
			&workv1alpha2.ClusterResourceBinding{}},
	}
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	filler := fuzzer.FuzzerFor(metafuzzer.Funcs, rand.NewSource(1), serializer.NewCodecFactory(scheme))
	for _, kind := range kinds {
		for range 200 {
			filler.Fill(kind.written)
			kind.written.GetObjectKind().SetGroupVersionKind(kind.got.GetObjectKind().GroupVersionKind())
			if err := kind.written.ConvertTo(kind.stored); err != nil {
				t.Fatalf("%s to its stored form: %v", kind.name, err)
			}
			if err := kind.got.ConvertFrom(kind.stored); err != nil {
				t.Fatalf("%s from its stored form: %v", kind.name, err)
			}
			if diff := cmp.Diff(kind.written, kind.got, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("%s changed (-written +read):\n%s", kind.name, diff)
			}
		}
	}
}

// TestReadingKeepsEverything: a client of v1alpha1 that writes back what it has read changes nothing, the fields it cannot see included.
func TestReadingKeepsEverything(t *testing.T) {
	scheme := runtime.NewScheme()
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	// Integers of any type are numbers in JSON, which times and quantities do not come back from unless they are ones.
	plain := func(serializer.CodecFactory) []any {
		return []any{
			func(at *metav1.Time, c randfill.Continue) { *at = metav1.Unix(c.Int63n(1<<32), 0).Rfc3339Copy() },
			func(of *resource.Quantity, c randfill.Continue) {
				*of = *resource.NewQuantity(c.Int63n(1<<40), resource.DecimalSI)
			},
			func(of *intstr.IntOrString, c randfill.Continue) { *of = intstr.FromInt32(c.Int31()) },
			func(raw *runtime.RawExtension, c randfill.Continue) {
				raw.Raw = fmt.Appendf(nil, `{"at":%d}`, c.Int31())
			},
			func(raw *apiextensionsv1.JSON, c randfill.Continue) {
				raw.Raw = fmt.Appendf(nil, `{"at":%d}`, c.Int31())
			},
		}
	}
	filler := fuzzer.FuzzerFor(fuzzer.MergeFuzzerFuncs(metafuzzer.Funcs, plain), rand.NewSource(1), serializer.NewCodecFactory(scheme))
	for range 200 {
		stored, read, again := &workv1alpha2.ResourceBinding{}, &workv1alpha1.ResourceBinding{}, &workv1alpha2.ResourceBinding{}
		filler.Fill(stored)
		stored.TypeMeta = metav1.TypeMeta{}
		if err := read.ConvertFrom(stored); err != nil {
			t.Fatal(err)
		}
		replicas := stored.Spec.Replicas + 1
		read.Spec.Resource.Replicas++
		if err := read.ConvertTo(again); err != nil {
			t.Fatal(err)
		}
		stored.Spec.Replicas = replicas
		if diff := cmp.Diff(stored, again, cmpopts.EquateEmpty(), cmp.Comparer(func(a, b resource.Quantity) bool { return a.Cmp(b) == 0 })); diff != "" {
			t.Fatalf("reading and writing back changed (-stored +written):\n%s", diff)
		}
	}
}

// TestNotedFieldsThatCannotBeRead are not taken for none.
func TestNotedFieldsThatCannotBeRead(t *testing.T) {
	written := &workv1alpha1.ClusterResourceBinding{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"seatrial.io/stored-fields": "{"}}}
	if err := written.ConvertTo(&workv1alpha2.ClusterResourceBinding{}); err == nil || !strings.Contains(err.Error(), "seatrial.io/stored-fields") {
		t.Errorf("converted with %v", err)
	}
}

// TestTooMuchToNote: an API server hands out no object with larger annotations, and no list with one that has them.
func TestTooMuchToNote(t *testing.T) {
	for count, fits := range map[int]bool{1000: true, 20000: false} {
		stored, read, again := &workv1alpha2.ResourceBinding{}, &workv1alpha1.ResourceBinding{}, &workv1alpha2.ResourceBinding{}
		stored.Annotations = map[string]string{"more": "text"}
		for i := range count {
			stored.Spec.RequiredBy = append(stored.Spec.RequiredBy, workv1alpha2.BindingSnapshot{Namespace: "shop", Name: fmt.Sprint("web-", i)})
		}
		if err := read.ConvertFrom(stored); err != nil {
			t.Fatal(err)
		}
		if err := validation.ValidateAnnotationsSize(read.Annotations); err != nil {
			t.Errorf("%d: %v", count, err)
		}
		err := read.ConvertTo(again)
		if fits != (err == nil) || err != nil && !strings.Contains(err.Error(), "write it as work.karmada.io/v1alpha2") {
			t.Errorf("%d: written back with %v", count, err)
		}
		if fits && len(again.Spec.RequiredBy) != count {
			t.Errorf("%d: %d are left", count, len(again.Spec.RequiredBy))
		}
	}
}

// FuzzNotedFields: whatever an annotation says is refused, or stored and read again as it is stored.
func FuzzNotedFields(f *testing.F) {
	for _, text := range []string{"{}", "{", `{"spec":null}`, `{"spec":{"resource":{},"replicaRequirements":{},"clusters":[{"name":"m"}]},"status":{"aggregatedStatus":[{"clusterName":"m","health":"Healthy"}]}}`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		written, stored, again := &workv1alpha1.ResourceBinding{}, &workv1alpha2.ResourceBinding{}, &workv1alpha2.ResourceBinding{}
		written.Annotations = map[string]string{"seatrial.io/stored-fields": text}
		written.Spec.Clusters = []workv1alpha1.TargetCluster{{Name: "m"}}
		written.Status.AggregatedStatus = []workv1alpha1.AggregatedStatusItem{{ClusterName: "m"}}
		if len(text) > 1<<15 || written.ConvertTo(stored) != nil {
			return // what is longer may be too large to be noted again
		}
		if err := written.ConvertFrom(stored); err != nil {
			t.Fatal(err)
		}
		if err := written.ConvertTo(again); err != nil || !apiequality.Semantic.DeepEqual(stored, again) {
			t.Errorf("%q: %v\n%s", text, err, cmp.Diff(stored, again))
		}
	})
}

// TestUIDGoesWithItsObject: a binding that is written for another object must not have the UID of the one before.
func TestUIDGoesWithItsObject(t *testing.T) {
	stored, read := &workv1alpha2.ResourceBinding{}, &workv1alpha1.ResourceBinding{}
	stored.Spec.Resource = workv1alpha2.ObjectReference{APIVersion: "v1", Kind: "ConfigMap", Namespace: "shop", Name: "web", UID: "id"}
	if err := read.ConvertFrom(stored); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]types.UID{"web": "id", "other": ""} {
		again := &workv1alpha2.ResourceBinding{}
		read.Spec.Resource.Name = name
		if err := read.ConvertTo(again); err != nil || again.Spec.Resource.UID != want || len(again.Annotations) > 0 {
			t.Errorf("%s has UID %q and annotations %v, %v", name, again.Spec.Resource.UID, again.Annotations, err)
		}
	}
}

func TestConversionMovesFields(t *testing.T) {
	cpu := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("250m")}
	stored := &workv1alpha2.ResourceBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: "work.karmada.io/v1alpha2", Kind: "ResourceBinding"},
		ObjectMeta: metav1.ObjectMeta{Name: "web-deployment", Namespace: "shop"},
		Spec: workv1alpha2.ResourceBindingSpec{
			Resource: workv1alpha2.ObjectReference{
				APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web", UID: "id", ResourceVersion: "7",
			},
			Replicas:              5,
			ReplicaRequirements:   &workv1alpha2.ReplicaRequirements{ResourceRequest: cpu, Namespace: "shop"},
			Clusters:              []workv1alpha2.TargetCluster{{Name: "member1", Replicas: 3}, {Name: "member2", Replicas: 2}},
			GracefulEvictionTasks: []workv1alpha2.GracefulEvictionTask{{FromCluster: "member3", Replicas: ptr.To[int32](2)}},
		},
		Status: workv1alpha2.ResourceBindingStatus{
			SchedulerObservedGeneration: 4,
			AggregatedStatus: []workv1alpha2.AggregatedStatusItem{{
				ClusterName: "member1", Status: &runtime.RawExtension{Raw: []byte(`{"readyReplicas":3}`)}, Applied: true,
				Health: workv1alpha2.ResourceHealthy,
			}},
		},
	}
	want := &workv1alpha1.ResourceBinding{
		TypeMeta: metav1.TypeMeta{APIVersion: "work.karmada.io/v1alpha1", Kind: "ResourceBinding"},
		ObjectMeta: metav1.ObjectMeta{Name: "web-deployment", Namespace: "shop", Annotations: map[string]string{"seatrial.io/stored-fields": `{"spec":{"resource":` +
			`{"apiVersion":"apps/v1","kind":"Deployment","namespace":"shop","name":"web","uid":"id","resourceVersion":"7"},"replicaRequirements":{"namespace":"shop"},` +
			`"gracefulEvictionTasks":[{"fromCluster":"member3","replicas":2,"reason":"","producer":""}]},` +
			`"status":{"schedulerObservedGeneration":4,"aggregatedStatus":[{"clusterName":"member1","health":"Healthy"}]}}`}},
		Spec: workv1alpha1.ResourceBindingSpec{
			Resource: workv1alpha1.ObjectReference{
				APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web", ResourceVersion: "7",
				ReplicaResourceRequirements: cpu, Replicas: 5,
			},
			Clusters: []workv1alpha1.TargetCluster{{Name: "member1", Replicas: 3}, {Name: "member2", Replicas: 2}},
		},
		Status: workv1alpha1.ResourceBindingStatus{
			AggregatedStatus: []workv1alpha1.AggregatedStatusItem{{
				ClusterName: "member1", Status: &runtime.RawExtension{Raw: []byte(`{"readyReplicas":3}`)}, Applied: true,
			}},
		},
	}
	before := stored.DeepCopy()

	got := &workv1alpha1.ResourceBinding{TypeMeta: want.TypeMeta}
	if err := got.ConvertFrom(stored); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("read as v1alpha1 (-want +got):\n%s", diff)
	}

	got.Spec.Clusters[0].Name = "changed"
	got.Status.AggregatedStatus[0].Status.Raw[2] = 'R'
	got.Spec.Resource.ReplicaResourceRequirements[corev1.ResourceMemory] = resource.MustParse("1Gi")
	if diff := cmp.Diff(before, stored); diff != "" {
		t.Errorf("the stored form changed with the converted one (-before +after):\n%s", diff)
	}
}

func TestConversionRefusesOtherKinds(t *testing.T) {
	namespaced, clusterWide := &workv1alpha1.ResourceBinding{}, &workv1alpha1.ClusterResourceBinding{}
	attempts := map[string]error{
		"ResourceBinding to":          namespaced.ConvertTo(&workv1alpha2.ClusterResourceBinding{}),
		"ResourceBinding from":        namespaced.ConvertFrom(&workv1alpha2.ClusterResourceBinding{}),
		"ClusterResourceBinding to":   clusterWide.ConvertTo(&workv1alpha2.ResourceBinding{}),
		"ClusterResourceBinding from": clusterWide.ConvertFrom(&workv1alpha2.ResourceBinding{}),
	}
	for name, err := range attempts {
		if err == nil {
			t.Errorf("%s the other scope succeeded", name)
		}
	}
}
