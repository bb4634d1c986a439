// Package override changes manifests on their way to a cluster as override policies say: pure functions of the manifest, the
// cluster and the policies that exist.
package override

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/policy"
)

// Policy is an OverridePolicy or a ClusterOverridePolicy. Spec points into the object.
type Policy struct {
	client.Object
	Spec *policyv1alpha1.OverrideSpec
}

// Of looks at an object as an override policy; ok is false when it is neither kind.
func Of(object client.Object) (view Policy, ok bool) {
	switch typed := object.(type) {
	case *policyv1alpha1.OverridePolicy:
		return Policy{Object: typed, Spec: &typed.Spec}, true
	case *policyv1alpha1.ClusterOverridePolicy:
		return Policy{Object: typed, Spec: &typed.Spec}, true
	}
	return Policy{}, false
}

// Applied is one rule that changed, or could have changed, a manifest. Its JSON form is an item of the annotations that record
// overrides on a Work.
type Applied struct {
	PolicyName string                    `json:"policyName"`
	Overriders policyv1alpha1.Overriders `json:"overriders"`
}

// Result is a manifest for one cluster, with the rules applied to it in the order of application.
type Result struct {
	// Manifest is the given one when no rule applies to it.
	Manifest *unstructured.Unstructured
	// Cluster are rules of cluster-scoped policies, Namespaced those of the namespace of the manifest.
	Cluster, Namespaced []Applied
}

// Annotations are those that record a result on a Work; a scope without rules has none.
func (r Result) Annotations() (map[string]string, error) {
	annotations := map[string]string{}
	for key, applied := range map[string][]Applied{
		names.AnnotationAppliedClusterOverrides: r.Cluster, names.AnnotationAppliedOverrides: r.Namespaced,
	} {
		if len(applied) == 0 {
			continue
		}
		sorted := slices.Clone(applied)
		slices.SortStableFunc(sorted, func(a, b Applied) int { return cmp.Compare(a.PolicyName, b.PolicyName) })
		text, err := json.Marshal(sorted)
		if err != nil {
			return nil, fmt.Errorf("recording applied overrides: %w", err)
		}
		annotations[key] = string(text)
	}
	return annotations, nil
}

// Apply changes a manifest for a cluster by all policies that select it: cluster-scoped policies first, then those of its
// namespace, which select the manifest as the former left it; within a scope from the widest selection to the closest, and by
// name. The manifest given is not changed.
func Apply(
	manifest *unstructured.Unstructured, cluster *clusterv1alpha1.Cluster, policies []Policy,
) (Result, error) {
	changed, wide, err := applyScope(manifest, cluster, inScope(policies, ""))
	if err != nil || manifest.GetNamespace() == "" {
		return Result{Manifest: changed, Cluster: wide}, err
	}
	changed, local, err := applyScope(changed, cluster, inScope(policies, manifest.GetNamespace()))
	return Result{Manifest: changed, Cluster: wide, Namespaced: local}, err
}

// inScope are the policies of a namespace, or the cluster-scoped ones for an empty namespace.
func inScope(policies []Policy, namespace string) []Policy {
	return slices.DeleteFunc(slices.Clone(policies), func(p Policy) bool { return p.GetNamespace() != namespace })
}

func applyScope(
	manifest *unstructured.Unstructured, cluster *clusterv1alpha1.Cluster, policies []Policy,
) (*unstructured.Unstructured, []Applied, error) {
	var all []Applied
	current := manifest
	for _, selected := range selecting(policies, manifest) {
		for _, rule := range rulesOf(selected.Spec) {
			if rule.TargetCluster != nil && !Targets(rule.TargetCluster, cluster) {
				continue
			}
			changed, err := applyOverriders(current, &rule.Overriders)
			if err != nil {
				return nil, nil, fmt.Errorf("applying override policy %s to %s %s for cluster %s: %w",
					names.NamespacedKey(selected.GetNamespace(), selected.GetName()), manifest.GetKind(),
					names.NamespacedKey(manifest.GetNamespace(), manifest.GetName()), cluster.Name, err)
			}
			current = changed
			all = append(all, Applied{PolicyName: selected.GetName(), Overriders: rule.Overriders})
		}
	}
	return current, all, nil
}

// selecting are the policies of one scope that select the manifest, in the order of application. A policy without selectors
// selects everything.
func selecting(policies []Policy, manifest *unstructured.Unstructured) []Policy {
	type ranked struct {
		Policy
		rank policy.Rank
	}
	var chosen []ranked
	for _, candidate := range policies {
		rank := policy.MatchesAll
		if len(candidate.Spec.ResourceSelectors) > 0 {
			rank = policy.RankOf(manifest, candidate.Spec.ResourceSelectors)
		}
		if rank != policy.Misses {
			chosen = append(chosen, ranked{candidate, rank})
		}
	}
	slices.SortStableFunc(chosen, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.GetName(), b.GetName()))
	})
	ordered := make([]Policy, 0, len(chosen))
	for _, entry := range chosen {
		ordered = append(ordered, entry.Policy)
	}
	return ordered
}

// rulesOf reads the fields that came before rules as a rule, when there are no others.
func rulesOf(spec *policyv1alpha1.OverrideSpec) []policyv1alpha1.RuleWithCluster {
	if len(spec.OverrideRules) > 0 {
		return spec.OverrideRules
	}
	return []policyv1alpha1.RuleWithCluster{{TargetCluster: spec.TargetCluster, Overriders: spec.Overriders}}
}

// applyOverriders runs the overriders of one rule in the order of their kinds; plain patches come last and see the rest.
func applyOverriders(
	manifest *unstructured.Unstructured, overriders *policyv1alpha1.Overriders,
) (*unstructured.Unstructured, error) {
	changed := manifest.DeepCopy()
	for i := range overriders.ImageOverrider {
		if err := overrideImages(changed, &overriders.ImageOverrider[i]); err != nil {
			return nil, fmt.Errorf("image overrider %d: %w", i, err)
		}
	}
	for i := range overriders.CommandOverrider {
		if err := overrideWords(changed, "command", &overriders.CommandOverrider[i]); err != nil {
			return nil, fmt.Errorf("command overrider %d: %w", i, err)
		}
	}
	for i := range overriders.ArgsOverrider {
		if err := overrideWords(changed, "args", &overriders.ArgsOverrider[i]); err != nil {
			return nil, fmt.Errorf("args overrider %d: %w", i, err)
		}
	}
	for i := range overriders.LabelsOverrider {
		if err := overridePairs(changed, "labels", &overriders.LabelsOverrider[i]); err != nil {
			return nil, fmt.Errorf("labels overrider %d: %w", i, err)
		}
	}
	for i := range overriders.AnnotationsOverrider {
		if err := overridePairs(changed, "annotations", &overriders.AnnotationsOverrider[i]); err != nil {
			return nil, fmt.Errorf("annotations overrider %d: %w", i, err)
		}
	}
	for i := range overriders.FieldOverrider {
		if err := overrideField(changed, &overriders.FieldOverrider[i]); err != nil {
			return nil, fmt.Errorf("field overrider %d: %w", i, err)
		}
	}
	if len(overriders.Plaintext) == 0 {
		return changed, nil
	}
	if err := patchObject(changed, plaintextOperations(overriders.Plaintext)); err != nil {
		return nil, fmt.Errorf("plaintext overriders: %w", err)
	}
	return changed, nil
}
