package scheme_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/api/scheme"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// TestAddToScheme checks the kinds that the API surface does not list; those it lists are checked with it.
func TestAddToScheme(t *testing.T) {
	registered := runtime.NewScheme()
	if err := scheme.AddToScheme(registered); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []schema.GroupVersionKind{
		configv1alpha1.GroupVersion.WithKind("ResourceInterpreterContext"),
		corev1.SchemeGroupVersion.WithKind("Pod"),
		apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"),
	} {
		if !registered.Recognizes(kind) {
			t.Errorf("%s is not registered", kind)
		}
	}
}

func TestStoredVersionComesFirst(t *testing.T) {
	registered := runtime.NewScheme()
	if err := scheme.AddToScheme(registered); err != nil {
		t.Fatal(err)
	}
	versions := registered.PrioritizedVersionsForGroup(workv1alpha2.GroupName)
	if len(versions) != 2 || versions[0] != workv1alpha2.GroupVersion || versions[1] != workv1alpha1.GroupVersion {
		t.Errorf("versions of %s are %v", workv1alpha2.GroupName, versions)
	}
}
