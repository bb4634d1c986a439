package cache

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/warning"
	"k8s.io/client-go/dynamic"
	toolscache "k8s.io/client-go/tools/cache"
)

// Dial returns a client of a member as it is reached now.
type Dial func(ctx context.Context, cluster string) (dynamic.Interface, error)

// Kind is what is to be kept of a kind: by cluster the namespaces, or no namespace for all of them.
type Kind struct {
	Kind     schema.GroupVersionKind
	Clusters map[string][]string
}

// Cache keeps kinds of members.
type Cache struct {
	ctx  context.Context
	dial Dial

	mu     sync.Mutex
	tables map[schema.GroupVersionResource]*table
	// following are the goroutines that follow members.
	following sync.WaitGroup
}

// New returns a Cache that follows members until ctx ends. Wait returns when it has let go of all of them.
func New(ctx context.Context, dial Dial) *Cache {
	return &Cache{ctx: ctx, dial: dial, tables: map[schema.GroupVersionResource]*table{}}
}

// Wait waits, once the context has ended, until nothing is followed any more.
func (c *Cache) Wait() { c.following.Wait() }

// Keep makes the cache hold exactly these kinds from now on. What it holds already it goes on with.
func (c *Cache) Keep(kinds map[schema.GroupVersionResource]Kind) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for resource, t := range c.tables {
		if _, wanted := kinds[resource]; !wanted {
			c.keep(t, nil)
			t.change(func() { t.ended = true })
			delete(c.tables, resource)
		}
	}
	for resource, kind := range kinds {
		if c.tables[resource] == nil {
			c.tables[resource] = &table{resource: resource, kind: kind.Kind, changed: make(chan struct{})}
		}
		c.keep(c.tables[resource], sourceIDs(kind.Clusters))
	}
}

// sourceIDs are the sources of a kind, sorted.
func sourceIDs(clusters map[string][]string) []sourceID {
	var ids []sourceID
	for cluster, namespaces := range clusters {
		if len(namespaces) == 0 || slices.Contains(namespaces, metav1.NamespaceAll) {
			namespaces = []string{metav1.NamespaceAll}
		}
		for _, namespace := range namespaces {
			ids = append(ids, sourceID{cluster, namespace})
		}
	}
	slices.SortFunc(ids, sourceID.compare)
	return slices.Compact(ids)
}

// keep makes a table have these sources.
func (c *Cache) keep(t *table, ids []sourceID) {
	t.mu.Lock()
	same := slices.EqualFunc(t.sources, ids, func(s *source, id sourceID) bool { return s.sourceID == id })
	t.mu.Unlock()
	if same {
		return
	}
	t.change(func() {
		var kept []*source
		for _, id := range ids {
			at := slices.IndexFunc(t.sources, func(s *source) bool { return s.sourceID == id })
			if at >= 0 {
				kept = append(kept, t.sources[at])
			} else {
				kept = append(kept, c.follow(t, id))
			}
		}
		for _, s := range t.sources {
			if !slices.Contains(kept, s) {
				s.retire()
			}
		}
		t.sources = kept
	})
}

// follow begins to list and watch a source. A member that does not answer is tried again, ever more seldom.
func (c *Cache) follow(t *table, id sourceID) *source {
	ctx, stop := context.WithCancel(c.ctx)
	s := &source{sourceID: id, table: t, stop: stop, objects: map[string]*entry{}}
	resource := func(ctx context.Context) (dynamic.ResourceInterface, error) {
		member, err := c.dial(ctx, id.cluster)
		if err != nil {
			s.fail()
			return nil, err
		}
		return member.Resource(t.resource).Namespace(id.namespace), nil
	}
	access := &toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			api, err := resource(ctx)
			if err != nil {
				return nil, err
			}
			list, err := api.List(ctx, options)
			if err != nil {
				s.fail()
			}
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			api, err := resource(ctx)
			if err != nil {
				return nil, err
			}
			return api.Watch(ctx, options)
		},
	}
	expected := &unstructured.Unstructured{}
	expected.SetGroupVersionKind(t.kind)
	reflector := toolscache.NewReflectorWithOptions(access, expected, s, toolscache.ReflectorOptions{
		Name: fmt.Sprintf("%s of cluster %s", t.resource.Resource, id.cluster),
	})
	c.following.Go(func() { reflector.RunWithContext(ctx) })
	return s
}

