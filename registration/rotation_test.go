package registration

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/seatrial/seatrial/fleet/embedded/pki"
)

// issuer makes client certificates.
type issuer struct {
	*testing.T
	dir       string
	authority *pki.Authority
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	dir := t.TempDir()
	authority, err := pki.EnsureAuthority(pki.At(dir, "ca"), "ca")
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{t, dir, authority}
}

func (i *issuer) identity(name string) Identity {
	i.Helper()
	pair := pki.At(i.dir, name)
	if err := i.authority.IssueClient(pair, name, nil); err != nil {
		i.Fatal(err)
	}
	return Identity{Certificate: i.read(pair.Cert), Key: i.read(pair.Key)}
}

func (i *issuer) read(path string) []byte {
	i.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		i.Fatal(err)
	}
	return content
}

// TestPresent talks to a server that says whom it sees, before and after a change of identity.
func TestPresent(t *testing.T) {
	from := newIssuer(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.TLS.PeerCertificates[0].Subject.CommonName))
	}))
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(from.read(pki.At(from.dir, "ca").Cert))
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients, MinVersion: tls.VersionTLS12}
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()

	first := from.identity("first")
	config, presented, err := Present(&rest.Config{Host: server.URL, TLSClientConfig: rest.TLSClientConfig{
		Insecure: true, CertData: first.Certificate, KeyData: first.Key,
	}})
	if err != nil {
		t.Fatal(err)
	}
	connection, err := rest.HTTPClientFor(config)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.CloseIdleConnections()
	seen := func() string {
		t.Helper()
		response, err := connection.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text := make([]byte, 64)
		n, _ := response.Body.Read(text)
		return string(text[:n])
	}
	if got := seen(); got != "first" {
		t.Errorf("shows %q", got)
	}
	if err := presented.Show(from.identity("second")); err != nil {
		t.Fatal(err)
	}
	if got := seen(); got != "second" {
		t.Errorf("after the change it shows %q", got)
	}
	if err := presented.Show(Identity{}); err == nil {
		t.Error("nothing is taken for an identity")
	}
	if _, _, err := Present(&rest.Config{Host: server.URL, BearerToken: "token"}); err == nil || !strings.Contains(err.Error(), "no client certificate") {
		t.Errorf("with a token alone: %v", err)
	}
}

// TestRotationWaits looks at a certificate with all of its life before it.
func TestRotationWaits(t *testing.T) {
	identity := newIssuer(t).identity("fresh")
	presented := &Presented{}
	if err := presented.Show(identity); err != nil {
		t.Fatal(err)
	}
	leaf := presented.current.Load().Leaf
	rotation := &Rotation{Presented: presented, Plane: &rest.Config{Host: "https://127.0.0.1:1"}, Threshold: 0.2, Interval: time.Minute}
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	if rotated, err := rotation.rotate(t.Context(), leaf.NotAfter.Add(-life/4)); rotated || err != nil {
		t.Errorf("with a quarter of its life left: %t, %v", rotated, err)
	}
	soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if rotated, err := rotation.rotate(soon, leaf.NotAfter.Add(-life/10)); rotated || err == nil {
		t.Errorf("with a tenth of its life left, and no control plane: %t, %v", rotated, err)
	}
}

func TestKeepInFile(t *testing.T) {
	from := newIssuer(t)
	text, err := from.identity("first").kubeconfig("https://plane:5443", []byte("ca"), "m1")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "agent.kubeconfig")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	second := from.identity("second")
	if err := KeepInFile(path, "")(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.LoadFromFile(path)
	if err != nil {
		t.Fatal(err)
	}
	user := config.AuthInfos["system:karmada:agent:m1"]
	if string(user.ClientCertificateData) != string(second.Certificate) || string(user.ClientKeyData) != string(second.Key) || config.Clusters["karmada-apiserver"].Server != "https://plane:5443" {
		t.Errorf("the file has %+v", config)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("beside it there is %v", left)
	}
	if err := KeepInFile(path, "another")(t.Context(), second); err == nil {
		t.Error("an unknown context has a user")
	}
}
