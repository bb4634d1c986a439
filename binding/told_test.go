package binding_test

import (
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
)

// heard takes down whom events are about.
type heard []string

func (h *heard) Eventf(object runtime.Object, _, _, messageFormat string, args ...any) {
	about := fmt.Sprintf("%T", object)
	if reference, ok := object.(*corev1.ObjectReference); ok {
		about = fmt.Sprintf("%s %s %s/%s %s", reference.APIVersion, reference.Kind, reference.Namespace, reference.Name, reference.UID)
	}
	*h = append(*h, about+": "+fmt.Sprintf(messageFormat, args...))
}

func TestTemplatesAreToldToo(t *testing.T) {
	resource := workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web", UID: "7"}
	bound := &workv1alpha2.ResourceBinding{Spec: workv1alpha2.ResourceBindingSpec{Resource: resource}}
	wide := &workv1alpha2.ClusterResourceBinding{Spec: workv1alpha2.ResourceBindingSpec{Resource: workv1alpha2.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: "shop", UID: "8"}}}
	for _, c := range []struct {
		about  runtime.Object
		reason string
		wants  []string
	}{
		{bound, names.EventScheduleBindingSucceed, []string{"*v1alpha2.ResourceBinding: to a", "apps/v1 Deployment shop/web 7: to a"}},
		{wide, names.EventSyncWorkFailed, []string{"*v1alpha2.ClusterResourceBinding: to a", "v1 Namespace /shop 8: to a"}},
		{bound, names.EventCleanupWorkFailed, []string{"*v1alpha2.ResourceBinding: to a"}},
		{&workv1alpha1.Work{}, names.EventSyncFailed, []string{"*v1alpha1.Work: to a"}},
		{&metav1.Status{}, names.EventSyncWorkFailed, []string{"*v1.Status: to a"}},
	} {
		var told heard
		binding.OnTemplates(&told).Eventf(c.about, corev1.EventTypeNormal, c.reason, "to %s", "a")
		if !slices.Equal(told, c.wants) {
			t.Errorf("%s of %T was told as %q, want %q", c.reason, c.about, told, c.wants)
		}
	}
}
