package store

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// admitDefaults calls the defaulting hooks. They see and change the kind's Go type when the scheme knows it.
func (s *Store) admitDefaults(ctx context.Context, k *kind, draft, old client.Object) (client.Object, error) {
	for _, admission := range k.admission {
		if admission.Default == nil {
			continue
		}
		if old != nil {
			// The draft may share its content with the version it was made from.
			draft = draft.DeepCopyObject().(client.Object)
		}
		object, err := k.forHook(draft)
		if err != nil {
			return nil, badRequest(k.resource.GVK, err)
		}
		oldObject, err := k.forHook(old)
		if err != nil {
			return nil, err
		}
		if err := admission.Default(ctx, object, oldObject); err != nil {
			return nil, denied(admission, err)
		}
		// Hooks may leave values behind that have to be brought into form again.
		if k.stored != nil && reflect.TypeOf(object).Elem() == k.stored {
			draft, err = s.draftTyped(k, object)
		} else {
			draft, err = s.draft(k, k.resource.GVK, object, false)
		}
		if err != nil {
			return nil, err
		}
	}
	return draft, nil
}

// admitValidation calls the validating hooks; draft is nil on deletion, old is nil on creation.
func (s *Store) admitValidation(ctx context.Context, k *kind, draft, old client.Object) error {
	for _, admission := range k.admission {
		if admission.Validate == nil {
			continue
		}
		object, err := k.forHook(draft)
		if err != nil {
			return badRequest(k.resource.GVK, err)
		}
		oldObject, err := k.forHook(old)
		if err != nil {
			return err
		}
		if err := admission.Validate(ctx, object, oldObject); err != nil {
			return denied(admission, err)
		}
	}
	return nil
}

// forHook gives an object in the form hooks expect; nil stays nil.
func (k *kind) forHook(object client.Object) (client.Object, error) {
	if object == nil {
		return nil, nil
	}
	goType := k.goTypes[k.resource.GVK.Version]
	tree, isTree := object.(*unstructured.Unstructured)
	if !isTree || goType == nil {
		return object, nil
	}
	typed := reflect.New(goType).Interface().(client.Object)
	return typed, runtime.DefaultUnstructuredConverter.FromUnstructured(tree.Object, typed)
}

// denied passes API errors on and makes any other error the refusal of a webhook.
func denied(admission Admission, err error) error {
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return err
	}
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: metav1.StatusReasonForbidden,
		Message: fmt.Sprintf("admission webhook %q denied the request: %v", admission.Name, err),
	}}
}

// admitIntoNamespace refuses new objects in namespaces that are missing or being deleted. A store that does not serve
// namespaces accepts any.
func (s *Store) admitIntoNamespace(k *kind, draft client.Object) error {
	if !k.resource.Namespaced {
		return nil
	}
	namespace := draft.GetNamespace()
	namespaces, err := s.kindFor(corev1.SchemeGroupVersion.WithKind("Namespace"))
	if err != nil {
		return nil
	}
	v := s.current(namespaces, types.NamespacedName{Name: namespace})
	if v == nil {
		return apierrors.NewNotFound(namespaces.resource.groupResource(), namespace)
	}
	// Any other form than the Go type is impossible for a builtin kind.
	if v.object.GetDeletionTimestamp() == nil {
		return nil
	}
	refusal := apierrors.NewForbidden(k.resource.groupResource(), draft.GetName(), fmt.Errorf(
		"unable to create new content in namespace %s because it is being terminated", namespace))
	refusal.ErrStatus.Details.Causes = append(refusal.ErrStatus.Details.Causes, metav1.StatusCause{
		Type:    corev1.NamespaceTerminatingCause,
		Message: fmt.Sprintf("namespace %s is being terminated", namespace),
		Field:   "metadata.namespace",
	})
	return refusal
}
