package apiserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
)

const (
	// ServiceName is the Service in namespace karmada-system that the control plane reaches the server through.
	ServiceName = "karmada-aggregated-apiserver"
	// ServingName is the DNS name that the server's certificate must be good for.
	ServingName = ServiceName + "." + names.NamespaceSystem + ".svc"

	// The standing of the group among others in discovery; the values decide nothing while no other group serves these kinds.
	groupPriorityMinimum = 2000
	versionPriority      = 10

	availabilityPeriod = 200 * time.Millisecond
)

// Register makes the control plane behind config forward cluster.karmada.io/v1alpha1, and the versions of other groups, to the server
// at address, as RegisterService does.
func Register(ctx context.Context, config *rest.Config, address string, caBundle []byte, others ...schema.GroupVersion) error {
	return RegisterService(ctx, config, ServiceName, address, caBundle, withClusters(others)...)
}

// RegisterService makes the control plane behind config forward versions of groups to the server at address, a host:port that the
// kube-apiserver can reach, by a Service in namespace karmada-system. The host stands in an ExternalName Service, so it is a DNS name
// or an IPv4 address. caBundle (PEM) verifies the server's certificate, which must name <service>.karmada-system.svc. Registering
// again changes only what differs.
func RegisterService(ctx context.Context, config *rest.Config, service, address string, caBundle []byte, versions ...schema.GroupVersion) error {
	host, port, err := splitAddress(address)
	if err != nil {
		return fmt.Errorf("registering the API server at %q: %w", address, err)
	}
	if len(caBundle) == 0 {
		return fmt.Errorf("registering the API server at %q: no CA bundle to verify it with", address)
	}
	controlPlane, err := registrationClient(config)
	if err != nil {
		return err
	}
	if err := ensureNamespace(ctx, controlPlane); err != nil {
		return err
	}
	if err := ensureService(ctx, controlPlane, service, host); err != nil {
		return err
	}
	for _, version := range versions {
		if err := ensureAPIService(ctx, controlPlane, service, version, port, caBundle); err != nil {
			return err
		}
	}
	return nil
}

// WaitAvailable returns once the control plane reaches the registered server for cluster.karmada.io and the other groups. When ctx ends first, the error says what stood in the
// way last.
func WaitAvailable(ctx context.Context, config *rest.Config, others ...schema.GroupVersion) error {
	controlPlane, err := registrationClient(config)
	if err != nil {
		return err
	}
	discovered, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return fmt.Errorf("making a discovery client of the control plane: %w", err)
	}
	for _, version := range withClusters(others) {
		if err := waitAvailable(ctx, controlPlane, discovered, version); err != nil {
			return err
		}
	}
	return nil
}

func waitAvailable(ctx context.Context, controlPlane client.Client, discovered discovery.DiscoveryInterface, version schema.GroupVersion) error {
	var last error
	err := wait.PollUntilContextCancel(ctx, availabilityPeriod, true, func(ctx context.Context) (bool, error) {
		if last = reportedAvailable(ctx, controlPlane, version); last == nil {
			// The report may be older than a restart of the server, so ask the server itself.
			_, last = discovered.ServerResourcesForGroupVersion(version.String())
		}
		return last == nil, nil
	})
	if err != nil {
		return fmt.Errorf("waiting for APIService %s to become available: %w; last: %w", apiServiceName(version), err, last)
	}
	return nil
}

func withClusters(others []schema.GroupVersion) []schema.GroupVersion {
	return append([]schema.GroupVersion{clusterv1alpha1.GroupVersion}, others...)
}

func apiServiceName(version schema.GroupVersion) string { return version.Version + "." + version.Group }

func splitAddress(address string) (host string, port int32, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil || number == 0 {
		return "", 0, fmt.Errorf("%q is no port", text)
	}
	return host, int32(number), nil
}

func registrationClient(config *rest.Config) (client.Client, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), apiregistrationv1.AddToScheme(scheme)); err != nil {
		return nil, fmt.Errorf("registering the kinds of a registration: %w", err)
	}
	controlPlane, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("making a client of the control plane: %w", err)
	}
	return controlPlane, nil
}

func ensureNamespace(ctx context.Context, controlPlane client.Client) error {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: names.NamespaceSystem}}
	if _, err := controllerutil.CreateOrUpdate(ctx, controlPlane, namespace, func() error { return nil }); err != nil {
		return fmt.Errorf("ensuring namespace %s: %w", namespace.Name, err)
	}
	return nil
}

func ensureService(ctx context.Context, controlPlane client.Client, name, host string) error {
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: names.NamespaceSystem, Name: name}}
	_, err := controllerutil.CreateOrUpdate(ctx, controlPlane, service, func() error {
		service.Spec.Type = corev1.ServiceTypeExternalName
		service.Spec.ExternalName = host
		service.Spec.ClusterIP, service.Spec.ClusterIPs = "", nil
		return nil
	})
	if err != nil {
		return fmt.Errorf("pointing Service %s/%s at %s: %w", service.Namespace, service.Name, host, err)
	}
	return nil
}

func ensureAPIService(ctx context.Context, controlPlane client.Client, service string, version schema.GroupVersion, port int32, caBundle []byte) error {
	registration := &apiregistrationv1.APIService{ObjectMeta: metav1.ObjectMeta{Name: apiServiceName(version)}}
	_, err := controllerutil.CreateOrUpdate(ctx, controlPlane, registration, func() error {
		if registration.Labels == nil {
			registration.Labels = map[string]string{}
		}
		registration.Labels["app"] = service
		registration.Labels["apiserver"] = "true"
		registration.Spec = apiregistrationv1.APIServiceSpec{
			Group:                version.Group,
			Version:              version.Version,
			GroupPriorityMinimum: groupPriorityMinimum,
			VersionPriority:      versionPriority,
			CABundle:             caBundle,
			Service: &apiregistrationv1.ServiceReference{
				Namespace: names.NamespaceSystem,
				Name:      service,
				Port:      &port,
			},
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("registering APIService %s: %w", registration.Name, err)
	}
	return nil
}

// reportedAvailable is nil when the control plane reports that it reaches the server, and else its report.
func reportedAvailable(ctx context.Context, controlPlane client.Client, version schema.GroupVersion) error {
	registration := &apiregistrationv1.APIService{}
	if err := controlPlane.Get(ctx, client.ObjectKey{Name: apiServiceName(version)}, registration); err != nil {
		return err
	}
	for _, condition := range registration.Status.Conditions {
		if condition.Type != apiregistrationv1.Available {
			continue
		}
		if condition.Status == apiregistrationv1.ConditionTrue {
			return nil
		}
		return fmt.Errorf("%s: %s", condition.Reason, condition.Message)
	}
	return errors.New("no availability reported")
}
