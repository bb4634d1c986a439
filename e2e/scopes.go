package e2e

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/fleet"
)

// NamespacesFollow creates, labels and deletes namespaces in the control plane; those that are to be skipped stay there.
func NamespacesFollow(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	skipped := namespace("skipped")
	skipped.Labels = map[string]string{names.LabelSkipAutoPropagation: names.LabelSkipAutoPropagationValue}
	f.create(skipped)
	cleanUp := f.space("followed")
	f.awaitHolders(namespace("followed"), members...)
	update(f, f.plane, namespace("followed"), func(n *corev1.Namespace) { n.Labels["team"] = "blue" })
	eventually(f, f.member("member1"), namespace("followed"), "the new label", func(n *corev1.Namespace) bool { return n.Labels["team"] == "blue" })
	f.stays("member clusters without the skipped namespace", f.held(skipped))
	f.delete(f.plane, skipped)
	cleanUp()
}

// ClusterScopedTemplatesPropagate sends a ClusterRole and a CustomResourceDefinition, and then an object of the kind that it
// defines.
func ClusterScopedTemplatesPropagate(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "seatrial:reader"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}},
	}}
	definition := boatDefinition()
	boat := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"sails": int64(2)}}}
	boat.SetGroupVersionKind(schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Boat"})
	boat.SetName("nina")
	// The policy comes first: it selects a kind that the control plane does not know yet.
	claimer := &policyv1alpha1.ClusterPropagationPolicy{ObjectMeta: metav1.ObjectMeta{Name: "scopes"}, Spec: f.placed(role, "member1", "member2")}
	for _, selected := range []client.Object{definition, boat} {
		claimer.Spec.ResourceSelectors = append(claimer.Spec.ResourceSelectors, policyv1alpha1.ResourceSelector{
			APIVersion: selected.GetObjectKind().GroupVersionKind().GroupVersion().String(),
			Kind:       selected.GetObjectKind().GroupVersionKind().Kind, Name: selected.GetName(),
		})
	}
	f.create(claimer)
	f.create(role)
	f.create(definition)
	f.awaitHolders(role, "member1", "member2")
	f.awaitHolders(definition, "member1", "member2")
	f.await(toSettle, "kind Boat served by the control plane", func(ctx context.Context) (bool, error) {
		err := f.plane.Create(ctx, boat)
		return err == nil, unlessUnserved(err)
	})
	for _, member := range []string{"member1", "member2"} {
		f.await(toSettle, "the boat in "+member, func(ctx context.Context) (bool, error) {
			found := blank(boat)
			if err := f.member(member).Get(ctx, client.ObjectKeyFromObject(boat), found); err != nil {
				return false, unlessUnserved(err)
			}
			sails, _, err := unstructured.NestedInt64(found.Object, "spec", "sails")
			return sails == 2, err
		})
	}
	f.awaitBinding(role, "a binding that is applied", func(b binding.Binding) bool {
		return b.GetNamespace() == "" && meta.IsStatusConditionTrue(b.Status.Conditions, names.ConditionFullyApplied)
	})
	f.delete(f.plane, boat)
	for _, member := range []string{"member1", "member2"} {
		f.awaitAbsent(f.member(member), boat)
	}
	f.delete(f.plane, role)
	f.delete(f.plane, definition)
	f.awaitHolders(role)
	f.awaitHolders(definition)
	f.delete(f.plane, claimer)
	f.awaitAbsent(f.plane, claimer)
}

// unlessUnserved ignores that a kind or an object is not there.
func unlessUnserved(err error) error {
	if meta.IsNoMatchError(err) || apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func boatDefinition() *unstructured.Unstructured {
	return definitionOf("example.com", "v1", "Cluster", "boats", "Boat")
}

// definitionOf defines a kind that may hold anything.
func definitionOf(group, version, scope, plural, kind string) *unstructured.Unstructured {
	definition := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"group": group, "scope": scope,
		"names": map[string]any{"plural": plural, "singular": strings.ToLower(kind), "kind": kind, "listKind": kind + "List"},
		"versions": []any{map[string]any{
			"name": version, "served": true, "storage": true,
			"schema": map[string]any{"openAPIV3Schema": map[string]any{
				"type": "object", "x-kubernetes-preserve-unknown-fields": true,
			}},
		}},
	}}}
	definition.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
	definition.SetName(plural + "." + group)
	return definition
}
