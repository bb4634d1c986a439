package search

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	searchv1alpha1 "github.com/seatrial/seatrial/api/search/v1alpha1"
	"github.com/seatrial/seatrial/apiserver/proxy"
	"github.com/seatrial/seatrial/override"
	"github.com/seatrial/seatrial/search/cache"
	"github.com/seatrial/seatrial/search/opensearch"
)

const (
	// retryAfter is when kinds that were not found are looked for again.
	retryAfter = 30 * time.Second
	// startAgainAfter is when clusters and registries that cannot be followed are tried again.
	startAgainAfter = 5 * time.Second
)

// Settings is what a Search depends on.
type Settings struct {
	Members *proxy.Members
	// ControlPlane answers what is not kept.
	ControlPlane *proxy.ControlPlane
	// Authorizer tells who may read what.
	Authorizer authorizer.Authorizer
	// Secrets reads the credentials of services that registries name.
	Secrets proxy.ReadSecret
	// Kinds finds the resource of a kind.
	Kinds meta.RESTMapper
	// Retry is the time until clusters and registries that cannot be followed are tried again, 5 s for 0.
	Retry time.Duration
	// Recheck is the time after which the rights of who watches are asked for again, a minute for 0.
	Recheck time.Duration
}

// Search keeps what registries choose, and serves it.
type Search struct {
	settings Settings
	cache    *cache.Cache
	// ends is done when what still goes on shall end.
	ends context.Context

	// begun is closed when it is known for the first time what to keep.
	begun chan struct{}
	once  sync.Once

	definitions definitions
	mirrors     mirrors

	mu       sync.Mutex
	clusters map[string]*clusterv1alpha1.Cluster
}

// New returns a Search whose following of members, and watches of clients, end with ctx.
func New(ctx context.Context, settings Settings) *Search {
	s := &Search{settings: settings, ends: ctx, begun: make(chan struct{}), clusters: map[string]*clusterv1alpha1.Cluster{}}
	s.cache, s.definitions.dial = cache.New(ctx, s.dial), s.dial
	s.mirrors = mirrors{ends: ctx, cache: s.cache, open: s.open, running: map[service]*mirror{}}
	return s
}

// Sources are where clusters and registries are stored.
type Sources struct{ Clusters, Registries *rest.Config }

// Run follows the registries and the clusters of sources until ctx ends. scheme knows their kinds. What cannot be reached at first is
// tried again.
func (s *Search) Run(ctx context.Context, sources Sources, scheme *runtime.Scheme) {
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		if err := s.run(ctx, sources, scheme); err != nil && ctx.Err() == nil {
			klog.ErrorS(err, "Resource registries cannot be followed yet")
		}
	}, cmp.Or(s.settings.Retry, startAgainAfter))
}

// stored reads both kinds where they are.
type stored struct{ clusters, registries client.Reader }

// run follows until ctx ends, or until it cannot go on.
func (s *Search) run(ctx context.Context, sources Sources, scheme *runtime.Scheme) error {
	ctx, cancel := context.WithCancel(ctx)
	var running errgroup.Group
	defer func() {
		cancel()
		_ = running.Wait()
	}()
	changed := make(chan struct{}, 1)
	clusters, err := kept(ctx, sources.Clusters, scheme, &clusterv1alpha1.Cluster{}, changed)
	if err != nil {
		return err
	}
	registries, err := kept(ctx, sources.Registries, scheme, &searchv1alpha1.ResourceRegistry{}, changed)
	if err != nil {
		return err
	}
	running.Go(func() error { return clusters.Start(ctx) })
	running.Go(func() error { return registries.Start(ctx) })
	if clusters.WaitForCacheSync(ctx) && registries.WaitForCacheSync(ctx) {
		s.follow(ctx, stored{clusters, registries}, changed)
	}
	return nil
}

// kept is a cache of one kind that tells of changes.
func kept(ctx context.Context, config *rest.Config, scheme *runtime.Scheme, kind client.Object, changed chan<- struct{}) (ctrlcache.Cache, error) {
	objects, err := ctrlcache.New(config, ctrlcache.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("following %T: %w", kind, err)
	}
	informer, err := objects.GetInformer(ctx, kind, ctrlcache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("following %T: %w", kind, err)
	}
	tell := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { tell() }, UpdateFunc: func(any, any) { tell() }, DeleteFunc: func(any) { tell() },
	})
	if err != nil {
		return nil, fmt.Errorf("following %T: %w", kind, err)
	}
	return objects, nil
}

// follow keeps what the registries ask for, with every change.
func (s *Search) follow(ctx context.Context, objects stored, changed <-chan struct{}) {
	for {
		missing, err := s.update(ctx, objects)
		if err != nil {
			klog.ErrorS(err, "What to keep of members could not be updated")
		}
		var again <-chan time.Time
		if err != nil || missing {
			again = time.After(retryAfter)
		}
		select {
		case <-changed:
		case <-again:
		case <-ctx.Done():
			return
		}
	}
}

