package live

import (
	"crypto/tls"
	"net/http"
	"time"

	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
)

// probeTimeout bounds a sign of life and what follows from it. It is a fraction of the silence that is tolerated, so that another
// connection has been tried long before.
const probeTimeout = 10 * time.Second

// Probing is a configuration for heartbeats, and for looks at how a cluster is. They go over connections of their own that carry one
// request at a time (HTTP/1.1), for such a connection ends with the request that got no answer, and the next request opens
// another. The shared connection of HTTP/2 would be kept in use for 45 s after a network began to swallow its packets.
func Probing(config *rest.Config) *rest.Config {
	probing := rest.CopyConfig(config)
	probing.Timeout = probeTimeout
	if own, ok := config.Transport.(*http.Transport); ok {
		probing.Transport = oneAtATime(own)
	} else {
		probing.NextProtos = []string{"http/1.1"}
	}
	return probing
}

// oneAtATime is a transport that opens connections as another one does, of HTTP/1.1.
func oneAtATime(transport *http.Transport) *http.Transport {
	single := transport.Clone()
	single.ForceAttemptHTTP2 = false
	// An empty table, unlike none, has no protocol added to it.
	single.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	if single.TLSClientConfig != nil {
		single.TLSClientConfig.NextProtos = []string{"http/1.1"}
	}
	return single
}

// closeIdle ends the connections that wait for a next request: what silenced one of them has silenced all.
func closeIdle(connections *http.Client) { utilnet.CloseIdleConnectionsFor(connections.Transport) }
