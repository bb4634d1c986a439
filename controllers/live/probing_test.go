package live

import (
	"context"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
)

// network is one that can begin to swallow what its connections send. It carries those that are opened later.
type network struct {
	mu     sync.Mutex
	opened []*carried
}

type carried struct {
	net.Conn
	swallowed atomic.Bool
}

func (c *carried) Write(packet []byte) (int, error) {
	if c.swallowed.Load() {
		return len(packet), nil
	}
	return c.Conn.Write(packet)
}

func (n *network) dial(ctx context.Context, kind, address string) (net.Conn, error) {
	opened, err := (&net.Dialer{}).DialContext(ctx, kind, address)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.opened = append(n.opened, &carried{Conn: opened})
	return n.opened[len(n.opened)-1], nil
}

func (n *network) swallow() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, known := range n.opened {
		known.swallowed.Store(true)
	}
}

// served starts an API server that speaks HTTP/2 to who wants to, reached through a network, and tells the protocols of requests.
func served(t *testing.T) (through *network, config *rest.Config, protocols func() []string) {
	t.Helper()
	var mu sync.Mutex
	var told []string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, r.Proto)
		_, _ = io.WriteString(w, "ok")
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	through = &network{}
	return through, &rest.Config{Host: server.URL, Dial: through.dial, TLSClientConfig: rest.TLSClientConfig{CAData: ca}}, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(told)
	}
}

// withTransport is a configuration with a transport of its own instead, as one is whose certificate can be changed.
func withTransport(t *testing.T, config *rest.Config, through *network) *rest.Config {
	t.Helper()
	secured, err := rest.TLSConfigFor(config)
	if err != nil {
		t.Fatal(err)
	}
	own := utilnet.SetTransportDefaults(&http.Transport{DialContext: through.dial, TLSClientConfig: secured})
	return &rest.Config{Host: config.Host, Transport: own}
}

// TestProbingGetsOverALostConnection: the request on a connection that swallows packets fails, and the next one opens another. Over
// the connection that all requests share, the next one would fail as well.
func TestProbingGetsOverALostConnection(t *testing.T) {
	for name, its := range map[string]func(*rest.Config, *network) *rest.Config{
		"its own":         func(config *rest.Config, _ *network) *rest.Config { return config },
		"a transport's":   func(config *rest.Config, through *network) *rest.Config { return withTransport(t, config, through) },
		"in plain HTTP/2": nil,
	} {
		t.Run(name, func(t *testing.T) {
			through, config, protocols := served(t)
			wanted, again := "HTTP/2.0", false
			probing := rest.CopyConfig(config)
			if its != nil {
				wanted, again = "HTTP/1.1", true
				probing = Probing(its(config, through))
				if probing.Timeout != 10*time.Second {
					t.Errorf("a request may take %s", probing.Timeout)
				}
			}
			probing.Timeout = 500 * time.Millisecond
			connections, err := rest.HTTPClientFor(probing)
			if err != nil {
				t.Fatal(err)
			}
			defer closeIdle(connections)
			asked := func() error {
				response, err := connections.Get(config.Host)
				if err != nil {
					return err
				}
				defer response.Body.Close()
				_, err = io.Copy(io.Discard, response.Body)
				return err
			}
			if err := asked(); err != nil {
				t.Fatal(err)
			}
			through.swallow()
			if err := asked(); err == nil {
				t.Error("the network swallows nothing")
			}
			if err := asked(); (err == nil) != again {
				t.Errorf("the request after it: %v", err)
			}
			if told := protocols(); slices.ContainsFunc(told, func(protocol string) bool { return protocol != wanted }) {
				t.Errorf("requests of %v, want %s", told, wanted)
			}
		})
	}
}

// TestHealthIsProbed: what tells that a member is ready goes by connections that a lost one does not hold up.
func TestHealthIsProbed(t *testing.T) {
	through, config, protocols := served(t)
	made, err := newConnection(t.Context(), "", config, runtime.NewScheme())
	if err != nil {
		t.Fatal(err)
	}
	defer made.stop()
	defer closeIdle(made.probes)
	for range 2 {
		if healthy, err := made.Health(t.Context()); !healthy || err != nil {
			t.Errorf("healthy %t, error %v", healthy, err)
		}
		through.mu.Lock()
		for _, opened := range through.opened {
			_ = opened.Close()
		}
		through.mu.Unlock()
	}
	if told := protocols(); !slices.Equal(told, []string{"HTTP/1.1", "HTTP/1.1"}) {
		t.Errorf("requests of %v", told)
	}
}

// TestFailedProbesCloseWhatWaits: connections that a burst of requests left behind are as lost as the one that failed.
func TestFailedProbesCloseWhatWaits(t *testing.T) {
	through, config, _ := served(t)
	made, err := newConnection(t.Context(), "", config, runtime.NewScheme())
	if err != nil {
		t.Fatal(err)
	}
	defer made.stop()
	defer closeIdle(made.probes)
	var burst sync.WaitGroup
	for range 4 {
		burst.Go(func() { _, _ = made.Health(t.Context()) })
	}
	burst.Wait()
	through.swallow()
	soon, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := made.Health(soon); err == nil {
		t.Error("the network swallows nothing")
	}
	if healthy, err := made.Health(t.Context()); !healthy || err != nil {
		t.Errorf("the next look: healthy %t, error %v", healthy, err)
	}
}
