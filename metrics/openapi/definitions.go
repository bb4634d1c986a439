// Package openapi describes the kinds of the metrics APIs for the OpenAPI documents that the metrics adapter publishes.
//
// hack/generate-openapi.sh generates the kinds of metrics.k8s.io, custom.metrics.k8s.io and external.metrics.k8s.io; the API
// machinery's own come with its libraries.
package openapi

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/seatrial/seatrial/apiserver/openapi"
)

// Definitions returns the description of every kind that the adapter serves and of every type they are made of, by model name.
func Definitions(ref common.ReferenceCallback) map[string]common.OpenAPIDefinition {
	definitions := openapi.WithMachinery(GetOpenAPIDefinitions(ref), ref)
	definitions[corev1.ObjectReference{}.OpenAPIModelName()] = reference()
	return definitions
}

// reference describes the one core type in use. The generator would take it with all of core/v1.
func reference() common.OpenAPIDefinition {
	documentation := corev1.ObjectReference{}.SwaggerDoc()
	properties := map[string]spec.Schema{}
	for _, name := range []string{"kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"} {
		properties[name] = *spec.StringProperty().WithDescription(documentation[name])
	}
	return common.OpenAPIDefinition{Schema: spec.Schema{SchemaProps: spec.SchemaProps{
		Description: documentation[""], Type: []string{"object"}, Properties: properties,
	}}}
}
