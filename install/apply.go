package install

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// FieldManager owns the fields that an installation sets.
const FieldManager = "seatrial-install"

// Change is what became, or would become, of an object.
type Change struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Action is created, changed, unchanged or deleted.
	Action string `json:"action"`
}

const (
	created   = "created"
	changed   = "changed"
	unchanged = "unchanged"
	deleted   = "deleted"
)

// applier writes objects by server-side apply, and remembers what it did.
type applier struct {
	to client.Client
	// dry only finds out what would be done.
	dry bool
	// force takes fields over that somebody else owns.
	force   bool
	changes *[]Change
}

// apply makes objects stand as wanted, in order.
func (a applier) apply(ctx context.Context, objects ...client.Object) error {
	for _, object := range objects {
		wanted, err := bare(object)
		if err != nil {
			return err
		}
		action, err := a.applyOne(ctx, wanted)
		if err != nil {
			return fmt.Errorf("applying %s: %w", describe(wanted), explained(err))
		}
		*a.changes = append(*a.changes, Change{Kind: wanted.GetKind(), Namespace: object.GetNamespace(), Name: object.GetName(), Action: action})
	}
	return nil
}

func (a applier) applyOne(ctx context.Context, wanted *unstructured.Unstructured) (string, error) {
	present := &unstructured.Unstructured{}
	present.SetGroupVersionKind(wanted.GroupVersionKind())
	err := a.to.Get(ctx, client.ObjectKeyFromObject(wanted), present)
	missing := apierrors.IsNotFound(err)
	if err != nil && !missing {
		return "", err
	}
	if missing && a.dry {
		// Its namespace may be missing too, and then nobody would answer.
		return created, nil
	}
	options := []client.ApplyOption{client.FieldOwner(FieldManager)}
	if a.dry {
		options = append(options, client.DryRunAll)
	}
	if a.force {
		options = append(options, client.ForceOwnership)
	}
	if err := a.to.Apply(ctx, client.ApplyConfigurationFromUnstructured(wanted), options...); err != nil {
		return "", err
	}
	switch {
	case missing:
		return created, nil
	case same(present, wanted):
		return unchanged, nil
	}
	return changed, nil
}

// remove takes away an object that was found.
func (a applier) remove(ctx context.Context, kind string, object client.Object) error {
	if !a.dry {
		err := a.to.Delete(ctx, object, client.PropagationPolicy(metav1.DeletePropagationBackground))
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("removing %s %s: %w", kind, object.GetName(), err)
		}
	}
	*a.changes = append(*a.changes, Change{Kind: kind, Namespace: object.GetNamespace(), Name: object.GetName(), Action: deleted})
	return nil
}

// same compares what users see of two versions of an object.
func same(a, b *unstructured.Unstructured) bool {
	a, b = a.DeepCopy(), b.DeepCopy()
	for _, object := range []*unstructured.Unstructured{a, b} {
		object.SetManagedFields(nil)
		object.SetResourceVersion("")
		// Controllers write it meanwhile.
		delete(object.Object, "status")
		object.SetGeneration(0)
	}
	return equality.Semantic.DeepEqual(a.Object, b.Object)
}

// bare is an object as it is sent: without what only servers write, and without fields that are there because Go types have them.
func bare(object client.Object) (*unstructured.Unstructured, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, fmt.Errorf("encoding %T %s: %w", object, object.GetName(), err)
	}
	tree := map[string]any{}
	if err := json.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("encoding %T %s: %w", object, object.GetName(), err)
	}
	prune(tree)
	sent := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(tree)}
	if sent.GetKind() == "" || sent.GetAPIVersion() == "" {
		return nil, fmt.Errorf("%T %s does not say its kind", object, object.GetName())
	}
	return sent, nil
}

// prune takes the status and nulls out of a tree and of what stands in it as a template.
func prune(tree map[string]any) {
	delete(tree, "status")
	for key, value := range tree {
		switch value := value.(type) {
		case nil:
			delete(tree, key)
		case map[string]any:
			prune(value)
		case []any:
			for _, element := range value {
				if element, ok := element.(map[string]any); ok {
					prune(element)
				}
			}
		}
	}
}

func describe(object *unstructured.Unstructured) string {
	if object.GetNamespace() == "" {
		return object.GetKind() + " " + object.GetName()
	}
	return object.GetKind() + " " + object.GetNamespace() + "/" + object.GetName()
}

// explained adds to conflicts and refusals what mends them.
func explained(err error) error {
	switch {
	case apierrors.IsConflict(err):
		return fmt.Errorf("%w; --force-conflicts takes these fields over", err)
	case apierrors.IsInvalid(err):
		return fmt.Errorf("%w; what cannot be changed in place has to be removed first", err)
	}
	return err
}
