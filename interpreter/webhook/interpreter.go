package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/interpreter"
)

// Interpreter answers by webhooks. It knows none at first, and is safe for concurrent use.
type Interpreter struct {
	client *Client

	mu             sync.RWMutex
	configurations map[string]*configv1alpha1.ResourceInterpreterWebhookConfiguration
	// hooks are those of all configurations by their names, each in its order: the first that takes a question answers it. The
	// list is replaced, not changed.
	hooks []*hook
}

var (
	_ interpreter.Interpreter = (*Interpreter)(nil)
	_ interpreter.Observer    = (*Interpreter)(nil)
)

// Interpreter makes one more interpreter, without configurations.
func (c *Client) Interpreter() *Interpreter {
	return &Interpreter{client: c, configurations: map[string]*configv1alpha1.ResourceInterpreterWebhookConfiguration{}}
}

// Observe takes over a ResourceInterpreterWebhookConfiguration as it is now. Other objects are none of its business.
func (i *Interpreter) Observe(old, current runtime.Object) {
	before, was := old.(*configv1alpha1.ResourceInterpreterWebhookConfiguration)
	now, is := current.(*configv1alpha1.ResourceInterpreterWebhookConfiguration)
	if !was && !is {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if is {
		i.configurations[now.Name] = now
	} else {
		delete(i.configurations, before.Name)
	}
	var hooks []*hook
	for _, name := range slices.Sorted(maps.Keys(i.configurations)) {
		hooks = append(hooks, hooksOf(i.configurations[name])...)
	}
	i.hooks = hooks
}

// Supports tells whether a webhook takes questions of this sort.
func (i *Interpreter) Supports(gvk schema.GroupVersionKind, operation configv1alpha1.InterpreterOperation) bool {
	return i.hookFor(gvk, operation) != nil
}

func (i *Interpreter) hookFor(gvk schema.GroupVersionKind, operation configv1alpha1.InterpreterOperation) *hook {
	i.mu.RLock()
	hooks := i.hooks
	i.mu.RUnlock()
	for _, candidate := range hooks {
		if candidate.answers(gvk, operation) {
			return candidate
		}
	}
	return nil
}

// ask finds the webhook for a question about an object; more adds what the operation needs.
func (i *Interpreter) ask(ctx context.Context, object *unstructured.Unstructured, operation configv1alpha1.InterpreterOperation, more func(*configv1alpha1.ResourceInterpreterRequest)) (*configv1alpha1.ResourceInterpreterResponse, error) {
	kind := object.GroupVersionKind()
	found := i.hookFor(kind, operation)
	if found == nil {
		return nil, &interpreter.UnsupportedError{Operation: operation, Kind: kind}
	}
	if found.fault != nil {
		return nil, fmt.Errorf("webhook %s cannot be asked: %w", found.name, found.fault)
	}
	raw, err := content(object)
	if err != nil {
		return nil, err
	}
	question := configv1alpha1.ResourceInterpreterRequest{
		Kind: metav1.GroupVersionKind(kind), Namespace: object.GetNamespace(), Name: object.GetName(), Operation: operation,
		Object: runtime.RawExtension{Raw: raw},
	}
	if more != nil {
		more(&question)
	}
	return i.client.ask(ctx, found, question)
}

// content is an object as webhooks see it: without what tells only its history, so that equal content gets equal answers.
func content(object *unstructured.Unstructured) ([]byte, error) {
	whole := maps.Clone(object.Object)
	if metadata, ok := whole["metadata"].(map[string]any); ok {
		metadata = maps.Clone(metadata)
		delete(metadata, "managedFields")
		delete(metadata, "resourceVersion")
		whole["metadata"] = metadata
	}
	raw, err := json.Marshal(whole)
	if err != nil {
		return nil, fmt.Errorf("encoding %s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return raw, nil
}

// Replicas implements interpreter.Interpreter.
func (i *Interpreter) Replicas(ctx context.Context, object *unstructured.Unstructured) (int32, *workv1alpha2.ReplicaRequirements, error) {
	response, err := i.ask(ctx, object, configv1alpha1.InterpreterOperationInterpretReplica, nil)
	if err != nil {
		return 0, nil, err
	}
	return *response.Replicas, response.ReplicaRequirements, nil
}

// Components implements interpreter.Interpreter.
func (i *Interpreter) Components(ctx context.Context, object *unstructured.Unstructured) ([]workv1alpha2.Component, error) {
	response, err := i.ask(ctx, object, configv1alpha1.InterpreterOperationInterpretComponent, nil)
	if err != nil {
		return nil, err
	}
	return response.Components, nil
}

// ReviseReplica implements interpreter.Interpreter.
func (i *Interpreter) ReviseReplica(ctx context.Context, object *unstructured.Unstructured, replicas int64) (*unstructured.Unstructured, error) {
	if replicas < 0 || replicas > math.MaxInt32 {
		return nil, fmt.Errorf("%d replicas: must be between 0 and %d", replicas, math.MaxInt32)
	}
	wanted := int32(replicas)
	response, err := i.ask(ctx, object, configv1alpha1.InterpreterOperationReviseReplica, func(question *configv1alpha1.ResourceInterpreterRequest) {
		question.DesiredReplicas = &wanted
	})
	if err != nil {
		return nil, err
	}
	return patched(object, response.Patch)
}

// Retain implements interpreter.Interpreter.
func (i *Interpreter) Retain(ctx context.Context, desired, observed *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	raw, err := content(observed)
	if err != nil {
		return nil, err
	}
	response, err := i.ask(ctx, desired, configv1alpha1.InterpreterOperationRetain, func(question *configv1alpha1.ResourceInterpreterRequest) {
		question.ObservedObject = &runtime.RawExtension{Raw: raw}
	})
	if err != nil {
		return nil, err
	}
	return patched(desired, response.Patch)
}

// AggregateStatus implements interpreter.Interpreter.
func (i *Interpreter) AggregateStatus(ctx context.Context, object *unstructured.Unstructured, items []workv1alpha2.AggregatedStatusItem) (*unstructured.Unstructured, error) {
	response, err := i.ask(ctx, object, configv1alpha1.InterpreterOperationAggregateStatus, func(question *configv1alpha1.ResourceInterpreterRequest) {
		question.AggregatedStatus = items
	})
	if err != nil {
		return nil, err
	}
	return patched(object, response.Patch)
}

// Dependencies implements interpreter.Interpreter.
func (i *Interpreter) Dependencies(ctx context.Context, object *unstructured.Unstructured) ([]configv1alpha1.DependentObjectReference, error) {
	response, err := i.ask(ctx, object, configv1alpha1.InterpreterOperationInterpretDependency, nil)
	if err != nil {
		return nil, err
	}
	return response.Dependencies, nil
}

// ReflectStatus implements interpreter.Interpreter.
func (i *Interpreter) ReflectStatus(ctx context.Context, object *unstructured.Unstructured) (*runtime.RawExtension, error) {
	response, err := i.ask(ctx, object, configv1alpha1.InterpreterOperationInterpretStatus, nil)
	if err != nil {
		return nil, err
	}
	return response.RawStatus, nil
}

// Health implements interpreter.Interpreter.
func (i *Interpreter) Health(ctx context.Context, object *unstructured.Unstructured) (bool, error) {
	response, err := i.ask(ctx, object, configv1alpha1.InterpreterOperationInterpretHealth, nil)
	if err != nil {
		return false, err
	}
	return *response.Healthy, nil
}
