package webhook

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	testclock "k8s.io/utils/clock/testing"
)

var began = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string, clock *testclock.FakePassiveClock, hosts ...string) *made {
	t.Helper()
	m, err := newMade(dir, "tls.crt", "tls.key", hosts, clock)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// trusted tells why a caller with this bundle does not trust what is shown; nil when it does.
func trusted(t *testing.T, c certificates, bundle []byte, host string, now time.Time) error {
	t.Helper()
	shown, err := c.show(nil)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	_, err = shown.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, CurrentTime: now})
	return err
}

func bundleOf(t *testing.T, c certificates) []byte {
	t.Helper()
	bundle, err := c.bundle()
	if err != nil {
		t.Fatal(err)
	}
	return bundle
}

func TestCertificatesAreMadeOnce(t *testing.T) {
	dir, clock := filepath.Join(t.TempDir(), "serving"), testclock.NewFakePassiveClock(began)
	hosts := []string{"127.0.0.1", "webhook.example.com"}
	first := open(t, dir, clock, hosts...)
	for _, host := range hosts {
		if err := trusted(t, first, bundleOf(t, first), host, began); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	if trusted(t, first, bundleOf(t, first), "example.com", began) == nil {
		t.Error("it is good for another name")
	}
	for _, name := range []string{"tls.crt", "tls.key", "ca.crt"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	same := func(other *made) bool { return string(bundleOf(t, other)) == string(bundleOf(t, first)) }
	if !same(open(t, dir, clock, hosts...)) {
		t.Error("a restart made another")
	}
	for name, spoil := range map[string]func(dir string) *made{
		"another name": func(dir string) *made { return open(t, dir, clock, "other.example.com") },
		"time is over": func(dir string) *made {
			return open(t, dir, testclock.NewFakePassiveClock(began.Add(validity)), hosts...)
		},
		"a key is missing": func(dir string) *made {
			if err := os.Remove(filepath.Join(dir, "tls.key")); err != nil {
				t.Fatal(err)
			}
			return open(t, dir, clock, hosts...)
		},
	} {
		copied := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(copied, 0o700); err != nil {
			t.Fatal(err)
		}
		if same(spoil(copied)) {
			t.Errorf("%s: it was kept", name)
		}
	}
}

// TestCertificatesAreReplacedInTime: whoever knew the bundle at any turn trusts what is shown until the next.
func TestCertificatesAreReplacedInTime(t *testing.T) {
	clock := testclock.NewFakePassiveClock(began)
	m := open(t, filepath.Join(t.TempDir(), "serving"), clock, "127.0.0.1")
	shown := map[string]bool{}
	for range 400 {
		known := bundleOf(t, m)
		clock.SetTime(clock.Now().Add(24 * time.Hour))
		if err := m.turn(); err != nil {
			t.Fatal(err)
		}
		if err := trusted(t, m, known, "127.0.0.1", clock.Now()); err != nil {
			t.Fatalf("after %s: %v", clock.Now().Sub(began), err)
		}
		now, err := m.show(nil)
		if err != nil {
			t.Fatal(err)
		}
		shown[now.Leaf.SerialNumber.String()] = true
	}
	// Each serves for 60 days and the turn after.
	if len(shown) != 7 {
		t.Errorf("%d certificates in 400 days, want 7", len(shown))
	}
	if again := open(t, m.dir, clock, "127.0.0.1"); string(bundleOf(t, again)) != string(bundleOf(t, m)) {
		t.Error("a restart did not go on with the last one")
	}
}

func TestCertificateThatCannotBeKeptIsNotShown(t *testing.T) {
	clock := testclock.NewFakePassiveClock(began)
	m := open(t, filepath.Join(t.TempDir(), "serving"), clock, "127.0.0.1")
	clock.SetTime(began.Add(validity - time.Hour))
	known := bundleOf(t, m)
	if err := m.turn(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(m.dir); err != nil {
		t.Fatal(err)
	}
	if m.turn() == nil {
		t.Error("no error for a folder that is gone")
	}
	if err := trusted(t, m, known, "127.0.0.1", clock.Now()); err != nil {
		t.Errorf("the old one is not shown: %v", err)
	}
}

func TestFoldersOfOthersAreRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "open")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := newMade(dir, "tls.crt", "tls.key", []string{"localhost"}, testclock.NewFakePassiveClock(began)); err == nil || !strings.Contains(err.Error(), "--cert-dir") {
		t.Errorf("error %v", err)
	}
}

func TestWhoseCertificate(t *testing.T) {
	dir := t.TempDir()
	p, err := newPair([]string{"localhost"}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const foreign = `-----BEGIN CERTIFICATE-----
MIIBdzCCAR2gAwIBAgIBATAKBggqhkjOPQQDAjAQMQ4wDAYDVQQDEwVvdGhlcjAe
-----END CERTIFICATE-----
`
	for path, want := range map[string]bool{
		write("own.crt", p.cert): true, filepath.Join(dir, "none.crt"): true, write("foreign.crt", []byte(foreign)): false, write("text.crt", []byte("x")): false,
	} {
		if ours, err := madeHere(path); err != nil || ours != want {
			t.Errorf("%s: %t, %v", path, ours, err)
		}
	}
}
