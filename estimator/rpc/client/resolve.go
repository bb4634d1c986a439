package client

import (
	"context"
	"fmt"
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"

	"github.com/seatrial/seatrial/api/names"
)

// DefaultPort is the port of estimator Services.
const DefaultPort = 10352

// Naming says what the Service of an estimator is called and where it stands.
type Naming struct {
	// Namespace and Prefix have the defaults of the flags with these words.
	Namespace, Prefix string
	// Domain comes after the namespace in names, "svc" when it is empty. Search domains complete it.
	Domain string
	Port   int32
}

func (n Naming) withDefaults() Naming {
	if n.Namespace == "" {
		n.Namespace = names.NamespaceSystem
	}
	if n.Prefix == "" {
		n.Prefix = names.DefaultEstimatorPrefix
	}
	if n.Domain == "" {
		n.Domain = "svc"
	}
	if n.Port == 0 {
		n.Port = DefaultPort
	}
	return n
}

func (n Naming) address(cluster string) string {
	return hostPort(names.Estimator(n.Prefix, cluster)+"."+n.Namespace+"."+n.Domain, n.Port)
}

func hostPort(host string, port int32) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}

// DNS finds estimators by the names of their Services alone. It cannot tell which clusters have one: a name that does not
// resolve counts as a failure of the estimator, which its breaker makes cheap.
func DNS(naming Naming) Resolver {
	naming = naming.withDefaults()
	return func(cluster string) (string, bool) { return naming.address(cluster), true }
}

// Services finds the estimators that have a Service in the namespace of the lister. One of type ExternalName names a host
// outside, where a numeric target port replaces the port; any other is reached by its name.
func Services(lister corelisters.ServiceNamespaceLister, naming Naming) Resolver {
	naming = naming.withDefaults()
	return func(cluster string) (string, bool) {
		service, err := lister.Get(names.Estimator(naming.Prefix, cluster))
		if err != nil {
			return "", false
		}
		if service.Spec.Type != corev1.ServiceTypeExternalName {
			return naming.address(cluster), true
		}
		return hostPort(service.Spec.ExternalName, targetPort(service, naming.Port)), service.Spec.ExternalName != ""
	}
}

func targetPort(service *corev1.Service, port int32) int32 {
	for i := range service.Spec.Ports {
		if found := &service.Spec.Ports[i]; found.Port == port && found.TargetPort.IntVal > 0 {
			return found.TargetPort.IntVal
		}
	}
	return port
}

// FirstOf asks resolvers in order. FirstOf(Services(...), DNS(...)) is how the reference finds estimators: Services of the
// control plane go before names, which only the cluster around it may know.
func FirstOf(resolvers ...Resolver) Resolver {
	return func(cluster string) (string, bool) {
		for _, resolve := range resolvers {
			if address, ok := resolve(cluster); ok {
				return address, true
			}
		}
		return "", false
	}
}

// WatchServices is Services on a watch of the naming's namespace, which goes on until the context ends. It returns when the
// Services are known, or with an error when they cannot be listed or the context ends before that.
func WatchServices(ctx context.Context, cluster kubernetes.Interface, naming Naming) (Resolver, error) {
	naming = naming.withDefaults()
	// A watch tries for ever, without a word to those who wait for it, even where it has no permission.
	if _, err := cluster.CoreV1().Services(naming.Namespace).List(ctx, metav1.ListOptions{Limit: 1}); err != nil {
		return nil, fmt.Errorf("listing the Services of estimators in namespace %s: %w", naming.Namespace, err)
	}
	factory := informers.NewSharedInformerFactoryWithOptions(cluster, 0, informers.WithNamespace(naming.Namespace))
	services := factory.Core().V1().Services()
	lister := services.Lister().Services(naming.Namespace)
	factory.StartWithContext(ctx)
	if err := factory.WaitForCacheSyncWithContext(ctx).AsError(); err != nil {
		return nil, fmt.Errorf("watching the Services of estimators in namespace %s: %w", naming.Namespace, err)
	}
	return Services(lister, naming), nil
}
