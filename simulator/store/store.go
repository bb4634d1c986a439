package store

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Store is the API server of one cluster. The same calls in the same order give the same bytes. Methods may be called from
// several goroutines, but not while a kind is registered, by Register or by a Step that establishes a definition.
type Store struct {
	options  Options
	mapper   *liveMapper
	settler  *settlers
	encoders *encoders
	passed   passed

	mu       sync.RWMutex
	kinds    map[schema.GroupKind]*kind
	byType   map[reflect.Type]served
	revision uint64
	// log holds one change for each revision after compacted, oldest first.
	log       []change
	compacted uint64
	watchers  []*watcher
	ownership ownership
	chores    choreQueue
}

// served is the kind of a Go type: nil for lists, and where it is not served.
type served struct {
	gvk  schema.GroupVersionKind
	kind *kind
}

// change is what one revision did to one record.
type change struct {
	event         watch.EventType
	record        *record
	now, previous *version
}

// New makes a store. It fails when two resources clash.
func New(options Options) (*Store, error) {
	if options.Derived == nil {
		options.Derived = NewDerived()
	}
	s := &Store{
		options:   options,
		mapper:    &liveMapper{},
		settler:   options.Derived.settlers,
		encoders:  options.Derived.encoders,
		kinds:     map[schema.GroupKind]*kind{},
		byType:    map[reflect.Type]served{},
		ownership: newOwnership(),
		chores:    newChoreQueue(),
	}
	for _, resource := range options.Resources {
		if _, taken := s.kinds[resource.GVK.GroupKind()]; taken {
			return nil, fmt.Errorf("registering %s: registered twice", resource.GVK)
		}
		s.kinds[resource.GVK.GroupKind()] = newKind(resource, options)
	}
	s.mapper.rebuild(s.resources())
	return s, s.makeNamespaces()
}

// Register adds kinds while the store is in use. A kind that is registered already takes over the new schema and keeps
// its objects.
func (s *Store) Register(resources ...Resource) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.byType)
	for _, resource := range resources {
		if known := s.kinds[resource.GVK.GroupKind()]; known != nil {
			known.adopt(resource, s.options)
			continue
		}
		s.kinds[resource.GVK.GroupKind()] = newKind(resource, s.options)
	}
	s.mapper.rebuild(s.resources())
}

// resources lists the registrations, sorted by group and plural.
func (s *Store) resources() []Resource {
	var resources []Resource
	for _, k := range s.kinds {
		resources = append(resources, k.resource)
	}
	slices.SortFunc(resources, func(a, b Resource) int {
		return strings.Compare(a.groupResource().String(), b.groupResource().String())
	})
	return resources
}

// Resources lists what is served, sorted by group and plural.
func (s *Store) Resources() []Resource {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.resources()
}

// Served counts the changes of what is served, from 1.
func (s *Store) Served() uint64 {
	return s.mapper.built.Load()
}

// Versions lists the served API versions of a resource, the stored one first.
func (r Resource) Versions() []string {
	return r.servedVersions()
}

// RESTMapper maps between the kinds and resources that are served at the moment.
func (s *Store) RESTMapper() meta.RESTMapper {
	return s.mapper
}

// Revision is the newest revision; 0 before the first write.
func (s *Store) Revision() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.revision
}

// kindFor finds a served kind. An error is a *meta.NoKindMatchError, as a REST mapper would return it.
func (s *Store) kindFor(gvk schema.GroupVersionKind) (*kind, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	k := s.kinds[gvk.GroupKind()]
	if k == nil || gvk.Version != k.resource.GVK.Version && !slices.Contains(k.resource.servedVersions(), gvk.Version) {
		return nil, &meta.NoKindMatchError{GroupKind: gvk.GroupKind(), SearchedVersions: []string{gvk.Version}}
	}
	return k, nil
}

// current is the live version of one object, nil when there is none.
func (s *Store) current(k *kind, key types.NamespacedName) *version {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return k.live(key)
}

// commit stores next as the version that follows expected, and reports false when the object has changed meanwhile. next
// must not be written to any more. With gone set, next is the last state of an object that is deleted.
func (s *Store) commit(k *kind, key types.NamespacedName, expected *version, next client.Object, gone bool) (*version,
	bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.live(key) != expected {
		return nil, false, nil
	}
	next.SetResourceVersion(formatRevision(s.revision + 1))
	v := &version{revision: s.revision + 1, object: next, gone: gone, shared: s.options.Shared}
	if s.options.Checked {
		v.seals = newSeals()
		v.seals.add(next)
	}
	r := k.record(key)
	if !gone {
		if err := k.index(r, v); err != nil {
			return nil, false, err
		}
	}
	s.revision++
	v.previous = r.head
	r.head = v
	entry := change{event: eventOf(expected, gone), record: r, now: v, previous: expected}
	s.log = append(s.log, entry)
	if s.options.Wrote != nil {
		s.options.Wrote()
	}
	s.ownership.follow(entry)
	s.queueChores(entry)
	s.notify(entry)
	if s.options.Retain > 0 && s.revision > s.options.Retain {
		s.compact(s.revision - s.options.Retain)
	}
	return v, true, nil
}

