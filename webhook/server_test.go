package webhook

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	testclock "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// serving is a server that runs until the test ends, or until it is stopped.
type serving struct {
	*Server
	base string
	stop func()
}

func serve(t *testing.T, options Options, plane client.Client) *serving {
	t.Helper()
	options.Host, options.Port, options.MinTLS = "127.0.0.1", freePort(t), tls.VersionTLS13
	options.CertName, options.KeyName = "tls.crt", "tls.key"
	base := fmt.Sprintf("https://127.0.0.1:%d", options.Port)
	if options.RegisterURL != "" {
		options.RegisterURL = base
	}
	server, err := New(options, rulesFor(plane))
	if err != nil {
		t.Fatal(err)
	}
	manager, err := ctrl.NewManager(&rest.Config{Host: "https://127.0.0.1:1"}, ctrl.Options{
		Scheme: plane.Scheme(), Metrics: metricsserver.Options{BindAddress: "0"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.AddTo(manager); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(ctx) }()
	made := &serving{Server: server, base: base}
	made.stop = func() {
		if cancel(); ended == nil {
			return
		}
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
		ended = nil
	}
	t.Cleanup(made.stop)
	err = wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, 20*time.Second, true, func(context.Context) (bool, error) {
		return server.Ready(nil) == nil, nil
	})
	if err != nil {
		t.Fatalf("never ready: %v", server.Ready(nil))
	}
	return made
}

// call posts a body, or gets the path where there is none, as a caller that trusts a bundle.
func (s *serving) call(t *testing.T, path string, body []byte, bundle []byte, shown ...tls.Certificate) (int, string, error) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	caller := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: shown, MinVersion: tls.VersionTLS12},
	}}
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(t.Context(), method, s.base+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := caller.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

const deletionReview = `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"DELETE","oldObject":{"metadata":{"name":"x"}}}}`

func TestServerRegistersAndServes(t *testing.T) {
	plane := installed(t)
	s := serve(t, Options{CertDir: filepath.Join(t.TempDir(), "serving"), RegisterURL: "by itself"}, plane)
	mutating, validating := configurations(t, plane)
	bundle := mutating.Webhooks[0].ClientConfig.CABundle
	if last := validating.Webhooks[len(validating.Webhooks)-1].ClientConfig; *last.URL != s.base+protectionPath {
		t.Errorf("deletions are asked of %s", *last.URL)
	}
	for _, c := range []struct {
		path, body string
		code       int
		says       string
	}{
		{protectionPath, deletionReview, http.StatusOK, `"allowed":true`},
		{"/readyz", "", http.StatusOK, "ok"},
		{"/mutate-moon", deletionReview, http.StatusNotFound, "/mutate-<kind>"},
		{"/", "", http.StatusNotFound, "nothing is served"},
	} {
		var body []byte
		if c.body != "" {
			body = []byte(c.body)
		}
		code, text, err := s.call(t, c.path, body, bundle)
		if err != nil || code != c.code || !strings.Contains(text, c.says) {
			t.Errorf("%s: %d %s, %v", c.path, code, text, err)
		}
	}
	if _, _, err := s.call(t, "/readyz", nil, nil); err == nil {
		t.Error("a caller without the bundle was served")
	}
	old, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12}}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.base, "https://"))
	if err == nil {
		old.Close()
		t.Error("TLS 1.2 was spoken")
	}
	s.stop()
	if conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.base, "https://")); err == nil {
		conn.Close()
		t.Error("it listens after its end")
	}
	if mutating, _ := configurations(t, plane); len(mutating.Webhooks) == 0 {
		t.Error("the registration went with the server: writes would be stored unseen")
	}
}

// TestServerUsesWhatIsGiven: a certificate of somebody else is shown, read again when it changes, and registered with its authority.
func TestServerUsesWhatIsGiven(t *testing.T) {
	dir := t.TempDir()
	put := func() []byte {
		p, err := newPair([]string{"127.0.0.1"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string][]byte{"tls.key": p.key, "tls.crt": p.cert} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return p.authority
	}
	authority := put()
	// Without a URL, its own certificates are somebody else's too.
	s := serve(t, Options{CertDir: dir}, installed(t))
	if code, _, err := s.call(t, "/readyz", nil, authority); err != nil || code != http.StatusOK {
		t.Errorf("the first: %d, %v", code, err)
	}
	authority = put()
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, 20*time.Second, true, func(context.Context) (bool, error) {
		_, _, err := s.call(t, "/readyz", nil, authority)
		return err == nil, nil
	})
	if err != nil {
		t.Errorf("the second is not shown: %v", err)
	}
	if bundle, err := (&given{authority: filepath.Join(dir, authorityFile)}).bundle(); err != nil || bundle != nil {
		t.Errorf("without an authority: %q, %v", bundle, err)
	}
	if err := os.WriteFile(filepath.Join(dir, authorityFile), authority, 0o600); err != nil {
		t.Fatal(err)
	}
	if bundle := bundleOf(t, &given{authority: filepath.Join(dir, authorityFile)}); !bytes.Equal(bundle, authority) {
		t.Errorf("the authority is %q", bundle)
	}
}

