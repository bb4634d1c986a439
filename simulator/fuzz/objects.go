package fuzz

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/seatrial/seatrial/api/names"
)

// namespaces that workloads are in, in large scenarios.
var namespaces = []string{"default", "shop", "bank"}

// tiers are what policies select workloads by.
var tiers = []string{"front", "back"}

// kindsOfWorkloads are what is propagated: with replicas and a status, with replicas alone, without, and outside of namespaces.
var kindsOfWorkloads = []workloadKind{
	{"apps/v1", "Deployment"}, {"apps/v1", "Deployment"}, {"apps/v1", "StatefulSet"}, {"v1", "ConfigMap"},
	{"apps/v1", "Deployment"}, {"v1", "ConfigMap"}, {"rbac.authorization.k8s.io/v1", "ClusterRole"},
}

type workloadKind struct{ apiVersion, kind string }

// requests for CPU make clusters tight at times.
var requests = []string{"100m", "250m", "500m", "1"}

func object(apiVersion, kind, namespace, name string) *unstructured.Unstructured {
	made := &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind}}
	made.SetName(name)
	if namespace != "" {
		made.SetNamespace(namespace)
	}
	return made
}

func reference(of *unstructured.Unstructured) *unstructured.Unstructured {
	return object(of.GetAPIVersion(), of.GetKind(), of.GetNamespace(), of.GetName())
}

func bindingOf(of *unstructured.Unstructured) *unstructured.Unstructured {
	kind := "ResourceBinding"
	if of.GetNamespace() == "" {
		kind = "ClusterResourceBinding"
	}
	return object("work.karmada.io/v1alpha2", kind, of.GetNamespace(), names.Binding(of.GetKind(), of.GetName()))
}

func workOf(of *unstructured.Unstructured, cluster string) *unstructured.Unstructured {
	return object("work.karmada.io/v1alpha1", "Work", names.ExecutionSpace(cluster), names.Work(of.GetKind(), of.GetName(), of.GetNamespace()))
}

// identityOf is the kind and the name of the i-th workload.
func (g *generator) identityOf(i int) (kind workloadKind, name types.NamespacedName) {
	i += g.kindsFrom
	kind = kindsOfWorkloads[i%len(kindsOfWorkloads)]
	name = types.NamespacedName{Namespace: g.namespaces[i/2%len(g.namespaces)], Name: fmt.Sprintf("w%d", i)}
	if kind.kind == "ClusterRole" {
		name.Namespace = ""
	}
	return kind, name
}

// workload draws the content of the i-th workload; its kind and name stay the same.
func (g *generator) workload(i int) *unstructured.Unstructured {
	kind, of := g.identityOf(i)
	namespace, name := of.Namespace, of.Name
	made := object(kind.apiVersion, kind.kind, namespace, name)
	made.SetLabels(map[string]string{"tier": pick(g, tiers)})
	version := fmt.Sprint(g.random.IntN(1000))
	switch kind.kind {
	case "ConfigMap":
		made.Object["data"] = map[string]any{"version": version}
	case "ClusterRole":
		made.Object["rules"] = []any{map[string]any{
			"apiGroups": []any{""}, "resources": []any{"pods"}, "verbs": []any{"get"}, "resourceNames": []any{version},
		}}
	default:
		made.Object["spec"] = g.podSet(kind.kind, namespace, name, version)
	}
	return made
}

func (g *generator) podSet(kind, namespace, name, version string) map[string]any {
	spec := map[string]any{
		"replicas": int64(1 + g.random.IntN(12)),
		"selector": map[string]any{"matchLabels": map[string]any{"app": name}},
		"template": map[string]any{
			"metadata": map[string]any{"labels": map[string]any{"app": name}},
			"spec": map[string]any{"containers": []any{map[string]any{
				"name": "main", "image": "registry.example/app:" + version,
				"resources": map[string]any{"requests": map[string]any{"cpu": pick(g, requests), "memory": "64Mi"}},
				"envFrom":   g.environment(namespace),
			}}},
		},
	}
	if kind == "StatefulSet" {
		spec["serviceName"] = name
	}
	return spec
}

