package live

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/connectproxy"
	"github.com/seatrial/seatrial/control"
)

// memberTimeout bounds one request to a member: long enough for a large list over a slow link, short enough that a
// cluster which swallows packets does not hold a worker for long.
const memberTimeout = 10 * time.Second

// clusterKindRetry is the pause between attempts to watch Clusters.
const clusterKindRetry = time.Second

// Keys of the secret that holds the credentials of a member.
const (
	secretToken = "token"
	secretCA    = "caBundle"
)

// Limits bound the requests of one process to one API server; QPS below 0 means no limit on the client's side.
type Limits struct {
	QPS   float32
	Burst int
}

// members keeps one connection a member, made on first use and replaced when the Cluster changes how it is reached.
type members struct {
	informers cache.Informers
	clusters  client.Reader
	secrets   client.Reader
	scheme    *runtime.Scheme
	limits    Limits

	// given are members that are reached otherwise than their Clusters say.
	given map[string]*rest.Config

	// onReplaced is told when watches of a cluster end because another connection took over.
	onReplaced func(cluster string)

	mu          sync.Mutex
	running     context.Context
	connections map[string]*connection
}

func newMembers(manager ctrl.Manager, secrets client.Reader, limits Limits, onReplaced func(string)) *members {
	return &members{
		onReplaced: onReplaced,
		informers:  manager.GetCache(), clusters: manager.GetClient(), secrets: secrets,
		scheme: manager.GetScheme(), limits: limits, given: map[string]*rest.Config{}, connections: map[string]*connection{},
	}
}

// Start implements manager.Runnable: connections live as long as the manager.
func (m *members) Start(ctx context.Context) error {
	m.mu.Lock()
	m.running = ctx
	m.mu.Unlock()
	clusters, err := m.clusterInformer(ctx)
	if err != nil {
		return err
	}
	if clusters == nil {
		// The manager stopped while it waited.
		return nil
	}
	if _, err := clusters.AddEventHandler(toolscache.ResourceEventHandlerFuncs{DeleteFunc: m.onClusterGone}); err != nil {
		return fmt.Errorf("watching clusters: %w", err)
	}
	<-ctx.Done()
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.connections {
		m.drop(name)
	}
	return nil
}

// clusterInformer waits until Clusters are served: the server behind them may start later than this process.
func (m *members) clusterInformer(ctx context.Context) (informer cache.Informer, err error) {
	err = wait.PollUntilContextCancel(ctx, clusterKindRetry, true, func(ctx context.Context) (bool, error) {
		found, err := m.informers.GetInformer(ctx, &clusterv1alpha1.Cluster{})
		if err != nil {
			log.FromContext(ctx).Info("Clusters cannot be watched yet", "reason", err.Error())
			return false, nil
		}
		informer = found
		return true, nil
	})
	if err != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("watching clusters: %w", err)
	}
	return informer, nil
}

func (m *members) onClusterGone(object any) {
	if last, missed := object.(toolscache.DeletedFinalStateUnknown); missed {
		object = last.Obj
	}
	if cluster, known := object.(*clusterv1alpha1.Cluster); known {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.drop(cluster.Name)
	}
}

// NeedLeaderElection is false, since followers keep no turns that could use a connection.
func (m *members) NeedLeaderElection() bool { return false }

// Member implements control.Members.
func (m *members) Member(ctx context.Context, cluster string) (control.Member, error) {
	connection, err := m.connect(ctx, cluster)
	if err != nil {
		return nil, err
	}
	return connection, nil
}

