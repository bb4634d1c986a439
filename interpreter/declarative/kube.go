package declarative

import (
	"errors"
	"fmt"
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/seatrial/seatrial/interpreter/native"
	"github.com/seatrial/seatrial/interpreter/sandbox"
)

// kube is the library that scripts get from require("kube"):
//
//	resourceAdd(a, b, ...)                       the sum of amounts such as "500m" or 2, as text; nil counts nothing
//	getResourceQuantity(amount)                  an amount as a number
//	accuratePodRequirements(podTemplate)         what a node must offer to one pod, nil when any will do
//	getPodDependencies(podTemplate, namespace)   references to the objects that a pod names, the service account among them
func kube() sandbox.Library {
	return sandbox.Library{
		"resourceAdd":             resourceAdd,
		"getResourceQuantity":     resourceQuantity,
		"accuratePodRequirements": podRequirements,
		"getPodDependencies":      podDependencies,
	}
}

func resourceAdd(arguments []any) (any, error) {
	var sum resource.Quantity
	for place, argument := range arguments {
		amount, err := quantity(argument)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", place+1, err)
		}
		sum.Add(amount)
	}
	return sum.String(), nil
}

func resourceQuantity(arguments []any) (any, error) {
	if len(arguments) != 1 {
		return nil, errors.New("one amount is needed")
	}
	amount, err := quantity(arguments[0])
	if err != nil {
		return nil, err
	}
	number := amount.AsApproximateFloat64()
	if number < 0 || math.IsInf(number, 0) {
		return nil, fmt.Errorf("%s is no amount of a resource", amount.String())
	}
	return number, nil
}

func quantity(value any) (resource.Quantity, error) {
	switch value := value.(type) {
	case nil:
		return resource.Quantity{}, nil
	case string, int64, float64:
		text := fmt.Sprint(value)
		if err := checkAmount(text); err != nil {
			return resource.Quantity{}, err
		}
		amount, err := resource.ParseQuantity(text)
		if err != nil {
			return amount, noAmount(text)
		}
		return amount, nil
	}
	return resource.Quantity{}, errors.New("an amount such as 2, \"500m\" or \"1Gi\" is needed, not a table or boolean")
}

func podRequirements(arguments []any) (any, error) {
	if len(arguments) != 1 {
		return nil, errors.New("one pod template is needed")
	}
	template, err := podTemplate(arguments[0])
	if err != nil {
		return nil, err
	}
	requirements := native.PodRequirements(&template.Spec)
	if requirements == nil {
		return nil, nil
	}
	return decoded(requirements)
}

func podDependencies(arguments []any) (any, error) {
	if len(arguments) != 2 {
		return nil, errors.New("a pod template and a namespace are needed")
	}
	template, err := podTemplate(arguments[0])
	if err != nil {
		return nil, err
	}
	namespace, ok := arguments[1].(string)
	if arguments[1] == nil {
		namespace, ok = metav1.NamespaceDefault, true
	}
	if !ok {
		return nil, errors.New("the namespace must be text")
	}
	found := native.PodDependencies(namespace, &template.Spec)
	if found == nil {
		return []any{}, nil
	}
	return decoded(found)
}

func podTemplate(value any) (*corev1.PodTemplateSpec, error) {
	template := &corev1.PodTemplateSpec{}
	if _, ok := value.(map[string]any); !ok {
		return nil, errors.New("a pod template is needed, which is a table with spec")
	}
	if err := convert(value, template); err != nil {
		return nil, fmt.Errorf("reading the pod template: %w", err)
	}
	return template, nil
}

// decoded is a Go value as JSON decodes it.
func decoded(value any) (any, error) {
	raw, err := utiljson.Marshal(value)
	if err != nil {
		return nil, err
	}
	var generic any
	err = utiljson.Unmarshal(raw, &generic)
	return generic, err
}
