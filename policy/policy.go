// Package policy looks at PropagationPolicies and ClusterPropagationPolicies through one view and decides which of them a
// template belongs to.
package policy

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// Policy is a PropagationPolicy or a ClusterPropagationPolicy. Spec points into the object.
type Policy struct {
	client.Object
	Spec *policyv1alpha1.PropagationSpec
}

// Of looks at an object as a propagation policy; ok is false when it is neither kind.
func Of(object client.Object) (view Policy, ok bool) {
	switch typed := object.(type) {
	case *policyv1alpha1.PropagationPolicy:
		return Policy{Object: typed, Spec: &typed.Spec}, true
	case *policyv1alpha1.ClusterPropagationPolicy:
		return Policy{Object: typed, Spec: &typed.Spec}, true
	}
	return Policy{}, false
}

// Kinds are prototypes of both kinds, for watches.
func Kinds() []client.Object {
	return []client.Object{&policyv1alpha1.PropagationPolicy{}, &policyv1alpha1.ClusterPropagationPolicy{}}
}

// Get reads a policy; an empty namespace asks for a ClusterPropagationPolicy.
func Get(ctx context.Context, reader client.Reader, name types.NamespacedName) (Policy, error) {
	var object client.Object = &policyv1alpha1.PropagationPolicy{}
	if name.Namespace == "" {
		object = &policyv1alpha1.ClusterPropagationPolicy{}
	}
	if err := reader.Get(ctx, name, object); err != nil {
		return Policy{}, err
	}
	view, _ := Of(object)
	return view, nil
}

// ListFor reads the policies that may select a template of the namespace: its own and all cluster-scoped ones. An empty
// namespace, of cluster-scoped templates, leaves the latter.
func ListFor(ctx context.Context, reader client.Reader, namespace string, options ...client.ListOption) ([]Policy, error) {
	var views []Policy
	if namespace != "" {
		list := &policyv1alpha1.PropagationPolicyList{}
		if err := reader.List(ctx, list, append(options, client.InNamespace(namespace))...); err != nil {
			return nil, fmt.Errorf("listing the propagation policies of namespace %s: %w", namespace, err)
		}
		for i := range list.Items {
			view, _ := Of(&list.Items[i])
			views = append(views, view)
		}
	}
	list := &policyv1alpha1.ClusterPropagationPolicyList{}
	if err := reader.List(ctx, list, options...); err != nil {
		return nil, fmt.Errorf("listing cluster propagation policies: %w", err)
	}
	for i := range list.Items {
		view, _ := Of(&list.Items[i])
		views = append(views, view)
	}
	return views, nil
}

// Clone is a deep copy.
func (p Policy) Clone() Policy {
	view, _ := Of(p.DeepCopyObject().(client.Object))
	return view
}

// NamespacedName names the policy; the namespace of a ClusterPropagationPolicy is empty.
func (p Policy) NamespacedName() types.NamespacedName {
	return types.NamespacedName{Namespace: p.GetNamespace(), Name: p.GetName()}
}

// ClusterScoped tells a ClusterPropagationPolicy.
func (p Policy) ClusterScoped() bool { return p.GetNamespace() == "" }

// String reads "PropagationPolicy ns/name" or "ClusterPropagationPolicy name".
func (p Policy) String() string {
	if p.ClusterScoped() {
		return "ClusterPropagationPolicy " + p.GetName()
	}
	return "PropagationPolicy " + p.NamespacedName().String()
}

// Priority is the explicit one; 0 unless given.
func (p Policy) Priority() int32 { return ptr.Deref(p.Spec.Priority, 0) }

// Finalizer is the one that holds the policy until its claims are taken off templates and bindings.
func (p Policy) Finalizer() string {
	if p.ClusterScoped() {
		return names.FinalizerClusterPropagationPolicy
	}
	return names.FinalizerPropagationPolicy
}

// IDLabel is the key under which the policy, and what it claims, carry the policy's identity.
func (p Policy) IDLabel() string {
	if p.ClusterScoped() {
		return names.LabelClusterPropagationPolicyID
	}
	return names.LabelPropagationPolicyID
}

// ID is the policy's identity; empty until it has been given one.
func (p Policy) ID() string { return p.GetLabels()[p.IDLabel()] }
