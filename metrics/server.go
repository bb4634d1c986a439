package metrics

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/klog/v2"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	"k8s.io/utils/clock"
	customapiserver "sigs.k8s.io/custom-metrics-apiserver/pkg/apiserver"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/apiserver/proxy"
	"github.com/seatrial/seatrial/apiserver/serving"
	"github.com/seatrial/seatrial/metrics/openapi"
)

const (
	// ServiceName is the Service in namespace karmada-system that the control plane reaches the adapter through.
	ServiceName = "karmada-metrics-adapter"
	// ServingName is the DNS name that the adapter's certificate must be good for.
	ServingName = ServiceName + "." + names.NamespaceSystem + ".svc"

	serverName = "seatrial-metrics-adapter"
)

// Groups are the versions of the API groups that the adapter serves.
func Groups() []schema.GroupVersion {
	return []schema.GroupVersion{
		metricsv1beta1.SchemeGroupVersion,
		{Group: "custom.metrics.k8s.io", Version: "v1beta1"}, {Group: "custom.metrics.k8s.io", Version: "v1beta2"},
		{Group: "external.metrics.k8s.io", Version: "v1beta1"},
	}
}

// Options are the settings of the adapter. NewOptions gives the defaults; Complete and Validate come before Run.
type Options struct {
	*serving.Options
	Members serving.MemberLimits
	// MetricsBindAddress is where the adapter's own metrics are served in plain HTTP; "0" for nowhere but on the HTTPS port.
	MetricsBindAddress string
}

// NewOptions returns the defaults.
func NewOptions() *Options {
	return &Options{Options: serving.NewOptions(), Members: serving.DefaultMemberLimits(), MetricsBindAddress: ":8080"}
}

// AddFlags binds the options to flags.
func (o *Options) AddFlags(flags *pflag.FlagSet) {
	o.Options.AddFlags(flags)
	o.Members.AddFlags(flags)
	flags.StringVar(&o.MetricsBindAddress, "metrics-bind-address", o.MetricsBindAddress,
		"Address, host:port, that the adapter's own metrics are served on in plain HTTP; 0 turns it off. They are on the HTTPS port, too.")
}

// Validate names every option that cannot work.
func (o *Options) Validate() error {
	errs := []error{o.Options.Validate(), o.Members.Validate()}
	if _, _, err := net.SplitHostPort(o.MetricsBindAddress); o.MetricsBindAddress != "0" && err != nil {
		errs = append(errs, fmt.Errorf("--metrics-bind-address must be host:port or 0: %w", err))
	}
	return errors.Join(errs...)
}

// Run serves until ctx ends, as serving.Options.Run does. Without a given certificate it serves on a self-signed one.
func (o *Options) Run(ctx context.Context) error {
	return o.Options.Run(ctx, func(ends context.Context) (*genericapiserver.GenericAPIServer, error) {
		server, err := o.newServer(ends)
		if err == nil && o.MetricsBindAddress != "0" {
			err = serveOwn(ctx, o.MetricsBindAddress)
		}
		return server, err
	})
}

// newServer makes the server. Members are asked until ends is done.
func (o *Options) newServer(ends context.Context) (*genericapiserver.GenericAPIServer, error) {
	config, err := o.Config(customapiserver.Codecs, ServingName, describe)
	if err != nil {
		return nil, err
	}
	members, err := proxy.ForControlPlane(ends, config.ClientConfig)
	if err != nil {
		return nil, err
	}
	members.Limit(o.Members.QPS, o.Members.Burst)
	clusters, run, err := followClusters(config.ClientConfig)
	if err != nil {
		return nil, err
	}
	asked := &fleet{clusters: clusters, reach: members.Raw}
	provided := &customs{fleet: asked, clock: clock.RealClock{}, ends: ends}
	custom := customapiserver.Config{GenericConfig: &config.Config}
	server, err := custom.Complete(config.SharedInformerFactory).New(serverName, provided, provided)
	if err != nil {
		return nil, fmt.Errorf("setting up the API server: %w", err)
	}
	scheme, err := usageScheme()
	if err != nil {
		return nil, err
	}
	group := genericapiserver.NewDefaultAPIGroupInfo(metricsv1beta1.GroupName, scheme, runtime.NewParameterCodec(scheme), serializer.NewCodecFactory(scheme))
	group.VersionedResourcesStorageMap[metricsv1beta1.SchemeGroupVersion.Version] = usage(asked)
	if err := server.GenericAPIServer.InstallAPIGroup(&group); err != nil {
		return nil, fmt.Errorf("installing metrics.k8s.io: %w", err)
	}
	server.GenericAPIServer.AddPostStartHookOrDie("clusters", func(hook genericapiserver.PostStartHookContext) error {
		go run(hook)
		return nil
	})
	return server.GenericAPIServer, nil
}

// describe makes the adapter publish its schema.
func describe(config *genericapiserver.Config) error {
	scheme, err := wireScheme()
	if err != nil {
		return err
	}
	serving.Describe(config, "Seatrial metrics adapter", openapi.Definitions, customapiserver.Scheme, scheme)
	return nil
}

// followClusters keeps the Clusters of a control plane while run runs. A control plane that does not serve them yet is asked again.
func followClusters(controlPlane *rest.Config) (list func() ([]*clusterv1alpha1.Cluster, error), run func(context.Context), err error) {
	client, err := dynamic.NewForConfig(controlPlane)
	if err != nil {
		return nil, nil, fmt.Errorf("making a client of the control plane: %w", err)
	}
	informer := dynamicinformer.NewFilteredDynamicInformer(client, clusterv1alpha1.GroupVersion.WithResource("clusters"), "", 0, cache.Indexers{}, nil).Informer()
	err = informer.SetTransform(func(object any) (any, error) {
		tree, ok := object.(*unstructured.Unstructured)
		if !ok {
			return object, nil
		}
		cluster := &clusterv1alpha1.Cluster{}
		return cluster, runtime.DefaultUnstructuredConverter.FromUnstructured(tree.Object, cluster)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("following clusters: %w", err)
	}
	list = func() ([]*clusterv1alpha1.Cluster, error) {
		if !informer.HasSynced() {
			return nil, errors.New("the clusters of the control plane are not known yet")
		}
		var clusters []*clusterv1alpha1.Cluster
		for _, object := range informer.GetStore().List() {
			if cluster, ok := object.(*clusterv1alpha1.Cluster); ok {
				clusters = append(clusters, cluster)
			}
		}
		return clusters, nil
	}
	return list, informer.RunWithContext, nil
}

// serveOwn serves the adapter's own metrics on address until ctx ends. It errs when it cannot listen.
func serveOwn(ctx context.Context, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("serving metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", legacyregistry.Handler())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			klog.ErrorS(err, "Serving metrics ended", "address", address)
		}
	}()
	return nil
}
