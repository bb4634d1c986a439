package declarative

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/interpreter/sandbox"
)

// ask calls the script for an object and lets read make the answer of its results.
func (i *Interpreter) ask(
	ctx context.Context, operation configv1alpha1.InterpreterOperation, object *unstructured.Unstructured, results int,
	arguments []any, read func([]sandbox.Result) error,
) error {
	asked, err := i.first(object.GroupVersionKind(), operation)
	if err != nil {
		return err
	}
	return i.askRule(ctx, asked, object, results, arguments, read)
}

func (i *Interpreter) askRule(
	ctx context.Context, asked *rule, object *unstructured.Unstructured, results int, arguments []any, read func([]sandbox.Result) error,
) error {
	answers, err := i.call(ctx, asked, results, arguments...)
	if err == nil {
		if err = read(answers); err != nil {
			err = fmt.Errorf("the answer of %s: %w", asked.operation.Function, err)
		}
	}
	if err == nil {
		return nil
	}
	return &Error{
		Customization: asked.name, Operation: asked.operation.Name, Kind: object.GroupVersionKind(),
		Namespace: object.GetNamespace(), Name: object.GetName(), Err: err,
	}
}

// Replicas is what GetReplicas returns: a number, and requirements or nil.
func (i *Interpreter) Replicas(
	ctx context.Context, object *unstructured.Unstructured,
) (replicas int32, requirements *workv1alpha2.ReplicaRequirements, err error) {
	err = i.ask(ctx, configv1alpha1.InterpreterOperationInterpretReplica, object, 2, []any{object.Object}, func(answers []sandbox.Result) (err error) {
		if replicas, err = count(answers[0]); err != nil || answers[1].IsNil() {
			return err
		}
		requirements = &workv1alpha2.ReplicaRequirements{}
		if err := decode(answers[1], requirements); err != nil {
			return fmt.Errorf("requirements: %w", err)
		}
		return nil
	})
	return replicas, requirements, err
}

// count reads a number of replicas. A fraction is cut off.
func count(answer sandbox.Result) (int32, error) {
	number, ok := answer.Number()
	if !ok {
		return 0, fmt.Errorf("replicas: a number was expected, not a %s", answer.Type())
	}
	if !(number > math.MinInt32 && number < math.MaxInt32) {
		return 0, fmt.Errorf("replicas: %v is no number of replicas", number)
	}
	return int32(number), nil
}

// Components is what GetComponents returns: a list.
func (i *Interpreter) Components(ctx context.Context, object *unstructured.Unstructured) (components []workv1alpha2.Component, err error) {
	err = i.ask(ctx, configv1alpha1.InterpreterOperationInterpretComponent, object, 1, []any{object.Object}, func(answers []sandbox.Result) error {
		if err := decodeList(answers[0], &components); err != nil {
			return err
		}
		seen := map[string]bool{}
		for place := range components {
			name := components[place].Name
			if name == "" || seen[name] {
				return fmt.Errorf("[%d].name: %q: each component needs a name of its own", place, name)
			}
			seen[name] = true
		}
		return nil
	})
	return components, err
}

// ReviseReplica is what ReviseReplica returns: an object.
func (i *Interpreter) ReviseReplica(
	ctx context.Context, object *unstructured.Unstructured, replicas int64,
) (revised *unstructured.Unstructured, err error) {
	arguments := []any{object.Object, replicas}
	err = i.ask(ctx, configv1alpha1.InterpreterOperationReviseReplica, object, 1, arguments, func(answers []sandbox.Result) (err error) {
		revised, err = sameObject(answers[0], object, object.Object)
		return err
	})
	return revised, err
}

// Retain is what Retain returns: an object.
func (i *Interpreter) Retain(ctx context.Context, desired, observed *unstructured.Unstructured) (retained *unstructured.Unstructured, err error) {
	arguments := []any{desired.Object, observed.Object}
	err = i.ask(ctx, configv1alpha1.InterpreterOperationRetain, desired, 1, arguments, func(answers []sandbox.Result) (err error) {
		retained, err = sameObject(answers[0], desired, desired.Object, observed.Object)
		return err
	})
	return retained, err
}

// AggregateStatus is what AggregateStatus returns: an object. It gets a list of items as on a binding, nil without any.
func (i *Interpreter) AggregateStatus(
	ctx context.Context, object *unstructured.Unstructured, items []workv1alpha2.AggregatedStatusItem,
) (aggregated *unstructured.Unstructured, err error) {
	given, err := decodedItems(items)
	if err != nil {
		return nil, fmt.Errorf("aggregating the status of %s %s/%s: %w", object.GetKind(), object.GetNamespace(), object.GetName(), err)
	}
	arguments := []any{object.Object, given}
	err = i.ask(ctx, configv1alpha1.InterpreterOperationAggregateStatus, object, 1, arguments, func(answers []sandbox.Result) (err error) {
		aggregated, err = sameObject(answers[0], object, object.Object)
		return err
	})
	return aggregated, err
}