func (m *members) connect(ctx context.Context, name string) (*connection, error) {
	cluster := &clusterv1alpha1.Cluster{}
	if err := m.clusters.Get(ctx, types.NamespacedName{Name: name}, cluster); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("cluster %s does not exist: %w", name, control.ErrNoMember)
		}
		return nil, fmt.Errorf("reading cluster %s: %w", name, err)
	}
	version := versionOf(cluster)
	m.mu.Lock()
	known := m.connections[name]
	m.mu.Unlock()
	if known != nil && known.version == version && !known.rejected.Load() {
		return known, nil
	}
	config, err := m.config(ctx, cluster)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	current := m.connections[name]
	if current == nil && known != nil {
		return nil, fmt.Errorf("cluster %s was removed meanwhile: %w", name, control.ErrNoMember)
	}
	if current != known {
		return current, nil
	}
	if m.running == nil {
		return nil, fmt.Errorf("connecting to cluster %s: the manager does not run yet", name)
	}
	made, err := newConnection(m.running, version, config, m.scheme)
	if err != nil {
		return nil, fmt.Errorf("connecting to cluster %s: %w", name, err)
	}
	m.drop(name)
	m.connections[name] = made
	if known != nil {
		m.onReplaced(name)
	}
	return made, nil
}

// drop closes a connection, if there is one. The caller holds mu.
func (m *members) drop(name string) {
	if known := m.connections[name]; known != nil {
		known.stop()
		delete(m.connections, name)
	}
}

// config says how to reach a member: as was given, or by the endpoint and proxy of the Cluster and the credentials of its secret.
func (m *members) config(ctx context.Context, cluster *clusterv1alpha1.Cluster) (*rest.Config, error) {
	if given, found := m.given[cluster.Name]; found {
		config := rest.CopyConfig(given)
		config.QPS, config.Burst = m.limits.QPS, m.limits.Burst
		return config, nil
	}
	if cluster.Spec.APIEndpoint == "" || cluster.Spec.SecretRef == nil {
		return nil, fmt.Errorf("cluster %s has no apiEndpoint or no secretRef: %w", cluster.Name, control.ErrNoMember)
	}
	secret := &corev1.Secret{}
	secretName := types.NamespacedName{Namespace: cluster.Spec.SecretRef.Namespace, Name: cluster.Spec.SecretRef.Name}
	if err := m.secrets.Get(ctx, secretName, secret); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, fmt.Errorf("secret %s of cluster %s does not exist: %w", secretName, cluster.Name, control.ErrNoMember)
		}
		return nil, fmt.Errorf("reading secret %s of cluster %s: %w", secretName, cluster.Name, err)
	}
	token, found := secret.Data[secretToken]
	if !found || len(token) == 0 {
		return nil, fmt.Errorf("secret %s of cluster %s has no key %q: %w", secretName, cluster.Name, secretToken, control.ErrNoMember)
	}
	config := &rest.Config{
		Host:        cluster.Spec.APIEndpoint,
		BearerToken: string(token),
		QPS:         m.limits.QPS,
		Burst:       m.limits.Burst,
		UserAgent:   rest.DefaultKubernetesUserAgent(),
	}
	if cluster.Spec.InsecureSkipTLSVerification {
		config.Insecure = true
	} else {
		config.CAData = secret.Data[secretCA]
	}
	proxy, headers, err := connectproxy.Of(&cluster.Spec)
	if err != nil {
		return nil, fmt.Errorf("connecting to cluster %s: %w", cluster.Name, err)
	}
	if proxy != nil {
		config.Proxy = http.ProxyURL(proxy)
	}
	if len(headers) > 0 {
		if err := tellProxy(config, headers); err != nil {
			return nil, fmt.Errorf("connecting to cluster %s: %w", cluster.Name, err)
		}
	}
	return config, nil
}

// tellProxy has the proxy told headers in CONNECT, and the member none of them. A rest.Config has no field for that, so it gets a
// transport of its own.
func tellProxy(config *rest.Config, headers http.Header) error {
	trust, err := rest.TLSConfigFor(config)
	if err != nil {
		return err
	}
	made := &http.Transport{TLSClientConfig: trust, Proxy: config.Proxy, ProxyConnectHeader: headers, MaxIdleConnsPerHost: 25}
	config.Transport = utilnet.SetTransportDefaults(made)
	// They are in the transport, and may not be said twice.
	config.TLSClientConfig, config.Proxy = rest.TLSClientConfig{}, nil
	return nil
}
