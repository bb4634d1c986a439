package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/seatrial/seatrial/fieldpatch"
)

// Client talks to the store by the contract of client.Client, as if it were a client of an API server without a cache:
// reads are current and copied, writes fill the given object with what was stored.
//
// Apply merges without tracking who owns which field: nothing conflicts, and a field that is left out of a later request
// stays as it is. metadata.managedFields is always empty.
func (s *Store) Client() client.WithWatch {
	return &storeClient{View: View{store: s, newest: true, copied: true}}
}

type storeClient struct {
	View
}

var _ client.WithWatch = (*storeClient)(nil)

// Scheme implements client.Client.
func (c *storeClient) Scheme() *runtime.Scheme {
	return c.store.options.Scheme
}

// RESTMapper implements client.Client.
func (c *storeClient) RESTMapper() meta.RESTMapper {
	return c.store.mapper
}

// GroupVersionKindFor implements client.Client.
func (c *storeClient) GroupVersionKindFor(object runtime.Object) (schema.GroupVersionKind, error) {
	return c.store.gvkOf(object)
}

// IsObjectNamespaced implements client.Client.
func (c *storeClient) IsObjectNamespaced(object runtime.Object) (bool, error) {
	return apiutil.IsObjectNamespaced(object, c.store.options.Scheme, c.store.mapper)
}

// Watch implements client.WithWatch.
func (c *storeClient) Watch(_ context.Context, list client.ObjectList, options ...client.ListOption) (watch.Interface,
	error) {
	return c.store.watch(list, options...)
}

// unread tells whether the caller of a write reads nothing but identity and version of its answer.
func unread[Option any](options []Option) bool {
	return slices.ContainsFunc(options, func(option Option) bool {
		_, unread := any(option).(fieldpatch.Unread)
		return unread
	})
}

// answer fills the caller's object, which keeps the kind it said before, or as much of it as the caller reads.
func answer(object client.Object, gvk schema.GroupVersionKind, v *version, unread bool) error {
	if unread {
		object.SetName(v.object.GetName())
		object.SetUID(v.object.GetUID())
		object.SetCreationTimestamp(v.object.GetCreationTimestamp())
		object.SetResourceVersion(v.object.GetResourceVersion())
		object.SetGeneration(v.object.GetGeneration())
		return nil
	}
	said := object.GetObjectKind().GroupVersionKind()
	if err := fill(object, gvk, v, true); err != nil {
		return err
	}
	if !said.Empty() {
		object.GetObjectKind().SetGroupVersionKind(said)
	}
	return nil
}

func isDryRun(dryRun []string) bool {
	return slices.Contains(dryRun, metav1.DryRunAll)
}

// Create implements client.Writer.
func (c *storeClient) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	o := (&client.CreateOptions{}).ApplyOptions(options)
	k, gvk, err := c.store.target(object)
	if err != nil {
		return err
	}
	v, err := c.store.create(ctx, k, gvk, object,
		writeOptions{dryRun: isDryRun(o.DryRun), strict: o.FieldValidation == metav1.FieldValidationStrict})
	if err != nil {
		return err
	}
	unread := unread(options)
	if _, tree := object.(runtime.Unstructured); tree && unread {
		// Who writes trees reads trees.
		c.store.prepare(k, v)
	}
	return answer(object, gvk, v, unread)
}

// Update implements client.Writer.
func (c *storeClient) Update(ctx context.Context, object client.Object, options ...client.UpdateOption) error {
	o := (&client.UpdateOptions{}).ApplyOptions(options)
	return c.update(ctx, object, object, aspectObject,
		writeOptions{dryRun: isDryRun(o.DryRun), strict: o.FieldValidation == metav1.FieldValidationStrict, unread: unread(options)})
}

// update replaces one aspect of the object by what content says, and fills content with the result.
func (c *storeClient) update(ctx context.Context, object, content client.Object, a aspect, options writeOptions) error {
	k, gvk, err := c.store.target(content)
	if err != nil {
		return err
	}
	key := k.normalKey(client.ObjectKeyFromObject(object))
	if err := requireName(key, a); err != nil {
		return err
	}
	v, err := c.store.modify(ctx, modification{
		kind: k, key: key, aspect: a, uid: content.GetUID(), options: options,
		next: func(*version) (client.Object, error) {
			return c.store.draft(k, gvk, content, options.strict)
		},
	})
	if err != nil {
		return err
	}
	return answer(content, gvk, v, options.unread)
}

// requireName refuses requests without a name, for which no URL can be built.
func requireName(key types.NamespacedName, a aspect) error {
	if key.Name == "" {
		return fmt.Errorf("resource name may not be empty in requests to %s", "/"+string(a))
	}
	return nil
}

