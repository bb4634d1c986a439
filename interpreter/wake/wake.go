// Package wake tells controllers whom to wake when users teach the control plane a kind anew: what was interpreted in the old
// way is looked at again.
package wake

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
)

// concerned tells the kinds that are interpreted anew.
type concerned func(schema.GroupVersionKind) bool

// lister finds the keys of a controller that have to do with some kinds.
type lister func(ctx context.Context, reader client.Reader, concerned concerned) []control.Key

// watches are the kinds that configure interpreters.
func watches(list lister) []control.Watch {
	return []control.Watch{{
		Object: &configv1alpha1.ResourceInterpreterCustomization{},
		Keys: func(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
			kinds := targets(event)
			if len(kinds) == 0 {
				return nil
			}
			return list(ctx, reader, func(kind schema.GroupVersionKind) bool { return kinds[kind] })
		},
	}, {
		Object: &configv1alpha1.ResourceInterpreterWebhookConfiguration{},
		Keys: func(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
			rules := rulesOf(event)
			if len(rules) == 0 {
				return nil
			}
			return list(ctx, reader, func(kind schema.GroupVersionKind) bool {
				return slices.ContainsFunc(rules, func(rule configv1alpha1.Rule) bool { return meant(rule, kind) })
			})
		},
	}}
}

// targets are the kinds of a customization before and after a change, none if its scripts stay the same.
func targets(event control.Event) map[schema.GroupVersionKind]bool {
	if event.Old != nil && event.New != nil && event.Old.GetGeneration() == event.New.GetGeneration() {
		return nil
	}
	kinds := map[schema.GroupVersionKind]bool{}
	for _, object := range []client.Object{event.Old, event.New} {
		if customization, ok := object.(*configv1alpha1.ResourceInterpreterCustomization); ok {
			target := customization.Spec.Target
			kinds[schema.FromAPIVersionAndKind(target.APIVersion, target.Kind)] = true
		}
	}
	return kinds
}

// rulesOf are the kinds of a webhook configuration before and after a change, none if it stays the same.
func rulesOf(event control.Event) []configv1alpha1.Rule {
	if event.Old != nil && event.New != nil && event.Old.GetGeneration() == event.New.GetGeneration() {
		return nil
	}
	var rules []configv1alpha1.Rule
	for _, object := range []client.Object{event.Old, event.New} {
		configuration, ok := object.(*configv1alpha1.ResourceInterpreterWebhookConfiguration)
		if !ok {
			continue
		}
		for _, webhook := range configuration.Webhooks {
			for _, rule := range webhook.Rules {
				rules = append(rules, rule.Rule)
			}
		}
	}
	return rules
}

func meant(rule configv1alpha1.Rule, kind schema.GroupVersionKind) bool {
	named := func(list []string, value string) bool {
		return slices.Contains(list, value) || slices.Contains(list, "*")
	}
	return named(rule.APIGroups, kind.Group) && named(rule.APIVersions, kind.Version) && named(rule.Kinds, kind.Kind)
}

// Bindings wakes the bindings whose templates are of the kinds concerned.
func Bindings() []control.Watch {
	return watches(func(ctx context.Context, reader client.Reader, concerned concerned) []control.Key {
		all, err := binding.List(ctx, reader, client.UnsafeDisableDeepCopy)
		if err != nil {
			return nil
		}
		var keys []control.Key
		for _, bound := range all {
			if concerned(schema.FromAPIVersionAndKind(bound.Spec.Resource.APIVersion, bound.Spec.Resource.Kind)) {
				keys = append(keys, control.KeyOf(bound.Object))
			}
		}
		return keys
	})
}

// Works wakes the Works of bindings whose templates are of the kinds concerned. It finds them through their bindings: to read
// the manifests of all Works would take long in a large fleet. An agent sees no bindings, and has all Works of its cluster looked
// at. Before it does, unlearn drops what a controller remembers of interpreting them, which only saves work.
func Works(scope control.Scope, unlearn func()) []control.Watch {
	return watches(func(ctx context.Context, reader client.Reader, concerned concerned) []control.Key {
		unlearn()
		if scope.Agent != "" {
			return worksOf(ctx, reader, scope.Agent)
		}
		all, err := binding.List(ctx, reader, client.UnsafeDisableDeepCopy)
		if err != nil {
			return nil
		}
		var keys []control.Key
		for _, bound := range all {
			template := bound.Spec.Resource
			if !concerned(schema.FromAPIVersionAndKind(template.APIVersion, template.Kind)) {
				continue
			}
			name := names.Work(template.Kind, template.Name, template.Namespace)
			for _, cluster := range clustersOf(bound) {
				keys = append(keys, control.Key{Namespace: names.ExecutionSpace(cluster), Name: name})
			}
		}
		return keys
	})
}

// worksOf are the Works of one cluster.
func worksOf(ctx context.Context, reader client.Reader, cluster string) []control.Key {
	works := &workv1alpha1.WorkList{}
	if err := reader.List(ctx, works, client.InNamespace(names.ExecutionSpace(cluster)), client.UnsafeDisableDeepCopy); err != nil {
		return nil
	}
	keys := make([]control.Key, 0, len(works.Items))
	for i := range works.Items {
		keys = append(keys, control.KeyOf(&works.Items[i]))
	}
	return keys
}

// clustersOf are those that a binding has a Work for, or will have, sorted.
func clustersOf(bound binding.Binding) []string {
	clusters := sets.New[string]()
	for _, target := range bound.Spec.Clusters {
		clusters.Insert(target.Name)
	}
	for _, parent := range bound.Spec.RequiredBy {
		for _, target := range parent.Clusters {
			clusters.Insert(target.Name)
		}
	}
	for _, item := range bound.Status.AggregatedStatus {
		clusters.Insert(item.ClusterName)
	}
	return sets.List(clusters)
}

// Policies wakes the propagation policies that select kinds concerned, under the keys that keyOf makes: their turns go through
// all that they select, with bindings or without.
func Policies(keyOf func(client.Object) control.Key) []control.Watch {
	return watches(func(ctx context.Context, reader client.Reader, concerned concerned) []control.Key {
		var keys []control.Key
		add := func(policy client.Object, spec *policyv1alpha1.PropagationSpec) {
			for _, selector := range spec.ResourceSelectors {
				if concerned(schema.FromAPIVersionAndKind(selector.APIVersion, selector.Kind)) {
					keys = append(keys, keyOf(policy))
					return
				}
			}
		}
		cluster := &policyv1alpha1.ClusterPropagationPolicyList{}
		if err := reader.List(ctx, cluster, client.UnsafeDisableDeepCopy); err != nil {
			return nil
		}
		for i := range cluster.Items {
			add(&cluster.Items[i], &cluster.Items[i].Spec)
		}
		namespaced := &policyv1alpha1.PropagationPolicyList{}
		if err := reader.List(ctx, namespaced, client.UnsafeDisableDeepCopy); err != nil {
			return keys
		}
		for i := range namespaced.Items {
			add(&namespaced.Items[i], &namespaced.Items[i].Spec)
		}
		return keys
	})
}
