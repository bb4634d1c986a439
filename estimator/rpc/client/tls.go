package client

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// TLS names the files that secure connections. They are read for each new connection, so that renewed ones count from the
// next on. Without CAFile and InsecureSkipVerify there is no TLS at all, as in the reference.
type TLS struct {
	// CAFile holds the authorities, in PEM, that sign estimators.
	CAFile string
	// CertFile and KeyFile hold the certificate and the key, in PEM, that the client shows.
	CertFile, KeyFile string
	// InsecureSkipVerify believes any estimator.
	InsecureSkipVerify bool
}

// credentials reads the files once, so that mistakes come to light at the start.
func (t TLS) credentials() (credentials.TransportCredentials, error) {
	if (t.CertFile == "") != (t.KeyFile == "") {
		return nil, errors.New("securing connections to estimators: TLS.CertFile and TLS.KeyFile go together, but only one is set")
	}
	if t.CAFile == "" && !t.InsecureSkipVerify {
		if t.CertFile != "" {
			return nil, errors.New("securing connections to estimators: TLS.CertFile needs TLS.CAFile, or TLS.InsecureSkipVerify")
		}
		return insecure.NewCredentials(), nil
	}
	config, err := t.config()
	if err != nil {
		return nil, err
	}
	return &reloading{TransportCredentials: credentials.NewTLS(config), files: t}, nil
}

func (t TLS) config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: t.InsecureSkipVerify}
	if t.CAFile != "" {
		authorities, err := os.ReadFile(t.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading the authorities of estimators: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(authorities) {
			return nil, fmt.Errorf("reading the authorities of estimators: %s holds no certificate in PEM", t.CAFile)
		}
	}
	if t.CertFile != "" {
		certificate, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("reading the client certificate for estimators: %w", err)
		}
		config.Certificates = []tls.Certificate{certificate}
	}
	return config, nil
}

// reloading shakes hands with what the files hold now.
type reloading struct {
	credentials.TransportCredentials
	files TLS
}

// ClientHandshake implements credentials.TransportCredentials.
func (r *reloading) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	config, err := r.files.config()
	if err != nil {
		return nil, nil, err
	}
	return credentials.NewTLS(config).ClientHandshake(ctx, authority, raw)
}

// Clone implements credentials.TransportCredentials.
func (r *reloading) Clone() credentials.TransportCredentials {
	return &reloading{TransportCredentials: r.TransportCredentials.Clone(), files: r.files}
}
