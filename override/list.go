package override

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// Kinds are prototypes of both kinds, for watches.
func Kinds() []client.Object {
	return []client.Object{&policyv1alpha1.OverridePolicy{}, &policyv1alpha1.ClusterOverridePolicy{}}
}

// ListFor reads the policies that may select a manifest of the namespace: its own and all cluster-scoped ones. An empty
// namespace, of cluster-scoped manifests, leaves the latter.
func ListFor(ctx context.Context, reader client.Reader, namespace string, options ...client.ListOption) ([]Policy, error) {
	var views []Policy
	if namespace != "" {
		list := &policyv1alpha1.OverridePolicyList{}
		if err := reader.List(ctx, list, append(options, client.InNamespace(namespace))...); err != nil {
			return nil, fmt.Errorf("listing the override policies of namespace %s: %w", namespace, err)
		}
		for i := range list.Items {
			views = append(views, Policy{Object: &list.Items[i], Spec: &list.Items[i].Spec})
		}
	}
	list := &policyv1alpha1.ClusterOverridePolicyList{}
	if err := reader.List(ctx, list, options...); err != nil {
		return nil, fmt.Errorf("listing cluster override policies: %w", err)
	}
	for i := range list.Items {
		views = append(views, Policy{Object: &list.Items[i], Spec: &list.Items[i].Spec})
	}
	return views, nil
}