// Has tells whether a kind is kept of any cluster.
func (c *Cache) Has(resource schema.GroupVersionResource) bool { return c.table(resource) != nil }

// Clusters are those that a kind is kept of, in order.
func (c *Cache) Clusters(resource schema.GroupVersionResource) []string {
	t := c.table(resource)
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var clusters []string
	for _, s := range t.sources {
		clusters = append(clusters, s.cluster)
	}
	return slices.Compact(clusters)
}

func (c *Cache) table(resource schema.GroupVersionResource) *table {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tables[resource]
}

// known returns the table of a kind once its members were heard of. The client is warned of those that were not.
func (c *Cache) known(ctx context.Context, resource schema.GroupVersionResource) (*table, error) {
	t := c.table(resource)
	if t == nil {
		return nil, apierrors.NewNotFound(resource.GroupResource(), "")
	}
	if missing := t.settle(ctx); len(missing) > 0 {
		warning.AddWarning(ctx, "", fmt.Sprintf("nothing is known of %s in: %s", resource.Resource, strings.Join(missing, ", ")))
	}
	return t, nil
}

// Find tells which cluster has an object, and of which nothing is known, so that they may have one as well. An object that several
// have is a conflict.
func (c *Cache) Find(ctx context.Context, resource schema.GroupVersionResource, namespace, name string) (cluster string, unknown []string, err error) {
	t, err := c.known(ctx, resource)
	if err != nil {
		return "", nil, err
	}
	_, at, unknown, err := t.find(namespace, name)
	return at.cluster, unknown, err
}

// Reach waits until reads are not older than the resource version of several clusters that a list or a watch gave. It is a timeout when
// that takes too long.
func (c *Cache) Reach(ctx context.Context, resource schema.GroupVersionResource, version string) error {
	versions, err := ParseVersions(version)
	if err != nil || len(versions) == 0 {
		return err
	}
	t, err := c.known(ctx, resource)
	if err != nil {
		return err
	}
	return t.reach(ctx, versions)
}

// Get returns an object, marked with its cluster, and with a version that is good for a watch over all clusters.
func (c *Cache) Get(ctx context.Context, resource schema.GroupVersionResource, namespace, name string) (*unstructured.Unstructured, error) {
	t, err := c.known(ctx, resource)
	if err != nil {
		return nil, err
	}
	found, at, _, err := t.find(namespace, name)
	if err != nil {
		return nil, err
	}
	tree, err := found.tree(at.cluster)
	if err != nil {
		return nil, apierrors.NewInternalError(err)
	}
	tree.SetResourceVersion(Versions{at.part(): formatVersion(found.version)}.String())
	return tree, nil
}

// List returns a page of at most limit objects by cluster, namespace and name, all when limit is 0. after is what the page before
// gave to go on with.
func (c *Cache) List(ctx context.Context, resource schema.GroupVersionResource, wanted Selection, limit int64, after string) (*unstructured.UnstructuredList, error) {
	from, err := parsePosition(after)
	if err != nil {
		return nil, err
	}
	t, err := c.known(ctx, resource)
	if err != nil {
		return nil, err
	}
	return t.list(wanted, int(min(max(limit, 0), math.MaxInt32)), from)
}

// Watch tells of changes after the resource version of several clusters that a list or a watch gave, or, from "" or "0" on, begins
// with all that is there. With begun it does so from any version, and a bookmark says when all has been told; others come every so
// often, or never for 0. A version that is too old is refused as expired, on the way as an event.
func (c *Cache) Watch(ctx context.Context, resource schema.GroupVersionResource, wanted Selection, after string, begun bool, every time.Duration) (watch.Interface, error) {
	versions, err := ParseVersions(after)
	if err != nil {
		return nil, err
	}
	if begun {
		// Who asks for that takes for gone whatever the bookmark does not come after.
		versions = Versions{}
	}
	t, err := c.known(ctx, resource)
	if err != nil {
		return nil, err
	}
	return t.watch(ctx, wanted, versions, begun, every)
}
