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
	"k8s.io/client-go/tools/clientcmd"
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
	pair, err := identity.pair()
	if err != nil {
		return err
	}
	before := p.current.Swap(pair)
	if before != nil {
		p.dialer.CloseAll()
	}
	return nil
}

func (p *Presented) leaf() *x509.Certificate { return p.current.Load().Leaf }

// pair is the identity as TLS shows it.
func (i Identity) pair() (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(i.Certificate, i.Key)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate of the agent: %w", err)
	}
	if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
		return nil, fmt.Errorf("reading the certificate of the agent: %w", err)
	}
	return &pair, nil
}

// Store keeps the identity of an agent where its next start, and its other copies, find it.
type Store interface {
	Keep(context.Context, Identity) error
	Kept(context.Context) (Identity, error)
}

// Rotation replaces the certificate of an agent before it expires. Of several copies of the agent the one that leads replaces it, and
// the others take over what it has kept.
type Rotation struct {
	Cluster string
	// Plane reaches the control plane with the identity that is Presented.
	Plane     *rest.Config
	Presented *Presented
	Store     Store
	// Leads is closed once this copy leads.
	Leads <-chan struct{}
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

// NeedLeaderElection is false: who may lead later needs a certificate that has not expired then.
func (r *Rotation) NeedLeaderElection() bool { return false }

// Start looks at the certificate until the context ends. What fails is tried again at the next look.
func (r *Rotation) Start(ctx context.Context) error {
	log := klog.FromContext(ctx).WithValues("cluster", r.Cluster)
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		attempt, cancel := context.WithTimeout(ctx, r.Interval)
		defer cancel()
		switch changed, err := r.look(attempt, time.Now()); {
		case err != nil:
			log.Error(err, "The certificate of the agent is not replaced", "expires", r.Presented.leaf().NotAfter)
		case changed:
			log.Info("The certificate of the agent is replaced", "expires", r.Presented.leaf().NotAfter)
		}
	}, r.Interval)
	return nil
}

// look takes over a certificate that another copy of the agent, or an administrator, has kept meanwhile, and replaces the certificate
// if it is time to.
func (r *Rotation) look(ctx context.Context, now time.Time) (changed bool, err error) {
	if changed, err = r.follow(ctx); err != nil {
		return false, err
	}
	select {
	case <-r.Leads:
	default:
		return changed, nil
	}
	leaf := r.Presented.leaf()
	lifetime := leaf.NotAfter.Sub(leaf.NotBefore)
	if leaf.NotAfter.Sub(now) >= time.Duration(r.Threshold*float64(lifetime)) {
		return changed, nil
	}
	identity, err := Renew(ctx, r.Plane, r.Cluster, lifetime)
	if err != nil {
		return changed, err
	}
	if err := r.Store.Keep(ctx, identity); err != nil {
		return changed, err
	}
	return true, r.Presented.Show(identity)
}

// follow shows the certificate that is kept, if it lasts longer than the one that is shown.
func (r *Rotation) follow(ctx context.Context) (bool, error) {
	kept, err := r.Store.Kept(ctx)
	if err != nil {
		return false, err
	}
	if len(kept.Certificate) == 0 {
		// What is kept names files of this process instead. The first replacement stands in it itself.
		return false, nil
	}
	pair, err := kept.pair()
	if err != nil {
		return false, fmt.Errorf("following what another copy has kept: %w", err)
	}
	if !pair.Leaf.NotAfter.After(r.Presented.leaf().NotAfter) {
		return false, nil
	}
	return true, r.Presented.Show(kept)
}

// InSecret stores identities in the secret of the agent in its member.
func InSecret(member client.Client, namespace, kubeContext string) Store {
	return secretStore{member: member, name: client.ObjectKey{Namespace: namespace, Name: AgentSecret}, context: kubeContext}
}

type secretStore struct {
	member  client.Client
	name    client.ObjectKey
	context string
}

func (s secretStore) read(ctx context.Context) (*corev1.Secret, error) {
	secret := &corev1.Secret{}
	if err := s.member.Get(ctx, s.name, secret); err != nil {
		return nil, fmt.Errorf("reading secret %s of the member: %w", s.name, err)
	}
	return secret, nil
}

// Keep implements Store.
func (s secretStore) Keep(ctx context.Context, identity Identity) error {
	secret, err := s.read(ctx)
	if err != nil {
		return err
	}
	text, err := identity.replaceIn(secret.Data[AgentSecretKey], s.context)
	if err != nil {
		return fmt.Errorf("secret %s of the member: %w", s.name, err)
	}
	secret.Data[AgentSecretKey] = text
	if err := s.member.Update(ctx, secret); err != nil {
		return fmt.Errorf("writing secret %s of the member: %w", s.name, err)
	}
	return nil
}

// Kept implements Store.
func (s secretStore) Kept(ctx context.Context) (Identity, error) {
	secret, err := s.read(ctx)
	if err != nil {
		return Identity{}, err
	}
	config, err := clientcmd.Load(secret.Data[AgentSecretKey])
	if err != nil {
		return Identity{}, fmt.Errorf("secret %s of the member: %w", s.name, err)
	}
	user, err := userOf(config, s.context)
	if err != nil {
		return Identity{}, fmt.Errorf("secret %s of the member: %w", s.name, err)
	}
	return Identity{Certificate: user.ClientCertificateData, Key: user.ClientKeyData}, nil
}

// InFile stores identities in a kubeconfig, in one step.
func InFile(path, kubeContext string) Store { return fileStore{path: path, context: kubeContext} }

type fileStore struct{ path, context string }

// Keep implements Store.
func (s fileStore) Keep(_ context.Context, identity Identity) error {
	before, err := os.ReadFile(s.path)
	if err != nil {
		return fmt.Errorf("reading the kubeconfig of the agent: %w", err)
	}
	text, err := identity.replaceIn(before, s.context)
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	next := filepath.Join(filepath.Dir(s.path), "."+filepath.Base(s.path)+".next")
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return fmt.Errorf("writing the kubeconfig of the agent: %w", err)
	}
	return os.Rename(next, s.path)
}

// Kept implements Store. The kubeconfig may name files of the certificate and its key.
func (s fileStore) Kept(context.Context) (Identity, error) {
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: s.path}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: s.context}).ClientConfig()
	if err == nil {
		err = rest.LoadTLSFiles(config)
	}
	if err != nil {
		return Identity{}, fmt.Errorf("reading the kubeconfig of the agent: %w", err)
	}
	return Identity{Certificate: config.CertData, Key: config.KeyData}, nil
}
