package binding_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
)

// TestViewOfBothScopes holds what differs between the two kinds against names of the wire.
func TestViewOfBothScopes(t *testing.T) {
	for _, c := range []struct {
		namespace, finalizer, label string
	}{
		{"shop", "karmada.io/binding-controller", "resourcebinding.karmada.io/permanent-id"},
		{"", "karmada.io/cluster-resource-binding-controller", "clusterresourcebinding.karmada.io/permanent-id"},
	} {
		view := binding.New(c.namespace, "web-deployment")
		if _, clusterScoped := view.Object.(*workv1alpha2.ClusterResourceBinding); clusterScoped != (c.namespace == "") {
			t.Errorf("namespace %q gives a %T", c.namespace, view.Object)
		}
		if view.Finalizer() != c.finalizer || view.IDLabel() != c.label || view.ID() != "" {
			t.Errorf("finalizer %s, label %s, ID %q", view.Finalizer(), view.IDLabel(), view.ID())
		}
		view.SetLabels(map[string]string{c.label: "id"})
		view.Spec.Replicas, view.Status.SchedulerObservedGeneration = 3, 4
		again, ok := binding.Of(view.Object)
		if !ok || again.ID() != "id" || again.Spec.Replicas != 3 || again.Status.SchedulerObservedGeneration != 4 {
			t.Errorf("writing through the view does not change the object: %+v", again.Object)
		}
		clone := view.Clone()
		clone.Spec.Replicas = 9
		if view.Spec.Replicas != 3 || clone.NamespacedName() != (types.NamespacedName{Namespace: c.namespace, Name: "web-deployment"}) {
			t.Errorf("a clone shares memory or has another name: %+v", clone.Object)
		}

		work := &workv1alpha1.Work{ObjectMeta: metav1.ObjectMeta{Annotations: view.OwnerAnnotations()}}
		if owner, ok := binding.OwnerOf(work); !ok || owner != view.NamespacedName() {
			t.Errorf("a Work leads back to %v, %t", owner, ok)
		}
	}
}

func TestNoBinding(t *testing.T) {
	if _, ok := binding.Of(&corev1.Pod{}); ok {
		t.Error("a pod is no binding")
	}
	if _, ok := binding.Of(nil); ok {
		t.Error("nothing is no binding")
	}
	for _, annotations := range []map[string]string{
		nil, {names.AnnotationResourceBindingName: "half"}, {names.AnnotationResourceBindingNamespace: "half"},
	} {
		if owner, ok := binding.OwnerOf(&workv1alpha1.Work{ObjectMeta: metav1.ObjectMeta{Annotations: annotations}}); ok {
			t.Errorf("annotations %v lead to %v", annotations, owner)
		}
	}
}
