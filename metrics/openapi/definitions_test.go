package openapi_test

import (
	"reflect"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/seatrial/seatrial/metrics/openapi"
)

func TestDependenciesAreDefined(t *testing.T) {
	all := openapi.Definitions(spec.MustCreateRef)
	for name, definition := range all {
		for _, dependency := range definition.Dependencies {
			if _, found := all[dependency]; !found {
				t.Errorf("%s depends on %s, which is not defined", name, dependency)
			}
		}
	}
}

// The type that is not generated has the fields of the Go type, and each of them is described.
func TestReferenceIsWhole(t *testing.T) {
	described := openapi.Definitions(spec.MustCreateRef)[corev1.ObjectReference{}.OpenAPIModelName()].Schema
	for field := range reflect.TypeFor[corev1.ObjectReference]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if described.Properties[name].Description == "" {
			t.Errorf("%s is not described", name)
		}
		delete(described.Properties, name)
	}
	if len(described.Properties) > 0 || described.Description == "" {
		t.Errorf("described is %q, with fields that there are not: %v", described.Description, described.Properties)
	}
}