func eventOf(expected *version, gone bool) watch.EventType {
	switch {
	case gone:
		return watch.Deleted
	case expected == nil:
		return watch.Added
	}
	return watch.Modified
}

// Event is one change of one object. Objects are shared and must not be written to.
type Event struct {
	// Type is Added, Modified or Deleted.
	Type watch.EventType
	// GVK is the kind at its stored version.
	GVK      schema.GroupVersionKind
	Key      types.NamespacedName
	Revision uint64

	kind          *kind
	now, previous *version
}

// Object is the object after the change; for Deleted its last state. It has the kind's Go type when the scheme knows it
// (then without apiVersion and kind), else it is unstructured.
func (e Event) Object() client.Object {
	return e.kind.preferred(e.now)
}

// Old is the object before the change, in the form of Object; nil for Added.
func (e Event) Old() client.Object {
	if e.previous == nil {
		return nil
	}
	return e.kind.preferred(e.previous)
}

// Tree is Object in unstructured form.
func (e Event) Tree() client.Object {
	return e.kind.tree(e.now)
}

// preferred is the form controllers want. Stored objects passed their schema, so a Go type that cannot hold one is a
// defect of the program.
func (k *kind) preferred(v *version) client.Object {
	goType := k.goTypes[k.resource.GVK.Version]
	if goType == nil {
		return k.tree(v)
	}
	object, err := v.typedForm(goType)
	if err != nil {
		panic(fmt.Sprintf("reading %s: %v", k.resource.GVK, err))
	}
	return object
}

func (k *kind) tree(v *version) client.Object {
	tree, err := v.treeForm(k.resource.GVK)
	if err != nil {
		panic(fmt.Sprintf("reading %s as a tree: %v", k.resource.GVK, err))
	}
	return tree
}

// Changes lists what happened after a revision, in order, at most limit changes (0 means all). It fails with 410 Expired
// when that has been compacted away.
func (s *Store) Changes(since uint64, limit int) ([]Event, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.retained(since); err != nil {
		return nil, err
	}
	entries := s.log[since-s.compacted:]
	if limit > 0 && len(entries) > limit {
		entries = entries[:limit]
	}
	events := make([]Event, len(entries))
	for i, entry := range entries {
		events[i] = entry.public()
	}
	return events, nil
}

func (c change) public() Event {
	return Event{
		Type: c.event, GVK: c.record.kind.resource.GVK, Key: c.record.key, Revision: c.now.revision,
		kind: c.record.kind, now: c.now, previous: c.previous,
	}
}

// retained fails when a revision is too old to be read, or does not exist yet.
func (s *Store) retained(revision uint64) error {
	if revision < s.compacted {
		return apierrors.NewResourceExpired(
			fmt.Sprintf("too old resource version: %d (%d)", revision, s.compacted))
	}
	if revision > s.revision {
		return apierrors.NewTimeoutError(
			fmt.Sprintf("Too large resource version: %d, current: %d", revision, s.revision), 1)
	}
	return nil
}

// Compact forgets what is only needed to read revisions before this one.
func (s *Store) Compact(revision uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.compact(min(revision, s.revision))
}

func (s *Store) compact(revision uint64) {
	dropped := 0
	for dropped < len(s.log) && s.log[dropped].now.revision <= revision {
		entry := &s.log[dropped]
		if old := entry.now.previous; old != nil {
			entry.now.previous = nil
			entry.record.kind.unindex(entry.record, old)
		}
		if entry.now.gone && entry.record.head == entry.now {
			entry.record.kind.forget(entry.record)
		}
		*entry = change{}
		dropped++
	}
	// Appending reallocates now and then, which frees what was cut off.
	s.log = s.log[dropped:]
	s.compacted = max(s.compacted, revision)
}

// Verify reports whether any shared object was written to. It needs Options.Checked.
func (s *Store) Verify() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, resource := range s.resources() {
		k := s.kinds[resource.GVK.GroupKind()]
		var found error
		k.order.Ascend(func(r *record) bool {
			for v := r.head; v != nil && found == nil; v = v.previous {
				if v.seals.changed() {
					found = fmt.Errorf("shared %s %s at revision %d was written to", resource.GVK.Kind, r.key, v.revision)
				}
			}
			return found == nil
		})
		if found != nil {
			return found
		}
	}
	return nil
}
