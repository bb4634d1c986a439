package fuzz

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/seatrial/seatrial/api/names"
)

// stranger is a cluster that has a part of quotas and never joins.
const stranger = "stranger"

// tenants are given quotas, roles that let them through to clusters, and clusters that tell them more by their taints; all of
// it changes over time.
func (g *generator) tenants() {
	g.enforce()
	g.at = 10 * time.Second
	for _, cluster := range g.scenario.Clusters {
		g.entrust(cluster.Name)
	}
	for _, namespace := range g.namespaces {
		g.given = append(g.given, g.quota(namespace, "q0"))
	}
	g.given = append(g.given, g.quota(g.namespaces[0], "q1"))
	for i := range g.size.roles {
		g.given = append(g.given, g.proxyRole(i), g.proxyBinding(i))
	}
	g.given = append(g.given, g.tellingPolicy())
	for _, made := range g.given {
		g.step(Step{Do: Apply, Object: made.DeepCopy()})
		g.at += pick(g, paces)
	}
	for end := g.scenario.Duration.Duration - g.size.calm; g.at < end; g.at += g.within(g.size.tenancy) {
		g.oneOfTenants()
	}
}

// enforce draws whether admission refuses bindings beyond quotas, as the gate FederatedQuotaEnforcement does.
func (g *generator) enforce() { g.scenario.EnforceQuotas = g.random.IntN(3) > 0 }

// oneOfTenants is one change of what tenants are given.
func (g *generator) oneOfTenants() {
	cluster := pick(g, g.scenario.Clusters).Name
	switch g.random.IntN(12) {
	case 0:
		g.recreate(pick(g, g.given))
	case 1:
		g.entrust(cluster)
	case 2:
		g.step(Step{Do: Delete, Object: workOf(object("v1", "ResourceQuota", pick(g, g.namespaces), "q0"), cluster)})
	case 3:
		kind := pick(g, []string{"ClusterRole", "ClusterRoleBinding"})
		g.step(Step{Do: Delete, Object: workOf(object("rbac.authorization.k8s.io/v1", kind, "", names.ImpersonatorName), cluster)})
	case 4, 5:
		namespace := object("v1", "Namespace", "", pick(g, g.namespaces[1:]))
		namespace.SetLabels(map[string]string{"tenant": fmt.Sprint(g.random.IntN(100))})
		g.step(Step{Do: Apply, Object: namespace})
	default:
		at := g.random.IntN(len(g.given))
		g.given[at] = g.anew(g.given[at], at)
		g.step(Step{Do: Apply, Object: g.given[at].DeepCopy()})
	}
}

// anew draws the content of an object again.
func (g *generator) anew(made *unstructured.Unstructured, at int) *unstructured.Unstructured {
	switch number := (at - len(g.namespaces) - 1) / 2; made.GetKind() {
	case "FederatedResourceQuota":
		return g.quota(made.GetNamespace(), made.GetName())
	case "ClusterRole":
		return g.proxyRole(number)
	case "ClusterRoleBinding":
		return g.proxyBinding(number)
	}
	return g.tellingPolicy()
}

// entrust gives the control plane other credentials for acting in a cluster as somebody else, or takes them away.
func (g *generator) entrust(cluster string) {
	g.step(Step{Do: Entrust, Cluster: cluster, Namespace: pick(g, []string{"karmada-cluster", "karmada-cluster", "other", ""})})
}

// quota draws one that is tight at times, with parts for some clusters that may be tighter still.
func (g *generator) quota(namespace, name string) *unstructured.Unstructured {
	made := object("policy.karmada.io/v1alpha1", "FederatedResourceQuota", namespace, name)
	cpu, memory := pick(g, []int64{20, 60, 200, 1000}), pick(g, []int64{4, 16, 256})
	limited := pick(g, []string{"cpu", "requests.cpu"})
	overall := map[string]any{limited: fmt.Sprint(cpu), "memory": fmt.Sprintf("%dGi", memory)}
	var parts []any
	for _, cluster := range g.scenario.Clusters {
		if g.random.IntN(2) > 0 {
			continue
		}
		hard := map[string]any{limited: fmt.Sprintf("%dm", 1000*cpu/int64(len(g.scenario.Clusters)+1))}
		if g.random.IntN(2) == 0 {
			hard["memory"] = fmt.Sprintf("%dMi", 1024*memory/int64(len(g.scenario.Clusters)+1))
		}
		parts = append(parts, map[string]any{"clusterName": cluster.Name, "hard": hard})
	}
	if g.random.IntN(4) == 0 {
		parts = append(parts, map[string]any{"clusterName": stranger, "hard": map[string]any{limited: "1"}})
	}
	spec := map[string]any{"overall": overall}
	if len(parts) > 0 {
		spec["staticAssignments"] = parts
	}
	made.Object["spec"] = spec
	return made
}

// proxyRole draws a role that lets its subjects through to all clusters, to some, or to none.
func (g *generator) proxyRole(i int) *unstructured.Unstructured {
	made := object("rbac.authorization.k8s.io/v1", "ClusterRole", "", fmt.Sprintf("proxy%d", i))
	rule := map[string]any{
		"apiGroups": []any{"cluster.karmada.io"}, "resources": []any{pick(g, []string{"clusters/proxy", "clusters/proxy", "*/proxy", "clusters"})},
		"verbs": []any{"*"},
	}
	if g.random.IntN(2) == 0 {
		rule["resourceNames"] = []any{pick(g, g.scenario.Clusters).Name, pick(g, g.scenario.Clusters).Name}
	}
	made.Object["rules"] = []any{rule}
	return made
}

// proxyBinding draws who has such a role.
func (g *generator) proxyBinding(i int) *unstructured.Unstructured {
	made := object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", fmt.Sprintf("proxy%d", i))
	made.Object["roleRef"] = map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": fmt.Sprintf("proxy%d", i)}
	subjects := []any{}
	for range g.random.IntN(4) {
		subject := map[string]any{"kind": pick(g, []string{"User", "Group", "ServiceAccount"}), "name": fmt.Sprintf("tenant%d", g.random.IntN(5))}
		if subject["kind"] == "ServiceAccount" {
			subject["namespace"] = pick(g, g.namespaces)
		} else {
			subject["apiGroup"] = "rbac.authorization.k8s.io"
		}
		subjects = append(subjects, subject)
	}
	made.Object["subjects"] = subjects
	return made
}

// tellingPolicy draws a policy that taints clusters that are ready, which keeps nobody away.
func (g *generator) tellingPolicy() *unstructured.Unstructured {
	return taintPolicy("t1", "In", map[string]any{"key": "telling", "value": fmt.Sprint(g.random.IntN(100)), "effect": "PreferNoSchedule"})
}
