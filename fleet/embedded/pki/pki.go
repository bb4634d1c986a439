// Package pki makes the certificate authorities and certificates of a cluster and keeps them as PEM files. Keys are ECDSA P-256.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	// validity is long: a development fleet has nobody to rotate its certificates.
	validity = 10 * 365 * 24 * time.Hour
	// backdate lets a certificate serve a container or machine whose clock is behind.
	backdate = time.Hour
)

// Pair is where a certificate and its key are.
type Pair struct{ Cert, Key string }

// At names the pair of files <dir>/<name>.crt and <dir>/<name>.key.
func At(dir, name string) Pair {
	return Pair{Cert: filepath.Join(dir, name+".crt"), Key: filepath.Join(dir, name+".key")}
}

// Authority signs certificates.
type Authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// EnsureAuthority reads the authority at p, or makes one with the common name.
func EnsureAuthority(p Pair, commonName string) (*Authority, error) {
	if a, err := readAuthority(p); err == nil || !errors.Is(err, os.ErrNotExist) {
		return a, err
	}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: commonName},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	if err := create(p, template, nil); err != nil {
		return nil, fmt.Errorf("making the certificate authority %s: %w", commonName, err)
	}
	return readAuthority(p)
}

func readAuthority(p Pair) (*Authority, error) {
	certPEM, err := os.ReadFile(p.Cert)
	if err != nil {
		return nil, fmt.Errorf("reading a certificate authority: %w", err)
	}
	key, err := readKey(p.Key)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(certPEM)
	if block == nil {
		return nil, fmt.Errorf("reading the certificate authority %s: no PEM block", p.Cert)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate authority %s: %w", p.Cert, err)
	}
	return &Authority{cert: cert, key: key}, nil
}

// IssueServing makes sure that p is a serving certificate for the names and addresses. A present one is kept as it is.
func (a *Authority) IssueServing(p Pair, commonName string, dnsNames []string, addresses []net.IP) error {
	return a.issue(p, &x509.Certificate{
		Subject:     pkix.Name{CommonName: commonName},
		DNSNames:    dnsNames,
		IPAddresses: addresses,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

// IssueClient makes sure that p is a client certificate for the user with its groups. A present one is kept as it is.
func (a *Authority) IssueClient(p Pair, user string, groups []string) error {
	return a.issue(p, &x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

func (a *Authority) issue(p Pair, template *x509.Certificate) error {
	if _, err := os.Stat(p.Cert); err == nil {
		return nil
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	if err := create(p, template, a); err != nil {
		return fmt.Errorf("issuing a certificate for %s: %w", template.Subject.CommonName, err)
	}
	return nil
}

// EnsureKey makes sure that a key pair is at the paths: a private key and its public key, without a certificate.
func EnsureKey(private, public string) error {
	if _, err := os.Stat(public); err == nil {
		return nil
	}
	key, err := newKey(private)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("encoding the public key %s: %w", public, err)
	}
	return write(public, "PUBLIC KEY", der)
}

// create writes a key and a certificate for it, signed by the signer, or by itself without one. The certificate goes last: where
// it is, its key is too.
func create(p Pair, template *x509.Certificate, signer *Authority) error {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	key, err := newKey(p.Key)
	if err != nil {
		return err
	}
	now := time.Now()
	template.SerialNumber = serial
	template.NotBefore, template.NotAfter = now.Add(-backdate), now.Add(validity)
	if signer == nil {
		signer = &Authority{cert: template, key: key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, signer.cert, key.Public(), signer.key)
	if err != nil {
		return err
	}
	return write(p.Cert, "CERTIFICATE", der)
}

func newKey(path string) (crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the key %s: %w", path, err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding the key %s: %w", path, err)
	}
	return key, write(path, "EC PRIVATE KEY", der)
}

func readKey(path string) (crypto.Signer, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading a key: %w", err)
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, fmt.Errorf("reading the key %s: no PEM block", path)
	}
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading the key %s: %w", path, err)
	}
	return key, nil
}

func write(path, kind string, der []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
