package proxy

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/utils/ptr"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/connectproxy"
)

// connection is how a member is reached, and the open connections to it.
type connection struct {
	// spec are the fields of the Cluster that it was made from, and version those and the credentials.
	spec     reach
	version  version
	read     time.Time
	rejected atomic.Bool

	endpoint *url.URL
	token    string
	// plain carries ordinary requests, many over one HTTP/2 connection. Those that change the protocol need HTTP/1.1.
	plain, upgrading *http.Transport
	// limiter bounds what the control plane itself asks; nil for no bound.
	limiter flowcontrol.RateLimiter
}

type version struct {
	spec        reach
	credentials [sha256.Size]byte
}

// reach are the fields of a Cluster that say how to reach it, comparable.
type reach struct {
	endpoint, proxy, headers string
	access, impersonator     clusterv1alpha1.LocalSecretReference
	insecure                 bool
}

func reachOf(cluster *clusterv1alpha1.Cluster) reach {
	spec := &cluster.Spec
	return reach{
		endpoint: spec.APIEndpoint, proxy: spec.ProxyURL, headers: fmt.Sprintf("%q", spec.ProxyHeader), insecure: spec.InsecureSkipTLSVerification,
		access: ptr.Deref(spec.SecretRef, clusterv1alpha1.LocalSecretReference{}), impersonator: ptr.Deref(spec.ImpersonatorSecretRef, clusterv1alpha1.LocalSecretReference{}),
	}
}

func (c *connection) serves(cluster *clusterv1alpha1.Cluster) bool { return c.spec == reachOf(cluster) }

func (c *connection) closeIdle() {
	c.plain.CloseIdleConnections()
	c.upgrading.CloseIdleConnections()
}

func newConnection(cluster *clusterv1alpha1.Cluster, with credentials, now time.Time) (*connection, error) {
	endpoint, err := parseEndpoint(cluster.Spec.APIEndpoint)
	if err != nil {
		return nil, err
	}
	made := &connection{spec: reachOf(cluster), endpoint: endpoint, token: with.token, read: now}
	made.version = version{made.spec, with.version()}
	if made.plain, err = newTransport(&cluster.Spec, with.ca); err != nil {
		return nil, err
	}
	made.upgrading = made.plain.Clone()
	made.plain = utilnet.SetTransportDefaults(made.plain)
	made.upgrading = utilnet.SetOldTransportDefaults(made.upgrading)
	return made, nil
}

func parseEndpoint(text string) (*url.URL, error) {
	if text == "" {
		return nil, errors.New("spec.apiEndpoint is empty")
	}
	endpoint, err := url.Parse(text)
	if err != nil || endpoint.Host == "" || endpoint.Scheme != "https" && endpoint.Scheme != "http" {
		return nil, fmt.Errorf("spec.apiEndpoint %q is no URL of the form https://host:port", text)
	}
	return endpoint, nil
}

func newTransport(spec *clusterv1alpha1.ClusterSpec, ca []byte) (*http.Transport, error) {
	trust := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: spec.InsecureSkipTLSVerification} //nolint:gosec // The owner of the Cluster asks for it.
	if len(ca) > 0 && !spec.InsecureSkipTLSVerification {
		trust.RootCAs = x509.NewCertPool()
		if !trust.RootCAs.AppendCertsFromPEM(ca) {
			return nil, fmt.Errorf("key %q of its secret holds no certificate in PEM", secretCA)
		}
	}
	// What a member has compressed reaches the caller as it is.
	made := &http.Transport{TLSClientConfig: trust, DisableCompression: true, MaxIdleConnsPerHost: 25}
	proxy, headers, err := connectproxy.Of(spec)
	if err != nil {
		return nil, err
	}
	if proxy != nil {
		made.Proxy, made.ProxyConnectHeader = http.ProxyURL(proxy), headers
	}
	return made, nil
}

// RoundTrip sends a request over the connection that fits it, and notices when the member no longer takes the token.
func (c *connection) RoundTrip(request *http.Request) (*http.Response, error) {
	transport := c.plain
	if request.Header.Get("Upgrade") != "" {
		transport = c.upgrading
	}
	response, err := transport.RoundTrip(request)
	if err == nil && response.StatusCode == http.StatusUnauthorized {
		c.rejected.Store(true)
	}
	return response, err
}
