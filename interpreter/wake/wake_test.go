package wake

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/api/scheme"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/control"
)

func plane(t *testing.T) client.Reader {
	t.Helper()
	kinds := runtime.NewScheme()
	if err := scheme.AddToScheme(kinds); err != nil {
		t.Fatal(err)
	}
	bound := func(name, kind string) *workv1alpha2.ResourceBinding {
		return &workv1alpha2.ResourceBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: "sea", Name: name},
			Spec: workv1alpha2.ResourceBindingSpec{
				Resource:   workv1alpha2.ObjectReference{APIVersion: "example.com/v1", Kind: kind, Namespace: "sea", Name: name},
				Clusters:   []workv1alpha2.TargetCluster{{Name: "m1"}},
				RequiredBy: []workv1alpha2.BindingSnapshot{{Clusters: []workv1alpha2.TargetCluster{{Name: "m2"}, {Name: "m1"}}}},
			},
			Status: workv1alpha2.ResourceBindingStatus{AggregatedStatus: []workv1alpha2.AggregatedStatusItem{{ClusterName: "m3"}}},
		}
	}
	selecting := func(kind string) policyv1alpha1.PropagationSpec {
		return policyv1alpha1.PropagationSpec{ResourceSelectors: []policyv1alpha1.ResourceSelector{
			{APIVersion: "v1", Kind: "ConfigMap"}, {APIVersion: "example.com/v1", Kind: kind},
		}}
	}
	return fake.NewClientBuilder().WithScheme(kinds).WithObjects(
		bound("raft", "Raft"), bound("boat", "Boat"),
		&workv1alpha2.ClusterResourceBinding{ObjectMeta: metav1.ObjectMeta{Name: "sea"}, Spec: workv1alpha2.ResourceBindingSpec{
			Resource: workv1alpha2.ObjectReference{APIVersion: "example.com/v1", Kind: "Sea", Name: "sea"},
		}},
		&policyv1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "sea", Name: "rafts"}, Spec: selecting("Raft")},
		&workv1alpha1.Work{ObjectMeta: metav1.ObjectMeta{Namespace: "karmada-es-m1", Name: "seen"}},
		&workv1alpha1.Work{ObjectMeta: metav1.ObjectMeta{Namespace: "karmada-es-m2", Name: "unseen"}},
		&policyv1alpha1.ClusterPropagationPolicy{ObjectMeta: metav1.ObjectMeta{Name: "boats"}, Spec: selecting("Boat")},
	).Build()
}

func customization(kind string, generation int64) *configv1alpha1.ResourceInterpreterCustomization {
	return &configv1alpha1.ResourceInterpreterCustomization{
		ObjectMeta: metav1.ObjectMeta{Name: "x", Generation: generation},
		Spec: configv1alpha1.ResourceInterpreterCustomizationSpec{
			Target: configv1alpha1.CustomizationTarget{APIVersion: "example.com/v1", Kind: kind},
		},
	}
}

func TestKeys(t *testing.T) {
	reader := plane(t)
	raft := names.Work("Raft", "raft", "sea")
	works := []control.Key{
		{Namespace: "karmada-es-m1", Name: raft}, {Namespace: "karmada-es-m2", Name: raft}, {Namespace: "karmada-es-m3", Name: raft},
	}
	for _, test := range []struct {
		name     string
		watches  []control.Watch
		old, new client.Object
		want     []control.Key
	}{
		{"new", Bindings(), nil, customization("Raft", 1), []control.Key{{Namespace: "sea", Name: "raft"}}},
		{"gone", Bindings(), customization("Raft", 1), nil, []control.Key{{Namespace: "sea", Name: "raft"}}},
		{"another target", Bindings(), customization("Raft", 1), customization("Sea", 2), []control.Key{{Namespace: "sea", Name: "raft"}, {Name: "sea"}}},
		{"labels", Bindings(), customization("Raft", 1), customization("Raft", 1), nil},
		{"a kind nobody has", Bindings(), nil, customization("Whale", 1), nil},
		{"works", Works(control.Scope{}, func() {}), nil, customization("Raft", 1), works},
		{"works an agent sees", Works(control.Scope{Agent: "m1"}, func() {}), nil, customization("Raft", 1), []control.Key{{Namespace: "karmada-es-m1", Name: "seen"}}},
		{"policies", Policies(control.KeyOf), nil, customization("Raft", 1), []control.Key{{Namespace: "sea", Name: "rafts"}}},
		{"cluster policies", Policies(control.KeyOf), nil, customization("Boat", 1), []control.Key{{Name: "boats"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := test.watches[0].Keys(t.Context(), reader, control.Event{Old: test.old, New: test.new})
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
