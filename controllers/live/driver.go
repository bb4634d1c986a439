// Package live drives controllers against real API servers in real time, on controller-runtime.
package live

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/interpreter"
)

// Driver runs controllers in one manager: shared caches, one leader election, one set of member connections.
type Driver struct {
	manager ctrl.Manager
	deps    control.Deps
	plane   *view
	members *members
	// interpreters makes one for each controller.
	interpreters func() interpreter.Interpreter
	// limiter makes what spaces the retries of one controller; nil for controller-runtime's own.
	limiter func() workqueue.TypedRateLimiter[control.Key]

	mu      sync.Mutex
	indexed map[indexName]bool
	sources []*sources
}

// planeTimeout bounds one request to the control plane: long enough for the largest list.
const planeTimeout = 30 * time.Second

type indexName struct {
	gvk   schema.GroupVersionKind
	field string
}

// NewDriver prepares a manager for controllers. The options decide leader election, metrics and health endpoints; the
// driver sets what its way of reading needs.
//
// Each controller gets an interpreter of its own from interpreters.
func NewDriver(config *rest.Config, options ctrl.Options, memberLimits Limits, interpreters func() interpreter.Interpreter) (*Driver, error) {
	// A read of a kind nobody watches must not start an informer that nothing would ever close.
	options.Cache.ReaderFailOnMissingInformer = true
	options.Cache.DefaultTransform = trimPlane
	options.Client.Cache = &client.CacheOptions{DisableFor: nil, Unstructured: true}
	plane := &view{}
	options.NewCache = func(config *rest.Config, cacheOptions cache.Options) (cache.Cache, error) {
		created, err := cache.New(config, cacheOptions)
		plane.cache = created
		return created, err
	}
	var direct client.Client
	options.NewClient = func(config *rest.Config, clientOptions client.Options) (client.Client, error) {
		reader := clientOptions.Cache.Reader
		clientOptions.Cache = nil
		// Watches last for hours. A single request that hangs, in a network that swallows packets, would hold a worker.
		single := rest.CopyConfig(config)
		single.Timeout = planeTimeout
		var err error
		if clientOptions.HTTPClient, err = rest.HTTPClientFor(single); err != nil {
			return nil, err
		}
		if direct, err = client.New(config, clientOptions); err != nil {
			return nil, err
		}
		return &readThrough{Client: direct, cached: reader}, nil
	}
	manager, err := ctrl.NewManager(config, options)
	if err != nil {
		return nil, fmt.Errorf("preparing the controller manager for %s: %w", config.Host, err)
	}
	found, err := discovery.NewDiscoveryClientForConfigAndClient(config, manager.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("making a client of %s: %w", config.Host, err)
	}
	driver := &Driver{manager: manager, plane: plane, interpreters: interpreters, indexed: map[indexName]bool{}}
	driver.members = newMembers(manager, direct, memberLimits, driver.reopen)
	driver.deps = control.Deps{
		Client:  manager.GetClient(),
		Live:    direct,
		Paths:   Paths{found.RESTClient()},
		Members: driver.members,
		Clock:   clock.RealClock{},
		IDs:     randomIDs{},
	}
	if err := manager.Add(driver.members); err != nil {
		return nil, fmt.Errorf("adding the member connections: %w", err)
	}
	return driver, nil
}

// Manager is the manager the controllers run in, for health checks and further runnables.
func (d *Driver) Manager() ctrl.Manager { return d.manager }

// Reach has one member reached by a configuration of its own instead of by what its Cluster says, as an agent inside it does. It is
// called before controllers run.
func (d *Driver) Reach(cluster string, config *rest.Config) {
	d.members.given[cluster] = config
}

// Limit sets what spaces the retries of each controller that is added from now on.
func (d *Driver) Limit(limiter func() workqueue.TypedRateLimiter[control.Key]) { d.limiter = limiter }

