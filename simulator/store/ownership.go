package store

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/google/btree"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// ownership knows, for every UID, the live objects that name it as an owner. It is what the garbage collector works on.
type ownership struct {
	dependents map[types.UID]*btree.BTreeG[*record]
}

func newOwnership() ownership {
	return ownership{dependents: map[types.UID]*btree.BTreeG[*record]{}}
}

// compareRecords orders records of different kinds.
func compareRecords(a, b *record) int {
	return cmp.Or(
		strings.Compare(a.kind.resource.GVK.Group, b.kind.resource.GVK.Group),
		strings.Compare(a.kind.resource.Plural, b.kind.resource.Plural),
		compareKeys(a.key, b.key),
	)
}

// ownersOf are the owner references of a version; none for nil and for deleted objects.
func ownersOf(v *version) []metav1.OwnerReference {
	if v == nil || v.gone {
		return nil
	}
	return v.object.GetOwnerReferences()
}

// follow takes a change into account.
func (o *ownership) follow(c change) {
	before, now := ownersOf(c.previous), ownersOf(c.now)
	if len(before) == 0 && len(now) == 0 {
		return
	}
	for _, reference := range before {
		if set := o.dependents[reference.UID]; set != nil && !refersTo(now, reference.UID) {
			set.Delete(c.record)
			if set.Len() == 0 {
				delete(o.dependents, reference.UID)
			}
		}
	}
	for _, reference := range now {
		set := o.dependents[reference.UID]
		if set == nil {
			set = btree.NewG(treeDegree, func(a, b *record) bool { return compareRecords(a, b) < 0 })
			o.dependents[reference.UID] = set
		}
		set.ReplaceOrInsert(c.record)
	}
}

func refersTo(references []metav1.OwnerReference, uid types.UID) bool {
	return slices.ContainsFunc(references, func(r metav1.OwnerReference) bool { return r.UID == uid })
}

// of lists the dependents of an owner, in order.
func (o *ownership) of(uid types.UID) []*record {
	set := o.dependents[uid]
	if set == nil {
		return nil
	}
	records := make([]*record, 0, set.Len())
	set.Ascend(func(r *record) bool {
		records = append(records, r)
		return true
	})
	return records
}

// The garbage collector. It works by the rules of the real one: an object whose owners are all gone is deleted; a gone
// or waiting owner beside a living one is struck from the references; an owner that is deleted in the foreground waits
// for the dependents that block it; an owner that orphans lets its dependents go before it goes itself.

func hasFinalizer(object client.Object, finalizer string) bool {
	return slices.Contains(object.GetFinalizers(), finalizer)
}

// waitsForDependents tells whether an object is being deleted in the foreground.
func waitsForDependents(object client.Object) bool {
	return object.GetDeletionTimestamp() != nil && hasFinalizer(object, metav1.FinalizerDeleteDependents)
}

// collect does the garbage collector's work for one object.
func (s *Store) collect(ctx context.Context, r *record) error {
	s.mu.RLock()
	v := r.live()
	s.mu.RUnlock()
	if v == nil {
		return nil
	}
	if v.object.GetDeletionTimestamp() != nil {
		switch {
		case hasFinalizer(v.object, metav1.FinalizerOrphanDependents):
			return s.orphanDependents(ctx, r, v)
		case hasFinalizer(v.object, metav1.FinalizerDeleteDependents):
			return s.awaitDependents(ctx, r, v)
		}
		return nil
	}
	if len(v.object.GetOwnerReferences()) == 0 {
		return nil
	}
	return s.judge(ctx, r, v)
}

// orphanDependents strikes an owner from its dependents' references and lets it go.
func (s *Store) orphanDependents(ctx context.Context, r *record, v *version) error {
	uid := v.object.GetUID()
	for _, dependent := range s.dependentsOf(uid) {
		if err := s.strikeOwners(ctx, dependent, uid); err != nil {
			return err
		}
	}
	return s.dropFinalizer(ctx, r, metav1.FinalizerOrphanDependents)
}

// awaitDependents lets an owner go when no dependent blocks it any more, else has the blocking ones judged.
func (s *Store) awaitDependents(ctx context.Context, r *record, v *version) error {
	blocked := false
	for _, dependent := range s.dependentsOf(v.object.GetUID()) {
		object := s.liveObject(dependent)
		if object == nil || !blocks(object, v.object.GetUID()) {
			continue
		}
		blocked = true
		if object.GetDeletionTimestamp() == nil {
			s.enqueue(chore{duty: dutyCollect, record: dependent})
		}
	}
	if blocked {
		return nil
	}
	return s.dropFinalizer(ctx, r, metav1.FinalizerDeleteDependents)
}

