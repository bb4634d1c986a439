package store

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// duty says what has to be done for an object in the background.
type duty int

const (
	// dutyCollect is garbage collection by owner references.
	dutyCollect duty = iota
	// dutyEmpty is the removal of a terminating namespace's content.
	dutyEmpty
	// dutyDefine is serving, or ceasing to serve, what a definition defines.
	dutyDefine
)

// chore is one piece of background work.
type chore struct {
	duty   duty
	record *record
}

// choreQueue holds chores in the order they came up, each once.
type choreQueue struct {
	queued map[chore]bool
	order  []chore
}

func newChoreQueue() choreQueue {
	return choreQueue{queued: map[chore]bool{}}
}

func (q *choreQueue) push(c chore) {
	if !q.queued[c] {
		q.queued[c] = true
		q.order = append(q.order, c)
	}
}

func (q *choreQueue) pop() (chore, bool) {
	if len(q.order) == 0 {
		return chore{}, false
	}
	c := q.order[0]
	q.order[0] = chore{}
	q.order = q.order[1:]
	delete(q.queued, c)
	return c, true
}

func (s *Store) enqueue(c chore) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chores.push(c)
}

// Pending counts the background work that waits for Step.
func (s *Store) Pending() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.chores.order)
}

// Step does one piece of background work, in the order the need for it came up: what the garbage collector, the
// namespace controller and the API server's own controllers do in a cluster. It reports false when there was none. A
// piece that fails is not tried again before the object changes.
func (s *Store) Step(ctx context.Context) (bool, error) {
	s.mu.Lock()
	c, found := s.chores.pop()
	s.mu.Unlock()
	if !found {
		return false, nil
	}
	var err error
	switch c.duty {
	case dutyCollect:
		err = s.collect(ctx, c.record)
	case dutyEmpty:
		err = s.emptyNamespace(ctx, c.record)
	case dutyDefine:
		err = s.define(ctx, c.record)
	}
	if err != nil {
		return true, fmt.Errorf("tending to %s %s: %w", c.record.kind.resource.GVK.Kind, c.record.key, err)
	}
	return true, nil
}

// Settle steps until no background work is left.
func (s *Store) Settle(ctx context.Context) error {
	for {
		worked, err := s.Step(ctx)
		if err != nil || !worked {
			return err
		}
	}
}

var (
	namespaceKind  = schema.GroupKind{Kind: "Namespace"}
	definitionKind = schema.GroupKind{Group: apiextensionsv1.GroupName, Kind: "CustomResourceDefinition"}
)

// queueChores works out what a change makes necessary. The store is locked.
func (s *Store) queueChores(c change) {
	s.queueCollection(c)
	switch c.record.kind.resource.GVK.GroupKind() {
	case namespaceKind:
		if !c.now.gone && c.now.object.GetDeletionTimestamp() != nil {
			s.chores.push(chore{duty: dutyEmpty, record: c.record})
		}
	case definitionKind:
		s.chores.push(chore{duty: dutyDefine, record: c.record})
	}
	if c.now.gone {
		s.queueForContainer(c.record)
	}
}

// queueCollection has the garbage collector look at the changed object, its owners and its dependents.
func (s *Store) queueCollection(c change) {
	owners := ownersOf(c.now)
	if c.now.gone {
		owners = ownersOf(c.previous)
		s.queueDependents(c.now.object.GetUID())
	}
	changed := c.now.gone || !slices.EqualFunc(owners, ownersOf(c.previous), sameReference)
	if changed {
		// Owners may be waiting for this dependent, as it was or as it is.
		s.queueWaitingOwners(c.record, ownersOf(c.previous))
		s.queueWaitingOwners(c.record, owners)
	}
	if c.now.gone {
		return
	}
	deleted := c.now.object.GetDeletionTimestamp() != nil
	foreground := deleted && hasFinalizer(c.now.object, metav1.FinalizerDeleteDependents)
	orphan := deleted && hasFinalizer(c.now.object, metav1.FinalizerOrphanDependents)
	if (changed && len(owners) > 0) || foreground || orphan {
		s.chores.push(chore{duty: dutyCollect, record: c.record})
	}
	if foreground && (c.previous == nil || !waitsForDependents(c.previous.object)) {
		s.queueDependents(c.now.object.GetUID())
	}
}

