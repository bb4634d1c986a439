package apiserver

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/sets"
	registry "k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	genericfilters "k8s.io/apiserver/pkg/server/filters"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/utils/clock"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	searchv1alpha1 "github.com/seatrial/seatrial/api/search/v1alpha1"
	"github.com/seatrial/seatrial/apiserver/proxy"
	"github.com/seatrial/seatrial/apiserver/serving"
	"github.com/seatrial/seatrial/apiserver/storage"
)

// serverName appears in the server's metrics and logs.
const serverName = "seatrial-apiserver"

// Run serves until ctx ends, as serving.Options.Run does. Without a given certificate it serves on a self-signed one.
func (o *Options) Run(ctx context.Context) error { return o.Options.Run(ctx, o.newServer) }

// newServer makes the server. What it forwards to members is cut when ends is done.
func (o *Options) newServer(ends context.Context) (*genericapiserver.GenericAPIServer, error) {
	scheme, err := servingScheme()
	if err != nil {
		return nil, err
	}
	codecs := serializer.NewCodecFactory(scheme)
	config, err := storingConfig(o.Options, o.Etcd, codecs, ServingName)
	if err != nil {
		return nil, err
	}
	server, err := config.Complete().New(serverName, genericapiserver.NewEmptyDelegate())
	if err != nil {
		return nil, fmt.Errorf("setting up the generic API server: %w", err)
	}
	members, err := proxy.ForControlPlane(ends, config.ClientConfig)
	if err != nil {
		return nil, err
	}
	resources, err := storage.New(storage.Settings{
		Typer:    scheme,
		Clock:    clock.RealClock{},
		Modeling: utilfeature.DefaultFeatureGate.Enabled(CustomizedClusterResourceModeling),
		Members:  members,

		AgentSecretNamespaces: o.AgentSecretNamespaces,
	}, config.RESTOptionsGetter)
	if err != nil {
		return nil, err
	}
	groups := []*genericapiserver.APIGroupInfo{group(clusterv1alpha1.GroupVersion, resources, scheme, codecs)}
	if o.Search {
		found, err := newSearch(ends, server, config, members, nil)
		if err != nil {
			return nil, err
		}
		groups = append(groups, group(searchv1alpha1.GroupVersion, found, scheme, codecs))
	}
	if err := server.InstallAPIGroups(groups...); err != nil {
		return nil, fmt.Errorf("installing the API groups: %w", err)
	}
	return server, nil
}

// group describes a group of one version.
func group(
	version schema.GroupVersion, resources map[string]registry.Storage, scheme *runtime.Scheme, codecs serializer.CodecFactory,
) *genericapiserver.APIGroupInfo {
	made := genericapiserver.NewDefaultAPIGroupInfo(version.Group, scheme, runtime.NewParameterCodec(scheme), codecs)
	made.VersionedResourcesStorageMap[version.Version] = resources
	return &made
}

// storingConfig adds what a server needs that keeps objects in etcd, and forwards requests to members, to the settings that all share.
func storingConfig(
	options *serving.Options, etcd *genericoptions.EtcdOptions, codecs serializer.CodecFactory, name string,
) (*genericapiserver.RecommendedConfig, error) {
	config, err := options.Config(codecs, name, describe)
	if err != nil {
		return nil, err
	}
	// What goes on in a member lasts as long as it likes.
	config.LongRunningFunc = genericfilters.BasicLongRunningRequestCheck(sets.NewString("watch"), sets.NewString("proxy"))
	stored := *etcd
	stored.StorageConfig.Codec = codecs.LegacyCodec(served()...)
	stored.StorageConfig.EncodeVersioner = schema.GroupVersions(served())
	if err := stored.ApplyTo(&config.Config); err != nil {
		return nil, fmt.Errorf("applying the etcd options: %w", err)
	}
	return config, nil
}
