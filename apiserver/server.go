package apiserver

import (
	"context"
	"fmt"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	registry "k8s.io/apiserver/pkg/registry/rest"
	genericapiserver "k8s.io/apiserver/pkg/server"
	genericfilters "k8s.io/apiserver/pkg/server/filters"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	searchv1alpha1 "github.com/seatrial/seatrial/api/search/v1alpha1"
	"github.com/seatrial/seatrial/apiserver/proxy"
	"github.com/seatrial/seatrial/apiserver/storage"
)

// serverName appears in the server's metrics and logs.
const serverName = "seatrial-apiserver"

// Run serves until ctx ends, then lets requests under way finish and returns nil. Without a given certificate it serves on a
// self-signed one. It errs when the server cannot start: the port is taken, or the control plane's kube-apiserver does not give the
// certificates that callers are recognised by.
func (o *Options) Run(ctx context.Context) error {
	ends, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	context.AfterFunc(ctx, func() { time.AfterFunc(watchTermination, end) })
	server, err := o.newServer(ends)
	if err != nil {
		return err
	}
	if o.EnablePprof {
		if err := serveProfiles(ctx, o.ProfilingBindAddress); err != nil {
			return err
		}
	}
	return server.PrepareRun().RunWithContext(ctx)
}

// newServer makes the server. What it forwards to members is cut when ends is done.
func (o *Options) newServer(ends context.Context) (*genericapiserver.GenericAPIServer, error) {
	scheme, err := servingScheme()
	if err != nil {
		return nil, err
	}
	codecs := serializer.NewCodecFactory(scheme)
	config, err := o.config(codecs)
	if err != nil {
		return nil, err
	}
	server, err := config.Complete().New(serverName, genericapiserver.NewEmptyDelegate())
	if err != nil {
		return nil, fmt.Errorf("setting up the generic API server: %w", err)
	}
	members, err := newMembers(ends, config.ClientConfig)
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
		found, err := o.newSearch(ends, server, config, members)
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

// newMembers reach members with the credentials that the control plane keeps.
func newMembers(ends context.Context, controlPlane *rest.Config) (*proxy.Members, error) {
	client, err := kubernetes.NewForConfig(controlPlane)
	if err != nil {
		return nil, fmt.Errorf("making a client of the control plane: %w", err)
	}
	read := func(ctx context.Context, name types.NamespacedName) (*corev1.Secret, error) {
		return client.CoreV1().Secrets(name.Namespace).Get(ctx, name.Name, metav1.GetOptions{})
	}
	return proxy.New(ends, read, clock.RealClock{}), nil
}

// config applies the options in the order they need each other: delegated authentication adds its CAs to the serving settings.
func (o *Options) config(codecs serializer.CodecFactory) (*genericapiserver.RecommendedConfig, error) {
	config := genericapiserver.NewRecommendedConfig(codecs)
	// What goes on in a member lasts as long as it likes.
	config.LongRunningFunc = genericfilters.BasicLongRunningRequestCheck(sets.NewString("watch"), sets.NewString("proxy"))
	if err := describe(&config.Config); err != nil {
		return nil, err
	}
	if err := o.Generic.ApplyTo(&config.Config); err != nil {
		return nil, fmt.Errorf("applying the generic options: %w", err)
	}
	if err := o.applyEtcd(&config.Config, codecs); err != nil {
		return nil, err
	}
	if err := o.applyServing(&config.Config); err != nil {
		return nil, err
	}
	if err := o.Authentication.ApplyTo(&config.Authentication, config.SecureServing, config.OpenAPIConfig); err != nil {
		return nil, fmt.Errorf("delegating authentication: %w", err)
	}
	if err := o.Authorization.ApplyTo(&config.Authorization); err != nil {
		return nil, fmt.Errorf("delegating authorization: %w", err)
	}
	if err := o.Audit.ApplyTo(&config.Config); err != nil {
		return nil, fmt.Errorf("applying the audit options: %w", err)
	}
	if err := o.applyControlPlane(config); err != nil {
		return nil, err
	}
	return config, nil
}

func (o *Options) applyEtcd(config *genericapiserver.Config, codecs serializer.CodecFactory) error {
	etcd := *o.Etcd
	etcd.StorageConfig.Codec = codecs.LegacyCodec(served()...)
	etcd.StorageConfig.EncodeVersioner = schema.GroupVersions(served())
	if err := etcd.ApplyTo(config); err != nil {
		return fmt.Errorf("applying the etcd options: %w", err)
	}
	return nil
}

// applyServing makes a self-signed certificate, kept in the certificate directory, when none was given.
func (o *Options) applyServing(config *genericapiserver.Config) error {
	err := o.SecureServing.MaybeDefaultWithSelfSignedCerts("localhost", []string{ServingName}, []net.IP{net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return fmt.Errorf("making a self-signed serving certificate: %w", err)
	}
	if err := o.SecureServing.ApplyToConfig(config); err != nil {
		return fmt.Errorf("applying the serving options: %w", err)
	}
	return nil
}

// applyControlPlane hands the features of the generic server a client of the control plane's kube-apiserver.
func (o *Options) applyControlPlane(config *genericapiserver.RecommendedConfig) error {
	controlPlane, err := o.controlPlane()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(controlPlane)
	if err != nil {
		return fmt.Errorf("making a client of the control plane: %w", err)
	}
	config.ClientConfig = controlPlane
	config.SharedInformerFactory = informers.NewSharedInformerFactory(client, 10*time.Minute)
	if err := o.Features.ApplyTo(&config.Config, client, config.SharedInformerFactory); err != nil {
		return fmt.Errorf("applying the feature options: %w", err)
	}
	return nil
}

func (o *Options) controlPlane() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("loading the kubeconfig %q of the control plane: %w", o.Kubeconfig, err)
	}
	config.QPS, config.Burst = o.KubeAPIQPS, o.KubeAPIBurst
	return config, nil
}
