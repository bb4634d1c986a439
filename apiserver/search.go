package apiserver

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	registry "k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/seatrial/seatrial/api/names"
	searchv1alpha1 "github.com/seatrial/seatrial/api/search/v1alpha1"
	"github.com/seatrial/seatrial/apiserver/proxy"
	"github.com/seatrial/seatrial/apiserver/serving"
	"github.com/seatrial/seatrial/apiserver/storage"
	"github.com/seatrial/seatrial/search"
)

const (
	// SearchServiceName is the Service in namespace karmada-system that the control plane reaches a search server through.
	SearchServiceName = "karmada-search"
	// SearchServingName is the DNS name that its certificate must be good for.
	SearchServingName = SearchServiceName + "." + names.NamespaceSystem + ".svc"

	searchServerName = "seatrial-search"
)

// SearchOptions are the settings of an API server that serves search.karmada.io alone. NewSearchOptions gives the defaults; Complete
// and Validate come before Run.
type SearchOptions struct {
	*serving.Options
	Etcd    *genericoptions.EtcdOptions
	Members serving.MemberLimits

	// DisableSearch serves no lists over all clusters, DisableProxy not the fleet as one cluster.
	DisableSearch, DisableProxy bool
}

// NewSearchOptions returns the defaults.
func NewSearchOptions() *SearchOptions {
	return &SearchOptions{Options: serving.NewOptions(), Etcd: newEtcdOptions(), Members: serving.DefaultMemberLimits()}
}

// AddFlags binds the options to flags.
func (o *SearchOptions) AddFlags(flags *pflag.FlagSet) {
	o.Options.AddFlags(flags)
	o.Etcd.AddFlags(flags)
	o.Members.AddFlags(flags)
	flags.BoolVar(&o.DisableSearch, "disable-search", o.DisableSearch, "Do not serve lists over all clusters.")
	flags.BoolVar(&o.DisableProxy, "disable-proxy", o.DisableProxy, "Do not serve the fleet as if it were one cluster.")
}

// Validate names every option that cannot work.
func (o *SearchOptions) Validate() error {
	return errors.Join(append(o.Etcd.Validate(), o.Options.Validate(), o.Members.Validate())...)
}

// Run serves until ctx ends, as serving.Options.Run does. Without a given certificate it serves on a self-signed one.
func (o *SearchOptions) Run(ctx context.Context) error { return o.Options.Run(ctx, o.newServer) }

func (o *SearchOptions) newServer(ends context.Context) (*genericapiserver.GenericAPIServer, error) {
	scheme, err := servingScheme()
	if err != nil {
		return nil, err
	}
	codecs := serializer.NewCodecFactory(scheme)
	config, err := storingConfig(o.Options, o.Etcd, codecs, SearchServingName)
	if err != nil {
		return nil, err
	}
	server, err := config.Complete().New(searchServerName, genericapiserver.NewEmptyDelegate())
	if err != nil {
		return nil, fmt.Errorf("setting up the generic API server: %w", err)
	}
	members, err := proxy.ForControlPlane(ends, config.ClientConfig)
	if err != nil {
		return nil, err
	}
	members.Limit(o.Members.QPS, o.Members.Burst)
	found, err := newSearch(ends, server, config, members, config.ClientConfig)
	if err != nil {
		return nil, err
	}
	maps.DeleteFunc(found, func(path string, _ registry.Storage) bool { return o.disables(path) })
	made := group(searchv1alpha1.GroupVersion, found, scheme, codecs)
	if err := server.InstallAPIGroups(made); err != nil {
		return nil, fmt.Errorf("installing the API group: %w", err)
	}
	return server, nil
}

// disables tells whether a resource, by its path, is not to be served.
func (o *SearchOptions) disables(resource string) bool {
	switch resource {
	case "search":
		return o.DisableSearch
	case "proxying", "proxying/proxy":
		return o.DisableProxy
	}
	return false
}

// newSearch returns the storage of search.karmada.io, and makes the server follow its registries once it serves, and the Clusters that
// clusters reaches: nil for the server itself.
func newSearch(
	ends context.Context, server *genericapiserver.GenericAPIServer, config *genericapiserver.RecommendedConfig, members *proxy.Members, clusters *rest.Config,
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
	secrets, err := proxy.SecretsOf(config.ClientConfig)
	if err != nil {
		return nil, err
	}
	found := search.New(ends, search.Settings{
		Members: members, ControlPlane: controlPlane, Authorizer: config.Authorization.Authorizer, Secrets: secrets, Kinds: kinds,
	})
	scheme, err := wireScheme()
	if err != nil {
		return nil, err
	}
	server.AddPostStartHookOrDie("search", func(hook genericapiserver.PostStartHookContext) error {
		if clusters == nil {
			clusters = hook.LoopbackClientConfig
		}
		go found.Run(hook, search.Sources{Clusters: clusters, Registries: hook.LoopbackClientConfig}, scheme)
		return nil
	})
	resources, err := storage.NewRegistries(scheme, config.RESTOptionsGetter)
	if err != nil {
		return nil, err
	}
	maps.Copy(resources, storage.NewSearch(found))
	return resources, nil
}
