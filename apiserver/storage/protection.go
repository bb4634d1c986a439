package storage

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"

	"github.com/seatrial/seatrial/api/admission"
)

// protected keeps objects from being deleted that users protect. Nobody asks the webhook server about what this server stores.
type protected struct{ *registry.Store }

func (p protected) Delete(ctx context.Context, name string, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions) (runtime.Object, bool, error) {
	return p.Store.Delete(ctx, name, unlessProtected(p.DefaultQualifiedResource, validate), options)
}

func (p protected) DeleteCollection(ctx context.Context, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions, list *internalversion.ListOptions) (runtime.Object, error) {
	return p.Store.DeleteCollection(ctx, unlessProtected(p.DefaultQualifiedResource, validate), options, list)
}

// unlessProtected refuses what admission refuses of other kinds, and asks whoever judges further.
func unlessProtected(resource schema.GroupResource, further rest.ValidateObjectFunc) rest.ValidateObjectFunc {
	return func(ctx context.Context, object runtime.Object) error {
		accessor, err := meta.Accessor(object)
		if err != nil {
			return apierrors.NewInternalError(err)
		}
		if fault := admission.DeletionFault(accessor); fault != nil {
			return apierrors.NewForbidden(resource, accessor.GetName(), fault)
		}
		if further == nil {
			return nil
		}
		return further(ctx, object)
	}
}
