package interpreter

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// Chain asks its members in order: the first one that supports an operation on a kind answers, and an error of it is final.
type Chain []Interpreter

var (
	_ Interpreter = Chain(nil)
	_ Observer    = Chain(nil)
)

// Observe shows a change to all members that objects configure.
func (c Chain) Observe(old, current runtime.Object) {
	for _, member := range c {
		if observer, ok := member.(Observer); ok {
			observer.Observe(old, current)
		}
	}
}

// Supports tells whether any member supports the operation.
func (c Chain) Supports(gvk schema.GroupVersionKind, operation configv1alpha1.InterpreterOperation) bool {
	_, err := c.pick(gvk, operation)
	return err == nil
}

func (c Chain) pick(gvk schema.GroupVersionKind, operation configv1alpha1.InterpreterOperation) (Interpreter, error) {
	for _, member := range c {
		if member.Supports(gvk, operation) {
			return member, nil
		}
	}
	return nil, &UnsupportedError{Operation: operation, Kind: gvk}
}

// Replicas answers InterpretReplica.
func (c Chain) Replicas(ctx context.Context, object *unstructured.Unstructured) (int32, *workv1alpha2.ReplicaRequirements, error) {
	member, err := c.pick(object.GroupVersionKind(), configv1alpha1.InterpreterOperationInterpretReplica)
	if err != nil {
		return 0, nil, err
	}
	return member.Replicas(ctx, object)
}

// Components answers InterpretComponent.
func (c Chain) Components(ctx context.Context, object *unstructured.Unstructured) ([]workv1alpha2.Component, error) {
	member, err := c.pick(object.GroupVersionKind(), configv1alpha1.InterpreterOperationInterpretComponent)
	if err != nil {
		return nil, err
	}
	return member.Components(ctx, object)
}

// ReviseReplica answers ReviseReplica.
func (c Chain) ReviseReplica(
	ctx context.Context, object *unstructured.Unstructured, replicas int64,
) (*unstructured.Unstructured, error) {
	member, err := c.pick(object.GroupVersionKind(), configv1alpha1.InterpreterOperationReviseReplica)
	if err != nil {
		return nil, err
	}
	return member.ReviseReplica(ctx, object, replicas)
}

// Retain answers Retain, for the kind of desired.
func (c Chain) Retain(ctx context.Context, desired, observed *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	member, err := c.pick(desired.GroupVersionKind(), configv1alpha1.InterpreterOperationRetain)
	if err != nil {
		return nil, err
	}
	return member.Retain(ctx, desired, observed)
}

// AggregateStatus answers AggregateStatus.
func (c Chain) AggregateStatus(
	ctx context.Context, object *unstructured.Unstructured, items []workv1alpha2.AggregatedStatusItem,
) (*unstructured.Unstructured, error) {
	member, err := c.pick(object.GroupVersionKind(), configv1alpha1.InterpreterOperationAggregateStatus)
	if err != nil {
		return nil, err
	}
	return member.AggregateStatus(ctx, object, items)
}

// Dependencies answers InterpretDependency.
func (c Chain) Dependencies(
	ctx context.Context, object *unstructured.Unstructured,
) ([]configv1alpha1.DependentObjectReference, error) {
	member, err := c.pick(object.GroupVersionKind(), configv1alpha1.InterpreterOperationInterpretDependency)
	if err != nil {
		return nil, err
	}
	return member.Dependencies(ctx, object)
}

// ReflectStatus answers InterpretStatus.
func (c Chain) ReflectStatus(ctx context.Context, object *unstructured.Unstructured) (*runtime.RawExtension, error) {
	member, err := c.pick(object.GroupVersionKind(), configv1alpha1.InterpreterOperationInterpretStatus)
	if err != nil {
		return nil, err
	}
	return member.ReflectStatus(ctx, object)
}

// Health answers InterpretHealth.
func (c Chain) Health(ctx context.Context, object *unstructured.Unstructured) (bool, error) {
	member, err := c.pick(object.GroupVersionKind(), configv1alpha1.InterpreterOperationInterpretHealth)
	if err != nil {
		return false, err
	}
	return member.Health(ctx, object)
}
