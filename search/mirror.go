package search

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/klog/v2"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	searchv1alpha1 "github.com/seatrial/seatrial/api/search/v1alpha1"
	"github.com/seatrial/seatrial/search/cache"
	"github.com/seatrial/seatrial/search/opensearch"
)

// Keys of the secret that spec.backendStore.openSearch.secretRef names. The certificate authority may be missing, and so may the user.
const (
	secretUsername = "username"
	secretPassword = "password"
	secretCA       = "ca.crt"
)

// choice is what is chosen of members, by kind.
type choice map[schema.GroupVersionResource]cache.Kind

// add chooses a kind in a namespace, or in all for none, of clusters.
func (c choice) add(resource schema.GroupVersionResource, kind schema.GroupVersionKind, clusters []string, namespace string) {
	if _, found := c[resource]; !found {
		c[resource] = cache.Kind{Kind: kind, Clusters: map[string][]string{}}
	}
	for _, cluster := range clusters {
		if chosen := c[resource].Clusters[cluster]; !slices.Contains(chosen, namespace) {
			chosen = append(chosen, namespace)
			slices.Sort(chosen)
			c[resource].Clusters[cluster] = chosen
		}
	}
}

// service is an OpenSearch service as a registry names it: addresses, by line, and the secret with the credentials.
type service struct {
	addresses string
	secret    clusterv1alpha1.LocalSecretReference
}

// serviceOf is the service that a registry names.
func serviceOf(registry *searchv1alpha1.ResourceRegistry) (service, bool) {
	store := registry.Spec.BackendStore
	if store == nil || store.OpenSearch == nil {
		return service{}, false
	}
	return service{strings.Join(store.OpenSearch.Addresses, "\n"), store.OpenSearch.SecretRef}, true
}

// mirrors write what registries choose to the services that they name, beside keeping it in memory.
type mirrors struct {
	ends  context.Context
	cache *cache.Cache
	// open returns the writer to a service.
	open func(service) (*opensearch.Writer, error)

	// running belongs to the one goroutine that calls keep.
	running map[service]*mirror
	writing sync.WaitGroup
}

// mirror writes to one service.
type mirror struct {
	writer *opensearch.Writer
	ctx    context.Context
	stop   context.CancelFunc
	feeds  map[schema.GroupVersionResource]*feed
}

// keep makes these choices be written from now on, each to its service. What no registry chooses any more stays there as it was last.
func (m *mirrors) keep(chosen map[service]choice) {
	for to, running := range m.running {
		if chosen[to] == nil {
			running.stop()
			delete(m.running, to)
		}
	}
	for to, wanted := range chosen {
		running := m.running[to]
		if running == nil {
			writer, err := m.open(to)
			if err != nil {
				klog.ErrorS(err, "What a resource registry chooses cannot be indexed")
				continue
			}
			running = &mirror{writer: writer, feeds: map[schema.GroupVersionResource]*feed{}}
			running.ctx, running.stop = context.WithCancel(m.ends)
			m.writing.Go(func() { writer.Run(running.ctx) })
			m.running[to] = running
		}
		m.feed(running, wanted)
	}
}

// feed makes a service be told of these kinds.
func (m *mirrors) feed(to *mirror, wanted choice) {
	for resource, running := range to.feeds {
		if _, still := wanted[resource]; !still {
			running.stop()
			delete(to.feeds, resource)
		}
	}
	for resource, kind := range wanted {
		running := to.feeds[resource]
		if running != nil && maps.EqualFunc(running.clusters, kind.Clusters, slices.Equal) {
			continue
		}
		next := &feed{cache: m.cache, writer: to.writer, resource: resource, kind: kind.Kind.Kind, clusters: kind.Clusters, done: make(chan struct{}), told: map[place]string{}}
		var before <-chan struct{}
		if running != nil {
			running.stop()
			// What was told under the choice before is to be taken back where it is chosen no longer.
			before, next.told = running.done, running.told
		}
		var ctx context.Context
		ctx, next.stop = context.WithCancel(to.ctx)
		to.feeds[resource] = next
		m.writing.Go(func() { next.run(ctx, before) })
	}
}

