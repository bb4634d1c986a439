package server_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/seatrial/seatrial/estimator/nodes"
	"github.com/seatrial/seatrial/estimator/rpc/server"
	"github.com/seatrial/seatrial/estimator/rpc/wire"
	"github.com/seatrial/seatrial/fleet/embedded/pki"
)

// authority makes a CA in a folder of its own, and issues certificates there.
type authority struct {
	*pki.Authority
	dir string
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	dir := t.TempDir()
	made, err := pki.EnsureAuthority(pki.At(dir, "ca"), "test")
	if err != nil {
		t.Fatal(err)
	}
	return authority{Authority: made, dir: dir}
}

func (a authority) ca() string { return pki.At(a.dir, "ca").Cert }

func (a authority) serving(t *testing.T, name string) pki.Pair {
	t.Helper()
	pair := pki.At(a.dir, name)
	if err := a.IssueServing(pair, name, []string{"estimator.test"}, []net.IP{net.IPv4(127, 0, 0, 1)}); err != nil {
		t.Fatal(err)
	}
	return pair
}

// caller is the configuration of a client that trusts and is known by these authorities; nil shows no certificate.
func caller(t *testing.T, trusts authority, knownBy *authority) *tls.Config {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(read(t, trusts.ca()))
	config := &tls.Config{RootCAs: pool}
	if knownBy != nil {
		pair := pki.At(knownBy.dir, "scheduler")
		if err := knownBy.IssueClient(pair, "scheduler", nil); err != nil {
			t.Fatal(err)
		}
		certificate, err := tls.LoadX509KeyPair(pair.Cert, pair.Key)
		if err != nil {
			t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	return config
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func serveTLS(t *testing.T, certificates server.Certificates) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	config, err := certificates.TLS(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, &fixed{index: nodes.NewIndex(nodes.Options{})}, config, 0)
}

func ask(t *testing.T, r *running, config *tls.Config) error {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := wire.NewEstimatorClient(dial(t, r, config)).MaxAvailableReplicas(ctx, &wire.MaxAvailableReplicasRequest{Cluster: proto.String(member)})
	return err
}

func TestMutualTLS(t *testing.T) {
	own, foreign := newAuthority(t), newAuthority(t)
	pair := own.serving(t, "server")
	strict := serveTLS(t, server.Certificates{CertFile: pair.Cert, KeyFile: pair.Key, ClientCAFile: own.ca()})
	lax := serveTLS(t, server.Certificates{CertFile: pair.Cert, KeyFile: pair.Key, ClientCAFile: own.ca(), AnyClient: true})
	old := caller(t, own, &own)
	old.MaxVersion = tls.VersionTLS12
	for name, c := range map[string]struct {
		server *running
		client *tls.Config
		want   codes.Code
	}{
		"known":              {strict, caller(t, own, &own), codes.OK},
		"foreign":            {strict, caller(t, own, &foreign), codes.Unavailable},
		"anonymous":          {strict, caller(t, own, nil), codes.Unavailable},
		"without TLS":        {strict, nil, codes.Unavailable},
		"TLS 1.2":            {strict, old, codes.Unavailable},
		"another server":     {strict, caller(t, foreign, &own), codes.Unavailable},
		"lax with foreign":   {lax, caller(t, own, &foreign), codes.OK},
		"lax with anonymous": {lax, caller(t, own, nil), codes.OK},
		"lax without TLS":    {lax, nil, codes.Unavailable},
		"lax with known":     {lax, caller(t, own, &own), codes.OK},
	} {
		t.Run(name, func(t *testing.T) {
			if err := ask(t, c.server, c.client); status.Code(err) != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// TestCertificatesAreReadAgain changes the CA of clients and the certificate of the server under a running server.
func TestCertificatesAreReadAgain(t *testing.T) {
	before, after := newAuthority(t), newAuthority(t)
	dir := t.TempDir()
	files := server.Certificates{CertFile: filepath.Join(dir, "tls.crt"), KeyFile: filepath.Join(dir, "tls.key"), ClientCAFile: filepath.Join(dir, "ca.crt")}
	place := func(a authority) {
		pair := a.serving(t, "server")
		for to, from := range map[string]string{files.CertFile: pair.Cert, files.KeyFile: pair.Key, files.ClientCAFile: a.ca()} {
			// Files are replaced whole, as mounted secrets are.
			if err := os.WriteFile(to+".new", read(t, from), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(to+".new", to); err != nil {
				t.Fatal(err)
			}
		}
	}
	place(before)
	r := serveTLS(t, files)
	if err := ask(t, r, caller(t, before, &before)); err != nil {
		t.Fatal(err)
	}
	place(after)
	deadline := time.Now().Add(20 * time.Second)
	for ask(t, r, caller(t, after, &after)) != nil {
		if time.Now().After(deadline) {
			t.Fatal("the new certificates are not in use")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if ask(t, r, caller(t, after, &before)) == nil {
		t.Error("a client of the old CA is still served")
	}
}

func TestBadCertificates(t *testing.T) {
	own := newAuthority(t)
	pair := own.serving(t, "server")
	for name, c := range map[string]struct {
		from server.Certificates
		want string
	}{
		"no key":          {server.Certificates{CertFile: pair.Cert}, "needs both"},
		"no client CA":    {server.Certificates{CertFile: pair.Cert, KeyFile: pair.Key}, "--grpc-client-ca-file"},
		"only client CA":  {server.Certificates{ClientCAFile: own.ca()}, "no certificate of the server"},
		"missing file":    {server.Certificates{CertFile: pair.Cert + "x", KeyFile: pair.Key, AnyClient: true}, "reading the certificate of the server"},
		"missing CA file": {server.Certificates{CertFile: pair.Cert, KeyFile: pair.Key, ClientCAFile: "/nowhere/ca.crt"}, "reading the CA for client certificates"},
		"key as CA":       {server.Certificates{CertFile: pair.Cert, KeyFile: pair.Key, ClientCAFile: pair.Key}, "reading the CA for client certificates"},
	} {
		_, err := c.from.TLS(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if config, err := (server.Certificates{}).TLS(t.Context()); config != nil || err != nil {
		t.Errorf("without files: %v, %v", config, err)
	}
}
