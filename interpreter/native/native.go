// Package native interprets the kinds that Kubernetes itself brings, and the status of every kind.
package native

import (
	"context"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/interpreter"
	"github.com/seatrial/seatrial/rawjson"
)

// Options change what an Interpreter answers.
type Options struct {
	// Clock dates the conditions of aggregated Jobs.
	Clock clock.PassiveClock
	// QuotaRequirements adds the priority class to replica requirements, so that estimators can look at resource quotas.
	QuotaRequirements bool
}

// Interpreter interprets the native kinds.
type Interpreter struct {
	options Options
	kinds   map[schema.GroupVersionKind]handlers
}

var _ interpreter.Interpreter = (*Interpreter)(nil)

// New makes an interpreter of the native kinds.
func New(options Options) *Interpreter {
	return &Interpreter{options: options, kinds: table()}
}

// Supports tells whether the table has a function for the operation. InterpretStatus works on every kind.
func (i *Interpreter) Supports(gvk schema.GroupVersionKind, operation configv1alpha1.InterpreterOperation) bool {
	kind := i.kinds[gvk]
	switch operation {
	case configv1alpha1.InterpreterOperationInterpretReplica:
		return kind.replicas != nil
	case configv1alpha1.InterpreterOperationReviseReplica:
		return kind.replicaField != ""
	case configv1alpha1.InterpreterOperationRetain:
		return kind.retain != nil
	case configv1alpha1.InterpreterOperationAggregateStatus:
		return kind.aggregate != nil
	case configv1alpha1.InterpreterOperationInterpretDependency:
		return kind.dependencies != nil
	case configv1alpha1.InterpreterOperationInterpretHealth:
		return kind.healthy != nil
	case configv1alpha1.InterpreterOperationInterpretStatus:
		return true
	default:
		return false
	}
}

// handlersFor looks up the functions of a kind, once it is known to support the operation.
func (i *Interpreter) handlersFor(
	object *unstructured.Unstructured, operation configv1alpha1.InterpreterOperation,
) (handlers, error) {
	gvk := object.GroupVersionKind()
	if !i.Supports(gvk, operation) {
		return handlers{}, &interpreter.UnsupportedError{Operation: operation, Kind: gvk}
	}
	return i.kinds[gvk], nil
}

// Replicas answers for Deployments, ReplicaSets, StatefulSets, Jobs and Pods.
func (i *Interpreter) Replicas(
	_ context.Context, object *unstructured.Unstructured,
) (int32, *workv1alpha2.ReplicaRequirements, error) {
	kind, err := i.handlersFor(object, configv1alpha1.InterpreterOperationInterpretReplica)
	if err != nil {
		return 0, nil, err
	}
	replicas, pod, err := kind.replicas(object)
	if err != nil {
		return 0, nil, describe("counting replicas of", object, err)
	}
	requirements := PodRequirements(pod)
	if requirements != nil && i.options.QuotaRequirements {
		requirements.PriorityClassName = pod.PriorityClassName
	}
	return replicas, requirements, nil
}

// Components always answers an *interpreter.UnsupportedError: no native kind has several pod templates.
func (i *Interpreter) Components(_ context.Context, object *unstructured.Unstructured) ([]workv1alpha2.Component, error) {
	_, err := i.handlersFor(object, configv1alpha1.InterpreterOperationInterpretComponent)
	return nil, err
}

// ReviseReplica changes the replica field of a workload that has it, and leaves others as they are.
func (i *Interpreter) ReviseReplica(
	_ context.Context, object *unstructured.Unstructured, replicas int64,
) (*unstructured.Unstructured, error) {
	kind, err := i.handlersFor(object, configv1alpha1.InterpreterOperationReviseReplica)
	if err != nil {
		return nil, err
	}
	_, found, err := unstructured.NestedInt64(object.Object, "spec", kind.replicaField)
	if err != nil {
		return nil, describe("revising replicas of", object, err)
	}
	if !found {
		return object, nil
	}
	// What an interpreter answers is read-only, so it may share all that stays.
	spec, _ := object.Object["spec"].(map[string]any)
	spec = maps.Clone(spec)
	spec[kind.replicaField] = replicas
	revised := &unstructured.Unstructured{Object: maps.Clone(object.Object)}
	revised.Object["spec"] = spec
	return revised, nil
}

// Retain keeps what the member's controllers own.
func (i *Interpreter) Retain(_ context.Context, desired, observed *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	kind, err := i.handlersFor(desired, configv1alpha1.InterpreterOperationRetain)
	if err != nil {
		return nil, err
	}
	retained := desired.DeepCopy()
	if err := kind.retain(retained, observed); err != nil {
		return nil, describe("retaining member fields of", desired, err)
	}
	return retained, nil
}

// AggregateStatus sums up the status of the members. Members that reported none count as missing.
func (i *Interpreter) AggregateStatus(
	_ context.Context, object *unstructured.Unstructured, items []workv1alpha2.AggregatedStatusItem,
) (*unstructured.Unstructured, error) {
	kind, err := i.handlersFor(object, configv1alpha1.InterpreterOperationAggregateStatus)
	if err != nil {
		return nil, err
	}
	status, err := kind.aggregate(aggregation{object: object, items: items, clock: i.options.Clock})
	if err != nil {
		return nil, describe("aggregating status of", object, err)
	}
	if status == nil {
		return object, nil
	}
	// All but the status is shared with the object.
	aggregated := maps.Clone(object.Object)
	aggregated["status"] = status
	return &unstructured.Unstructured{Object: aggregated}, nil
}

// Dependencies lists config maps, secrets, claims, service accounts and services that the object names.
func (i *Interpreter) Dependencies(
	_ context.Context, object *unstructured.Unstructured,
) ([]configv1alpha1.DependentObjectReference, error) {
	kind, err := i.handlersFor(object, configv1alpha1.InterpreterOperationInterpretDependency)
	if err != nil {
		return nil, err
	}
	dependencies, err := kind.dependencies(object)
	if err != nil {
		return nil, describe("finding dependencies of", object, err)
	}
	return dependencies, nil
}

// ReflectStatus picks the fields that aggregation needs, or the whole status of kinds without such a choice.
func (i *Interpreter) ReflectStatus(_ context.Context, object *unstructured.Unstructured) (*runtime.RawExtension, error) {
	reflect := i.kinds[object.GroupVersionKind()].reflect
	if reflect == nil {
		reflect = wholeStatus
	}
	status, err := reflect(object)
	if err != nil {
		return nil, describe("reflecting status of", object, err)
	}
	if status == nil {
		return nil, nil
	}
	raw, err := rawjson.Encode(status)
	if err != nil {
		return nil, describe("encoding status of", object, err)
	}
	return &runtime.RawExtension{Raw: raw}, nil
}

// Health compares the status of the object with its spec.
func (i *Interpreter) Health(_ context.Context, object *unstructured.Unstructured) (bool, error) {
	kind, err := i.handlersFor(object, configv1alpha1.InterpreterOperationInterpretHealth)
	if err != nil {
		return false, err
	}
	healthy, err := kind.healthy(object)
	if err != nil {
		return false, describe("judging health of", object, err)
	}
	return healthy, nil
}

func describe(action string, object *unstructured.Unstructured, err error) error {
	return fmt.Errorf("%s %s %s/%s: %w", action, object.GetKind(), object.GetNamespace(), object.GetName(), err)
}

// decode reads an object into the Go type of its kind.
func decode[T any](object *unstructured.Unstructured) (*T, error) {
	typed := new(T)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, typed); err != nil {
		return nil, err
	}
	return typed, nil
}
