package v1alpha1_test

import (
	"math/rand"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/apitesting/fuzzer"
	"k8s.io/apimachinery/pkg/api/resource"
	metafuzzer "k8s.io/apimachinery/pkg/apis/meta/fuzzer"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/conversion"

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
		TypeMeta:   metav1.TypeMeta{APIVersion: "work.karmada.io/v1alpha1", Kind: "ResourceBinding"},
		ObjectMeta: metav1.ObjectMeta{Name: "web-deployment", Namespace: "shop"},
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