// Add turns a controller value into a running controller of the manager.
func (d *Driver) Add(ctx context.Context, value control.Controller) error {
	if err := d.index(ctx, value.Indexes); err != nil {
		return fmt.Errorf("controller %s: %w", value.Name, err)
	}
	running := &runner{value: value, deps: d.deps}
	running.deps.Interpreter = d.interpreters()
	running.deps.Events = binding.OnTemplates(recorder{d.manager.GetEventRecorder(value.Name)})
	reader := &telling{Reader: d.manager.GetClient(), controller: value.Name}
	running.sources = newSources(value, reader, d.view, running.enqueue)
	d.mu.Lock()
	d.sources = append(d.sources, running.sources)
	d.mu.Unlock()
	options := controller.TypedOptions[control.Key]{
		Reconciler:              running,
		MaxConcurrentReconciles: max(value.Workers, 1),
		LogConstructor: func(key *control.Key) logr.Logger {
			log := d.manager.GetLogger().WithValues("controller", value.Name)
			if key != nil {
				log = log.WithValues("key", key.String())
			}
			return log
		},
	}
	if d.limiter != nil {
		options.RateLimiter = d.limiter()
	}
	if value.Queue != nil {
		running.ordered = newOrderedQueue(value.Queue())
		options.NewQueue = func(string, workqueue.TypedRateLimiter[control.Key]) keyQueue { return running.ordered }
	}
	created, err := controller.NewTyped(value.Name, d.manager, options)
	if err != nil {
		return fmt.Errorf("creating controller %s: %w", value.Name, err)
	}
	takeQueue := source.TypedFunc[control.Key](func(_ context.Context, queue workqueue.TypedRateLimitingInterface[control.Key]) error {
		running.setQueue(queue)
		return nil
	})
	if err := created.Watch(takeQueue); err != nil {
		return fmt.Errorf("starting controller %s: %w", value.Name, err)
	}
	for _, watch := range value.Watches {
		gvk, err := apiutil.GVKForObject(watch.Object, d.manager.GetScheme())
		if err != nil {
			return fmt.Errorf("controller %s watches an object of unknown kind: %w", value.Name, err)
		}
		events := running.handlerFor(watch.Keys, reader, gvk)
		if err := created.Watch(source.TypedKind(d.manager.GetCache(), watch.Object, events)); err != nil {
			return fmt.Errorf("controller %s watching %s: %w", value.Name, gvk.Kind, err)
		}
	}
	return nil
}

// index adds the field indexes of a controller; two controllers may ask for the same one.
func (d *Driver) index(ctx context.Context, indexes []control.Index) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, index := range indexes {
		gvk, err := apiutil.GVKForObject(index.Object, d.manager.GetScheme())
		if err != nil {
			return fmt.Errorf("indexing an object of unknown kind: %w", err)
		}
		name := indexName{gvk: gvk, field: index.Field}
		if d.indexed[name] {
			continue
		}
		if err := d.manager.GetFieldIndexer().IndexField(ctx, index.Object, index.Field, index.Values); err != nil {
			return fmt.Errorf("indexing %s by %s: %w", gvk.Kind, index.Field, err)
		}
		d.indexed[name] = true
	}
	return nil
}

// view finds the cache a source reads from.
func (d *Driver) view(ctx context.Context, wanted control.Source) (*view, error) {
	if wanted.Cluster == "" {
		return d.plane, nil
	}
	connection, err := d.members.connect(ctx, wanted.Cluster)
	if err != nil {
		return nil, err
	}
	if wanted.View == control.Inventory {
		return connection.inventory, nil
	}
	return connection.managed, nil
}

// reopen gives every key that watches a cluster a turn, in which its sources open on the new connection.
func (d *Driver) reopen(cluster string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, watching := range d.sources {
		watching.wake(cluster)
	}
}

type randomIDs struct{}

func (randomIDs) NewID() string { return uuid.NewString() }
