package install

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"slices"
	"time"

	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

const (
	// authorityValidity is long: to replace an authority is to replace every certificate and every kubeconfig at once.
	authorityValidity = 10 * 365 * 24 * time.Hour
	// backdate lets a certificate serve a machine whose clock is behind.
	backdate = time.Hour
)

// pair is a certificate and its key in PEM.
type pair struct{ cert, key []byte }

// authority signs certificates.
type authority struct {
	pair
	parsed *x509.Certificate
	signer crypto.Signer
}

// subject is whom a certificate is for: a server by the hosts it is called by, or else a user with its groups.
type subject struct {
	name   string
	groups []string
	// hosts must be covered: DNS names, wildcards among them, and IP addresses. also are covered by a new certificate, but a
	// certificate without them is as good.
	hosts, also []string
}

func newAuthority(name string, now time.Time) (*authority, error) {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:  x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature | x509.KeyUsageCRLSign,
		NotBefore: now.Add(-backdate), NotAfter: now.Add(authorityValidity),
	}
	made, err := create(template, nil)
	if err != nil {
		return nil, fmt.Errorf("making the authority %s: %w", name, err)
	}
	return readAuthority(made)
}

func readAuthority(from pair) (*authority, error) {
	certificates, err := cert.ParseCertsPEM(from.cert)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate of an authority: %w", err)
	}
	key, err := keyutil.ParsePrivateKeyPEM(from.key)
	if err != nil {
		return nil, fmt.Errorf("reading the key of the authority %s: %w", certificates[0].Subject.CommonName, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("the key of the authority %s cannot sign", certificates[0].Subject.CommonName)
	}
	return &authority{pair: from, parsed: certificates[0], signer: signer}, nil
}

// issue signs a certificate with a new key. It cannot outlast the authority.
func (a *authority) issue(of subject, now time.Time, validity time.Duration) (pair, error) {
	if ends := a.parsed.NotAfter; now.Add(validity).Truncate(time.Second).After(ends) {
		return pair{}, fmt.Errorf("issuing a certificate for %s that lasts %s: the authority %s ends on %s: choose a shorter --cert-validity-period, or install anew",
			of.name, validity, a.parsed.Subject.CommonName, ends.Format(time.DateOnly))
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: of.name, Organization: of.groups},
		KeyUsage:  x509.KeyUsageDigitalSignature,
		NotBefore: now.Add(-backdate), NotAfter: now.Add(validity),
		ExtKeyUsage: []x509.ExtKeyUsage{of.usage()},
	}
	for _, host := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(of.hosts, of.also)))) {
		if address := net.ParseIP(host); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	made, err := create(template, a)
	if err != nil {
		return pair{}, fmt.Errorf("issuing a certificate for %s: %w", of.name, err)
	}
	return made, nil
}

func (s subject) usage() x509.ExtKeyUsage {
	if len(s.hosts) > 0 {
		return x509.ExtKeyUsageServerAuth
	}
	return x509.ExtKeyUsageClientAuth
}

// why tells what is wrong with a certificate for a subject; nil when it serves now.
func (a *authority) why(held pair, of subject, now time.Time) error {
	certificates, err := cert.ParseCertsPEM(held.cert)
	if err != nil {
		return errors.New("there is none")
	}
	if _, err := keyutil.ParsePrivateKeyPEM(held.key); err != nil {
		return errors.New("its key is missing")
	}
	if _, err := tls.X509KeyPair(held.cert, held.key); err != nil {
		return errors.New("its key is another one's")
	}
	held0, roots := certificates[0], x509.NewCertPool()
	roots.AddCert(a.parsed)
	if _, err := held0.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{of.usage()}}); err != nil {
		return err
	}
	if held0.Subject.CommonName != of.name || !slices.Equal(held0.Subject.Organization, of.groups) {
		return fmt.Errorf("it is for %s", held0.Subject)
	}
	for _, host := range of.hosts {
		if !slices.Contains(held0.DNSNames, host) && (net.ParseIP(host) == nil || held0.VerifyHostname(host) != nil) {
			return fmt.Errorf("it is not good for %s", host)
		}
	}
	return nil
}

// create makes a key and a certificate, signed by the signer, or by itself without one.
func create(template *x509.Certificate, signer *authority) (pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, err
	}
	// Chosen at random, as CAs do: equal serials of one authority would be one certificate to those who compare.
	const serialBits = 120
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), serialBits)); err != nil {
		return pair{}, err
	}
	parent, by := template, crypto.Signer(key)
	if signer != nil {
		parent, by = signer.parsed, signer.signer
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), by)
	if err != nil {
		return pair{}, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return pair{}, err
	}
	encoded, err := cert.EncodeCertificates(certificate)
	if err != nil {
		return pair{}, err
	}
	keyText, err := keyutil.MarshalPrivateKeyToPEM(key)
	return pair{encoded, keyText}, err
}

// newSigningKey makes the pair of keys that service accounts' tokens are signed and verified with.
func newSigningKey() (pair, error) {
	private, err := keyutil.MakeEllipticPrivateKeyPEM()
	if err != nil {
		return pair{}, fmt.Errorf("making the key of service accounts: %w", err)
	}
	parsed, err := keyutil.ParsePrivateKeyPEM(private)
	if err != nil {
		return pair{}, fmt.Errorf("making the key of service accounts: %w", err)
	}
	public, err := publicPEM(parsed.(crypto.Signer).Public())
	if err != nil {
		return pair{}, fmt.Errorf("making the key of service accounts: %w", err)
	}
	return pair{cert: public, key: private}, nil
}
