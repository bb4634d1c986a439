package auth

import (
	"cmp"
	"slices"

	authenticationv1 "k8s.io/api/authentication/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	searchv1alpha1 "github.com/seatrial/seatrial/api/search/v1alpha1"
)

const (
	// proxyResource is what a role has to grant on a cluster so that its subjects may act there through the control plane.
	proxyResource = "clusters/proxy"
	// searchResource does for every cluster: the search proxy sends what it has not cached to whichever has the object.
	searchResource = "proxying/proxy"
)

// Grants tells whether rules let somebody through to a cluster, with whatever verb: which requests are answered there is the
// business of the member.
func Grants(rules []rbacv1.PolicyRule, cluster string) bool {
	return slices.ContainsFunc(rules, func(rule rbacv1.PolicyRule) bool {
		return covers(rule, clusterv1alpha1.GroupName, proxyResource) && (len(rule.ResourceNames) == 0 || slices.Contains(rule.ResourceNames, cluster)) ||
			covers(rule, searchv1alpha1.GroupName, searchResource)
	})
}

func covers(rule rbacv1.PolicyRule, group, resource string) bool {
	return len(rule.Verbs) > 0 && contains(rule.APIGroups, group, rbacv1.APIGroupAll) && contains(rule.Resources, resource, "*/proxy", rbacv1.ResourceAll)
}

// concerns tells whether rules let somebody through to any cluster.
func concerns(rules []rbacv1.PolicyRule) bool {
	return slices.ContainsFunc(rules, func(rule rbacv1.PolicyRule) bool {
		rule.ResourceNames = nil
		return Grants([]rbacv1.PolicyRule{rule}, "")
	})
}

func contains(list []string, wanted ...string) bool {
	return slices.ContainsFunc(wanted, func(item string) bool { return slices.Contains(list, item) })
}

// Impersonation are the rules by which a member lets the control plane act for those whom bindings give one of the roles,
// none when there are none. Service accounts are told by their name alone, as a cluster role can say no more. What else the control
// plane knows of them (extra values, of any key) may be said with their names, and means nothing without one.
func Impersonation(roles []rbacv1.ClusterRole, bindings []rbacv1.ClusterRoleBinding, cluster string) []rbacv1.PolicyRule {
	granting := map[string]bool{}
	for i := range roles {
		granting[roles[i].Name] = Grants(roles[i].Rules, cluster)
	}
	var rules []rbacv1.PolicyRule
	for _, sort := range []struct{ kind, resource string }{
		{rbacv1.UserKind, "users"}, {rbacv1.ServiceAccountKind, "serviceaccounts"}, {rbacv1.GroupKind, "groups"},
	} {
		var names []string
		for i := range bindings {
			if bindings[i].RoleRef.Kind != "ClusterRole" || !granting[bindings[i].RoleRef.Name] {
				continue
			}
			for _, subject := range bindings[i].Subjects {
				if subject.Kind == sort.kind {
					names = append(names, subject.Name)
				}
			}
		}
		slices.SortFunc(names, cmp.Compare[string])
		if names = slices.Compact(names); len(names) > 0 {
			rules = append(rules, rbacv1.PolicyRule{
				Verbs: []string{"impersonate"}, APIGroups: []string{""}, Resources: []string{sort.resource}, ResourceNames: names,
			})
		}
	}
	if len(rules) > 0 {
		// RBAC has no way to say userextras/*. Of this group, only extra values and UIDs can be impersonated.
		rules = append(rules, rbacv1.PolicyRule{Verbs: []string{"impersonate"}, APIGroups: []string{authenticationv1.GroupName}, Resources: []string{rbacv1.ResourceAll}})
	}
	return rules
}
