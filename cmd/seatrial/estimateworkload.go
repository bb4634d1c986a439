package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/utils/clock"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/estimator/nodes"
	"github.com/seatrial/seatrial/interpreter/native"
)

// workloadDemand is a workload of the input and what each of its replicas needs.
type workloadDemand struct {
	object   *unstructured.Unstructured
	replicas int32
	demand   nodes.Demand
}

func (w *workloadDemand) describe() string {
	return fmt.Sprintf("%s %s/%s", w.object.GetKind(), w.object.GetNamespace(), w.object.GetName())
}

// readWorkloads reads the documents of a file that have replicas. Others are left out, as long as there is one.
func readWorkloads(ctx context.Context, file string, stdin io.Reader) ([]workloadDemand, error) {
	var workloads []workloadDemand
	documents := 0
	knows := native.New(native.Options{Clock: clock.RealClock{}})
	err := eachDocument(file, stdin, func(object *unstructured.Unstructured) error {
		documents++
		if !knows.Supports(object.GroupVersionKind(), configv1alpha1.InterpreterOperationInterpretReplica) {
			return nil
		}
		read, err := readWorkload(ctx, knows, object)
		if err != nil {
			return err
		}
		workloads = append(workloads, read)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(workloads) == 0 {
		return nil, fmt.Errorf("-f %s: none of its %d documents is a workload with replicas, such as a Deployment of apps/v1", file, documents)
	}
	return workloads, nil
}

func readWorkload(ctx context.Context, knows *native.Interpreter, object *unstructured.Unstructured) (workloadDemand, error) {
	if object.GetNamespace() == "" {
		object.SetNamespace(metav1.NamespaceDefault)
	}
	read := workloadDemand{object: object}
	if err := checkQuantities(object.Object["spec"], field.NewPath("spec")); err != nil {
		return read, fmt.Errorf("%s: %w", read.describe(), err)
	}
	replicas, requirements, err := knows.Replicas(ctx, object)
	if err != nil {
		return read, fmt.Errorf("%s: %w", read.describe(), err)
	}
	if replicas < 0 {
		return read, fmt.Errorf("%s: spec.replicas: %d is below zero", read.describe(), replicas)
	}
	pod, err := estimator.WorkloadDemand(object)
	if err != nil {
		return read, fmt.Errorf("%s: %w", read.describe(), err)
	}
	if requirements == nil {
		requirements = &workv1alpha2.ReplicaRequirements{}
	}
	// Quotas and the terms of pods look at these.
	requirements.Namespace = object.GetNamespace()
	for _, path := range [][]string{{"spec", "template", "spec", "priorityClassName"}, {"spec", "priorityClassName"}} {
		if class, ok, err := unstructured.NestedString(object.Object, path...); ok && err == nil {
			requirements.PriorityClassName = class
		}
	}
	read.replicas, read.demand.Requirements = replicas, requirements
	if pod != nil {
		read.demand.PodDemand = *pod
	}
	return read, nil
}

// checkQuantities names the field of an amount that is none, which decoding does not.
func checkQuantities(value any, path *field.Path) error {
	switch value := value.(type) {
	case []any:
		for i := range value {
			if err := checkQuantities(value[i], path.Index(i)); err != nil {
				return err
			}
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(value)) {
			inner, amounts := value[key].(map[string]any)
			if !amounts || key != "requests" && key != "limits" && key != "overhead" {
				if err := checkQuantities(value[key], path.Child(key)); err != nil {
					return err
				}
				continue
			}
			for _, name := range slices.Sorted(maps.Keys(inner)) {
				if err := checkQuantity(inner[name], path.Child(key).Key(name)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func checkQuantity(value any, path *field.Path) error {
	quantity, err := resource.ParseQuantity(fmt.Sprint(value))
	if err != nil {
		return field.Invalid(path, value, `must be an amount such as 2, 500m or 1Gi`)
	}
	if quantity.Sign() < 0 {
		return field.Invalid(path, value, "must not be below zero")
	}
	return nil
}

// eachDocument visits the objects of a file, those of lists one by one. The name - stands for standard input.
func eachDocument(file string, stdin io.Reader, visit func(*unstructured.Unstructured) error) error {
	from := stdin
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return fmt.Errorf("opening the file of -f: %w", err)
		}
		defer opened.Close()
		from = opened
	}
	if err := eachObject(from, visit); err != nil {
		return fmt.Errorf("-f %s: %w", file, err)
	}
	return nil
}

// eachObject visits the objects of a stream of YAML or JSON documents, those of lists one by one.
func eachObject(from io.Reader, visit func(*unstructured.Unstructured) error) error {
	documents := yaml.NewYAMLOrJSONDecoder(bufio.NewReader(from), 4096)
	for number := 1; ; number++ {
		object := &unstructured.Unstructured{}
		err := documents.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading document %d: %w", number, err)
		}
		if len(object.Object) == 0 {
			continue
		}
		switch {
		case object.GetKind() == "":
			return fmt.Errorf("document %d: kind is missing", number)
		case object.GetAPIVersion() == "":
			return fmt.Errorf("document %d: apiVersion is missing", number)
		case object.IsList():
			err = object.EachListItem(func(item runtime.Object) error { return visit(item.(*unstructured.Unstructured)) })
		default:
			err = visit(object)
		}
		if err != nil {
			return fmt.Errorf("document %d: %w", number, err)
		}
	}
}
