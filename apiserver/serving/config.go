package serving

import (
	"context"
	"fmt"
	"net"
	"time"

	"k8s.io/apimachinery/pkg/runtime/serializer"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
)

// Config applies the options, in the order they need each other: delegated authentication adds its CAs to the serving settings. name
// is the DNS name that callers know the server by; describe makes the server publish its schema.
func (o *Options) Config(codecs serializer.CodecFactory, name string, describe func(*genericapiserver.Config) error) (*genericapiserver.RecommendedConfig, error) {
	config := genericapiserver.NewRecommendedConfig(codecs)
	if err := describe(&config.Config); err != nil {
		return nil, err
	}
	if err := o.Generic.ApplyTo(&config.Config); err != nil {
		return nil, fmt.Errorf("applying the generic options: %w", err)
	}
	if err := o.applyServing(&config.Config, name); err != nil {
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

// applyServing makes a self-signed certificate, kept in the certificate directory, when none was given.
func (o *Options) applyServing(config *genericapiserver.Config, name string) error {
	err := o.SecureServing.MaybeDefaultWithSelfSignedCerts("localhost", []string{name}, []net.IP{net.IPv4(127, 0, 0, 1)})
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
	controlPlane, err := o.ControlPlane()
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

// Run serves what build makes until ctx ends, then lets requests under way finish and returns nil. The context that build is given is
// done when what still goes on is to be cut. Run errs when the server cannot start: the port is taken, or the control plane's
// kube-apiserver does not give the certificates that callers are recognised by.
func (o *Options) Run(ctx context.Context, build func(ends context.Context) (*genericapiserver.GenericAPIServer, error)) error {
	ends, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	context.AfterFunc(ctx, func() { time.AfterFunc(WatchTermination, end) })
	server, err := build(ends)
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