// update keeps what the registries ask for at present. missing tells that some kind is not known yet.
func (s *Search) update(ctx context.Context, objects stored) (missing bool, err error) {
	clusters, registries := &clusterv1alpha1.ClusterList{}, &searchv1alpha1.ResourceRegistryList{}
	if err := objects.clusters.List(ctx, clusters); err != nil {
		return false, fmt.Errorf("listing clusters: %w", err)
	}
	if err := objects.registries.List(ctx, registries); err != nil {
		return false, fmt.Errorf("listing resource registries: %w", err)
	}
	s.know(clusters.Items)
	kinds, stored, missing := s.wanted(clusters.Items, registries.Items)
	s.cache.Keep(kinds)
	s.mirrors.keep(stored)
	s.once.Do(func() { close(s.begun) })
	return missing, nil
}

// know remembers how clusters are reached, and forgets those that are gone.
func (s *Search) know(clusters []clusterv1alpha1.Cluster) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := map[string]*clusterv1alpha1.Cluster{}
	for i := range clusters {
		known[clusters[i].Name] = &clusters[i]
	}
	for name := range s.clusters {
		if known[name] == nil {
			s.settings.Members.Forget(name)
		}
	}
	s.clusters = known
}

// wanted is what registries choose, all of them together, and those that name a service by service. Clusters that are not ready stay in:
// what was last known of them is better than nothing. missing tells that some kind is not known yet.
func (s *Search) wanted(clusters []clusterv1alpha1.Cluster, registries []searchv1alpha1.ResourceRegistry) (kinds choice, stored map[service]choice, missing bool) {
	kinds, stored = choice{}, map[service]choice{}
	for i := range registries {
		registry := &registries[i]
		if registry.DeletionTimestamp != nil {
			continue
		}
		store, isStored := serviceOf(registry)
		if isStored && stored[store] == nil {
			stored[store] = choice{}
		}
		targets := targets(registry, clusters)
		for _, selector := range registry.Spec.ResourceSelectors {
			kind := schema.FromAPIVersionAndKind(selector.APIVersion, selector.Kind)
			mapping, err := s.settings.Kinds.RESTMapping(kind.GroupKind(), kind.Version)
			if err != nil {
				klog.ErrorS(err, "A kind of a resource registry is not known to the control plane", "registry", registry.Name, "kind", kind)
				missing = true
				continue
			}
			namespace := selector.Namespace
			if mapping.Scope.Name() == meta.RESTScopeNameRoot {
				namespace = metav1.NamespaceAll
			}
			kinds.add(mapping.Resource, kind, targets, namespace)
			if isStored {
				stored[store].add(mapping.Resource, kind, targets, namespace)
			}
		}
	}
	return kinds, stored, missing
}

// targets are the clusters of a registry, by name.
func targets(registry *searchv1alpha1.ResourceRegistry, clusters []clusterv1alpha1.Cluster) []string {
	var chosen []string
	for i := range clusters {
		if clusters[i].DeletionTimestamp == nil && override.Targets(&registry.Spec.TargetCluster, &clusters[i]) {
			chosen = append(chosen, clusters[i].Name)
		}
	}
	slices.Sort(chosen)
	return chosen
}

func (s *Search) cluster(name string) (*clusterv1alpha1.Cluster, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.clusters[name]; found != nil {
		return found, nil
	}
	return nil, fmt.Errorf("cluster %s is gone", name)
}

// open returns a writer to a service. A registry that names no secret means a service that asks nobody who they are.
func (s *Search) open(to service) (*opensearch.Writer, error) {
	credentials := func(ctx context.Context) (opensearch.Credentials, error) {
		name := types.NamespacedName{Namespace: to.secret.Namespace, Name: to.secret.Name}
		if name.Name == "" {
			return opensearch.Credentials{}, nil
		}
		secret, err := s.settings.Secrets(ctx, name)
		if err != nil {
			return opensearch.Credentials{}, fmt.Errorf("reading secret %s: %w", name, err)
		}
		return opensearch.Credentials{Username: string(secret.Data[secretUsername]), Password: string(secret.Data[secretPassword]), CA: secret.Data[secretCA]}, nil
	}
	return opensearch.New(opensearch.Settings{
		Addresses: strings.Split(to.addresses, "\n"), Credentials: credentials, ClusterAnnotation: names.AnnotationCachedFromCluster, Retry: s.settings.Retry,
	})
}

func (s *Search) dial(ctx context.Context, name string) (dynamic.Interface, error) {
	cluster, err := s.cluster(name)
	if err != nil {
		return nil, err
	}
	return s.settings.Members.Client(ctx, cluster)
}