// place is where an object is.
type place struct{ cluster, namespace, name string }

func (p place) compare(other place) int {
	return cmp.Or(cmp.Compare(p.cluster, other.cluster), cmp.Compare(p.namespace, other.namespace), cmp.Compare(p.name, other.name))
}

// feed tells a service of one kind.
type feed struct {
	cache    *cache.Cache
	writer   *opensearch.Writer
	resource schema.GroupVersionResource
	kind     string
	// clusters are the namespaces that are chosen, by cluster; the empty one stands for all.
	clusters map[string][]string
	stop     context.CancelFunc
	done     chan struct{}

	// told are the UIDs of the objects that the service was told of.
	told map[place]string
}

// run tells all there is, and then each change, until ctx ends, once the feed before it has ended. When changes come faster than the
// service takes them for long, some are no longer known: then it begins anew.
func (f *feed) run(ctx context.Context, before <-chan struct{}) {
	defer close(f.done)
	if before != nil {
		<-before
	}
	for ctx.Err() == nil {
		if err := f.follow(ctx); err != nil && ctx.Err() == nil {
			klog.V(2).InfoS("What is to be indexed is told from the beginning", "resource", f.resource, "reason", err.Error())
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

func (f *feed) follow(ctx context.Context) error {
	changes, err := f.cache.Watch(ctx, f.resource, cache.Selection{}, "", true, 0)
	if err != nil {
		return err
	}
	defer changes.Stop()
	seen := map[place]bool{}
	for event := range changes.ResultChan() {
		object, isObject := event.Object.(*unstructured.Unstructured)
		if !isObject {
			return fmt.Errorf("the watch ended: %v", event.Object)
		}
		if event.Type == watch.Bookmark {
			err, seen = f.forget(ctx, seen, object.GetResourceVersion()), nil
		} else {
			err = f.tell(ctx, event.Type, object, seen)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// tell passes on what has become of an object, and notes in seen, unless it is nil, that it is there.
func (f *feed) tell(ctx context.Context, what watch.EventType, object *unstructured.Unstructured, seen map[place]bool) error {
	at := place{object.GetAnnotations()[names.AnnotationCachedFromCluster], object.GetNamespace(), object.GetName()}
	chosen := slices.Contains(f.clusters[at.cluster], at.namespace) || slices.Contains(f.clusters[at.cluster], metav1.NamespaceAll)
	if !chosen {
		return nil
	}
	if what == watch.Deleted {
		return f.end(ctx, at, string(object.GetUID()))
	}
	if seen != nil {
		seen[at] = true
	}
	uid := string(object.GetUID())
	if before := f.told[at]; before != "" && before != uid {
		// Another object has come in its place.
		if err := f.end(ctx, at, before); err != nil {
			return err
		}
	}
	f.told[at] = uid
	return f.writer.Index(ctx, object)
}

func (f *feed) end(ctx context.Context, at place, uid string) error {
	if err := f.writer.Delete(ctx, f.kind, uid); err != nil {
		return err
	}
	delete(f.told, at)
	return nil
}

// forget takes back what was told before and is not there any more, once all that is there has been told. Of clusters of which nothing
// is known yet, nothing is taken back.
func (f *feed) forget(ctx context.Context, seen map[place]bool, version string) error {
	versions, err := cache.ParseVersions(version)
	if err != nil {
		return err
	}
	for _, at := range slices.SortedFunc(maps.Keys(f.told), place.compare) {
		chosen := len(f.clusters[at.cluster]) > 0
		if seen[at] || chosen && versions.Of(at.cluster, at.namespace) == "" {
			continue
		}
		if err := f.end(ctx, at, f.told[at]); err != nil {
			return err
		}
	}
	return nil
}