// Patch implements client.Writer.
func (c *storeClient) Patch(ctx context.Context, object client.Object, patch client.Patch,
	options ...client.PatchOption) error {
	o := (&client.PatchOptions{}).ApplyOptions(options)
	return c.patch(ctx, object, object, patch, aspectObject,
		writeOptions{dryRun: isDryRun(o.DryRun), strict: o.FieldValidation == metav1.FieldValidationStrict, unread: unread(options)})
}

func (c *storeClient) patch(ctx context.Context, object, content client.Object, patch client.Patch, a aspect,
	options writeOptions) error {
	k, gvk, err := c.store.target(object)
	if err != nil {
		return err
	}
	key := k.normalKey(client.ObjectKeyFromObject(object))
	if err := requireName(key, a); err != nil {
		return err
	}
	if v, done, err := c.store.set(ctx, k, key, patch, a, options); err != nil {
		return err
	} else if done {
		return answer(content, gvk, v, options.unread)
	}
	data, err := patch.Data(content)
	if err != nil {
		return err
	}
	patchType := patch.Type()
	if patchType == types.ApplyPatchType {
		v, err := c.apply(ctx, k, gvk, key, a, data, options)
		if err != nil {
			return err
		}
		return answer(content, gvk, v, options.unread)
	}
	v, err := c.store.modify(ctx, modification{
		kind: k, key: key, aspect: a, options: options,
		next: existing(k, key, c.store.patched(k, gvk, patchType, data, options)),
	})
	if err != nil {
		return err
	}
	return answer(content, gvk, v, options.unread)
}

// Delete implements client.Writer.
func (c *storeClient) Delete(ctx context.Context, object client.Object, options ...client.DeleteOption) error {
	o := (&client.DeleteOptions{}).ApplyOptions(options)
	k, _, err := c.store.target(object)
	if err != nil {
		return err
	}
	key := k.normalKey(client.ObjectKeyFromObject(object))
	if err := requireName(key, aspectObject); err != nil {
		return err
	}
	return c.store.remove(ctx, k, key, o.AsDeleteOptions())
}

// DeleteAllOf implements client.Writer. It deletes in list order and stops at the first failure, as a real API server
// does; objects that are gone by then are no failure.
func (c *storeClient) DeleteAllOf(ctx context.Context, object client.Object, options ...client.DeleteAllOfOption) error {
	o := (&client.DeleteAllOfOptions{}).ApplyOptions(options)
	k, _, err := c.store.target(object)
	if err != nil {
		return err
	}
	found, err := c.query(k, &o.ListOptions)
	if err != nil {
		return err
	}
	for _, v := range found.versions {
		key := client.ObjectKeyFromObject(v.object)
		err := c.store.remove(ctx, k, key, o.AsDeleteOptions().DeepCopy())
		if client.IgnoreNotFound(err) != nil {
			return err
		}
	}
	return nil
}

// Apply implements client.Writer.
func (c *storeClient) Apply(ctx context.Context, configuration runtime.ApplyConfiguration,
	options ...client.ApplyOption) error {
	o := (&client.ApplyOptions{}).ApplyOptions(options)
	return c.applyConfiguration(ctx, configuration, aspectObject, writeOptions{dryRun: isDryRun(o.DryRun)})
}

func (c *storeClient) applyConfiguration(ctx context.Context, configuration runtime.ApplyConfiguration, a aspect,
	options writeOptions) error {
	data, err := json.Marshal(configuration)
	if err != nil {
		return fmt.Errorf("encoding an apply request: %w", err)
	}
	gvk, key, err := identify(data)
	if err != nil {
		return err
	}
	k, err := c.store.kindFor(gvk)
	if err != nil {
		return err
	}
	v, err := c.apply(ctx, k, gvk, k.normalKey(key), a, data, options)
	if err != nil {
		return err
	}
	tree, err := v.treeForm(gvk)
	if err != nil {
		return err
	}
	encoded, err := json.Marshal(tree.Object)
	if err != nil {
		return err
	}
	return json.Unmarshal(encoded, configuration)
}

// apply merges a request into the object, or creates it.
func (c *storeClient) apply(ctx context.Context, k *kind, gvk schema.GroupVersionKind, key types.NamespacedName, a aspect,
	data []byte, options writeOptions) (*version, error) {
	if c.store.current(k, key) == nil && a == aspectObject {
		var content map[string]any
		if err := json.Unmarshal(data, &content); err != nil {
			return nil, badRequest(gvk, err)
		}
		content, _ = canonicalTree(content).(map[string]any)
		draft, err := c.store.draftFromContent(k, gvk, content, options.strict)
		if err != nil {
			return nil, err
		}
		return c.store.createDraft(ctx, k, draft, options)
	}
	return c.store.modify(ctx, modification{
		kind: k, key: key, aspect: a, options: options,
		next: existing(k, key, c.store.patched(k, gvk, k.applyType(gvk), data, options)),
	})
}
