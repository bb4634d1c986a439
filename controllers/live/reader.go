package live

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// telling is what key functions read from. They cannot fail, so that what they could not read would leave keys asleep with nobody
// knowing why.
type telling struct {
	client.Reader
	controller string
}

func (t *telling) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	return t.tell(ctx, t.Reader.Get(ctx, key, object, options...))
}

func (t *telling) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	return t.tell(ctx, t.Reader.List(ctx, list, options...))
}

func (t *telling) tell(ctx context.Context, err error) error {
	if client.IgnoreNotFound(err) != nil && ctx.Err() == nil {
		log.FromContext(ctx).Error(err, "Finding out who has to hear of an event failed; some may not", "controller", t.controller)
	}
	return err
}
