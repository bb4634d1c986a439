package registration

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/connrotation"

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
		if errors.Is(err, net.ErrClosed) {
			// It went out over a connection that was closed under it, as a request may that is made while the identity changes.
			response, err = connection.Get(server.URL)
		}
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

// shelf keeps an identity as secrets and files do.
type shelf struct{ kept Identity }

func (s *shelf) Keep(_ context.Context, identity Identity) error {
	s.kept = identity
	return nil
}

func (s *shelf) Kept(context.Context) (Identity, error) { return s.kept, nil }

func shown(t *testing.T, identity Identity) *Presented {
	t.Helper()
	presented := &Presented{dialer: connrotation.NewDialer((&net.Dialer{}).DialContext)}
	if err := presented.Show(identity); err != nil {
		t.Fatal(err)
	}
	return presented
}

var leading = func() <-chan struct{} {
	closed := make(chan struct{})
	close(closed)
	return closed
}()

// TestRotationWaits looks at a certificate with much of its life before it.
func TestRotationWaits(t *testing.T) {
	identity := newIssuer(t).identity("fresh")
	rotation := &Rotation{
		Presented: shown(t, identity), Plane: &rest.Config{Host: "https://127.0.0.1:1"}, Store: &shelf{identity}, Leads: leading, Threshold: 0.2, Interval: time.Minute,
	}
	leaf := rotation.Presented.leaf()
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	if rotated, err := rotation.look(t.Context(), leaf.NotAfter.Add(-life/4)); rotated || err != nil {
		t.Errorf("with a quarter of its life left: %t, %v", rotated, err)
	}
	soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if rotated, err := rotation.look(soon, leaf.NotAfter.Add(-life/10)); rotated || err == nil {
		t.Errorf("with a tenth of its life left, and no control plane: %t, %v", rotated, err)
	}
}

// TestRotationStartsFromFiles: a kubeconfig that is kept with the names of files in it does not keep the certificate from being replaced.
func TestRotationStartsFromFiles(t *testing.T) {
	plane := newSigner(t)
	first := plane.identity("system:karmada:agent:m1", time.Hour)
	store := &shelf{}
	rotation := &Rotation{Cluster: "m1", Presented: shown(t, first), Plane: plane.access(), Store: store, Leads: leading, Threshold: 0.2, Interval: time.Minute}
	if changed, err := rotation.look(t.Context(), rotation.Presented.leaf().NotAfter); !changed || err != nil || len(store.kept.Certificate) == 0 {
		t.Errorf("replaced: %t, %v; kept %d bytes", changed, err, len(store.kept.Certificate))
	}
	store.kept = Identity{Certificate: []byte("rubbish"), Key: []byte("rubbish")}
	if changed, err := rotation.look(t.Context(), rotation.Presented.leaf().NotBefore); changed || err == nil {
		t.Errorf("follows rubbish: %t, %v", changed, err)
	}
}

// TestCopiesOfAnAgentFollow has one copy lead and replace the certificate, and another one wait until it has to lead.
func TestCopiesOfAnAgentFollow(t *testing.T) {
	plane := newSigner(t)
	first := plane.identity("system:karmada:agent:m1", time.Hour)
	store := &shelf{first}
	copyOf := func(leads <-chan struct{}) *Rotation {
		return &Rotation{Cluster: "m1", Presented: shown(t, first), Plane: plane.access(), Store: store, Leads: leads, Threshold: 0.2, Interval: time.Minute}
	}
	elected := make(chan struct{})
	leader, standby := copyOf(leading), copyOf(elected)
	leaf := leader.Presented.leaf()
	late := leaf.NotAfter.Add(-time.Minute)
	if changed, err := standby.look(t.Context(), late); changed || err != nil || len(plane.asked()) > 0 {
		t.Errorf("a copy that waits asked for %v: %t, %v", plane.asked(), changed, err)
	}
	if changed, err := leader.look(t.Context(), late); !changed || err != nil {
		t.Fatalf("the copy that leads: %t, %v", changed, err)
	}
	if changed, err := standby.look(t.Context(), late); !changed || err != nil || !standby.Presented.leaf().Equal(leader.Presented.leaf()) {
		t.Errorf("the copy that waits follows: %t, %v", changed, err)
	}
	close(elected)
	if changed, err := standby.look(t.Context(), late); changed || err != nil {
		t.Errorf("it leads with a certificate that is good: %t, %v", changed, err)
	}
	// The same name each time: an agent has rights to no other request.
	if changed, err := standby.look(t.Context(), standby.Presented.leaf().NotAfter); !changed || err != nil {
		t.Errorf("it replaces the next one: %t, %v", changed, err)
	}
	if asked := plane.asked(); !slices.Equal(asked, []string{"karmada-agent-m1", "karmada-agent-m1"}) {
		t.Errorf("requests %q", asked)
	}
	store.kept = first
	if changed, err := leader.look(t.Context(), leader.Presented.leaf().NotBefore); changed || err != nil {
		t.Errorf("an older one is followed: %t, %v", changed, err)
	}
}

func TestInFile(t *testing.T) {
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
	if err := InFile(path, "").Keep(t.Context(), second); err != nil {
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
	if kept, err := InFile(path, "").Kept(t.Context()); err != nil || string(kept.Certificate) != string(second.Certificate) || string(kept.Key) != string(second.Key) {
		t.Errorf("kept is %+v, %v", kept, err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("beside it there is %v", left)
	}
	if err := InFile(path, "another").Keep(t.Context(), second); err == nil {
		t.Error("an unknown context has a user")
	}
}