// environment is what pods read beside their own template: at times a ConfigMap, which then has to follow them.
func (g *generator) environment(namespace string) []any {
	from := []any{}
	for i := range g.size.workloads.least {
		if of, name := g.identityOf(i); of.kind == "ConfigMap" && name.Namespace == namespace && g.random.IntN(4) == 0 {
			from = append(from, map[string]any{"configMapRef": map[string]any{"name": name.Name}})
		}
	}
	return from
}

// placementKinds are the ways in which a policy divides replicas or chooses clusters.
const placementKinds = 5

// policy draws a policy of a placement kind; an empty namespace asks for a cluster-scoped one.
func (g *generator) policy(namespace string, kind int) *unstructured.Unstructured {
	return g.policyNamed(namespace, fmt.Sprintf("p%d", kind), kind)
}

func (g *generator) policyNamed(namespace, name string, kind int) *unstructured.Unstructured {
	scope := "PropagationPolicy"
	if namespace == "" {
		scope = "ClusterPropagationPolicy"
	}
	made := object("policy.karmada.io/v1alpha1", scope, namespace, name)
	spec := map[string]any{"resourceSelectors": g.selectors(namespace), "placement": g.placement(kind)}
	if g.random.IntN(4) == 0 {
		spec["priority"] = int64(g.random.IntN(5))
	}
	if g.random.IntN(4) == 0 {
		spec["conflictResolution"] = "Overwrite"
	}
	g.failover(spec)
	made.Object["spec"] = spec
	made.SetAnnotations(map[string]string{names.AnnotationRebalance: pick(g, []string{names.RebalanceAutomatic, "Never"})})
	return made
}

// failover draws how workloads leave clusters that fail them, and whether what they need follows them.
func (g *generator) failover(spec map[string]any) {
	purge := func() string { return pick(g, []string{"Gracefully", "Gracefully", "Gracefully", "Directly", "Never"}) }
	behaviour := map[string]any{}
	if g.random.IntN(3) == 0 {
		behaviour["cluster"] = map[string]any{"purgeMode": pick(g, []string{"Gracefully", "Directly"})}
	}
	if g.random.IntN(3) == 0 {
		behaviour["application"] = map[string]any{
			"decisionConditions": map[string]any{"tolerationSeconds": int64(30 + g.random.IntN(150))}, "purgeMode": purge(),
		}
	}
	if len(behaviour) > 0 {
		spec["failover"] = behaviour
	}
	if behaviour["application"] != nil || g.random.IntN(3) == 0 {
		spec["propagateDeps"] = true
	}
}

// taintPolicy taints clusters whose readiness is, or is not, as an operator asks.
func taintPolicy(name, operator string, taint map[string]any) *unstructured.Unstructured {
	made := object("policy.karmada.io/v1alpha1", "ClusterTaintPolicy", "", name)
	ready := func(operator string) []any {
		return []any{map[string]any{"conditionType": "Ready", "operator": operator, "statusValues": []any{"True"}}}
	}
	otherwise := map[string]string{"In": "NotIn", "NotIn": "In"}
	made.Object["spec"] = map[string]any{
		"addOnConditions": ready(operator), "removeOnConditions": ready(otherwise[operator]), "taints": []any{taint},
	}
	return made
}

