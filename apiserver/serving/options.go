// Package serving is what API servers beside the control plane's kube-apiserver have in common: they serve over TLS, and ask that
// kube-apiserver who a caller is and what the caller may do.
package serving

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/pflag"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// WatchTermination is how long a stopping server takes at most to end the open watches.
const WatchTermination = 5 * time.Second

// Options are the settings of such a server. NewOptions gives the defaults; Complete and Validate come before Config.
type Options struct {
	Generic        *genericoptions.ServerRunOptions
	SecureServing  *genericoptions.SecureServingOptionsWithLoopback
	Authentication *genericoptions.DelegatingAuthenticationOptions
	Authorization  *genericoptions.DelegatingAuthorizationOptions
	Audit          *genericoptions.AuditOptions
	Features       *genericoptions.FeatureOptions

	// Kubeconfig reaches the control plane's kube-apiserver. Empty means the service account of the pod.
	Kubeconfig string
	// KubeAPIQPS and KubeAPIBurst bound the requests to the control plane's kube-apiserver, per second.
	KubeAPIQPS   float32
	KubeAPIBurst int

	// EnablePprof serves Go profiles in plain HTTP on ProfilingBindAddress.
	EnablePprof          bool
	ProfilingBindAddress string
}

// NewOptions returns the defaults.
func NewOptions() *Options {
	serving := genericoptions.NewSecureServingOptions()
	// The caller is mostly one kube-apiserver that runs all requests of its clients, watches included, over one connection.
	serving.HTTP2MaxStreamsPerConnection = 1000

	generic := genericoptions.NewServerRunOptions()
	// Open watches would otherwise hold up the end of the process until the request timeout.
	generic.ShutdownWatchTerminationGracePeriod = WatchTermination

	features := genericoptions.NewFeatureOptions()
	// The kube-apiserver in front already queues fairly; a second queue would only cost its informers.
	features.EnablePriorityAndFairness = false

	return &Options{
		Generic:              generic,
		SecureServing:        serving.WithLoopback(),
		Authentication:       genericoptions.NewDelegatingAuthenticationOptions(),
		Authorization:        genericoptions.NewDelegatingAuthorizationOptions(),
		Audit:                genericoptions.NewAuditOptions(),
		Features:             features,
		KubeAPIQPS:           40,
		KubeAPIBurst:         60,
		ProfilingBindAddress: ":6060",
	}
}

// AddFlags binds the options to flags.
func (o *Options) AddFlags(flags *pflag.FlagSet) {
	o.Generic.AddUniversalFlags(flags)
	o.SecureServing.AddFlags(flags)
	o.Authentication.AddFlags(flags)
	o.Authorization.AddFlags(flags)
	o.Audit.AddFlags(flags)
	o.Features.AddFlags(flags)

	flags.StringVar(&o.Kubeconfig, "kubeconfig", o.Kubeconfig,
		"Path of the kubeconfig of the control plane's kube-apiserver. Empty means the pod's service account.")
	flags.Float32Var(&o.KubeAPIQPS, "kube-api-qps", o.KubeAPIQPS,
		"Requests per second to the control plane's kube-apiserver.")
	flags.IntVar(&o.KubeAPIBurst, "kube-api-burst", o.KubeAPIBurst,
		"Requests to the control plane's kube-apiserver that may exceed --kube-api-qps at once.")
	flags.BoolVar(&o.EnablePprof, "enable-pprof", o.EnablePprof,
		"Serve Go profiles on --profiling-bind-address, in plain HTTP and without authentication.")
	flags.StringVar(&o.ProfilingBindAddress, "profiling-bind-address", o.ProfilingBindAddress,
		"Address, host:port, that Go profiles are served on.")
}

// Complete applies the feature gates to the process and fills in what follows from other options: the kubeconfigs of delegation.
func (o *Options) Complete() error {
	if err := o.Generic.ComponentGlobalsRegistry.Set(); err != nil {
		return fmt.Errorf("applying the feature gates: %w", err)
	}
	if o.Authentication.RemoteKubeConfigFile == "" {
		o.Authentication.RemoteKubeConfigFile = o.Kubeconfig
	}
	if o.Authorization.RemoteKubeConfigFile == "" {
		o.Authorization.RemoteKubeConfigFile = o.Kubeconfig
	}
	return nil
}

// Validate names every option that cannot work.
func (o *Options) Validate() error {
	var errs []error
	errs = append(errs, o.Generic.Validate()...)
	errs = append(errs, o.SecureServing.Validate()...)
	errs = append(errs, o.Authentication.Validate()...)
	errs = append(errs, o.Authorization.Validate()...)
	errs = append(errs, o.Audit.Validate()...)
	errs = append(errs, o.Features.Validate()...)
	if o.KubeAPIQPS <= 0 || o.KubeAPIBurst <= 0 {
		errs = append(errs, fmt.Errorf("--kube-api-qps %v and --kube-api-burst %d must be positive", o.KubeAPIQPS, o.KubeAPIBurst))
	}
	if _, _, err := net.SplitHostPort(o.ProfilingBindAddress); o.EnablePprof && err != nil {
		errs = append(errs, fmt.Errorf("--profiling-bind-address must be host:port: %w", err))
	}
	return errors.Join(errs...)
}

// ControlPlane is how the control plane's kube-apiserver is reached.
func (o *Options) ControlPlane() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", o.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("loading the kubeconfig %q of the control plane: %w", o.Kubeconfig, err)
	}
	config.QPS, config.Burst = o.KubeAPIQPS, o.KubeAPIBurst
	return config, nil
}
