package live

import (
	"context"
	"errors"
	"fmt"
	"sync"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/control"
)

// sources keeps the informers open that the keys of one controller declared in their last turn.
type sources struct {
	keys    control.KeyFunc
	reader  client.Reader
	find    func(context.Context, control.Source) (*view, error)
	enqueue func(...control.Key)

	// mu guards held and open, and is never held while an API server is asked.
	mu   sync.Mutex
	held map[control.Key]map[control.Source]bool
	open map[control.Source]*subscription
}

func newSources(value control.Controller, reader client.Reader, find func(context.Context, control.Source) (*view, error), enqueue func(...control.Key)) *sources {
	return &sources{
		keys: value.SourceKeys, reader: reader, find: find, enqueue: enqueue,
		held: map[control.Key]map[control.Source]bool{},
		open: map[control.Source]*subscription{},
	}
}

// hold makes wanted the full set of sources of a key.
func (s *sources) hold(ctx context.Context, key control.Key, wanted []control.Source) error {
	used, unused := s.account(key, wanted)
	var failures []error
	for _, subscription := range unused {
		failures = append(failures, subscription.close())
	}
	for _, subscription := range used {
		failures = append(failures, subscription.ensure(ctx, s))
	}
	return errors.Join(failures...)
}

// wake gives a turn to every key that holds a source in a cluster.
func (s *sources) wake(cluster string) {
	var keys []control.Key
	s.mu.Lock()
	for key, held := range s.held {
		for source := range held {
			if source.Cluster == cluster {
				keys = append(keys, key)
				break
			}
		}
	}
	s.mu.Unlock()
	s.enqueue(keys...)
}

// account updates who holds what, and returns the subscriptions the key uses now and those nobody uses any more.
func (s *sources) account(key control.Key, wanted []control.Source) (used, unused []*subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, now := s.held[key], make(map[control.Source]bool, len(wanted))
	for _, source := range wanted {
		if now[source] {
			continue
		}
		now[source] = true
		if s.open[source] == nil {
			s.open[source] = &subscription{source: source}
		}
		if !before[source] {
			s.open[source].users++
		}
		used = append(used, s.open[source])
	}
	for source := range before {
		if now[source] {
			continue
		}
		if s.open[source].users--; s.open[source].users == 0 {
			unused = append(unused, s.open[source])
			delete(s.open, source)
		}
	}
	if len(now) == 0 {
		delete(s.held, key)
	} else {
		s.held[key] = now
	}
	return used, unused
}

// subscription is one source of one controller: an event handler on an informer of a view.
type subscription struct {
	source control.Source
	users  int // guarded by sources.mu

	mu           sync.Mutex
	view         *view
	informer     cache.Informer
	registration toolscache.ResourceEventHandlerRegistration
}

// ensure opens the subscription, or opens it anew when the connection to its cluster was replaced.
func (s *subscription) ensure(ctx context.Context, owner *sources) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	current, err := owner.find(ctx, s.source)
	if err != nil {
		return err
	}
	if s.view == current {
		return nil
	}
	informer, err := current.acquire(ctx, s.source.GVK)
	if err != nil {
		return fmt.Errorf("watching %s in %s: %w", s.source.GVK.Kind, clusterName(s.source.Cluster), err)
	}
	registration, err := informer.AddEventHandler(s.events(owner))
	if err != nil {
		return errors.Join(fmt.Errorf("watching %s in %s: %w", s.source.GVK.Kind, clusterName(s.source.Cluster), err), current.release(s.source.GVK))
	}
	s.view, s.informer, s.registration = current, informer, registration
	return nil
}

// close ends the subscription and gives the informer back.
func (s *subscription) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.view == nil {
		return nil
	}
	view := s.view
	s.view = nil
	return errors.Join(s.informer.RemoveEventHandler(s.registration), view.release(s.source.GVK))
}

func (s *subscription) events(owner *sources) toolscache.ResourceEventHandler {
	wake := func(old, current any) {
		event := control.Event{Cluster: s.source.Cluster, GVK: s.source.GVK}
		event.Old, _ = old.(client.Object)
		event.New, _ = current.(client.Object)
		if event.Object() == nil {
			return
		}
		if control.Replaced(event.Old, event.New) {
			gone := event
			gone.New, event.Old = nil, nil
			owner.enqueue(owner.keys(context.Background(), owner.reader, gone)...)
		}
		owner.enqueue(owner.keys(context.Background(), owner.reader, event)...)
	}
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(current any) { wake(nil, current) },
		UpdateFunc: func(old, current any) { wake(old, current) },
		DeleteFunc: func(old any) {
			if last, missed := old.(toolscache.DeletedFinalStateUnknown); missed {
				old = last.Obj
			}
			wake(old, nil)
		},
	}
}

func clusterName(cluster string) string {
	if cluster == "" {
		return "the control plane"
	}
	return "member cluster " + cluster
}
