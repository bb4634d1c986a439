package proxy

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
)

// ControlPlane reaches the control plane's kube-apiserver.
type ControlPlane struct{ server server }

// NewControlPlane returns the kube-apiserver of config, whose user must be allowed to impersonate. When ends is done, what goes on
// with it is cut.
func NewControlPlane(ends context.Context, config *rest.Config) (*ControlPlane, error) {
	endpoint, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, fmt.Errorf("the URL of the control plane: %w", err)
	}
	trust, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, fmt.Errorf("the certificates of the control plane: %w", err)
	}
	made := &http.Transport{TLSClientConfig: trust, DisableCompression: true, MaxIdleConnsPerHost: 25, Proxy: config.Proxy}
	upgrading := utilnet.SetOldTransportDefaults(made.Clone())
	transport, err := rest.HTTPWrappersForConfig(config, &connection{plain: utilnet.SetTransportDefaults(made), upgrading: upgrading})
	if err != nil {
		return nil, fmt.Errorf("the credentials of the control plane: %w", err)
	}
	explain := func(err error) error {
		return apierrors.NewServiceUnavailable(fmt.Sprintf("the control plane cannot be reached: %v", err))
	}
	base := &url.URL{Scheme: endpoint.Scheme, Host: endpoint.Host, Path: endpoint.Path}
	return &ControlPlane{server{name: "the control plane", endpoint: base, transport: transport, explain: explain, ends: ends}}, nil
}

// Forward answers a request as Member.Forward does, with what the control plane answers to the request's user.
func (c *ControlPlane) Forward(w http.ResponseWriter, r *http.Request, prefix string, fail func(error)) {
	c.server.forward(w, r, prefix, fail)
}
