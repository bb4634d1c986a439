// Package proxy lets callers of the control plane speak to the API servers of members, in their own name: a request goes out with the
// token of the member's impersonator and says for whom it asks, so that a member grants what it would grant to the caller itself.
package proxy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/utils/clock"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
)

// Keys of the secrets that hold the credentials of a member.
const (
	secretToken = "token"
	secretCA    = "caBundle"
)

// credentialsLast is how long secrets that were read are believed. One that was replaced works no longer than that.
const credentialsLast = 10 * time.Second

// connectionsLast is how long the connections to a member are kept that nobody has asked for, with the credentials for them. It is
// more than connections stay open idle, and ends nothing that goes on.
const connectionsLast = 10 * time.Minute

// ReadSecret reads a secret of the control plane.
type ReadSecret func(ctx context.Context, name types.NamespacedName) (*corev1.Secret, error)

// Members reaches members, and keeps the connections to each.
type Members struct {
	secrets ReadSecret
	clock   clock.PassiveClock
	// ends is done when what still goes on shall end.
	ends context.Context
	// limiter makes what bounds the requests to one member; nil for none.
	limiter func() flowcontrol.RateLimiter

	mu    sync.Mutex
	known map[role]*connection
}

// role is as whom a member is reached: as its impersonator, or with the control plane's own credentials.
type role struct {
	cluster string
	own     bool
}

// New returns Members that read credentials by secrets. When ends is done, what goes on with members is cut.
func New(ends context.Context, secrets ReadSecret, clock clock.PassiveClock) *Members {
	return &Members{secrets: secrets, clock: clock, ends: ends, known: map[role]*connection{}}
}

// ForControlPlane returns Members that read the credentials which the control plane of config keeps.
func ForControlPlane(ends context.Context, config *rest.Config) (*Members, error) {
	read, err := SecretsOf(config)
	if err != nil {
		return nil, err
	}
	return New(ends, read, clock.RealClock{}), nil
}

// SecretsOf reads secrets of the control plane of config.
func SecretsOf(config *rest.Config) (ReadSecret, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client of the control plane: %w", err)
	}
	return func(ctx context.Context, name types.NamespacedName) (*corev1.Secret, error) {
		return client.CoreV1().Secrets(name.Namespace).Get(ctx, name.Name, metav1.GetOptions{})
	}, nil
}

// Limit bounds the requests that Client and Raw make to each member. It is called before the first of them.
func (m *Members) Limit(qps float32, burst int) {
	m.limiter = func() flowcontrol.RateLimiter { return flowcontrol.NewTokenBucketRateLimiter(qps, burst) }
}

// Connect prepares requests to a member as its Cluster says. It does not dial. Its errors are those of an API server: the Cluster
// lacks an endpoint or an impersonator, or a secret lacks what it is there for.
func (m *Members) Connect(ctx context.Context, cluster *clusterv1alpha1.Cluster) (*Member, error) {
	made, err := m.connect(ctx, role{cluster: cluster.Name}, cluster, m.impersonator)
	if err != nil {
		return nil, err
	}
	return &Member{cluster: cluster, connection: made, ends: m.ends}, nil
}

// errRedirect: members do not choose what the control plane asks, and whom.
var errRedirect = errors.New("it answers with a redirect, which is not followed")

// Client returns a client of a member with the credentials that the control plane itself has there. It does not dial.
func (m *Members) Client(ctx context.Context, cluster *clusterv1alpha1.Cluster) (dynamic.Interface, error) {
	config, authenticated, err := m.reach(ctx, cluster)
	if err != nil {
		return nil, err
	}
	client, err := dynamic.NewForConfigAndClient(config, authenticated)
	if err != nil {
		return nil, fmt.Errorf("making a client of cluster %s: %w", cluster.Name, err)
	}
	return client, nil
}

// Raw returns a client for paths of a member, with the credentials that the control plane itself has there. It does not dial.
func (m *Members) Raw(ctx context.Context, cluster *clusterv1alpha1.Cluster) (rest.Interface, error) {
	config, authenticated, err := m.reach(ctx, cluster)
	if err != nil {
		return nil, err
	}
	config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
	client, err := rest.UnversionedRESTClientForConfigAndClient(config, authenticated)
	if err != nil {
		return nil, fmt.Errorf("making a client of cluster %s: %w", cluster.Name, err)
	}
	return client, nil
}

// reach is how the control plane itself asks a member.
func (m *Members) reach(ctx context.Context, cluster *clusterv1alpha1.Cluster) (*rest.Config, *http.Client, error) {
	made, err := m.connect(ctx, role{cluster: cluster.Name, own: true}, cluster, m.own)
	if err != nil {
		return nil, nil, err
	}
	authenticated := &http.Client{
		Transport:     transport.NewBearerAuthRoundTripper(made.token, made),
		CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirect },
	}
	return &rest.Config{Host: made.endpoint.String(), QPS: -1, RateLimiter: made.limiter}, authenticated, nil
}