// TestCallersShowWhoTheyAre where authorities of callers are given; the conversion of the API server comes without a certificate.
func TestCallersShowWhoTheyAre(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "serving")
	stranger, err := newPair([]string{"stranger"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	self, pool := clientPair(t)
	path := filepath.Join(t.TempDir(), "callers.crt")
	if err := os.WriteFile(path, pool, 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, Options{CertDir: dir, RegisterURL: "by itself", ClientCA: path}, installed(t))
	bundle := bundleOf(t, s.certificates)
	if code, text, err := s.call(t, protectionPath, []byte(deletionReview), bundle); err != nil || code != http.StatusUnauthorized {
		t.Errorf("a stranger: %d %s, %v", code, text, err)
	}
	if code, _, err := s.call(t, protectionPath, []byte(deletionReview), bundle, *stranger.shown); err == nil && code != http.StatusUnauthorized {
		t.Error("a certificate of somebody else was taken")
	}
	if code, text, err := s.call(t, protectionPath, []byte(deletionReview), bundle, self); err != nil || code != http.StatusOK {
		t.Errorf("a known caller: %d %s, %v", code, text, err)
	}
	if code, text, err := s.call(t, "/convert", []byte(`{"request":{"uid":"u"}}`), bundle); err != nil || code != http.StatusOK {
		t.Errorf("a conversion: %d %s, %v", code, text, err)
	}
}

// TestCallersTrustEveryCertificate: what is shown is verified by what was registered before, also while the registration fails now
// and then.
func TestCallersTrustEveryCertificate(t *testing.T) {
	plane, failing := installed(t), false
	r := registrationAt(t, interceptor.NewClient(plane, interceptor.Funcs{
		Update: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.UpdateOption) error {
			if failing {
				return errors.New("the API server is away")
			}
			return c.Update(ctx, object, options...)
		},
	}))
	now := testclock.NewFakePassiveClock(began)
	r.clock = now
	s := &Server{registration: r, certificates: open(t, filepath.Join(t.TempDir(), "serving"), now, "127.0.0.1")}
	if err := s.ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	failures, first := 0, s.certificates.(*made).current
	for day := range 90 {
		now.SetTime(now.Now().Add(24 * time.Hour))
		// Two days in three, that of the first successor's preparation among them.
		failing = day%3 != 0
		mutating, _ := configurations(t, plane)
		if err := s.ensure(t.Context()); err != nil {
			failures++
		}
		if err := trusted(t, s.certificates, mutating.Webhooks[0].ClientConfig.CABundle, "127.0.0.1", now.Now()); err != nil {
			t.Fatalf("on day %d: %v", day, err)
		}
	}
	if failures == 0 || s.certificates.(*made).current == first {
		t.Errorf("%d failures, replaced %t", failures, s.certificates.(*made).current != first)
	}
}

func TestUnusableOptionsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		options Options
		says    string
	}{
		"no certificate": {Options{CertDir: t.TempDir()}, "let the server register itself"},
		"plain HTTP":     {Options{CertDir: t.TempDir(), RegisterURL: "http://127.0.0.1:1"}, "https://HOST"},
		"no host":        {Options{CertDir: t.TempDir(), RegisterURL: "https://"}, "https://HOST"},
		"no callers":     {Options{CertDir: filepath.Join(t.TempDir(), "s"), RegisterURL: "https://localhost", ClientCA: "/nowhere"}, "authorities of callers"},
	} {
		c.options.CertName, c.options.KeyName = "tls.crt", "tls.key"
		if _, err := New(c.options, rulesFor(fakePlane(t))); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
	}
}

// clientPair is a certificate for a client, and what verifies it.
func clientPair(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "apiserver"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	text, err := sign(template, template, key, key)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	return tls.Certificate{Certificate: [][]byte{block.Bytes}, PrivateKey: key}, text
}
