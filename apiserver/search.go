package apiserver

import (
	"context"
	"fmt"
	"maps"

	registry "k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/seatrial/seatrial/apiserver/proxy"
	"github.com/seatrial/seatrial/apiserver/storage"
	"github.com/seatrial/seatrial/search"
)

// newSearch returns the storage of search.karmada.io, and makes the server follow its registries once it serves.
func (o *Options) newSearch(
	ends context.Context, server *genericapiserver.GenericAPIServer, config *genericapiserver.RecommendedConfig, members *proxy.Members,
) (map[string]registry.Storage, error) {
	controlPlane, err := proxy.NewControlPlane(ends, config.ClientConfig)
	if err != nil {
		return nil, err
	}
	http, err := rest.HTTPClientFor(config.ClientConfig)
	if err != nil {
		return nil, fmt.Errorf("making a client of the control plane: %w", err)
	}
	kinds, err := apiutil.NewDynamicRESTMapper(config.ClientConfig, http)
	if err != nil {
		return nil, fmt.Errorf("discovering the kinds of the control plane: %w", err)
	}
	found := search.New(ends, search.Settings{
		Members: members, ControlPlane: controlPlane, Authorizer: config.Authorization.Authorizer, Kinds: kinds,
	})
	scheme, err := wireScheme()
	if err != nil {
		return nil, err
	}
	server.AddPostStartHookOrDie("search", func(hook genericapiserver.PostStartHookContext) error {
		go func() {
			if err := found.Run(hook, hook.LoopbackClientConfig, scheme); err != nil {
				klog.ErrorS(err, "Following resource registries ended")
			}
		}()
		return nil
	})
	resources, err := storage.NewRegistries(scheme, config.RESTOptionsGetter)
	if err != nil {
		return nil, err
	}
	maps.Copy(resources, storage.NewSearch(found))
	return resources, nil
}
