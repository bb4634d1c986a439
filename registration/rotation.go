package registration

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/connrotation"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The secret in the member that holds the kubeconfig of its agent, and the key under which it does.
const (
	AgentSecret    = "karmada-kubeconfig"
	AgentSecretKey = "karmada-kubeconfig"
)

// Presented is the identity that connections to a control plane show. It can be changed while they are in use.
type Presented struct {
	current atomic.Pointer[tls.Certificate]
	dialer  *connrotation.Dialer
}

// Present makes of the client certificate of a configuration one that can be changed. It fails where there is none.
func Present(config *rest.Config) (*rest.Config, *Presented, error) {
	changeable := rest.CopyConfig(config)
	if err := rest.LoadTLSFiles(changeable); err != nil {
		return nil, nil, fmt.Errorf("reading the certificate of the agent: %w", err)
	}
	identity := Identity{Certificate: changeable.CertData, Key: changeable.KeyData}
	if len(identity.Certificate) == 0 || len(identity.Key) == 0 {
		return nil, nil, errors.New("the kubeconfig of the control plane has no client certificate that could be rotated")
	}
	changeable.CertData, changeable.KeyData = nil, nil
	changeable.CertFile, changeable.KeyFile = "", ""
	secured, err := rest.TLSConfigFor(changeable)
	if err != nil {
		return nil, nil, fmt.Errorf("preparing TLS to the control plane: %w", err)
	}
	if secured == nil {
		secured = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	p := &Presented{dialer: connrotation.NewDialer((&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext)}
	if err := p.Show(identity); err != nil {
		return nil, nil, err
	}
	secured.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return p.current.Load(), nil }
	proxy := http.ProxyFromEnvironment
	if changeable.Proxy != nil {
		proxy = changeable.Proxy
	}
	changeable.Transport = utilnet.SetTransportDefaults(&http.Transport{
		Proxy: proxy, TLSClientConfig: secured, TLSHandshakeTimeout: 10 * time.Second, MaxIdleConnsPerHost: 25, DialContext: p.dialer.DialContext,
	})
	changeable.TLSClientConfig, changeable.Proxy = rest.TLSClientConfig{}, nil
	return changeable, p, nil
}

// Show changes the identity. Connections that show the one before are closed: watches open anew.
func (p *Presented) Show(identity Identity) error {
	pair, err := tls.X509KeyPair(identity.Certificate, identity.Key)
	if err != nil {
		return fmt.Errorf("reading the certificate of the agent: %w", err)
	}
	if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
		return fmt.Errorf("reading the certificate of the agent: %w", err)
	}
	before := p.current.Swap(&pair)
	if before != nil {
		p.dialer.CloseAll()
	}
	return nil
}

// Rotation replaces the certificate of an agent before it expires.
type Rotation struct {
	Cluster string
	// Plane reaches the control plane with the identity that is Presented.
	Plane     *rest.Config
	Presented *Presented
	// Keep stores a new identity where the next start of the agent finds it.
	Keep func(context.Context, Identity) error
	// Interval is the pause between looks at the certificate. It is replaced when less than Threshold of its life is left.
	Interval  time.Duration
	Threshold float64
}

// Validate tells which setting cannot be, by the name of its flag.
func (r *Rotation) Validate() error {
	if r.Interval <= 0 {
		return fmt.Errorf("--cert-rotation-checking-interval is %s: it must be above 0", r.Interval)
	}
	if !(r.Threshold > 0 && r.Threshold < 1) {
		return fmt.Errorf("--cert-rotation-remaining-time-threshold is %v: it must lie between 0 and 1, both excluded", r.Threshold)
	}
	return nil
}

// Start looks at the certificate until the context ends. What fails is tried again at the next look.
func (r *Rotation) Start(ctx context.Context) error {
	log := klog.FromContext(ctx).WithValues("cluster", r.Cluster)
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		attempt, cancel := context.WithTimeout(ctx, r.Interval)
		defer cancel()
		switch rotated, err := r.rotate(attempt, time.Now()); {
		case err != nil:
			log.Error(err, "The certificate of the agent is not replaced", "expires", r.Presented.current.Load().Leaf.NotAfter)
		case rotated:
			log.Info("The certificate of the agent is replaced", "expires", r.Presented.current.Load().Leaf.NotAfter)
		}
	}, r.Interval)
	return nil
}

// rotate replaces the certificate if it is time to.
func (r *Rotation) rotate(ctx context.Context, now time.Time) (rotated bool, err error) {
	leaf := r.Presented.current.Load().Leaf
	lifetime := leaf.NotAfter.Sub(leaf.NotBefore)
	if leaf.NotAfter.Sub(now) >= time.Duration(r.Threshold*float64(lifetime)) {
		return false, nil
	}
	identity, err := Request(ctx, r.Plane, r.Cluster, lifetime)
	if err != nil {
		return false, err
	}
	if err := r.Keep(ctx, identity); err != nil {
		return false, err
	}
	return true, r.Presented.Show(identity)
}

// KeepInSecret stores identities in the secret of the agent in its member.
func KeepInSecret(member client.Client, namespace, kubeContext string) func(context.Context, Identity) error {
	return func(ctx context.Context, identity Identity) error {
		secret := &corev1.Secret{}
		name := client.ObjectKey{Namespace: namespace, Name: AgentSecret}
		if err := member.Get(ctx, name, secret); err != nil {
			return fmt.Errorf("reading secret %s of the member: %w", name, err)
		}
		text, err := identity.replaceIn(secret.Data[AgentSecretKey], kubeContext)
		if err != nil {
			return fmt.Errorf("secret %s of the member: %w", name, err)
		}
		secret.Data[AgentSecretKey] = text
		if err := member.Update(ctx, secret); err != nil {
			return fmt.Errorf("writing secret %s of the member: %w", name, err)
		}
		return nil
	}
}

// KeepInFile stores identities in a kubeconfig, in one step.
func KeepInFile(path, kubeContext string) func(context.Context, Identity) error {
	return func(_ context.Context, identity Identity) error {
		before, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("reading the kubeconfig of the agent: %w", err)
		}
		text, err := identity.replaceIn(before, kubeContext)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		next := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".next")
		if err := os.WriteFile(next, text, 0o600); err != nil {
			return fmt.Errorf("writing the kubeconfig of the agent: %w", err)
		}
		return os.Rename(next, path)
	}
}
