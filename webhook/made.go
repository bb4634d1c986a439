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
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

const (
	// authorityName marks certificates that this server made, which it replaces; any other belongs to somebody else.
	authorityName = "seatrial-webhook-ca"

	validity = 90 * 24 * time.Hour
	// renewal is how long before its end a certificate gets its successor.
	renewal = validity / 3
	// backdate lets a certificate serve an API server whose clock is behind.
	backdate = time.Hour
)

// pair is a certificate with the authority that signed it and nothing else: its key is gone, so that nobody signs another.
type pair struct {
	shown                *tls.Certificate
	authority, cert, key []byte
}

// made are certificates that the server makes itself. They outlive it in a folder.
type made struct {
	dir, certName, keyName string
	hosts                  []string
	clock                  clock.PassiveClock

	mu            sync.RWMutex
	current, next *pair
}

// newMade goes on with the certificate in the folder as long as it serves, or makes the first.
func newMade(dir, certName, keyName string, hosts []string, now clock.PassiveClock) (*made, error) {
	m := &made{dir: dir, certName: certName, keyName: keyName, hosts: hosts, clock: now}
	if err := private(dir); err != nil {
		return nil, err
	}
	kept, err := m.read()
	if err == nil && m.serves(kept) {
		m.current = kept
		return m, nil
	}
	if m.current, err = newPair(hosts, now.Now()); err != nil {
		return nil, err
	}
	return m, m.write(m.current)
}

// private refuses a folder in which others could put a certificate.
func private(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the folder of the serving certificate: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("looking at the folder of the serving certificate: %w", err)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("others can write to %s: a key made there would not be a secret; choose another folder with --cert-dir", dir)
	}
	return nil
}

func (m *made) show(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.current.shown, nil
}

func (m *made) bundle() ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if m.next == nil {
		return m.current.authority, nil
	}
	return bytes.Join([][]byte{m.current.authority, m.next.authority}, nil), nil
}

func (m *made) turn() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var err error
	switch {
	case m.next != nil:
		if err = m.write(m.next); err == nil {
			m.current, m.next = m.next, nil
		}
	case m.clock.Now().After(m.current.shown.Leaf.NotAfter.Add(-renewal)):
		m.next, err = newPair(m.hosts, m.clock.Now())
	}
	return err
}

func (m *made) start(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// serves tells whether a certificate is good for all hosts for a while.
func (m *made) serves(p *pair) bool {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(p.authority)
	for _, host := range m.hosts {
		_, err := p.shown.Leaf.Verify(x509.VerifyOptions{DNSName: host, Roots: roots, CurrentTime: m.clock.Now().Add(renewal)})
		if err != nil {
			return false
		}
	}
	return true
}

func (m *made) read() (*pair, error) {
	p := &pair{}
	for name, text := range map[string]*[]byte{m.certName: &p.cert, m.keyName: &p.key, authorityFile: &p.authority} {
		var err error
		if *text, err = os.ReadFile(filepath.Join(m.dir, name)); err != nil {
			return nil, fmt.Errorf("reading the serving certificate: %w", err)
		}
	}
	return p, p.parse()
}

// write puts the key first: a certificate without its key is read as none.
func (m *made) write(p *pair) error {
	for _, file := range []struct {
		name string
		text []byte
	}{{m.keyName, p.key}, {authorityFile, p.authority}, {m.certName, p.cert}} {
		path := filepath.Join(m.dir, file.name)
		if err := errors.Join(os.WriteFile(path+".next", file.text, 0o600), os.Rename(path+".next", path)); err != nil {
			return fmt.Errorf("keeping the serving certificate: %w", err)
		}
	}
	return nil
}

func (p *pair) parse() error {
	shown, err := tls.X509KeyPair(p.cert, p.key)
	if err != nil {
		return fmt.Errorf("reading the serving certificate: %w", err)
	}
	p.shown = &shown
	return nil
}

// madeHere tells whether the certificate at the path is one of this server's, or none is there.
func madeHere(path string) (bool, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading the serving certificate: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return false, nil
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	return err == nil && certificate.Issuer.CommonName == authorityName, nil
}

// newPair makes a serving certificate for the hosts, DNS names or addresses, and the authority that signs it. Keys are ECDSA P-256.
func newPair(hosts []string, now time.Time) (*pair, error) {
	from, to := now.Add(-backdate), now.Add(validity)
	authority := &x509.Certificate{
		Subject: pkix.Name{CommonName: authorityName}, NotBefore: from, NotAfter: to,
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		Subject: pkix.Name{CommonName: hosts[0]}, NotBefore: from, NotAfter: to,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		} else {
			leaf.DNSNames = append(leaf.DNSNames, host)
		}
	}
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the key of an authority: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a serving key: %w", err)
	}
	p := &pair{}
	if p.authority, err = sign(authority, authority, signer, signer); err != nil {
		return nil, err
	}
	if p.cert, err = sign(leaf, authority, key, signer); err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding a serving key: %w", err)
	}
	p.key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return p, p.parse()
}

func sign(certificate, authority *x509.Certificate, key, signer *ecdsa.PrivateKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("numbering a certificate: %w", err)
	}
	certificate.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, certificate, authority, key.Public(), signer)
	if err != nil {
		return nil, fmt.Errorf("signing a certificate for %s: %w", certificate.Subject.CommonName, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
