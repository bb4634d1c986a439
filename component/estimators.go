package component

import (
	"context"
	"fmt"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/estimator/rpc/client"
)

// Estimators are the flags about the estimators of members, by the names of the reference.
type Estimators struct {
	enabled, skipPull bool
	naming            client.Naming
	options           client.Options
}

func newEstimators() Estimators {
	return Estimators{
		naming:  client.Naming{Namespace: names.NamespaceSystem, Prefix: names.DefaultEstimatorPrefix, Port: client.DefaultPort},
		options: client.Options{Timeout: client.DefaultTimeout},
	}
}

func (e *Estimators) addFlags(flags *pflag.FlagSet) {
	flags.BoolVar(&e.enabled, "enable-scheduler-estimator", false, "Ask the estimators of members how much fits onto their nodes")
	flags.BoolVar(&e.skipPull, "disable-scheduler-estimator-in-pull-mode", false, "Do not ask those of members in Pull mode")
	e.addReachFlags(flags)
}

// addReachFlags adds the flags about where estimators are and how to talk to them.
func (e *Estimators) addReachFlags(flags *pflag.FlagSet) {
	flags.DurationVar(&e.options.Timeout, "scheduler-estimator-timeout", e.options.Timeout, "Time for one question to all estimators")
	flags.Int32Var(&e.naming.Port, "scheduler-estimator-port", e.naming.Port, "Port of the Services of estimators")
	flags.StringVar(&e.naming.Prefix, "scheduler-estimator-service-prefix", e.naming.Prefix, "What the names of their Services begin with, before the name of the member")
	flags.StringVar(&e.naming.Namespace, "scheduler-estimator-service-namespace", e.naming.Namespace, "Namespace of their Services")
	flags.StringVar(&e.options.TLS.CAFile, "scheduler-estimator-ca-file", "", "CA that signs estimators. It is read again when it changes. Without one there is no TLS")
	flags.StringVar(&e.options.TLS.CertFile, "scheduler-estimator-cert-file", "", "Certificate that estimators are shown")
	flags.StringVar(&e.options.TLS.KeyFile, "scheduler-estimator-key-file", "", "Key of that certificate")
	flags.BoolVar(&e.options.TLS.InsecureSkipVerify, "insecure-skip-estimator-verify", false, "Believe any estimator")
}

// Members is what there is to know of members before their estimators are asked. It is safe for concurrent use.
type Members struct {
	mu    sync.RWMutex
	known map[string]member
	// gone is told of members that left; nil for nobody.
	gone func(name string)
}

type member struct {
	version string
	pull    bool
}

// See takes note of a member.
func (m *Members) See(cluster *clusterv1alpha1.Cluster) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known == nil {
		m.known = map[string]member{}
	}
	m.known[cluster.Name] = member{cluster.ResourceVersion, cluster.Spec.SyncMode == clusterv1alpha1.Pull}
}

func (m *Members) lose(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, name)
	if m.gone != nil {
		m.gone(name)
	}
}

func (m *Members) member(name string) member {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.known[name]
}

// Follow keeps up with the Clusters of a cache.
func (m *Members) Follow(ctx context.Context, clusters cache.Cache) error {
	informer, err := clusters.GetInformer(ctx, &clusterv1alpha1.Cluster{})
	if err != nil {
		return fmt.Errorf("watching clusters: %w", err)
	}
	see := func(object any) {
		if cluster, ok := object.(*clusterv1alpha1.Cluster); ok {
			m.See(cluster)
		}
	}
	if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    see,
		UpdateFunc: func(_, current any) { see(current) },
		DeleteFunc: func(object any) {
			if key, err := toolscache.DeletionHandlingMetaNamespaceKeyFunc(object); err == nil {
				m.lose(key)
			}
		},
	}); err != nil {
		return fmt.Errorf("watching clusters: %w", err)
	}
	return nil
}

// Connect makes the client of the estimators, nil when they are not enabled. It waits until it knows the Services of estimators
// in the control plane. The caller closes the client. Registry is where its metrics go; nil for nowhere.
func (e *Estimators) Connect(ctx context.Context, plane *rest.Config, members *Members, registry prometheus.Registerer) (*client.Client, error) {
	if !e.enabled {
		return nil, nil
	}
	api, err := kubernetes.NewForConfig(plane)
	if err != nil {
		return nil, fmt.Errorf("connecting to the control plane for the Services of estimators: %w", err)
	}
	options := e.options
	// Mistakes in the options come to light before the wait, so the client is there before it knows the Services.
	var services client.Resolver
	options.Resolver = client.FirstOf(func(cluster string) (string, bool) { return services(cluster) }, client.DNS(e.naming))
	options.Version = func(cluster string) string { return members.member(cluster).version }
	options.Skip = func(cluster string) bool { return e.skipPull && members.member(cluster).pull }
	if registry != nil {
		if options.Recorder, err = client.NewMetrics(registry); err != nil {
			return nil, err
		}
	}
	made, err := client.New(options)
	if err != nil {
		return nil, err
	}
	if services, err = client.WatchServices(ctx, api, e.naming); err != nil {
		made.Close()
		return nil, err
	}
	members.gone = made.Forget
	return made, nil
}
