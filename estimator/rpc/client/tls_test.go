package client

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// authority signs certificates.
type authority struct {
	t           *testing.T
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	a := &authority{t: t}
	a.certificate, a.key = a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return a
}

// sign makes a certificate; an authority without one of its own signs itself.
func (a *authority) sign(template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.certificate, a.key
	if parent == nil {
		parent, signer = template, key
	}
	encoded, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(encoded)
	if err != nil {
		a.t.Fatal(err)
	}
	return certificate, key
}

// issue writes a certificate for a name, its key and the authority into files.
func (a *authority) issue(folder, name string) TLS {
	a.t.Helper()
	certificate, key := a.sign(&x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	encodedKey, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	files := TLS{CAFile: filepath.Join(folder, "ca.pem"), CertFile: filepath.Join(folder, "cert.pem"), KeyFile: filepath.Join(folder, "key.pem")}
	for file, block := range map[string]*pem.Block{
		files.CAFile:   {Type: "CERTIFICATE", Bytes: a.certificate.Raw},
		files.CertFile: {Type: "CERTIFICATE", Bytes: certificate.Raw},
		files.KeyFile:  {Type: "EC PRIVATE KEY", Bytes: encodedKey},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	return files
}

// secured are the options of a server that its name is certified for, and that wants certificates of the authority.
func (a *authority) secured(name string) grpc.ServerOption {
	a.t.Helper()
	config, err := a.issue(a.t.TempDir(), name).config()
	if err != nil {
		a.t.Fatal(err)
	}
	config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, config.RootCAs
	return grpc.Creds(credentials.NewTLS(config))
}

// TestTLS connects with right and wrong certificates on either side.
func TestTLS(t *testing.T) {
	ours, theirs := newAuthority(t, "ours"), newAuthority(t, "theirs")
	right := ours.issue(t.TempDir(), "scheduler")
	stranger := theirs.issue(t.TempDir(), "scheduler")
	for _, c := range []struct {
		name string
		tls  TLS
		want string
	}{
		{"both know each other", right, "3"},
		{"an authority that did not sign the estimator", TLS{CAFile: stranger.CAFile, CertFile: right.CertFile, KeyFile: right.KeyFile}, "error"},
		{"any estimator is believed", TLS{InsecureSkipVerify: true, CertFile: right.CertFile, KeyFile: right.KeyFile}, "3"},
		{"a certificate of strangers", TLS{CAFile: right.CAFile, CertFile: stranger.CertFile, KeyFile: stranger.KeyFile}, "error"},
		{"no certificate", TLS{CAFile: right.CAFile}, "error"},
		{"plain text", TLS{}, "error"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNetwork(t, nil)
			n.start("m1", &fake{count: 3}, ours.secured("m1"))
			client := n.client(func(o *Options) { o.TLS = c.tls })
			answers := client.Estimate(t.Context(), question("1"), []string{"m1"})
			expect(t, answers, c.want)
			if err := answers[0].Err; err != nil && status.Code(err) != codes.Unavailable {
				t.Errorf("got error %v, want that the estimator cannot be reached", err)
			}
		})
	}
	t.Run("an estimator with the certificate of another", func(t *testing.T) {
		n := newNetwork(t, nil)
		n.start("m1", &fake{count: 3}, ours.secured("m2"))
		expect(t, n.client(func(o *Options) { o.TLS = right }).Estimate(t.Context(), question("1"), []string{"m1"}), "error")
	})
}

// TestRenewal replaces the authority and all certificates under a client that goes on.
func TestRenewal(t *testing.T) {
	before, after := newAuthority(t, "before"), newAuthority(t, "after")
	folder := t.TempDir()
	n := newNetwork(t, nil)
	n.start("m1", &fake{count: 1}, before.secured("m1"))
	c := n.client(func(o *Options) { o.TLS = before.issue(folder, "scheduler") })
	expect(t, c.Estimate(t.Context(), question("1"), []string{"m1"}), "1")
	after.issue(folder, "scheduler")
	n.start("m2", &fake{count: 2}, after.secured("m2"))
	expect(t, c.Estimate(t.Context(), question("1"), []string{"m1", "m2"}), "1", "2")
	if err := os.WriteFile(filepath.Join(folder, "cert.pem"), []byte("half a cert"), 0o600); err != nil {
		t.Fatal(err)
	}
	n.start("m3", &fake{count: 3}, after.secured("m3"))
	expect(t, c.Estimate(t.Context(), question("1"), []string{"m1", "m2", "m3"}), "1", "2", "error")
}

// TestTLSOptions refuses what cannot work, and names what is wrong.
func TestTLSOptions(t *testing.T) {
	files := newAuthority(t, "ours").issue(t.TempDir(), "scheduler")
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, wrong := range map[string]TLS{
		"a certificate without its key":      {CAFile: files.CAFile, CertFile: files.CertFile},
		"a key without its certificate":      {CAFile: files.CAFile, KeyFile: files.KeyFile},
		"a certificate without an authority": {CertFile: files.CertFile, KeyFile: files.KeyFile},
		"no file":                            {CAFile: files.CAFile + "x"},
		"an authority without certificates":  {CAFile: empty},
		"a key in place of a certificate":    {CAFile: files.CAFile, CertFile: files.KeyFile, KeyFile: files.CertFile},
	} {
		if _, err := New(Options{Resolver: everywhere, TLS: wrong}); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