func sameReference(a, b metav1.OwnerReference) bool {
	blocks := func(r metav1.OwnerReference) bool { return r.BlockOwnerDeletion != nil && *r.BlockOwnerDeletion }
	return a.UID == b.UID && a.Name == b.Name && a.Kind == b.Kind && a.APIVersion == b.APIVersion && blocks(a) == blocks(b)
}

func (s *Store) queueDependents(uid types.UID) {
	for _, dependent := range s.ownership.of(uid) {
		s.chores.push(chore{duty: dutyCollect, record: dependent})
	}
}

// queueWaitingOwners has owners looked at again that are deleted in the foreground.
func (s *Store) queueWaitingOwners(dependent *record, references []metav1.OwnerReference) {
	for _, reference := range references {
		gv, err := schema.ParseGroupVersion(reference.APIVersion)
		if err != nil {
			continue
		}
		k := s.kinds[gv.WithKind(reference.Kind).GroupKind()]
		if k == nil {
			continue
		}
		key := k.normalKey(types.NamespacedName{Namespace: dependent.key.Namespace, Name: reference.Name})
		if owner := k.records[key]; owner.live() != nil && waitsForDependents(owner.head.object) {
			s.chores.push(chore{duty: dutyCollect, record: owner})
		}
	}
}

// queueForContainer has the namespace or definition looked at that waits for this object to go.
func (s *Store) queueForContainer(gone *record) {
	if namespaces := s.kinds[namespaceKind]; namespaces != nil && gone.key.Namespace != "" {
		r := namespaces.records[types.NamespacedName{Name: gone.key.Namespace}]
		if v := r.live(); v != nil && v.object.GetDeletionTimestamp() != nil {
			s.chores.push(chore{duty: dutyEmpty, record: r})
		}
	}
	if definitions := s.kinds[definitionKind]; definitions != nil {
		name := gone.kind.resource.Plural + "." + gone.kind.resource.GVK.Group
		r := definitions.records[types.NamespacedName{Name: name}]
		if v := r.live(); v != nil && v.object.GetDeletionTimestamp() != nil {
			s.chores.push(chore{duty: dutyDefine, record: r})
		}
	}
}

// makeNamespaces creates the namespaces that exist from the start.
func (s *Store) makeNamespaces() error {
	k := s.kinds[namespaceKind]
	if k == nil {
		return nil
	}
	names := s.options.Namespaces
	if names == nil {
		names = []string{metav1.NamespaceDefault, corev1.NamespaceNodeLease, metav1.NamespacePublic, metav1.NamespaceSystem}
	}
	for _, name := range names {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		_, err := s.create(context.Background(), k, k.resource.GVK, namespace, writeOptions{})
		if err != nil {
			return fmt.Errorf("creating namespace %s: %w", name, err)
		}
	}
	return nil
}

// emptyNamespace deletes one object of a terminating namespace, or lets the namespace go when it is empty.
func (s *Store) emptyNamespace(ctx context.Context, r *record) error {
	namespace := s.liveObject(r)
	if namespace == nil || namespace.GetDeletionTimestamp() == nil {
		return nil
	}
	victim, left := s.firstIn(r.key.Name)
	if victim != nil {
		s.enqueue(chore{duty: dutyEmpty, record: r})
		background := metav1.DeletePropagationBackground
		return s.remove(ctx, victim.kind, victim.key, &metav1.DeleteOptions{PropagationPolicy: &background})
	}
	if left {
		return nil
	}
	return s.finalizeNamespace(ctx, r)
}

// firstIn finds the first object of a namespace that is not being deleted yet; left tells whether there is any at all.
func (s *Store) firstIn(namespace string) (victim *record, left bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, resource := range s.resources() {
		if !resource.Namespaced {
			continue
		}
		start := &record{key: types.NamespacedName{Namespace: namespace}}
		s.kinds[resource.GVK.GroupKind()].order.AscendGreaterOrEqual(start, func(r *record) bool {
			if r.key.Namespace != namespace {
				return false
			}
			if v := r.live(); v != nil {
				left = true
				if v.object.GetDeletionTimestamp() == nil {
					victim = r
				}
			}
			return victim == nil
		})
		if victim != nil {
			break
		}
	}
	return victim, left
}
