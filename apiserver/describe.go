package apiserver

import (
	genericapiserver "k8s.io/apiserver/pkg/server"

	"github.com/seatrial/seatrial/apiserver/openapi"
	"github.com/seatrial/seatrial/apiserver/serving"
)

// describe makes the server publish its schema.
func describe(config *genericapiserver.Config) error {
	scheme, err := wireScheme()
	if err != nil {
		return err
	}
	serving.Describe(config, "Seatrial aggregated API", openapi.Definitions, scheme)
	return nil
}
