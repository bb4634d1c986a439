package auth

import (
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// rule reads "group resource name,name" with any verb; * are those of RBAC.
func rule(group, resource string, names ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{Verbs: []string{"get"}, APIGroups: []string{group}, Resources: []string{resource}, ResourceNames: names}
}

func TestGrants(t *testing.T) {
	silent := rule("cluster.karmada.io", "clusters/proxy")
	silent.Verbs = nil
	for name, c := range map[string]struct {
		rule            rbacv1.PolicyRule
		grants, concern bool
	}{
		"all clusters":      {rule("cluster.karmada.io", "clusters/proxy"), true, true},
		"this cluster":      {rule("cluster.karmada.io", "clusters/proxy", "m2", "m1"), true, true},
		"another cluster":   {rule("cluster.karmada.io", "clusters/proxy", "m2"), false, true},
		"everything":        {rule("*", "*"), true, true},
		"all proxies":       {rule("cluster.karmada.io", "*/proxy"), true, true},
		"the cluster alone": {rule("cluster.karmada.io", "clusters"), false, false},
		"another group":     {rule("apps", "clusters/proxy"), false, false},
		"no verb":           {silent, false, false},
		"the search proxy":  {rule("search.karmada.io", "proxying/proxy"), true, true},
		"search":            {rule("search.karmada.io", "search"), false, false},
		"its proxy by name": {rule("search.karmada.io", "proxying/proxy", "karmada"), true, true},
		"no resource":       {rbacv1.PolicyRule{Verbs: []string{"*"}, NonResourceURLs: []string{"*"}}, false, false},
	} {
		rules := []rbacv1.PolicyRule{rule("apps", "deployments"), c.rule}
		if got := Grants(rules, "m1"); got != c.grants {
			t.Errorf("%s grants: %t", name, got)
		}
		if got := concerns(rules); got != c.concern {
			t.Errorf("%s concerns clusters: %t", name, got)
		}
	}
}

func TestImpersonation(t *testing.T) {
	roles := []rbacv1.ClusterRole{
		{ObjectMeta: metav1.ObjectMeta{Name: "all"}, Rules: []rbacv1.PolicyRule{rule("*", "*")}},
		{ObjectMeta: metav1.ObjectMeta{Name: "one"}, Rules: []rbacv1.PolicyRule{rule("cluster.karmada.io", "clusters/proxy", "m1")}},
		{ObjectMeta: metav1.ObjectMeta{Name: "none"}, Rules: []rbacv1.PolicyRule{rule("apps", "deployments")}},
	}
	give := func(kind, role string, subjects ...string) rbacv1.ClusterRoleBinding {
		made := rbacv1.ClusterRoleBinding{RoleRef: rbacv1.RoleRef{Kind: kind, Name: role}}
		for _, subject := range subjects {
			sort, name, _ := strings.Cut(subject, " ")
			made.Subjects = append(made.Subjects, rbacv1.Subject{Kind: sort, Name: name})
		}
		return made
	}
	bindings := []rbacv1.ClusterRoleBinding{
		give("ClusterRole", "one", "ServiceAccount tom", "Group staff", "User zoe", "User ann"),
		give("ClusterRole", "all", "Group system:masters", "User ann"),
		give("ClusterRole", "none", "User nobody"),
		give("ClusterRole", "gone", "User nobody"),
		give("Role", "one", "User nobody"),
	}
	for cluster, want := range map[string]string{
		"m1": "users=ann,zoe serviceaccounts=tom groups=staff,system:masters extra",
		"m2": "users=ann groups=system:masters extra",
	} {
		var parts []string
		for _, rule := range Impersonation(roles, bindings, cluster) {
			if rule.Verbs[0] != "impersonate" || rule.APIGroups[0] != "" && rule.APIGroups[0] != "authentication.k8s.io" {
				t.Errorf("%s: rule %v", cluster, rule)
			}
			if rule.APIGroups[0] != "" {
				parts = append(parts, "extra")
				continue
			}
			parts = append(parts, rule.Resources[0]+"="+strings.Join(rule.ResourceNames, ","))
		}
		if got := strings.Join(parts, " "); got != want {
			t.Errorf("%s: %s, want %s", cluster, got, want)
		}
	}
	if rules := Impersonation(roles, bindings[2:], "m1"); len(rules) > 0 {
		t.Errorf("nobody is let through, and the rules are %v", rules)
	}
}
