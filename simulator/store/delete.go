package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// remove deletes an object: at once, or by marking it when finalizers or a grace period keep it.
func (s *Store) remove(ctx context.Context, k *kind, key types.NamespacedName, options *metav1.DeleteOptions) error {
	if errs := validation.ValidateDeleteOptions(options); len(errs) > 0 {
		return apierrors.NewInvalid(schema.GroupKind{Group: metav1.GroupName, Kind: "DeleteOptions"}, "", errs)
	}
	for {
		current := s.current(k, key)
		if current == nil {
			return apierrors.NewNotFound(k.resource.groupResource(), key.Name)
		}
		done, err := s.removeVersion(ctx, k, key, current, options)
		if done || err != nil {
			return err
		}
	}
}

// removeVersion deletes one version; done is false when the object has changed since, or has to be deleted in two steps.
func (s *Store) removeVersion(ctx context.Context, k *kind, key types.NamespacedName, current *version,
	options *metav1.DeleteOptions) (done bool, err error) {
	if err := checkPreconditions(k, current.object, options.Preconditions); err != nil {
		return false, err
	}
	if native := k.resource.native; native != nil && native.undeletable != nil {
		if err := native.undeletable(current.object); err != nil {
			return false, apierrors.NewForbidden(k.resource.groupResource(), key.Name, err)
		}
	}
	if err := s.admitValidation(ctx, k, nil, current.object); err != nil {
		return false, err
	}
	draft, outcome := s.markDeleted(k, current.object, options)
	if outcome == outcomeUnchanged || slices.Contains(options.DryRun, metav1.DryRunAll) {
		return true, nil
	}
	v, stored, err := s.commit(k, key, current, draft, outcome == outcomeGone)
	if err != nil || !stored {
		return false, err
	}
	if outcome == outcomeExpired && options.Preconditions != nil && options.Preconditions.ResourceVersion != nil {
		options.Preconditions.ResourceVersion = ptr.To(v.object.GetResourceVersion())
	}
	return outcome != outcomeExpired, nil
}

// outcome is what a deletion does to an object.
type outcome int

const (
	// outcomeUnchanged: it was marked before.
	outcomeUnchanged outcome = iota
	// outcomeMarked: finalizers or a grace period keep it.
	outcomeMarked
	// outcomeExpired: it is marked with a grace period of zero and goes right after, which watchers see as two changes.
	outcomeExpired
	// outcomeGone: nothing keeps it.
	outcomeGone
)

func checkPreconditions(k *kind, object client.Object, preconditions *metav1.Preconditions) error {
	if preconditions == nil {
		return nil
	}
	resource := schema.GroupResource{Group: k.resource.GVK.Group, Resource: k.resource.GVK.Kind}
	if uid := preconditions.UID; uid != nil && *uid != object.GetUID() {
		return apierrors.NewConflict(resource, object.GetName(), fmt.Errorf(
			"the object has UID %s, not %s as the precondition says: it may have been deleted and recreated",
			object.GetUID(), *uid))
	}
	if revision := preconditions.ResourceVersion; revision != nil && *revision != object.GetResourceVersion() {
		return apierrors.NewConflict(resource, object.GetName(), fmt.Errorf(
			"the object has resource version %s, not %s as the precondition says: it may have been modified",
			object.GetResourceVersion(), *revision))
	}
	return nil
}

// markDeleted gives the state that a deletion leaves.
func (s *Store) markDeleted(k *kind, old client.Object, options *metav1.DeleteOptions) (client.Object, outcome) {
	draft := shallow(old)
	native := k.resource.native
	graceful := false
	if native != nil && native.gracePeriod != nil {
		var pending bool
		if graceful, pending = s.markGraceful(draft, native, options); pending {
			return draft, outcomeUnchanged
		}
	}
	finalizers := finalizersFor(k, draft, options)
	if native != nil && native.cleanup != "" && !slices.Contains(finalizers, native.cleanup) &&
		draft.GetDeletionTimestamp() == nil {
		finalizers = append(finalizers, native.cleanup)
	}
	if !sets.New(finalizers...).Equal(sets.New(draft.GetFinalizers()...)) {
		draft.SetFinalizers(finalizers)
	}
	held := len(finalizers) > 0 || (native != nil && native.held != nil && native.held(draft))
	switch {
	case graceful && !held && *draft.GetDeletionGracePeriodSeconds() == 0:
		return draft, outcomeExpired
	case graceful:
		return draft, outcomeMarked
	case !held:
		return draft, outcomeGone
	}
	s.markFinalizing(k, draft)
	if k.same(draft, old, aspectObject) {
		return draft, outcomeUnchanged
	}
	return draft, outcomeMarked
}

