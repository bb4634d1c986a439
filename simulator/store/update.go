package store

import (
	"context"
	"errors"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// aspect is the endpoint a change is sent to: the object itself or a subresource.
type aspect string

const (
	aspectObject   aspect = ""
	aspectStatus   aspect = "status"
	aspectFinalize aspect = "finalize"
)

// errModified is what a client with a stale resource version is told.
var errModified = errors.New("the object has been modified; please apply your changes to the latest version and try again")

// modification is one request to change an existing object.
type modification struct {
	kind   *kind
	key    types.NamespacedName
	aspect aspect
	// uid is the UID the client expects; empty for any.
	uid types.UID
	// onlyStatus says that the draft differs from the current object in nothing but the status.
	onlyStatus bool
	// next makes a draft of the changed object.
	next    func(current *version) (client.Object, error)
	options writeOptions
}

// modify carries out a modification. A change that changes nothing makes no revision. The result of removing the last
// finalizer of an object that is being deleted is its last state, and it is gone.
func (s *Store) modify(ctx context.Context, m modification) (*version, error) {
	for {
		current := s.current(m.kind, m.key)
		if current == nil {
			return s.createByUpdate(ctx, m)
		}
		if m.uid != "" && m.uid != current.object.GetUID() {
			return nil, conflictingUID(m.kind, m.key.Name, m.uid, current.object.GetUID())
		}
		draft, err := s.prepareUpdate(ctx, m, current)
		if err != nil {
			return nil, err
		}
		v, done, err := s.finishUpdate(m, current, draft)
		if done || err != nil {
			return v, err
		}
	}
}

// createByUpdate creates the object when its kind allows that, else says NotFound.
func (s *Store) createByUpdate(ctx context.Context, m modification) (*version, error) {
	native := m.kind.resource.native
	if native == nil || !native.createOnUpdate || m.aspect != aspectObject || m.next == nil {
		return nil, apierrors.NewNotFound(m.kind.resource.groupResource(), m.key.Name)
	}
	if m.uid != "" {
		return nil, conflictingUID(m.kind, m.key.Name, m.uid, "")
	}
	draft, err := m.next(nil)
	if err != nil {
		return nil, err
	}
	return s.createDraft(ctx, m.kind, draft, m.options)
}

// prepareUpdate makes the draft of the changed object and takes it through all checks.
func (s *Store) prepareUpdate(ctx context.Context, m modification, current *version) (client.Object, error) {
	k := m.kind
	draft, err := m.next(current)
	if err != nil {
		return nil, err
	}
	if m.aspect == aspectObject {
		if draft, err = s.admitDefaults(ctx, k, draft, current.object); err != nil {
			return nil, err
		}
	}
	dedupOwners(draft)
	if err := k.checkRevision(draft, current); err != nil {
		return nil, err
	}
	if !k.resource.Namespaced {
		draft.SetNamespace("")
	}
	if m.onlyStatus {
		k.isolateStatus(draft, current.object)
		return draft, nil
	}
	draft = k.isolate(draft, current.object, m.aspect)
	keepMetadata(draft, current.object)
	if m.aspect == aspectObject && k.bumpsGeneration(draft, current.object) {
		draft.SetGeneration(current.object.GetGeneration() + 1)
	}
	if errs := k.validateUpdate(ctx, draft, current, m.aspect); len(errs) > 0 {
		return nil, apierrors.NewInvalid(k.resource.GVK.GroupKind(), m.key.Name, errs)
	}
	if m.aspect == aspectObject {
		if err := s.admitValidation(ctx, k, draft, current.object); err != nil {
			return nil, err
		}
	}
	return draft, nil
}

// finishUpdate stores the draft; done is false when the object has changed since current and all must be done again.
func (s *Store) finishUpdate(m modification, current *version, draft client.Object) (v *version, done bool, err error) {
	k := m.kind
	if k.finalized(draft, current.object) {
		if m.options.dryRun {
			return &version{object: draft}, true, nil
		}
		_, stored, err := s.commit(k, m.key, current, shallow(current.object), true)
		return &version{object: draft}, stored, err
	}
	if m.onlyStatus && k.body.sameStatus(draft, current.object) || !m.onlyStatus && k.same(draft, current.object, m.aspect) {
		return current, true, nil
	}
	if m.options.dryRun {
		return &version{object: draft}, true, nil
	}
	v, done, err = s.commit(k, m.key, current, draft, false)
	if !done || err != nil {
		return v, done, err
	}
	v.onlyStatus = m.onlyStatus
	if current.treeRead() {
		if m.onlyStatus {
			v.base.Store(current)
		}
		s.prepare(k, v)
	}
	return v, true, nil
}

// checkRevision refuses drafts made from another version than the current one. Drafts without a resource version are
// fine where the kind allows it.
func (k *kind) checkRevision(draft client.Object, current *version) error {
	now := current.object.GetResourceVersion()
	switch draft.GetResourceVersion() {
	case now:
	case "", "0":
		if k.resource.native == nil || !k.resource.native.unconditional {
			path := field.NewPath("metadata", "resourceVersion")
			kind := schema.GroupKind{Group: k.resource.GVK.Group, Kind: k.resource.Plural}
			return apierrors.NewInvalid(kind, current.object.GetName(),
				field.ErrorList{field.Invalid(path, 0, "must be specified for an update")})
		}
		draft.SetResourceVersion(now)
	default:
		return apierrors.NewConflict(k.resource.groupResource(), current.object.GetName(), errModified)
	}
	return nil
}

// isolate keeps a write to the object away from the status, and a write to a subresource away from everything else.
func (k *kind) isolate(draft, old client.Object, a aspect) client.Object {
	native := k.resource.native
	switch a {
	case aspectObject:
		if k.resource.Status {
			k.body.copyStatus(draft, old)
		}
		if native != nil && native.prepareUpdate != nil {
			native.prepareUpdate(draft, old)
		}
	case aspectFinalize:
		k.body.copyStatus(draft, old)
	case aspectStatus:
		if native == nil {
			kept := shallow(old)
			k.body.copyStatus(kept, draft)
			return kept
		}
		k.body.copyOthers(draft, old)
		k.isolateStatus(draft, old)
	}
	return draft
}

// isolateStatus does so for a status in a draft that has all else from the object before.
func (k *kind) isolateStatus(draft, old client.Object) {
	if native := k.resource.native; native != nil && native.prepareStatus != nil {
		native.prepareStatus(draft, old)
	}
}

// keepMetadata restores what an update cannot change, and what it cannot take away.
func keepMetadata(draft, old client.Object) {
	draft.SetGeneration(old.GetGeneration())
	if draft.GetUID() == "" {
		draft.SetUID(old.GetUID())
	}
	draft.SetCreationTimestamp(old.GetCreationTimestamp())
	if deleted := old.GetDeletionTimestamp(); deleted != nil {
		draft.SetDeletionTimestamp(deleted)
	}
	if grace := old.GetDeletionGracePeriodSeconds(); grace != nil && draft.GetDeletionGracePeriodSeconds() == nil {
		draft.SetDeletionGracePeriodSeconds(grace)
	}
}

// bumpsGeneration tells whether the change is one of the desired state.
func (k *kind) bumpsGeneration(draft, old client.Object) bool {
	if k.resource.native == nil {
		return !k.body.same(draft, old, !k.resource.Status)
	}
	switch k.resource.native.generation {
	case generationBySpec:
		return !k.body.same(draft, old, false)
	case generationBySpecAndAnnotations:
		return !k.body.same(draft, old, false) ||
			!apiequality.Semantic.DeepEqual(draft.GetAnnotations(), old.GetAnnotations())
	case generationBySpecAndLabels:
		return !k.body.same(draft, old, false) ||
			!apiequality.Semantic.DeepEqual(draft.GetLabels(), old.GetLabels())
	}
	return false
}

// validateUpdate checks content and metadata of a changed object.
func (k *kind) validateUpdate(ctx context.Context, draft client.Object, current *version, a aspect) field.ErrorList {
	var errs field.ErrorList
	if !k.body.sameMetadata(draft, current.object) {
		path := field.NewPath("metadata")
		anyName := func(string, bool) []string { return nil }
		errs = apivalidation.ValidateObjectMetaAccessor(draft, k.resource.Namespaced, anyName, path)
		errs = append(errs, apivalidation.ValidateObjectMetaAccessorUpdate(draft, current.object, path)...)
	}
	if native := k.resource.native; native != nil && native.validate != nil && a == aspectObject {
		errs = append(errs, native.validate(draft, current.object)...)
	}
	tree, isTree := draft.(*unstructured.Unstructured)
	schema := k.schemas[k.resource.GVK.Version]
	if !isTree || schema == nil {
		return errs
	}
	old := current.object.(*unstructured.Unstructured)
	if a == aspectStatus {
		return append(errs, schema.validateStatusUpdate(ctx, tree, old)...)
	}
	return append(errs, schema.validateUpdate(ctx, tree, old)...)
}

// finalized tells whether nothing keeps an object any more that was to be deleted.
func (k *kind) finalized(draft, old client.Object) bool {
	if len(draft.GetFinalizers()) > 0 || old.GetDeletionTimestamp() == nil {
		return false
	}
	if grace := old.GetDeletionGracePeriodSeconds(); grace != nil && *grace != 0 {
		return false
	}
	native := k.resource.native
	return native == nil || native.held == nil || !native.held(draft)
}

// same tells whether storing the draft would change nothing. Both have the same resource version.
func (k *kind) same(draft, old client.Object, a aspect) bool {
	if a == aspectStatus && k.stored != nil {
		return (k.custom() || k.body.sameMetadata(draft, old)) && k.body.sameStatus(draft, old)
	}
	return k.body.sameMetadata(draft, old) && k.body.same(draft, old, true)
}