// selectors select by label, by name, or all of a kind.
func (g *generator) selectors(namespace string) []any {
	byTier := func(kind int) map[string]any {
		return map[string]any{
			"apiVersion": kindsOfWorkloads[kind].apiVersion, "kind": kindsOfWorkloads[kind].kind,
			"labelSelector": map[string]any{"matchLabels": map[string]any{"tier": pick(g, tiers)}},
		}
	}
	selectors := []any{byTier(g.random.IntN(6))}
	if namespace == "" {
		selectors = append(selectors, map[string]any{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"})
	}
	for range g.random.IntN(3) {
		chosen := pick(g, g.workloads)
		if chosen.GetNamespace() == namespace {
			selectors = append(selectors, map[string]any{"apiVersion": chosen.GetAPIVersion(), "kind": chosen.GetKind(), "name": chosen.GetName()})
		}
	}
	return selectors
}

func (g *generator) placement(kind int) map[string]any {
	placement := map[string]any{}
	if affinity := g.affinity(); affinity != nil {
		placement["clusterAffinity"] = affinity
	}
	if g.random.IntN(3) == 0 {
		placement["clusterTolerations"] = []any{
			map[string]any{"key": "drain", "operator": "Exists"},
			map[string]any{"key": "cluster.karmada.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": int64(20 + g.random.IntN(100))},
		}
	}
	divided := func(preference string) map[string]any {
		return map[string]any{"replicaSchedulingType": "Divided", "replicaDivisionPreference": preference}
	}
	switch kind {
	case 0:
		placement["replicaScheduling"] = map[string]any{"replicaSchedulingType": "Duplicated"}
	case 1:
		var weights []any
		for _, cluster := range g.scenario.Clusters {
			weights = append(weights, map[string]any{
				"targetCluster": map[string]any{"clusterNames": []any{cluster.Name}}, "weight": int64(1 + g.random.IntN(5)),
			})
		}
		scheduling := divided("Weighted")
		scheduling["weightPreference"] = map[string]any{"staticWeightList": weights}
		placement["replicaScheduling"] = scheduling
	case 2:
		scheduling := divided("Weighted")
		scheduling["weightPreference"] = map[string]any{"dynamicWeight": "AvailableReplicas"}
		placement["replicaScheduling"] = scheduling
	case 3:
		placement["replicaScheduling"] = divided("Aggregated")
	case 4:
		placement["replicaScheduling"] = divided("Aggregated")
		placement["spreadConstraints"] = g.spread()
	}
	return placement
}

// affinity is by name, by exclusion, by label, by field, or none.
func (g *generator) affinity() map[string]any {
	var some []any
	for _, cluster := range g.scenario.Clusters {
		if g.random.IntN(2) == 0 {
			some = append(some, cluster.Name)
		}
	}
	switch kind := g.random.IntN(6); {
	case kind == 0 && len(some) > 0:
		return map[string]any{"clusterNames": some}
	case kind == 1 && len(some) > 0 && len(some) < len(g.scenario.Clusters):
		return map[string]any{"exclude": some}
	case kind == 2:
		return map[string]any{"labelSelector": map[string]any{"matchLabels": map[string]any{"tier": "gold"}}}
	case kind == 3:
		return map[string]any{"fieldSelector": map[string]any{"matchExpressions": []any{
			map[string]any{"key": "region", "operator": "In", "values": []any{"east", "west"}},
		}}}
	}
	return nil
}

func (g *generator) spread() []any {
	most := int64(2 + g.random.IntN(2))
	constraints := []any{map[string]any{"spreadByField": "cluster", "minGroups": int64(1), "maxGroups": most}}
	if g.random.IntN(2) == 0 {
		constraints = append(constraints, map[string]any{"spreadByField": "region", "minGroups": int64(1), "maxGroups": most})
	}
	return constraints
}

// override draws the i-th override policy, of both scopes in turn.
func (g *generator) override(i int) *unstructured.Unstructured {
	scope, namespace := "OverridePolicy", pick(g, g.namespaces)
	if i%2 == 1 {
		scope, namespace = "ClusterOverridePolicy", ""
	}
	made := object("policy.karmada.io/v1alpha1", scope, namespace, fmt.Sprintf("o%d", i))
	kind := pick(g, slices.Clone(kindsOfWorkloads))
	rule := map[string]any{"overriders": map[string]any{"labelsOverrider": []any{
		map[string]any{"operator": "add", "value": map[string]any{fmt.Sprintf("override%d", i): fmt.Sprint(g.random.IntN(10))}},
	}}}
	if g.random.IntN(2) == 0 {
		rule["targetCluster"] = map[string]any{"clusterNames": []any{pick(g, g.scenario.Clusters).Name}}
	}
	made.Object["spec"] = map[string]any{
		"resourceSelectors": []any{map[string]any{"apiVersion": kind.apiVersion, "kind": kind.kind}},
		"overrideRules":     []any{rule},
	}
	return made
}
