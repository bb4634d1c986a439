package store

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/http"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// writeOptions are what all writes have in common.
type writeOptions struct {
	// dryRun does everything but store the result.
	dryRun bool
	// strict refuses unknown fields.
	strict bool
	// unread says that nobody reads more of the answer than identity and version.
	unread bool
}

const (
	// generatedAttempts is how often a taken generated name is replaced by another.
	generatedAttempts = 8
	// generatedBase is how much of generateName is kept before the five generated characters.
	generatedBase = 58
	// generatedAlphabet has no vowels, so that no words come out.
	generatedAlphabet = "bcdfghjklmnpqrstvwxz2456789"
)

// create stores a new object and returns its first version.
func (s *Store) create(ctx context.Context, k *kind, gvk schema.GroupVersionKind, object client.Object,
	options writeOptions) (*version, error) {
	draft, err := s.draft(k, gvk, object, options.strict)
	if err != nil {
		return nil, err
	}
	return s.createDraft(ctx, k, draft, options)
}

func (s *Store) createDraft(ctx context.Context, k *kind, draft client.Object, options writeOptions) (*version, error) {
	if err := k.placeNew(draft); err != nil {
		return nil, err
	}
	if err := s.admitIntoNamespace(k, draft); err != nil {
		return nil, err
	}
	draft, err := s.admitDefaults(ctx, k, draft, nil)
	if err != nil {
		return nil, err
	}
	dedupOwners(draft)
	generated := draft.GetName() == "" && draft.GetGenerateName() != ""
	for attempt := 1; ; attempt++ {
		if generated {
			draft.SetName(s.generateName(draft.GetGenerateName()))
		}
		v, err := s.createNamed(ctx, k, draft, options)
		if !generated || !apierrors.IsAlreadyExists(err) || attempt == generatedAttempts {
			return v, err
		}
	}
}

// placeNew clears what only the server sets, and checks the namespace.
func (k *kind) placeNew(draft client.Object) error {
	draft.SetUID("")
	draft.SetCreationTimestamp(metav1.Time{})
	draft.SetDeletionTimestamp(nil)
	draft.SetDeletionGracePeriodSeconds(nil)
	draft.SetSelfLink("")
	if !k.resource.Namespaced {
		draft.SetNamespace("")
		return nil
	}
	if draft.GetNamespace() == "" {
		return errors.New("an empty namespace may not be set during creation")
	}
	return nil
}

func (s *Store) generateName(base string) string {
	if len(base) > generatedBase {
		base = base[:generatedBase]
	}
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(s.options.IDs.NewID()))
	sum := hash.Sum64()
	suffix := make([]byte, 5)
	for i := range suffix {
		suffix[i] = generatedAlphabet[sum%uint64(len(generatedAlphabet))]
		sum /= uint64(len(generatedAlphabet))
	}
	return base + string(suffix)
}

// createNamed takes a draft with its final name through validation into the store.
func (s *Store) createNamed(ctx context.Context, k *kind, draft client.Object, options writeOptions) (*version, error) {
	draft.SetUID(types.UID(s.options.IDs.NewID()))
	draft.SetCreationTimestamp(s.now())
	k.prepareCreate(draft)
	if errs := s.validateCreate(ctx, k, draft); len(errs) > 0 {
		return nil, apierrors.NewInvalid(k.resource.GVK.GroupKind(), draft.GetName(), errs)
	}
	if err := s.admitValidation(ctx, k, draft, nil); err != nil {
		return nil, err
	}
	if draft.GetResourceVersion() != "" {
		return nil, &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusInternalServerError,
			Message: "resourceVersion should not be set on objects to be created",
		}}
	}
	key := client.ObjectKeyFromObject(draft)
	if existing := s.current(k, key); existing != nil {
		return nil, alreadyExists(k, existing)
	}
	if options.dryRun {
		return &version{object: draft}, nil
	}
	v, stored, err := s.commit(k, key, nil, draft, false)
	if err != nil {
		return nil, err
	}
	if !stored {
		return nil, apierrors.NewAlreadyExists(k.resource.groupResource(), key.Name)
	}
	return v, nil
}

func alreadyExists(k *kind, existing *version) error {
	err := apierrors.NewAlreadyExists(k.resource.groupResource(), existing.object.GetName())
	if existing.object.GetDeletionTimestamp() != nil {
		err.ErrStatus.Message = "object is being deleted: " + err.ErrStatus.Message
	}
	return err
}

// now is the time in the precision of API objects.
func (s *Store) now() metav1.Time {
	return metav1.NewTime(s.options.Clock.Now()).Rfc3339Copy()
}

// prepareCreate resets what clients may not set on creation.
func (k *kind) prepareCreate(draft client.Object) {
	native := k.resource.native
	if native == nil {
		if k.resource.Status {
			k.body.copyStatus(draft, nil)
		}
		draft.SetGeneration(1)
		return
	}
	if k.resource.Status && !native.keepsStatus {
		k.body.copyStatus(draft, nil)
	}
	if native.generation != generationNone {
		draft.SetGeneration(1)
	}
	if native.prepareCreate != nil {
		native.prepareCreate(draft)
	}
}

// validateCreate checks content and metadata of a new object.
func (s *Store) validateCreate(ctx context.Context, k *kind, draft client.Object) field.ErrorList {
	name := apivalidation.NameIsDNSSubdomain
	var errs field.ErrorList
	if native := k.resource.native; native != nil {
		if native.name != nil {
			name = native.name
		}
		if native.validate != nil {
			errs = native.validate(draft, nil)
		}
	}
	errs = append(errs, s.validateMetadata(k, draft, name)...)
	if tree, ok := draft.(*unstructured.Unstructured); ok {
		if schema := k.schemas[k.resource.GVK.Version]; schema != nil {
			errs = append(errs, schema.validate(ctx, tree)...)
		}
	}
	return errs
}

// noSuchEndpoint is the answer to requests for subresources that do not exist.
func noSuchEndpoint() error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound,
		Message: "the server could not find the requested resource",
	}}
}

// conflictingUID is the answer to a write that names another UID than the object has.
func conflictingUID(k *kind, name string, wanted, found types.UID) error {
	return apierrors.NewConflict(k.resource.groupResource(), name,
		fmt.Errorf("the object has UID %q, not %q as the precondition says", found, wanted))
}
