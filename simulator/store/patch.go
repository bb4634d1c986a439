package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Setter is a merge patch that can be carried out on the Go type of a kind as well, without its JSON. What its methods set may be
// shared. They report false, and have changed nothing that is shared, when the way through JSON must be taken.
type Setter interface {
	client.Patch
	// SetStatus changes the status of an object, and its resource version where the patch demands one.
	SetStatus(object client.Object) bool
	// SetObject changes all of an object but its status. It puts new maps in the place of those that change.
	SetObject(object client.Object) bool
}

// errDeclined says that a patch can be carried out on JSON alone.
var errDeclined = errors.New("cannot be set")

// set carries out a patch on Go values; done is false when it has to be carried out on JSON.
func (s *Store) set(ctx context.Context, k *kind, key types.NamespacedName, patch client.Patch, a aspect,
	options writeOptions) (v *version, done bool, err error) {
	setter, ok := patch.(Setter)
	switch {
	case !ok || k.stored == nil:
	case a == aspectObject:
		v, err = s.setObject(ctx, k, key, setter, options)
	case a == aspectStatus && k.resource.Status:
		v, err = s.setStatus(ctx, k, key, setter, options)
	}
	if errors.Is(err, errDeclined) {
		return nil, false, nil
	}
	return v, v != nil, err
}

func (s *Store) setObject(ctx context.Context, k *kind, key types.NamespacedName, setter Setter, options writeOptions) (*version, error) {
	return s.modify(ctx, modification{
		kind: k, key: key, aspect: aspectObject, options: options,
		next: existing(k, key, func(current *version) (client.Object, error) {
			draft := shallow(current.object)
			if !setter.SetObject(draft) {
				return nil, errDeclined
			}
			return s.draftTyped(k, draft.DeepCopyObject().(client.Object))
		}),
	})
}

func (s *Store) setStatus(ctx context.Context, k *kind, key types.NamespacedName, setter Setter, options writeOptions) (*version, error) {
	return s.modify(ctx, modification{
		kind: k, key: key, aspect: aspectStatus, onlyStatus: true, options: options,
		next: existing(k, key, func(current *version) (client.Object, error) {
			// Nothing but the status of a draft for the status counts.
			draft := shallow(current.object)
			if !setter.SetStatus(draft) {
				return nil, errDeclined
			}
			// What was set may be somebody's; the metadata below its own fields stays that of the version before.
			owned := k.body.statusAlone(draft).DeepCopyObject().(client.Object)
			s.settler.settle(reflect.ValueOf(owned).Elem().Field(k.body.status))
			k.body.copyStatus(draft, owned)
			return draft, nil
		}),
	})
}

// patched makes a draft of the current version with a patch applied.
func (s *Store) patched(k *kind, gvk schema.GroupVersionKind, patchType types.PatchType, data []byte,
	options writeOptions) func(*version) (client.Object, error) {
	return func(current *version) (client.Object, error) {
		tree, err := current.treeForm(gvk)
		if err != nil {
			return nil, err
		}
		content, err := k.applyPatch(gvk, tree.Object, patchType, data)
		if err != nil {
			return nil, err
		}
		if err := sameTarget(content, current.object); err != nil {
			return nil, err
		}
		draft, err := s.draftFromContent(k, gvk, content, options.strict)
		if err != nil {
			after, _ := json.Marshal(content)
			return nil, apierrors.NewInvalid(schema.GroupKind{}, "",
				field.ErrorList{field.Invalid(field.NewPath("patch"), string(after), err.Error())})
		}
		return draft, nil
	}
}

// sameTarget refuses patches that would make another object of it.
func sameTarget(content map[string]any, current client.Object) error {
	metadata, _ := content["metadata"].(map[string]any)
	for key, value := range map[string]string{"name": current.GetName(), "namespace": current.GetNamespace()} {
		if said, _ := metadata[key].(string); said != value {
			return apierrors.NewBadRequest(fmt.Sprintf("the patch changes metadata.%s from %q to %q", key, value, said))
		}
	}
	return nil
}

