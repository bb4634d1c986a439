package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/control"
)

// versionOf tells whether a connection still fits its Cluster: it names all of the Cluster that a connection depends on.
func versionOf(cluster *clusterv1alpha1.Cluster) string {
	spec := &cluster.Spec
	return fmt.Sprintf("%s %s %+v %t %s %q", cluster.UID, spec.APIEndpoint, spec.SecretRef, spec.InsecureSkipTLSVerification, spec.ProxyURL, spec.ProxyHeader)
}

// connection implements control.Member over a real API server.
type connection struct {
	client.Client
	version   string
	live      client.Client
	discovery discovery.DiscoveryInterface
	// probes are the connections of discovery.
	probes    *http.Client
	managed   *view
	inventory *view
	stop      context.CancelFunc
	// rejected is set when the member refused the credentials: the next use reads them again.
	rejected atomic.Bool
}

func newConnection(ctx context.Context, version string, config *rest.Config, scheme *runtime.Scheme) (*connection, error) {
	// Watches last for hours, so only the configuration for single requests carries a timeout.
	single := rest.CopyConfig(config)
	single.Timeout = memberTimeout
	singleHTTP, err := rest.HTTPClientFor(single)
	if err != nil {
		return nil, err
	}
	mapper, err := apiutil.NewDynamicRESTMapper(single, singleHTTP)
	if err != nil {
		return nil, err
	}
	direct, err := client.New(single, client.Options{HTTPClient: singleHTTP, Scheme: scheme, Mapper: mapper})
	if err != nil {
		return nil, err
	}
	probing := Probing(config)
	probes, err := rest.HTTPClientFor(probing)
	if err != nil {
		return nil, err
	}
	found, err := discovery.NewDiscoveryClientForConfigAndClient(probing, probes)
	if err != nil {
		return nil, err
	}
	managedOnly := labels.SelectorFromSet(labels.Set{names.LabelManaged: names.LabelManagedValue})
	managed, err := cache.New(config, cache.Options{Scheme: scheme, Mapper: mapper, DefaultLabelSelector: managedOnly, DefaultTransform: trimManaged, ReaderFailOnMissingInformer: true})
	if err != nil {
		return nil, err
	}
	inventory, err := cache.New(config, cache.Options{Scheme: scheme, Mapper: mapper, DefaultTransform: trimInventory, ReaderFailOnMissingInformer: true})
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(ctx)
	made := &connection{
		version: version, live: direct, discovery: found, probes: probes, stop: stop,
		managed:   &view{cache: managed},
		inventory: &view{cache: inventory, typed: true},
	}
	made.Client = &synchronised{Client: direct, view: made.managed}
	for _, started := range []cache.Cache{managed, inventory} {
		go func() {
			// Start only returns an error when it is called twice.
			_ = started.Start(running)
		}()
	}
	return made, nil
}

// Live implements control.Member.
func (c *connection) Live() client.Reader { return c.live }

// Inventory implements control.Member.
func (c *connection) Inventory() client.Reader {
	return &synchronised{Client: c.live, view: c.inventory}
}

// Health implements control.Member.
func (c *connection) Health(ctx context.Context) (bool, error) {
	status, err := c.probe(ctx, "/readyz")
	if err == nil && status == http.StatusNotFound {
		status, err = c.probe(ctx, "/healthz")
	}
	if err != nil {
		return false, err
	}
	return status == http.StatusOK, nil
}

// probe returns the HTTP status a path answers with; an error means that no answer came or that it was refused.
func (c *connection) probe(ctx context.Context, path string) (int, error) {
	var status int
	result := c.discovery.RESTClient().Get().AbsPath(path).Do(ctx).StatusCode(&status)
	if err := result.Error(); status == 0 && err != nil {
		closeIdle(c.probes)
		return 0, fmt.Errorf("asking %s: %w", path, err)
	} else if apierrors.IsUnauthorized(err) || apierrors.IsForbidden(err) {
		c.rejected.Store(true)
		return 0, fmt.Errorf("asking %s: %w", path, err)
	}
	return status, nil
}

// Discover implements control.Member.
func (c *connection) Discover(context.Context) (control.Discovery, error) {
	version, err := c.discovery.ServerVersion()
	if err != nil {
		closeIdle(c.probes)
		return control.Discovery{}, fmt.Errorf("asking for the version: %w", err)
	}
	_, lists, err := c.discovery.ServerGroupsAndResources()
	var partial *discovery.ErrGroupDiscoveryFailed
	if err != nil && !errors.As(err, &partial) {
		closeIdle(c.probes)
		return control.Discovery{}, fmt.Errorf("listing the served kinds: %w", err)
	}
	return control.Discovery{Version: version.GitVersion, APIs: enablements(lists), Complete: err == nil}, nil
}

// enablements sorts what discovery returned and leaves subresources out.
func enablements(lists []*metav1.APIResourceList) []clusterv1alpha1.APIEnablement {
	var served []clusterv1alpha1.APIEnablement
	for _, list := range lists {
		group := clusterv1alpha1.APIEnablement{GroupVersion: list.GroupVersion}
		for _, resource := range list.APIResources {
			if !strings.Contains(resource.Name, "/") {
				group.Resources = append(group.Resources, clusterv1alpha1.APIResource{Name: resource.Name, Kind: resource.Kind})
			}
		}
		if len(group.Resources) == 0 {
			continue
		}
		slices.SortFunc(group.Resources, func(a, b clusterv1alpha1.APIResource) int { return cmp.Compare(a.Name, b.Name) })
		served = append(served, group)
	}
	slices.SortFunc(served, func(a, b clusterv1alpha1.APIEnablement) int { return cmp.Compare(a.GroupVersion, b.GroupVersion) })
	return served
}
