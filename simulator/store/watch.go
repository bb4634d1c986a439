package store

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// watchBuffer is how far a reader of a watch may fall behind before the watch is closed, as a real API server does with
// slow readers. There is no goroutine that could wait for them.
const watchBuffer = 16384

// watcher is one open watch. Its fields but the channel are guarded by the store.
type watcher struct {
	store    *Store
	kind     *kind
	gvk      schema.GroupVersionKind
	wanted   filter
	template client.Object
	channel  chan watch.Event
	stopped  bool
}

var _ watch.Interface = (*watcher)(nil)

// ResultChan implements watch.Interface.
func (w *watcher) ResultChan() <-chan watch.Event {
	return w.channel
}

// Stop implements watch.Interface.
func (w *watcher) Stop() {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	w.stop()
}

// stop takes the watcher out of a locked store.
func (w *watcher) stop() {
	if w.stopped {
		return
	}
	w.stopped = true
	w.store.watchers = slices.DeleteFunc(w.store.watchers, func(other *watcher) bool { return other == w })
	close(w.channel)
}

// watch opens a watch. Without a resource version it starts with the objects that exist, as added.
func (s *Store) watch(list client.ObjectList, options ...client.ListOption) (watch.Interface, error) {
	listOptions := (&client.ListOptions{}).ApplyOptions(options)
	gvk, err := s.gvkOf(list)
	if err != nil {
		return nil, err
	}
	gvk.Kind = strings.TrimSuffix(gvk.Kind, "List")
	k, err := s.kindFor(gvk)
	if err != nil {
		return nil, err
	}
	w := &watcher{store: s, kind: k, gvk: gvk, channel: make(chan watch.Event, watchBuffer)}
	if w.template, err = newItem(list); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.wanted, err = k.compile(listOptions); err != nil {
		return nil, err
	}
	s.watchers = append(s.watchers, w)
	return w, s.replay(w, listOptions)
}

// newItem makes an empty object of the form the list holds.
func newItem(list client.ObjectList) (client.Object, error) {
	switch list.(type) {
	case *metav1.PartialObjectMetadataList:
		return &metav1.PartialObjectMetadata{}, nil
	case runtime.Unstructured:
		return &unstructured.Unstructured{}, nil
	}
	pointer, err := meta.GetItemsPtr(list)
	if err != nil {
		return nil, err
	}
	item := reflect.TypeOf(pointer).Elem().Elem()
	if item.Kind() == reflect.Pointer {
		item = item.Elem()
	}
	object, ok := reflect.New(item).Interface().(client.Object)
	if !ok {
		return nil, fmt.Errorf("items of %T are not API objects", list)
	}
	return object, nil
}

// replay sends a new watcher what it has missed. A start that was compacted away is told as an error event.
func (s *Store) replay(w *watcher, options *client.ListOptions) error {
	start := ""
	if options.Raw != nil {
		start = options.Raw.ResourceVersion
	}
	if start == "" || start == "0" {
		for _, v := range w.kind.collect(w.wanted, s.revision, nil, 0).versions {
			w.send(watch.Added, v)
		}
		return nil
	}
	revision, err := strconv.ParseUint(start, 10, 64)
	if err != nil {
		w.stop()
		return apierrors.NewBadRequest("invalid resource version " + strconv.Quote(start))
	}
	if err := s.retained(revision); err != nil {
		var status *apierrors.StatusError
		if errors.As(err, &status) {
			w.push(watch.Event{Type: watch.Error, Object: &status.ErrStatus})
		}
		w.stop()
		return nil
	}
	for _, entry := range s.log[revision-s.compacted:] {
		w.offer(entry)
	}
	return nil
}

// notify hands a change to the open watches, in the order they were opened. The store is locked.
func (s *Store) notify(c change) {
	for _, w := range slices.Clone(s.watchers) {
		w.offer(c)
	}
}

// offer sends a change as it looks to this watcher: an object that starts or ceases to match comes or goes.
func (w *watcher) offer(c change) {
	if c.record.kind != w.kind || (w.wanted.namespace != "" && c.record.key.Namespace != w.wanted.namespace) {
		return
	}
	before := c.previous != nil && w.wanted.matches(c.previous)
	now := !c.now.gone && w.wanted.matches(c.now)
	switch {
	case before && now:
		w.send(watch.Modified, c.now)
	case now:
		w.send(watch.Added, c.now)
	case before && c.now.gone:
		w.send(watch.Deleted, c.now)
	case before:
		last := shallow(c.previous.object)
		last.SetResourceVersion(formatRevision(c.now.revision))
		w.send(watch.Deleted, &version{revision: c.now.revision, object: last})
	}
}

func (w *watcher) send(event watch.EventType, v *version) {
	object := w.template.DeepCopyObject().(client.Object)
	if err := fill(object, w.gvk, v, true); err != nil {
		status := apierrors.NewInternalError(err).Status()
		w.push(watch.Event{Type: watch.Error, Object: &status})
		return
	}
	w.push(watch.Event{Type: event, Object: object})
}

func (w *watcher) push(event watch.Event) {
	if w.stopped {
		return
	}
	select {
	case w.channel <- event:
	default:
		w.stop()
	}
}

// Watch opens a watch on the store; see Client for the whole contract.
func (s *Store) Watch(_ context.Context, list client.ObjectList, options ...client.ListOption) (watch.Interface, error) {
	return s.watch(list, options...)
}
