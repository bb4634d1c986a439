package registration_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/controllers/admit"
	"github.com/seatrial/seatrial/controllers/auth"
	"github.com/seatrial/seatrial/registration"
)

// permission is one rule of a role, as docs/security.md writes it.
type permission struct{ role, rule string }

// TestEveryPermissionIsListed compares the rules that this project gives anybody with the table of docs/security.md, both ways.
func TestEveryPermissionIsListed(t *testing.T) {
	given := append(granted(t), installed(t)...)
	listed := map[permission]bool{}
	for _, row := range permissionRows(t) {
		if row[4] == "" {
			t.Errorf("%s may %s, and nobody says why", row[0], row[3])
		}
		listed[permission{row[0], row[3]}] = true
	}
	// The one role that no other package can be asked for.
	given = append(given, permission{"cluster-proxy-admin", "clusters/proxy.cluster.karmada.io: *"})
	for _, p := range given {
		if !listed[p] {
			t.Errorf("docs/security.md lacks the line\n| `%s` | where | to whom | `%s` | why |", p.role, p.rule)
		}
	}
	for p := range listed {
		if !slices.Contains(given, p) {
			t.Errorf("docs/security.md lists what nobody is given: role %s, %s", p.role, p.rule)
		}
	}
}

// permissionRows are the cells of the table of permissions.
func permissionRows(t *testing.T) [][]string {
	t.Helper()
	text, err := os.ReadFile("../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## Permissions\n")
	if !found {
		t.Fatal("docs/security.md has no section Permissions")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var rows [][]string
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		if len(cells) != 5 {
			t.Fatalf("%q has %d cells, want 5", line, len(cells))
		}
		for i := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(cells[i]), "`")
		}
		rows = append(rows, cells)
	}
	if len(rows) < 20 {
		t.Fatalf("the table has %d rows only", len(rows))
	}
	return rows
}

// granted are the rules of the roles that joining, registering and the controllers make.
func granted(t *testing.T) []permission {
	t.Helper()
	plane, cluster := sides(t)
	ca, _ := certified(t)
	pull := &clusterv1alpha1.Cluster{ObjectMeta: named("", "m1"), Spec: clusterv1alpha1.ClusterSpec{SyncMode: clusterv1alpha1.Pull}}
	join(t, plane, cluster)
	deployed := registration.Deployment{Namespace: "karmada-system", Image: "image", Kubeconfig: []byte("kubeconfig")}
	deps := control.Deps{Client: plane, Live: plane, Clock: testclock.NewFakePassiveClock(time.Unix(1000, 0))}
	for _, step := range []func() error{
		func() error { return registration.OpenPlane(t.Context(), plane, "https://a:5443", ca) },
		func() error { return deployed.Deploy(t.Context(), cluster, member) },
		func() error { return plane.Delete(t.Context(), pull.DeepCopy()) },
		func() error { return client.IgnoreAlreadyExists(plane.Create(t.Context(), pull)) },
		func() error {
			return plane.Create(t.Context(), &corev1.Namespace{ObjectMeta: named("", "karmada-es-m1")})
		},
		func() error {
			_, err := admit.New(admit.Defaults()).Reconcile(t.Context(), deps, control.Key{GVK: clusterv1alpha1.GroupVersion.WithKind("Cluster"), Name: "m1"})
			return err
		},
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	var found []permission
	for _, side := range []client.Client{plane, cluster} {
		clusterRoles, roles := &rbacv1.ClusterRoleList{}, &rbacv1.RoleList{}
		for _, list := range []client.ObjectList{clusterRoles, roles} {
			if err := side.List(t.Context(), list); err != nil {
				t.Fatal(err)
			}
		}
		for _, role := range clusterRoles.Items {
			found = append(found, permissionsOf(role.Name, role.Rules)...)
		}
		for _, role := range roles.Items {
			found = append(found, permissionsOf(role.Name, role.Rules)...)
		}
	}
	through := rbacv1.ClusterRole{ObjectMeta: named("", "x"), Rules: []rbacv1.PolicyRule{{Verbs: []string{"*"}, APIGroups: []string{"cluster.karmada.io"}, Resources: []string{"clusters/proxy"}}}}
	to := rbacv1.ClusterRoleBinding{RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: "x"}}
	for _, kind := range []string{"User", "Group", "ServiceAccount"} {
		to.Subjects = append(to.Subjects, rbacv1.Subject{Kind: kind, Name: "SUBJECT"})
	}
	return append(found, permissionsOf("karmada-impersonator", auth.Impersonation([]rbacv1.ClusterRole{through}, []rbacv1.ClusterRoleBinding{to}, "m1"))...)
}

// installed are the rules of the roles that an installation brings along.
func installed(t *testing.T) []permission {
	t.Helper()
	files, err := filepath.Glob("../deploy/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var found []permission
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for document := range strings.SplitSeq(string(text), "\n---\n") {
			if !strings.Contains(document, "\nrules:\n") {
				continue
			}
			role := &rbacv1.ClusterRole{}
			if err := yaml.Unmarshal([]byte(document), role); err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			if strings.HasSuffix(role.Kind, "Role") {
				found = append(found, permissionsOf(role.Name, role.Rules)...)
			}
		}
	}
	return found
}

func permissionsOf(role string, rules []rbacv1.PolicyRule) []permission {
	var found []permission
	neutral := func(text string) string { return strings.ReplaceAll(text, "m1", "CLUSTER") }
	for _, rule := range rules {
		var what []string
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				if group != "" {
					resource += "." + group
				}
				what = append(what, resource)
			}
		}
		for _, url := range rule.NonResourceURLs {
			what = append(what, "URL "+url)
		}
		text := strings.Join(what, " ")
		if len(rule.ResourceNames) > 0 {
			text += " [" + strings.Join(rule.ResourceNames, " ") + "]"
		}
		found = append(found, permission{neutral(role), neutral(text + ": " + strings.Join(rule.Verbs, " "))})
	}
	return found
}

// TestEveryMakerOfPermissionsIsAsked: the comparison above asks all code that writes rules.
func TestEveryMakerOfPermissionsIsAsked(t *testing.T) {
	asked := []string{
		"controllers/admit/grant.go", "controllers/auth/grants.go", "fleet/local/access.go",
		"registration/deploy.go", "registration/join.go", "registration/plane.go",
	}
	// What a test's own users may do is no permission of the product.
	besides := func(path string) bool {
		return strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "e2e/") || strings.HasPrefix(path, "testserver/")
	}
	root := os.DirFS("..")
	var makers []string
	err := fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (path != "." && strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata" || path == "bin") {
			return fs.SkipDir
		}
		if !entry.Type().IsRegular() || filepath.Ext(path) != ".go" || besides(path) {
			return nil
		}
		text, err := fs.ReadFile(root, path)
		if err != nil || !strings.Contains(string(text), "PolicyRule{") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		if writesVerbs(file) {
			makers = append(makers, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(makers)
	if !slices.Equal(makers, asked) {
		t.Errorf("rules are written in %q, and TestEveryPermissionIsListed asks %q: extend it and the table of docs/security.md", makers, asked)
	}
}

// writesVerbs tells whether a file has rules with verbs in it.
func writesVerbs(file *ast.File) bool {
	found := false
	ast.Inspect(file, func(node ast.Node) bool {
		pair, ok := node.(*ast.KeyValueExpr)
		if ok {
			name, named := pair.Key.(*ast.Ident)
			found = found || named && name.Name == "Verbs"
		}
		return !found
	})
	return found
}
