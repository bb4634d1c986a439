package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Status implements client.StatusClient.
func (c *storeClient) Status() client.SubResourceWriter {
	return c.SubResource(string(aspectStatus))
}

// SubResource implements client.SubResourceClientConstructor. There are status, scale, and finalize for namespaces;
// requests to others answer 404 Not Found.
func (c *storeClient) SubResource(name string) client.SubResourceClient {
	return &subresourceClient{client: c, aspect: aspect(name)}
}

type subresourceClient struct {
	client *storeClient
	aspect aspect
}

// serves fails when the kind of an object does not have the subresource.
func (c *subresourceClient) serves(object runtime.Object) error {
	k, _, err := c.client.store.target(object)
	if err != nil {
		return err
	}
	return k.serves(c.aspect)
}

func (k *kind) serves(a aspect) error {
	switch {
	case a == aspectStatus && k.resource.Status:
		return nil
	case a == aspectScale && k.scalePaths() != nil:
		return nil
	case a == aspectFinalize && k.resource.GVK.GroupKind() == namespaceKind:
		return nil
	}
	return noSuchEndpoint()
}

// Get implements client.SubResourceReader. Only a scale has a representation of its own.
func (c *subresourceClient) Get(_ context.Context, object, into client.Object, _ ...client.SubResourceGetOption) error {
	if err := c.serves(object); err != nil {
		return err
	}
	if c.aspect == aspectScale {
		return c.client.readScale(object, into)
	}
	return fmt.Errorf("reading subresource %s of %s: %w", c.aspect, object.GetName(), errors.ErrUnsupported)
}

// Create implements client.SubResourceWriter. Nothing served here can be created.
func (c *subresourceClient) Create(_ context.Context, object, _ client.Object, _ ...client.SubResourceCreateOption) error {
	if err := c.serves(object); err != nil {
		return err
	}
	return apierrors.NewMethodNotSupported(metav1.Unversioned.WithResource(string(c.aspect)).GroupResource(), "create")
}

// Update implements client.SubResourceWriter.
func (c *subresourceClient) Update(ctx context.Context, object client.Object,
	options ...client.SubResourceUpdateOption) error {
	if err := c.serves(object); err != nil {
		return err
	}
	o := (&client.SubResourceUpdateOptions{}).ApplyOptions(options)
	content := object
	if o.SubResourceBody != nil {
		content = o.SubResourceBody
	}
	if c.aspect == aspectScale {
		return c.updateScale(ctx, object, content, writeOptions{dryRun: isDryRun(o.DryRun)})
	}
	return c.client.update(ctx, object, content, c.aspect, writeOptions{dryRun: isDryRun(o.DryRun)})
}

// Patch implements client.SubResourceWriter.
func (c *subresourceClient) Patch(ctx context.Context, object client.Object, patch client.Patch,
	options ...client.SubResourcePatchOption) error {
	if err := c.serves(object); err != nil {
		return err
	}
	o := (&client.SubResourcePatchOptions{}).ApplyOptions(options)
	content := object
	if o.SubResourceBody != nil {
		content = o.SubResourceBody
	}
	if c.aspect == aspectScale {
		return c.patchScale(ctx, object, content, patch, writeOptions{dryRun: isDryRun(o.DryRun)})
	}
	return c.client.patch(ctx, object, content, patch, c.aspect, writeOptions{dryRun: isDryRun(o.DryRun), unread: unread(options)})
}

// Apply implements client.SubResourceWriter.
func (c *subresourceClient) Apply(ctx context.Context, configuration runtime.ApplyConfiguration,
	options ...client.SubResourceApplyOption) error {
	o := (&client.SubResourceApplyOptions{}).ApplyOpts(options)
	return c.client.applyConfiguration(ctx, configuration, c.aspect, writeOptions{dryRun: isDryRun(o.DryRun)})
}

// updateScale sets the replicas that a Scale says.
func (c *subresourceClient) updateScale(ctx context.Context, object, content client.Object, options writeOptions) error {
	encoded, err := json.Marshal(content)
	if err != nil {
		return err
	}
	wanted := &autoscalingv1.Scale{}
	if err := json.Unmarshal(encoded, wanted); err != nil {
		return apierrors.NewBadRequest(fmt.Sprintf("a %T is not a Scale: %v", content, err))
	}
	return c.client.writeScale(ctx, object, content, options,
		func(*autoscalingv1.Scale) (*autoscalingv1.Scale, error) { return wanted, nil })
}

// patchScale patches the Scale of an object.
func (c *subresourceClient) patchScale(ctx context.Context, object, content client.Object, patch client.Patch,
	options writeOptions) error {
	data, err := patch.Data(content)
	if err != nil {
		return err
	}
	return c.client.writeScale(ctx, object, content, options,
		func(current *autoscalingv1.Scale) (*autoscalingv1.Scale, error) {
			before, err := json.Marshal(current)
			if err != nil {
				return nil, err
			}
			after, err := mergePatched(before, patch.Type(), data)
			if err != nil {
				return nil, err
			}
			wanted := &autoscalingv1.Scale{}
			if err := json.Unmarshal(after, wanted); err != nil {
				return nil, apierrors.NewBadRequest(err.Error())
			}
			return wanted, nil
		})
}

// existing makes a draft function refuse objects that are not there.
func existing(k *kind, key types.NamespacedName,
	next func(*version) (client.Object, error)) func(*version) (client.Object, error) {
	return func(current *version) (client.Object, error) {
		if current == nil {
			return nil, apierrors.NewNotFound(k.resource.groupResource(), key.Name)
		}
		return next(current)
	}
}

// IndexField implements client.FieldIndexer: lists that select the field by this name find objects by the values.
func (s *Store) IndexField(_ context.Context, object client.Object, field string, values client.IndexerFunc) error {
	gvk, err := s.gvkOf(object)
	if err != nil {
		return err
	}
	k, err := s.kindFor(gvk)
	if err != nil {
		return err
	}
	form := reflect.TypeOf(object).Elem()
	extract := func(v *version) ([]string, error) {
		if reflect.TypeOf(v.object).Elem() == form {
			return values(v.object), nil
		}
		made := reflect.New(form).Interface().(client.Object)
		if err := fill(made, gvk, v, false); err != nil {
			return nil, err
		}
		return values(made), nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return k.addIndex(field, extract)
}