// blocks tells whether a dependent holds up the foreground deletion of an owner.
func blocks(dependent client.Object, owner types.UID) bool {
	return slices.ContainsFunc(dependent.GetOwnerReferences(), func(r metav1.OwnerReference) bool {
		return r.UID == owner && ptr.Deref(r.BlockOwnerDeletion, false)
	})
}

func (s *Store) dependentsOf(uid types.UID) []*record {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.ownership.of(uid)
}

func (s *Store) liveObject(r *record) client.Object {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if v := r.live(); v != nil {
		return v.object
	}
	return nil
}

// judge deletes an object without living owners, and strikes gone owners from the others.
func (s *Store) judge(ctx context.Context, r *record, v *version) error {
	var gone, waiting []types.UID
	solid := false
	for _, reference := range v.object.GetOwnerReferences() {
		switch owner, known := s.owner(r, reference); {
		case !known:
			// An owner that cannot be looked up might be alive.
			return nil
		case owner == nil:
			gone = append(gone, reference.UID)
		case waitsForDependents(owner):
			waiting = append(waiting, reference.UID)
		default:
			solid = true
		}
	}
	if solid {
		return s.strikeOwners(ctx, r, append(gone, waiting...)...)
	}
	policy := metav1.DeletePropagationBackground
	dependents := s.dependentsOf(v.object.GetUID())
	switch {
	case len(waiting) > 0 && len(dependents) > 0:
		if slices.ContainsFunc(dependents, func(d *record) bool {
			object := s.liveObject(d)
			return object != nil && waitsForDependents(object)
		}) {
			// A circle of owners would wait for itself.
			if err := s.unblockOwners(ctx, r); err != nil {
				return err
			}
		}
		policy = metav1.DeletePropagationForeground
	case hasFinalizer(v.object, metav1.FinalizerOrphanDependents):
		policy = metav1.DeletePropagationOrphan
	case hasFinalizer(v.object, metav1.FinalizerDeleteDependents):
		policy = metav1.DeletePropagationForeground
	}
	err := s.remove(ctx, r.kind, r.key, &metav1.DeleteOptions{
		PropagationPolicy: &policy,
		Preconditions:     &metav1.Preconditions{UID: ptr.To(v.object.GetUID())},
	})
	return client.IgnoreNotFound(err)
}

// owner looks an owner up. known is false when its kind is not served, or cannot own the dependent.
func (s *Store) owner(dependent *record, reference metav1.OwnerReference) (owner client.Object, known bool) {
	gv, err := schema.ParseGroupVersion(reference.APIVersion)
	if err != nil {
		return nil, false
	}
	k, err := s.kindFor(gv.WithKind(reference.Kind))
	if err != nil || (k.resource.Namespaced && dependent.key.Namespace == "") {
		return nil, false
	}
	v := s.current(k, k.normalKey(types.NamespacedName{Namespace: dependent.key.Namespace, Name: reference.Name}))
	if v == nil || v.object.GetUID() != reference.UID {
		return nil, true
	}
	return v.object, true
}

// strikeOwners removes owners from an object's references.
func (s *Store) strikeOwners(ctx context.Context, r *record, uids ...types.UID) error {
	return s.touch(ctx, r, func(draft client.Object) {
		draft.SetOwnerReferences(slices.DeleteFunc(slices.Clone(draft.GetOwnerReferences()),
			func(reference metav1.OwnerReference) bool { return slices.Contains(uids, reference.UID) }))
	})
}

// unblockOwners keeps an object from holding up its owners.
func (s *Store) unblockOwners(ctx context.Context, r *record) error {
	return s.touch(ctx, r, func(draft client.Object) {
		references := slices.Clone(draft.GetOwnerReferences())
		for i := range references {
			if ptr.Deref(references[i].BlockOwnerDeletion, false) {
				references[i].BlockOwnerDeletion = ptr.To(false)
			}
		}
		draft.SetOwnerReferences(references)
	})
}

func (s *Store) dropFinalizer(ctx context.Context, r *record, finalizer string) error {
	return s.touch(ctx, r, func(draft client.Object) {
		draft.SetFinalizers(slices.DeleteFunc(slices.Clone(draft.GetFinalizers()),
			func(f string) bool { return f == finalizer }))
	})
}

// touch changes the metadata of an object. An object that is gone needs no change.
func (s *Store) touch(ctx context.Context, r *record, change func(draft client.Object)) error {
	_, err := s.modify(ctx, modification{
		kind: r.kind, key: r.key,
		next: func(current *version) (client.Object, error) {
			if current == nil {
				return nil, apierrors.NewNotFound(r.kind.resource.groupResource(), r.key.Name)
			}
			draft := shallow(current.object)
			change(draft)
			return draft, nil
		},
	})
	return client.IgnoreNotFound(err)
}