// markGraceful gives an object its grace period, or shortens it. pending means that an earlier deletion already grants
// no more than is asked for.
func (s *Store) markGraceful(draft client.Object, native *nativeRules, options *metav1.DeleteOptions) (graceful,
	pending bool) {
	requested := options.GracePeriodSeconds
	if requested != nil && *requested < 0 {
		requested = ptr.To[int64](1)
	}
	if draft.GetDeletionTimestamp() == nil {
		grace := native.gracePeriod(draft, requested)
		draft.SetDeletionTimestamp(ptr.To(metav1.NewTime(s.now().Add(time.Duration(grace) * time.Second))))
		draft.SetDeletionGracePeriodSeconds(&grace)
		if draft.GetGeneration() > 0 {
			draft.SetGeneration(draft.GetGeneration() + 1)
		}
		return true, false
	}
	granted := draft.GetDeletionGracePeriodSeconds()
	if granted == nil || *granted == 0 {
		return false, false
	}
	if requested == nil || *requested >= *granted {
		return false, true
	}
	shortened := draft.GetDeletionTimestamp().Add(time.Duration(*requested-*granted) * time.Second)
	if now := s.now(); shortened.Before(now.Time) {
		shortened = now.Time
		if *requested != 0 {
			requested = ptr.To[int64](1)
		}
	}
	draft.SetDeletionTimestamp(ptr.To(metav1.NewTime(shortened)))
	draft.SetDeletionGracePeriodSeconds(requested)
	return true, false
}

// markFinalizing says that the object goes as soon as nothing keeps it.
func (s *Store) markFinalizing(k *kind, draft client.Object) {
	now := s.now()
	deleted := draft.GetDeletionTimestamp()
	if deleted == nil && draft.GetGeneration() > 0 {
		draft.SetGeneration(draft.GetGeneration() + 1)
	}
	if deleted == nil || deleted.After(now.Time) {
		draft.SetDeletionTimestamp(&now)
	}
	if native := k.resource.native; native != nil && native.terminate != nil {
		// Namespaces have a phase to show it, and no grace period.
		native.terminate(draft)
		return
	}
	draft.SetDeletionGracePeriodSeconds(ptr.To[int64](0))
}

// finalizersFor gives the finalizers with those of the garbage collector added or removed, as the options say.
func finalizersFor(k *kind, object client.Object, options *metav1.DeleteOptions) []string {
	current := object.GetFinalizers()
	orphan, foreground := slices.Contains(current, metav1.FinalizerOrphanDependents),
		slices.Contains(current, metav1.FinalizerDeleteDependents)
	switch {
	case options.OrphanDependents != nil: //nolint:staticcheck // Old clients still send it.
		orphan, foreground = *options.OrphanDependents, false //nolint:staticcheck // As above.
	case options.PropagationPolicy != nil:
		orphan = *options.PropagationPolicy == metav1.DeletePropagationOrphan
		foreground = *options.PropagationPolicy == metav1.DeletePropagationForeground
	case !orphan && !foreground:
		orphan = k.resource.native != nil && k.resource.native.orphans
	}
	var finalizers []string
	for _, finalizer := range current {
		if finalizer != metav1.FinalizerOrphanDependents && finalizer != metav1.FinalizerDeleteDependents {
			finalizers = append(finalizers, finalizer)
		}
	}
	if orphan {
		finalizers = append(finalizers, metav1.FinalizerOrphanDependents)
	}
	if foreground {
		finalizers = append(finalizers, metav1.FinalizerDeleteDependents)
	}
	return finalizers
}
