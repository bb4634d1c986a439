package registration_test

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/util/cert"
	"k8s.io/cluster-bootstrap/token/jws"

	"github.com/seatrial/seatrial/fleet/embedded/pki"
	"github.com/seatrial/seatrial/registration"
)

// infoServer shows a cluster-info over TLS, with what the change makes of it. hash is that of its CA.
func infoServer(t *testing.T, change func(info *corev1.ConfigMap, ca []byte)) (server *httptest.Server, hash string) {
	t.Helper()
	ca, serving := certified(t)
	server = httptest.NewUnstartedServer(nil)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{serving}, MinVersion: tls.VersionTLS12}
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/namespaces/kube-public/configmaps/cluster-info" || r.Header.Get("Authorization") != "" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		info := signed(t, server.URL, ca, someToken)
		if change != nil {
			change(info, ca)
		}
		_ = json.NewEncoder(w).Encode(info)
	})
	server.StartTLS()
	t.Cleanup(server.Close)
	return server, hashOf(t, ca)
}

// certified makes a CA, and what it certifies a server on loopback by.
func certified(t *testing.T) (ca []byte, serving tls.Certificate) {
	t.Helper()
	dir := t.TempDir()
	authority, err := pki.EnsureAuthority(pki.At(dir, "ca"), "ca")
	if err != nil {
		t.Fatal(err)
	}
	pair := pki.At(dir, "serving")
	if err := authority.IssueServing(pair, "server", nil, []net.IP{net.IPv4(127, 0, 0, 1)}); err != nil {
		t.Fatal(err)
	}
	if serving, err = tls.LoadX509KeyPair(pair.Cert, pair.Key); err != nil {
		t.Fatal(err)
	}
	if ca, err = os.ReadFile(pki.At(dir, "ca").Cert); err != nil {
		t.Fatal(err)
	}
	return ca, serving
}

func hashOf(t *testing.T, ca []byte) string {
	t.Helper()
	certificates, err := cert.ParseCertsPEM(ca)
	if err != nil {
		t.Fatal(err)
	}
	return registration.HashCA(certificates[0])
}

// signed is a cluster-info for a token.
func signed(t *testing.T, at string, ca []byte, token string) *corev1.ConfigMap {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Config",
		"clusters": []any{map[string]any{"name": "", "cluster": map[string]any{"server": at, "certificate-authority-data": ca}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	id, secret, _ := strings.Cut(token, ".")
	signature, err := jws.ComputeDetachedSignature(string(text), id, secret)
	if err != nil {
		t.Fatal(err)
	}
	return &corev1.ConfigMap{Data: map[string]string{"kubeconfig": string(text), "jws-kubeconfig-" + id: signature}}
}

// TestErrorsHoldNoToken: what goes wrong is told with the half of a token that is no secret.
func TestErrorsHoldNoToken(t *testing.T) {
	const secret = "0123456789abcdef"
	plane, _ := sides(t)
	token := registration.DefaultToken()
	token.Value = "abcdef." + secret
	if err := token.Create(t.Context(), plane); err != nil {
		t.Fatal(err)
	}
	odd := token
	odd.Usages = []string{"odd"}
	foreign := registration.Discovery{Endpoint: "127.0.0.1:1", Token: token.Value, CAHashes: []string{"sha256:" + strings.Repeat("0", 64)}, Timeout: 2 * time.Second}
	_, unreached := foreign.CA(t.Context())
	foreign.Endpoint = "http://x"
	_, unfit := foreign.CA(t.Context())
	foreign.Token += "0"
	_, malformed := foreign.CA(t.Context())
	for name, err := range map[string]error{
		"made twice": token.Create(t.Context(), plane), "with odd usages": odd.Create(t.Context(), plane), "for nobody": unreached, "for a wrong URL": unfit,
		"too long": malformed, "unknown": registration.DeleteToken(t.Context(), plane, "ghijkl."+secret),
	} {
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("a token %s: %v", name, err)
		}
	}
}

func TestDiscovery(t *testing.T) {
	server, hash := infoServer(t, nil)
	for _, discovery := range []registration.Discovery{
		{Endpoint: server.URL, CAHashes: []string{hash}},
		{Endpoint: strings.TrimPrefix(server.URL, "https://"), CAHashes: []string{"sha256:" + strings.Repeat("0", 64), strings.ToUpper(hash[:7]) + hash[7:]}},
		{Endpoint: server.URL, AnyCA: true},
	} {
		discovery.Token, discovery.Timeout = someToken, 10*time.Second
		ca, err := discovery.CA(t.Context())
		if err != nil || hashOf(t, ca) != hash {
			t.Errorf("%+v: found %s, %v", discovery, ca, err)
		}
	}
}

// TestDiscoveryBelievesNobodyElse shows it control planes that are not the one that the token and the hash name.
func TestDiscoveryBelievesNobodyElse(t *testing.T) {
	honest, hash := infoServer(t, nil)
	otherCA, _ := certified(t)
	// One that holds the answer of another control plane, and one without the token's secret.
	copied, _ := infoServer(t, func(info *corev1.ConfigMap, _ []byte) {
		*info = *signed(t, "https://elsewhere", otherCA, someToken)
	})
	forged, forgedHash := infoServer(t, func(info *corev1.ConfigMap, ca []byte) {
		info.Data["jws-kubeconfig-abcdef"] = signed(t, "https://elsewhere", ca, "abcdef.ffffffffffffffff").Data["jws-kubeconfig-abcdef"]
	})
	unsigned, unsignedHash := infoServer(t, func(info *corev1.ConfigMap, _ []byte) { delete(info.Data, "jws-kubeconfig-abcdef") })
	for name, c := range map[string]struct {
		discovery registration.Discovery
		want      string
	}{
		"another CA":     {registration.Discovery{Endpoint: honest.URL, CAHashes: []string{hashOf(t, otherCA)}}, "does not name"},
		"another server": {registration.Discovery{Endpoint: copied.URL, AnyCA: true}, "certificate"},
		"forged":         {registration.Discovery{Endpoint: forged.URL, CAHashes: []string{forgedHash}}, "not made with this token"},
		"not signed":     {registration.Discovery{Endpoint: unsigned.URL, CAHashes: []string{unsignedHash}}, "not signed for the token"},
		"no hash":        {registration.Discovery{Endpoint: honest.URL}, "--discovery-token-ca-cert-hash is needed"},
		"a short hash":   {registration.Discovery{Endpoint: honest.URL, CAHashes: []string{"sha256:abcd"}}, "64 hexadecimal digits"},
		"no TLS":         {registration.Discovery{Endpoint: "http://127.0.0.1:1", CAHashes: []string{hash}}, "https URL"},
	} {
		t.Run(name, func(t *testing.T) {
			c.discovery.Token, c.discovery.Timeout = someToken, time.Second
			if _, err := c.discovery.CA(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v lacks %q", err, c.want)
			}
		})
	}
}