// decodedItems has every item in the form of its JSON, nil for no list.
func decodedItems(items []workv1alpha2.AggregatedStatusItem) (any, error) {
	if items == nil {
		return nil, nil
	}
	list := make([]any, 0, len(items))
	for place := range items {
		item := &items[place]
		decoded := map[string]any{"clusterName": item.ClusterName}
		if item.Status != nil && len(item.Status.Raw) > 0 {
			var status any
			if err := utiljson.Unmarshal(item.Status.Raw, &status); err != nil {
				return nil, fmt.Errorf("reading the status in cluster %s: %w", item.ClusterName, err)
			}
			decoded["status"] = status
		}
		if item.Applied {
			decoded["applied"] = true
		}
		if item.AppliedMessage != "" {
			decoded["appliedMessage"] = item.AppliedMessage
		}
		if item.Health != "" {
			decoded["health"] = string(item.Health)
		}
		list = append(list, decoded)
	}
	return list, nil
}

// Dependencies are what GetDependencies of all customizations return together, each reference once and sorted.
func (i *Interpreter) Dependencies(
	ctx context.Context, object *unstructured.Unstructured,
) ([]configv1alpha1.DependentObjectReference, error) {
	operation := configv1alpha1.InterpreterOperationInterpretDependency
	if _, err := i.first(object.GroupVersionKind(), operation); err != nil {
		return nil, err
	}
	var all []configv1alpha1.DependentObjectReference
	for _, asked := range i.rulesFor(object.GroupVersionKind(), operation) {
		err := i.askRule(ctx, asked, object, 1, []any{object.Object}, func(answers []sandbox.Result) error {
			var found []configv1alpha1.DependentObjectReference
			if err := decodeList(answers[0], &found); err != nil {
				return err
			}
			all = append(all, found...)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return unique(all)
}

func unique(references []configv1alpha1.DependentObjectReference) ([]configv1alpha1.DependentObjectReference, error) {
	keys := make(map[string]configv1alpha1.DependentObjectReference, len(references))
	var order []string
	for _, reference := range references {
		raw, err := json.Marshal(reference)
		if err != nil {
			return nil, err
		}
		if _, seen := keys[string(raw)]; !seen {
			keys[string(raw)] = reference
			order = append(order, string(raw))
		}
	}
	slices.SortFunc(order, func(a, b string) int {
		x, y := keys[a], keys[b]
		return cmp.Or(cmp.Compare(x.APIVersion, y.APIVersion), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Namespace, y.Namespace),
			cmp.Compare(x.Name, y.Name), cmp.Compare(a, b))
	})
	var list []configv1alpha1.DependentObjectReference
	for _, key := range order {
		list = append(list, keys[key])
	}
	return list, nil
}

// ReflectStatus is what ReflectStatus returns: any table, or nil for no status.
func (i *Interpreter) ReflectStatus(ctx context.Context, object *unstructured.Unstructured) (status *runtime.RawExtension, err error) {
	err = i.ask(ctx, configv1alpha1.InterpreterOperationInterpretStatus, object, 1, []any{object.Object}, func(answers []sandbox.Result) error {
		if answers[0].IsNil() {
			return nil
		}
		decoded, err := table(answers[0], object.Object["status"])
		if err != nil {
			return err
		}
		raw, err := utiljson.Marshal(decoded)
		status = &runtime.RawExtension{Raw: raw}
		return err
	})
	return status, err
}

// Health is what InterpretHealth returns: true or false.
func (i *Interpreter) Health(ctx context.Context, object *unstructured.Unstructured) (healthy bool, err error) {
	err = i.ask(ctx, configv1alpha1.InterpreterOperationInterpretHealth, object, 1, []any{object.Object}, func(answers []sandbox.Result) error {
		boolean, ok := answers[0].Bool()
		if !ok {
			return fmt.Errorf("true or false was expected, not a %s", answers[0].Type())
		}
		healthy = boolean
		return nil
	})
	return healthy, err
}

// sameObject reads an answer that is the object with changes.
func sameObject(answer sandbox.Result, object *unstructured.Unstructured, originals ...any) (*unstructured.Unstructured, error) {
	decoded, err := table(answer, originals...)
	if err != nil {
		return nil, err
	}
	content, ok := decoded.(map[string]any)
	if !ok {
		return nil, errors.New("an object was expected, not a list")
	}
	changed := &unstructured.Unstructured{Object: content}
	if changed.GroupVersionKind() != object.GroupVersionKind() || changed.GetName() != object.GetName() || changed.GetNamespace() != object.GetNamespace() {
		return nil, fmt.Errorf("the object was expected, with its kind and name, not %s %s/%s", changed.GroupVersionKind(), changed.GetNamespace(), changed.GetName())
	}
	return changed, nil
}

func table(answer sandbox.Result, originals ...any) (any, error) {
	if answer.Type() != "table" {
		return nil, fmt.Errorf("a table was expected, not a %s", answer.Type())
	}
	return answer.Decoded(originals...)
}

// decode reads a table into a Go type.
func decode(answer sandbox.Result, into any) error {
	decoded, err := table(answer)
	if err != nil {
		return err
	}
	return convert(decoded, into)
}

func decodeList(answer sandbox.Result, into any) error {
	decoded, err := table(answer)
	if err != nil {
		return err
	}
	if object, ok := decoded.(map[string]any); ok {
		if len(object) > 0 {
			return errors.New("a list was expected, not an object")
		}
		return nil
	}
	return convert(decoded, into)
}

// convert goes through JSON, in which quantities may be numbers or text.
func convert(decoded, into any) error {
	if err := checkAmounts(decoded, false); err != nil {
		return err
	}
	raw, err := utiljson.Marshal(decoded)
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}
