package webhook

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/controller-runtime/pkg/certwatcher"
)

// authorityFile is what verifies the certificate, beside it.
const authorityFile = "ca.crt"

// certificates are what the listener shows and what callers verify it by.
type certificates interface {
	show(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// bundle is PEM: the authorities that verify what is shown now, and what is shown after the next turn.
	bundle() ([]byte, error)
	// turn prepares a successor when it is time, or shows the one that was prepared before. Between two turns the bundle is
	// to reach the callers.
	turn() error
	// start watches what others may change, until the context ends.
	start(context.Context) error
}

// given are certificates that somebody else makes and replaces.
type given struct {
	watcher   *certwatcher.CertWatcher
	authority string
}

func newGiven(dir, certName, keyName string) (*given, error) {
	watcher, err := certwatcher.New(filepath.Join(dir, certName), filepath.Join(dir, keyName))
	if err != nil {
		return nil, fmt.Errorf("reading the serving certificate: %w", err)
	}
	return &given{watcher: watcher, authority: filepath.Join(dir, authorityFile)}, nil
}

func (g *given) show(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return g.watcher.GetCertificate(hello)
}
func (g *given) turn() error                     { return nil }
func (g *given) start(ctx context.Context) error { return g.watcher.Start(ctx) }

func (g *given) bundle() ([]byte, error) {
	authorities, err := os.ReadFile(g.authority)
	if errors.Is(err, os.ErrNotExist) {
		// What no authority is named for is verified by those that the API server's machine trusts.
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the authority of the serving certificate: %w", err)
	}
	return authorities, nil
}
