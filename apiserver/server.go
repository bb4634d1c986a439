package apiserver

import (
	"context"
	"fmt"
	"net"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	genericapiserver "k8s.io/apiserver/pkg/server"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/clock"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/apiserver/storage"
)

// serverName appears in the server's metrics and logs.
const serverName = "seatrial-apiserver"

// Run serves until ctx ends, then lets requests under way finish and returns nil. Without a given certificate it serves on a
// self-signed one. It errs when the server cannot start: the port is taken, or the control plane's kube-apiserver does not give the
// certificates that callers are recognised by.
func (o *Options) Run(ctx context.Context) error {
	server, err := o.newServer()
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

func (o *Options) newServer() (*genericapiserver.GenericAPIServer, error) {
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
	resources, err := storage.New(storage.Settings{
		Typer:    scheme,
		Clock:    clock.RealClock{},
		Modeling: utilfeature.DefaultFeatureGate.Enabled(CustomizedClusterResourceModeling),
	}, config.RESTOptionsGetter)
	if err != nil {
		return nil, err
	}
	group := genericapiserver.NewDefaultAPIGroupInfo(clusterv1alpha1.GroupVersion.Group, scheme, runtime.NewParameterCodec(scheme), codecs)
	group.VersionedResourcesStorageMap[clusterv1alpha1.GroupVersion.Version] = resources
	if err := server.InstallAPIGroup(&group); err != nil {
		return nil, fmt.Errorf("installing the API group %s: %w", clusterv1alpha1.GroupVersion.Group, err)
	}
	return server, nil
}

// config applies the options in the order they need each other: delegated authentication adds its CAs to the serving settings.
func (o *Options) config(codecs serializer.CodecFactory) (*genericapiserver.RecommendedConfig, error) {
	config := genericapiserver.NewRecommendedConfig(codecs)
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
	etcd.StorageConfig.Codec = codecs.LegacyCodec(clusterv1alpha1.GroupVersion)
	etcd.StorageConfig.EncodeVersioner = runtime.NewMultiGroupVersioner(clusterv1alpha1.GroupVersion,
		schema.GroupKind{Group: clusterv1alpha1.GroupVersion.Group})
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
