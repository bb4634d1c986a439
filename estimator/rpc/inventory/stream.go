package inventory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
	"unique"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// Bounds of one request. Servers end watches by themselves; different lengths keep them from all ending at once.
const (
	pageSize     = 500
	watchSeconds = 300
)

// key is the name of an object. Namespaces are few, so each is held once.
type key struct {
	namespace unique.Handle[string]
	name      string
}

// stream follows all objects of one kind.
type stream struct {
	inventory *Inventory
	kind      string
	server    cache.ListerWatcherWithContext
	// after, when set, is awaited first.
	after <-chan struct{}
	// optional kinds are done without where the credentials do not allow them.
	optional bool

	upsert func(object runtime.Object)
	remove func(namespace, name string)

	// version is where the watch goes on; empty starts from the beginning.
	version string
	// round counts the starts from the beginning, and seen holds the last one each object was part of.
	round uint32
	seen  map[key]uint32
	// paged is set once the server has refused to stream what there is.
	paged  bool
	synced chan struct{}
}

// run keeps a watch open until the context ends.
func (s *stream) run(ctx context.Context) {
	if s.after != nil {
		select {
		case <-s.after:
		case <-ctx.Done():
			return
		}
	}
	backoff := s.inventory.options.Backoff
	for {
		held, err := s.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if held {
			backoff = s.inventory.options.Backoff
		}
		if err == nil {
			continue
		}
		s.broke(err)
		select {
		case <-ctx.Done():
			return
		case <-s.inventory.options.Clock.After(backoff.Step()):
		}
	}
}

// broke says so, unless the watch only has to start anew, or nothing was ever seen of a kind that the rest can do without.
func (s *stream) broke(err error) {
	switch {
	case errors.Is(err, errStartAnew):
	case s.optional && s.version == "" && (apierrors.IsForbidden(err) || apierrors.IsNotFound(err)):
		s.inventory.report(s.kind, nil)
		if !s.isSynced() {
			log().Info("Estimating without a kind of objects", "kind", s.kind, "reason", err.Error())
			close(s.synced)
		}
	default:
		s.inventory.report(s.kind, err)
	}
}

func (s *stream) isSynced() bool {
	select {
	case <-s.synced:
		return true
	default:
		return false
	}
}

// follow opens one watch and applies what it brings. It reports whether the watch was in step with the server at some time,
// and why it ended; nil means that the server ended it in good order.
func (s *stream) follow(ctx context.Context) (held bool, err error) {
	if s.version == "" && s.paged {
		if err := s.list(ctx); err != nil {
			return false, fmt.Errorf("listing %s: %w", s.kind, err)
		}
	}
	replay := s.version == ""
	options := metav1.ListOptions{AllowWatchBookmarks: true, ResourceVersion: s.version}
	seconds := int64(watchSeconds + rand.N(watchSeconds))
	options.TimeoutSeconds = &seconds
	if replay {
		send := true
		options.SendInitialEvents, options.ResourceVersionMatch = &send, metav1.ResourceVersionMatchNotOlderThan
	}
	opened, err := s.server.WatchWithContext(ctx, options)
	if err != nil {
		return s.refused(ctx, err, replay)
	}
	defer opened.Stop()
	if !replay {
		s.inventory.report(s.kind, nil)
	} else {
		s.round++
	}
	return s.drain(opened, replay)
}

// refused decides what comes after a watch could not be opened.
func (s *stream) refused(ctx context.Context, err error, replay bool) (held bool, next error) {
	switch {
	case replay && !s.paged && (apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)):
		s.paged = true
		return s.follow(ctx)
	case expired(err):
		s.version = ""
		return false, errStartAnew
	default:
		return false, fmt.Errorf("watching %s: %w", s.kind, err)
	}
}

func expired(err error) bool { return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) }

// drain applies events until the watch ends.
func (s *stream) drain(opened watch.Interface, replay bool) (held bool, err error) {
	held = !replay
	started := s.inventory.options.Clock.Now()
	events := 0
	for event := range opened.ResultChan() {
		events++
		if event.Type == watch.Error {
			err := apierrors.FromObject(event.Object)
			if expired(err) {
				s.version = ""
				return held, errStartAnew
			}
			return held, fmt.Errorf("watching %s: %w", s.kind, err)
		}
		object, err := meta.Accessor(event.Object)
		if err != nil {
			return held, fmt.Errorf("watching %s: reading an event: %w", s.kind, err)
		}
		switch event.Type {
		case watch.Added, watch.Modified:
			s.apply(event.Object, object)
		case watch.Deleted:
			s.forget(object.GetNamespace(), object.GetName())
		case watch.Bookmark:
			if !held && object.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true" {
				s.complete()
				held = true
			}
		}
		if held {
			s.version = object.GetResourceVersion()
		}
	}
	if !held || events == 0 && s.inventory.options.Clock.Since(started) < time.Second {
		return held, fmt.Errorf("watching %s: %w", s.kind, errCutShort)
	}
	return held, nil
}

var (
	errCutShort  = errors.New("the server ended the watch too early")
	errStartAnew = errors.New("the server no longer knows where the watch stood")
)

// list goes through all objects page by page.
func (s *stream) list(ctx context.Context) error {
	s.round++
	options := metav1.ListOptions{Limit: pageSize}
	for {
		page, err := s.server.ListWithContext(ctx, options)
		if err != nil {
			return err
		}
		err = meta.EachListItem(page, func(item runtime.Object) error {
			object, err := meta.Accessor(item)
			if err == nil {
				s.apply(item, object)
			}
			return err
		})
		if err != nil {
			return err
		}
		about, err := meta.ListAccessor(page)
		if err != nil {
			return err
		}
		if options.Continue = about.GetContinue(); options.Continue == "" {
			s.version = about.GetResourceVersion()
			s.complete()
			return nil
		}
	}
}

func (s *stream) apply(object runtime.Object, about metav1.Object) {
	s.seen[keyOf(about.GetNamespace(), about.GetName())] = s.round
	s.inventory.change(func() { s.upsert(object) })
}

func (s *stream) forget(namespace, name string) {
	delete(s.seen, keyOf(namespace, name))
	s.inventory.change(func() { s.remove(namespace, name) })
}

func keyOf(namespace, name string) key { return key{namespace: unique.Make(namespace), name: name} }

// complete removes what was not part of the start that has just ended, and says that all is seen.
func (s *stream) complete() {
	var gone []key
	for seen, round := range s.seen {
		if round != s.round {
			gone = append(gone, seen)
		}
	}
	slices.SortFunc(gone, func(a, b key) int {
		return cmp.Or(strings.Compare(a.namespace.Value(), b.namespace.Value()), strings.Compare(a.name, b.name))
	})
	for _, k := range gone {
		s.forget(k.namespace.Value(), k.name)
	}
	s.inventory.report(s.kind, nil)
	if !s.isSynced() {
		close(s.synced)
	}
}
