package cli

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// identity is an object that a policy is made for; the namespace is empty for cluster-scoped kinds.
type identity struct {
	gvk             schema.GroupVersionKind
	namespace, name string
}

// policyFor sends one object to clusters, all of them where none is named. Its name is the one given, or follows from the object.
func policyFor(object identity, name string, change func(*policyv1alpha1.PropagationSpec), clusters ...string) (*unstructured.Unstructured, error) {
	if name == "" {
		name = names.PromotedPolicy(object.namespace, object.name, object.gvk.String())
	}
	spec := policyv1alpha1.PropagationSpec{
		ResourceSelectors: []policyv1alpha1.ResourceSelector{{
			APIVersion: object.gvk.GroupVersion().String(), Kind: object.gvk.Kind, Namespace: object.namespace, Name: object.name,
		}},
		Placement: policyv1alpha1.Placement{ClusterAffinity: &policyv1alpha1.ClusterAffinity{ClusterNames: clusters}},
	}
	if change != nil {
		change(&spec)
	}
	kind := "PropagationPolicy"
	if object.namespace == "" {
		kind = "ClusterPropagationPolicy"
	}
	// Both kinds have the same fields.
	tree, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&policyv1alpha1.PropagationPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: policyv1alpha1.GroupVersion.String(), Kind: kind},
		ObjectMeta: metav1.ObjectMeta{Namespace: object.namespace, Name: name}, Spec: spec,
	})
	if err != nil {
		return nil, fmt.Errorf("making the policy of %s %s: %w", object.gvk.Kind, object.name, err)
	}
	policy := &unstructured.Unstructured{Object: tree}
	unstructured.RemoveNestedField(tree, "metadata", "creationTimestamp")
	unstructured.RemoveNestedField(tree, "status")
	return policy, nil
}