// applyPatch gives new content and leaves what it patches as it is.
func (k *kind) applyPatch(gvk schema.GroupVersionKind, current map[string]any, patchType types.PatchType,
	data []byte) (map[string]any, error) {
	if patchType == types.MergePatchType {
		var patch map[string]any
		if err := utiljson.Unmarshal(data, &patch); err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		return mergedTree(current, patch), nil
	}
	before, err := json.Marshal(current)
	if err != nil {
		return nil, err
	}
	after, err := k.patchedBytes(gvk, before, patchType, data)
	if err != nil {
		return nil, err
	}
	var content map[string]any
	if err := utiljson.Unmarshal(after, &content); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return content, nil
}

func (k *kind) patchedBytes(gvk schema.GroupVersionKind, before []byte, patchType types.PatchType, data []byte) ([]byte, error) {
	if patchType != types.StrategicMergePatchType {
		return mergePatched(before, patchType, data)
	}
	goType := k.goTypes[gvk.Version]
	if k.custom() || goType == nil {
		return nil, unsupportedPatch()
	}
	after, err := strategicpatch.StrategicMergePatch(before, data, reflect.New(goType).Interface())
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	return after, nil
}

// mergedTree carries out a JSON merge patch (RFC 7386) on a tree: the result shares nothing with it that the patch touches,
// and nothing at all with it that could be written to.
func mergedTree(target map[string]any, patch map[string]any) map[string]any {
	merged := make(map[string]any, len(target)+len(patch))
	for key, value := range target {
		if _, touched := patch[key]; !touched {
			merged[key] = runtime.DeepCopyJSONValue(value)
		}
	}
	for key, value := range patch {
		switch value := value.(type) {
		case nil:
		case map[string]any:
			below, _ := target[key].(map[string]any)
			merged[key] = mergedTree(below, value)
		default:
			merged[key] = value
		}
	}
	return merged
}

// mergePatched applies a patch of a type that needs no knowledge of the kind.
func mergePatched(before []byte, patchType types.PatchType, data []byte) ([]byte, error) {
	switch patchType {
	case types.JSONPatchType:
		return applyJSONPatch(before, data)
	case types.MergePatchType:
		after, err := jsonpatch.MergePatch(before, data)
		if err != nil {
			return nil, apierrors.NewBadRequest(err.Error())
		}
		return after, nil
	}
	return nil, unsupportedPatch()
}

func applyJSONPatch(before, data []byte) ([]byte, error) {
	patch, err := jsonpatch.DecodePatch(data)
	if err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	after, err := patch.Apply(before)
	if err != nil {
		return nil, apierrors.NewGenericServerResponse(http.StatusUnprocessableEntity, "", schema.GroupResource{}, "",
			err.Error(), 0, false)
	}
	return after, nil
}

func unsupportedPatch() error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusUnsupportedMediaType, Reason: metav1.StatusReasonUnsupportedMediaType,
		Message: "the body of the request was in an unknown format - accepted media types include: " +
			"application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
	}}
}

// applyType is the patch type by which an apply request is merged into an existing object: by merge keys where the Go
// type names them.
func (k *kind) applyType(gvk schema.GroupVersionKind) types.PatchType {
	if k.custom() || k.goTypes[gvk.Version] == nil {
		return types.MergePatchType
	}
	return types.StrategicMergePatchType
}

// identify reads kind and name of an apply request.
func identify(data []byte) (schema.GroupVersionKind, types.NamespacedName, error) {
	var head metav1.PartialObjectMetadata
	if err := json.Unmarshal(data, &head); err != nil {
		return schema.GroupVersionKind{}, types.NamespacedName{}, fmt.Errorf("decoding an apply request: %w", err)
	}
	if head.Kind == "" || head.Name == "" {
		return schema.GroupVersionKind{}, types.NamespacedName{},
			errors.New("an apply request needs apiVersion, kind and metadata.name")
	}
	return head.GroupVersionKind(), types.NamespacedName{Namespace: head.Namespace, Name: head.Name}, nil
}
