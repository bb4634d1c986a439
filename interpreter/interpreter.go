// Package interpreter answers what the control plane needs to know about objects whose kinds it does not define: how many
// replicas they ask for, how to change that, what to keep from a member, how to sum up and judge their status, and what else
// they need.
package interpreter

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// Interpreter interprets objects of some kinds. No method changes its arguments, and what a method returns may share
// memory with them, so results are read-only as well. An operation that Supports refuses answers an *UnsupportedError.
type Interpreter interface {
	// Supports tells whether the interpreter has its own answer for an operation on a kind.
	Supports(gvk schema.GroupVersionKind, operation configv1alpha1.InterpreterOperation) bool

	// Replicas is the desired number of replicas of a workload and what each of them requires; nil means nothing.
	Replicas(ctx context.Context, object *unstructured.Unstructured) (int32, *workv1alpha2.ReplicaRequirements, error)

	// Components are the pod templates of a workload that has several, with their replicas and requirements.
	Components(ctx context.Context, object *unstructured.Unstructured) ([]workv1alpha2.Component, error)

	// ReviseReplica is the object with another number of replicas.
	ReviseReplica(ctx context.Context, object *unstructured.Unstructured, replicas int64) (*unstructured.Unstructured, error)

	// Retain is desired with the fields that belong to the member taken over from observed.
	Retain(ctx context.Context, desired, observed *unstructured.Unstructured) (*unstructured.Unstructured, error)

	// AggregateStatus is the object with the sum of what the members report as its status. It is object itself when the
	// status stays the same.
	AggregateStatus(ctx context.Context, object *unstructured.Unstructured,
		items []workv1alpha2.AggregatedStatusItem) (*unstructured.Unstructured, error)

	// Dependencies are the objects that a cluster needs besides this one.
	Dependencies(ctx context.Context, object *unstructured.Unstructured) ([]configv1alpha1.DependentObjectReference, error)

	// ReflectStatus is the part of a member object's status to report, nil without any.
	ReflectStatus(ctx context.Context, object *unstructured.Unstructured) (*runtime.RawExtension, error)

	// Health tells whether a member object works as it should.
	Health(ctx context.Context, object *unstructured.Unstructured) (bool, error)
}

// Observer is an Interpreter that objects of the control plane configure. Whoever drives a controller gives it an interpreter
// of its own, and shows that every change of an object the controller watches before keys wake for it. So a turn never asks
// an interpreter that is older than what woke it.
type Observer interface {
	// Observe takes one change; old is nil for an object that is new, and current for one that is gone.
	Observe(old, current runtime.Object)
}

// UnsupportedError says that nobody knows how to do an operation on a kind.
type UnsupportedError struct {
	Operation configv1alpha1.InterpreterOperation
	Kind      schema.GroupVersionKind
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("no interpreter for %s of %s", e.Operation, e.Kind)
}

// IsUnsupported tells whether err, or one it wraps, is an *UnsupportedError.
func IsUnsupported(err error) bool {
	var unsupported *UnsupportedError
	return errors.As(err, &unsupported)
}