func (m *Members) connect(
	ctx context.Context, as role, cluster *clusterv1alpha1.Cluster,
	read func(context.Context, *clusterv1alpha1.Cluster) (credentials, error),
) (*connection, error) {
	m.mu.Lock()
	found := m.known[as]
	m.mu.Unlock()
	if found != nil && found.serves(cluster) && m.clock.Since(found.read) < credentialsLast && !found.rejected.Load() {
		return found, nil
	}
	credentials, err := read(ctx, cluster)
	if err != nil {
		return nil, err
	}
	made, err := newConnection(cluster, credentials, m.clock.Now())
	if err != nil {
		return nil, unavailable(cluster, "%v", err)
	}
	if m.limiter != nil {
		made.limiter = m.limiter()
	}
	return m.keep(as, made), nil
}

// keep takes over what is open where nothing has changed, and lets the rest go once it is idle: that of members nobody asks for any
// more as well, which may be gone.
func (m *Members) keep(as role, made *connection) *connection {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.known[as]
	if before != nil && before.version == made.version {
		made.plain, made.upgrading, made.limiter = before.plain, before.upgrading, before.limiter
	} else if before != nil {
		before.closeIdle()
	}
	m.known[as] = made
	for other, unused := range m.known {
		if made.read.Sub(unused.read) > connectionsLast {
			m.drop(other)
		}
	}
	return made
}

// Forget drops what is kept of a cluster that is gone.
func (m *Members) Forget(cluster string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, as := range []role{{cluster: cluster}, {cluster: cluster, own: true}} {
		m.drop(as)
	}
}

// drop needs mu.
func (m *Members) drop(as role) {
	if gone := m.known[as]; gone != nil {
		gone.closeIdle()
		delete(m.known, as)
	}
}

// credentials are what the secrets of a Cluster hold. ca is PEM, empty for the authorities of the system.
type credentials struct {
	token string
	ca    []byte
}

// version tells connections apart that may not stand for each other.
func (c credentials) version() [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%d %s %s", len(c.token), c.token, c.ca))
}

func (m *Members) impersonator(ctx context.Context, cluster *clusterv1alpha1.Cluster) (credentials, error) {
	found, err := m.bearer(ctx, cluster, "spec.impersonatorSecretRef", cluster.Spec.ImpersonatorSecretRef)
	if err != nil {
		return credentials{}, err
	}
	if cluster.Spec.InsecureSkipTLSVerification || cluster.Spec.SecretRef == nil {
		return found, nil
	}
	access, err := m.secret(ctx, cluster, cluster.Spec.SecretRef)
	if err != nil {
		return credentials{}, err
	}
	if ca := access.Data[secretCA]; len(ca) > 0 {
		found.ca = ca
	}
	return found, nil
}

// own are the credentials that the control plane itself has in a member.
func (m *Members) own(ctx context.Context, cluster *clusterv1alpha1.Cluster) (credentials, error) {
	return m.bearer(ctx, cluster, "spec.secretRef", cluster.Spec.SecretRef)
}

// bearer reads the credentials in the secret that a field of the Cluster names.
func (m *Members) bearer(ctx context.Context, cluster *clusterv1alpha1.Cluster, field string, ref *clusterv1alpha1.LocalSecretReference) (credentials, error) {
	if ref == nil {
		return credentials{}, unavailable(cluster, "%s names no secret with a token", field)
	}
	secret, err := m.secret(ctx, cluster, ref)
	if err != nil {
		return credentials{}, err
	}
	token := secret.Data[secretToken]
	if len(token) == 0 {
		return credentials{}, unavailable(cluster, "secret %s/%s, which %s names, has no key %q", ref.Namespace, ref.Name, field, secretToken)
	}
	return credentials{token: string(token), ca: secret.Data[secretCA]}, nil
}

func (m *Members) secret(ctx context.Context, cluster *clusterv1alpha1.Cluster, ref *clusterv1alpha1.LocalSecretReference) (*corev1.Secret, error) {
	name := types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name}
	secret, err := m.secrets(ctx, name)
	switch {
	case apierrors.IsNotFound(err):
		return nil, unavailable(cluster, "secret %s does not exist", name)
	case err != nil:
		return nil, unavailable(cluster, "reading secret %s: %v", name, err)
	}
	return secret, nil
}

// unavailable is the answer when the control plane does not know how to reach a member, or cannot.
func unavailable(cluster *clusterv1alpha1.Cluster, format string, args ...any) error {
	return apierrors.NewServiceUnavailable(fmt.Sprintf("cluster %s cannot be reached: %s", cluster.Name, fmt.Sprintf(format, args...)))
}
