package apiserver

import (
	openapinamer "k8s.io/apiserver/pkg/endpoints/openapi"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/seatrial/seatrial/apiserver/openapi"
)

// describe makes the server publish its schema, which `kubectl explain`, client-side validation and server-side apply read.
func describe(config *genericapiserver.Config) error {
	// The internal version must not show: it is no version a client can ask for.
	scheme, err := wireScheme()
	if err != nil {
		return err
	}
	namer := openapinamer.NewDefinitionNamer(scheme)
	definitionName := func(name string) (string, spec.Extensions) {
		return namer.GetDefinitionName(openapi.PublishedName(name))
	}
	const title = "Seatrial aggregated API"

	config.OpenAPIConfig = genericapiserver.DefaultOpenAPIConfig(openapi.Definitions, namer)
	config.OpenAPIConfig.GetDefinitionName = definitionName
	config.OpenAPIConfig.Info.Title = title

	config.OpenAPIV3Config = genericapiserver.DefaultOpenAPIV3Config(openapi.Definitions, namer)
	config.OpenAPIV3Config.GetDefinitionName = definitionName
	config.OpenAPIV3Config.Definitions = openapi.Definitions(func(name string) spec.Ref {
		published, _ := definitionName(name)
		return spec.MustCreateRef("#/components/schemas/" + common.EscapeJsonPointer(published))
	})
	config.OpenAPIV3Config.Info.Title = title
	return nil
}
