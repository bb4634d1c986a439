package serving

import (
	"k8s.io/apimachinery/pkg/runtime"
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/seatrial/seatrial/apiserver/openapi"
)

// Describe makes a server publish its schema, which `kubectl explain`, client-side validation and server-side apply read. The schemes
// know the kinds as clients see them: an internal version must not show, for it is none that a client can ask for.
func Describe(config *genericapiserver.Config, title string, definitions common.GetOpenAPIDefinitions, schemes ...*runtime.Scheme) {
	namer := openapinamer.NewDefinitionNamer(schemes...)
	definitionName := func(name string) (string, spec.Extensions) {
		return namer.GetDefinitionName(openapi.PublishedName(name))
	}

	config.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(definitions, namer)
	config.OpenAPIConfig.GetDefinitionName = definitionName
	config.OpenAPIConfig.Info.Title = title

	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(definitions, namer)
	config.OpenAPIV3Config.GetDefinitionName = definitionName
	config.OpenAPIV3Config.Definitions = definitions(func(name string) spec.Ref {
		published, _ := definitionName(name)
		return spec.MustCreateRef("#/components/schemas/" + common.EscapeJsonPointer(published))
	})
	config.OpenAPIV3Config.Info.Title = title
}
