package live

import (
	"context"
	"errors"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// view is a cache whose informers come and go with the sources that need them.
type view struct {
	cache cache.Cache
	// typed views hold the Go types of their kinds, the others hold unstructured objects.
	typed bool

	mu    sync.Mutex
	kinds map[schema.GroupVersionKind]*viewedKind
}

type viewedKind struct {
	informer cache.Informer
	users    int
}

// acquire returns the informer of a kind, opening it for its first user. It does not wait until the informer has listed.
func (v *view) acquire(ctx context.Context, gvk schema.GroupVersionKind) (cache.Informer, error) {
	v.mu.Lock()
	known := v.kinds[gvk]
	if known != nil {
		known.users++
		v.mu.Unlock()
		return known.informer, nil
	}
	v.mu.Unlock()

	// Finding the resource of a kind may ask the API server, so the lock is not held; two first users get the same informer.
	informer, err := v.cache.GetInformer(ctx, v.prototype(gvk), cache.BlockUntilSynced(false))
	if err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if informer.IsStopped() {
		return nil, fmt.Errorf("another user closed the watch on %s while it was being opened", gvk.Kind)
	}
	if v.kinds == nil {
		v.kinds = map[schema.GroupVersionKind]*viewedKind{}
	}
	if v.kinds[gvk] == nil {
		v.kinds[gvk] = &viewedKind{informer: informer}
	}
	v.kinds[gvk].users++
	return v.kinds[gvk].informer, nil
}

// release gives an acquired informer back; the last user closes it.
func (v *view) release(gvk schema.GroupVersionKind) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	known := v.kinds[gvk]
	if known.users--; known.users > 0 {
		return nil
	}
	delete(v.kinds, gvk)
	return v.cache.RemoveInformer(context.Background(), v.prototype(gvk))
}

func (v *view) prototype(gvk schema.GroupVersionKind) client.Object {
	if v.typed {
		switch gvk.Kind {
		case "Node":
			return &corev1.Node{}
		case "Pod":
			return &corev1.Pod{}
		case "EndpointSlice":
			return &discoveryv1.EndpointSlice{}
		}
	}
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(gvk)
	return object
}

// synced tells whether reads of a kind can be answered at once from the view.
func (v *view) synced(gvk schema.GroupVersionKind) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	known := v.kinds[gvk]
	return known != nil && known.informer.HasSynced()
}

// synchronised reads from a view where it has listed the kind, and from the API server where it has not: a cluster that
// does not answer must cost a timeout, not a worker that waits for ever.
type synchronised struct {
	client.Client
	view *view
}

func (s *synchronised) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	if s.covers(object) {
		return s.view.cache.Get(ctx, key, object, options...)
	}
	return s.Client.Get(ctx, key, object, options...)
}

func (s *synchronised) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	if s.covers(list) {
		return s.view.cache.List(ctx, list, options...)
	}
	return s.Client.List(ctx, list, options...)
}

func (s *synchronised) covers(object runtime.Object) bool {
	if _, unstructured := object.(runtime.Unstructured); unstructured == s.view.typed {
		return false
	}
	gvk, err := apiutil.GVKForObject(object, s.Scheme())
	if err != nil {
		return false
	}
	return s.view.synced(kindOfItems(gvk))
}

// kindOfItems is the kind of the items for a list kind, and the kind itself for any other.
func kindOfItems(gvk schema.GroupVersionKind) schema.GroupVersionKind {
	const suffix = "List"
	if n := len(gvk.Kind) - len(suffix); n > 0 && gvk.Kind[n:] == suffix {
		gvk.Kind = gvk.Kind[:n]
	}
	return gvk
}

// readThrough reads kinds that have an informer from it, and all others from the API server.
type readThrough struct {
	client.Client
	cached client.Reader
}

func (r *readThrough) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	err := r.cached.Get(ctx, key, object, options...)
	if notCached(err) {
		return r.Client.Get(ctx, key, object, options...)
	}
	return err
}

func (r *readThrough) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	err := r.cached.List(ctx, list, options...)
	if notCached(err) {
		return r.Client.List(ctx, list, options...)
	}
	return err
}

func notCached(err error) bool {
	var missing *cache.ErrResourceNotCached
	return errors.As(err, &missing)
}
