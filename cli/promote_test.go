package cli

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	nginxPolicy = "apis/policy.karmada.io/v1alpha1/namespaces/default/propagationpolicies/"
	settings    = `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"settings","namespace":"default","uid":"s"},"data":{"k":"v"}}`
)

// legacy is a fleet with a deployment in one member that an earlier control plane left there.
func legacy(t *testing.T) *testFleet {
	t.Helper()
	f := newTestFleet(t, "member1")
	f.add("member1", deployments+"nginx", deployment("nginx", "2/2", `{"team":"web","karmada.io/managed":"true"}`))
	f.add("member1", "api/v1/namespaces/default/configmaps/settings", settings)
	return f
}

func TestPromote(t *testing.T) {
	f := legacy(t)
	out, told, err := f.run("promote", "deployment", "nginx", "-C", "member1")
	if err != nil {
		t.Fatal(err, told)
	}
	if out != "Deployment default/nginx of cluster member1 promoted\n" {
		t.Errorf("it says %q", out)
	}
	template := f.object("", deployments+"nginx")
	if template == nil {
		t.Fatal("there is no template")
	}
	if labels := template.GetLabels(); len(labels) != 1 || labels["team"] != "web" {
		t.Errorf("labels %v", labels)
	}
	if annotations := template.GetAnnotations(); len(annotations) != 1 || annotations["work.karmada.io/conflict-resolution"] != "overwrite" {
		t.Errorf("annotations %v", annotations)
	}
	if template.GetUID() != "" || template.GetResourceVersion() != "" || template.Object["status"] != nil {
		t.Errorf("the template has what its cluster wrote: %v", template.Object)
	}
	replicas, _, _ := unstructured.NestedInt64(template.Object, "spec", "replicas")
	if replicas != 2 {
		t.Errorf("the template asks for %d replicas", replicas)
	}
	f.checkPolicy(t, "nginx-", false)
	if f.trials != 2 {
		t.Errorf("%d objects were tried before, want 2", f.trials)
	}
	if out, _, err = f.run("promote", "deployment", "nginx", "-C", "member1"); err != nil || out != "Deployment default/nginx is promoted already\n" {
		t.Errorf("once more: %v %q", err, out)
	}
}

// checkPolicy finds the only policy.
func (f *testFleet) checkPolicy(t *testing.T, prefix string, deps bool) {
	t.Helper()
	for path, object := range f.objects[""] {
		if !strings.HasPrefix(path, nginxPolicy) {
			continue
		}
		if !strings.HasPrefix(object.GetName(), prefix) {
			t.Errorf("the policy is called %s", object.GetName())
		}
		spec, _ := json.Marshal(object.Object["spec"])
		clusters, _, _ := unstructured.NestedStringSlice(object.Object, "spec", "placement", "clusterAffinity", "clusterNames")
		selectors, _, _ := unstructured.NestedSlice(object.Object, "spec", "resourceSelectors")
		propagates, _, _ := unstructured.NestedBool(object.Object, "spec", "propagateDeps")
		if strings.Join(clusters, ",") != "member1" || len(selectors) != 1 || propagates != deps {
			t.Errorf("the policy says %s", spec)
		}
		return
	}
	t.Error("there is no policy")
}

func TestPromoteWithDependencies(t *testing.T) {
	for _, flag := range []string{"-d", "--dependencies", "--deps"} {
		f := legacy(t)
		if _, _, err := f.run("promote", "deployment/nginx", "-C", "member1", flag, "--policy-name", "mine"); err != nil {
			t.Fatal(flag, err)
		}
		f.checkPolicy(t, "mine", true)
		template := f.object("", "api/v1/namespaces/default/configmaps/settings")
		if template == nil || template.GetUID() != "" || template.GetAnnotations()["work.karmada.io/conflict-resolution"] != "overwrite" {
			t.Errorf("%s: what it needs became %v", flag, template)
		}
	}
}

// The policy comes first: a template without one might be claimed by a policy for many.
func TestPromoteMakesPolicyFirst(t *testing.T) {
	f := legacy(t)
	if _, _, err := f.run("promote", "deployment", "nginx", "-C", "member1", "-d"); err != nil {
		t.Fatal(err)
	}
	want := []string{"api/v1/namespaces/default/configmaps", strings.TrimSuffix(nginxPolicy, "/"), strings.TrimSuffix(deployments, "/")}
	if !slices.Equal(f.created, want) {
		t.Errorf("created %q, want %q", f.created, want)
	}
}

// What a call that was cut short left is used by the next one, and a policy without a template is taken back.
func TestPromoteGoesOn(t *testing.T) {
	f := legacy(t)
	f.refuses = strings.TrimSuffix(deployments, "/")
	before := len(f.objects[""])
	promote := []string{"promote", "deployment", "nginx", "-C", "member1", "--policy-name", "mine"}
	if _, _, err := f.run(promote...); err == nil || !strings.Contains(err.Error(), "nginx is refused") || len(f.objects[""]) != before {
		t.Fatalf("refused, it ended with %v and left %d objects", err, len(f.objects[""])-before)
	}
	policy := `{"apiVersion":"policy.karmada.io/v1alpha1","kind":"PropagationPolicy","metadata":{"name":"mine","namespace":"default"},
		"spec":{"resourceSelectors":[{"apiVersion":"apps/v1","kind":"Deployment","name":"nginx","namespace":"default"}],
		"placement":{"clusterAffinity":{"clusterNames":["%s"]}},"conflictResolution":"Abort"}}`
	f.add("", nginxPolicy+"mine", strings.Replace(policy, "%s", "member2", 1))
	f.refuses = ""
	if _, _, err := f.run(promote...); err == nil || !strings.Contains(err.Error(), "mine already exists") || f.object("", deployments+"nginx") != nil {
		t.Errorf("by a policy for another member: %v", err)
	}
	f.add("", nginxPolicy+"mine", strings.Replace(policy, "%s", "member1", 1))
	if _, _, err := f.run(promote...); err != nil || f.object("", deployments+"nginx") == nil {
		t.Errorf("going on: %v", err)
	}
}

func TestPromoteWithoutPolicy(t *testing.T) {
	f := legacy(t)
	if _, _, err := f.run("promote", "deployment", "nginx", "-C", "member1", "--auto-create-policy=false"); err != nil {
		t.Fatal(err)
	}
	if f.object("", deployments+"nginx") == nil {
		t.Error("there is no template")
	}
	for path := range f.objects[""] {
		if strings.HasPrefix(path, nginxPolicy) {
			t.Errorf("there is a policy at %s", path)
		}
	}
}

func TestPromoteWritesNothing(t *testing.T) {
	for _, test := range []struct{ arguments, shown string }{
		{"--dry-run", "Deployment default/nginx of cluster member1 would be promoted (dry run)"},
		{"-o yaml", "kind: PropagationPolicy"},
		{"-o json -d", `"kind": "ConfigMap"`},
	} {
		f := legacy(t)
		out, _, err := f.run(strings.Fields("promote deployment nginx -C member1 " + test.arguments)...)
		if err != nil || !strings.Contains(out, test.shown) {
			t.Errorf("%s: %v, printed %q", test.arguments, err, out)
		}
		if len(f.objects[""]) != 1 {
			t.Errorf("%s: the control plane has %d objects, want the cluster alone", test.arguments, len(f.objects[""]))
		}
		if list := new(unstructured.UnstructuredList); strings.Contains(test.arguments, "json") && (json.Unmarshal([]byte(out), list) != nil || len(list.Items) != 3) {
			t.Errorf("%s: not a list of three: %s", test.arguments, out)
		}
	}
}

func TestPromoteRefuses(t *testing.T) {
	for _, test := range []struct{ name, arguments, expected string }{
		{"no object", "promote deployment -C member1", "give the TYPE and the NAME of one object"},
		{"no member", "promote deployment nginx", "--cluster is required"},
		{"no such member", "promote deployment nginx -C member9", `--cluster: there is no cluster "member9"; the members are: member1`},
		{"no such format", "promote deployment nginx -C member1 -o wide", `--output "wide": use json or yaml`},
		{"a name for no policy", "promote deployment nginx -C member1 --auto-create-policy=false --policy-name p", "--policy-name names a policy that"},
		{"no such object", "promote deployment gone -C member1", `cluster member1: deployments.apps "gone" not found`},
		{"an object of another", "promote pod owned -C member1", "Pod default/owned belongs to ReplicaSet nginx-1, which would make it anew: promote that instead"},
		{"a template of the name", "promote configmap settings -C member1", "ConfigMap default/settings is in the control plane already, without the policy"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := legacy(t)
			f.add("member1", pods+"owned", `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"owned","namespace":"default",
				"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"nginx-1","uid":"r","controller":true}]}}`)
			f.add("", "api/v1/namespaces/default/configmaps/settings", settings)
			before := len(f.objects[""])
			_, _, err := f.run(strings.Fields(test.arguments)...)
			if err == nil || !strings.Contains(err.Error(), test.expected) {
				t.Errorf("got %v, want %q", err, test.expected)
			}
			if len(f.objects[""]) != before {
				t.Error("something was written")
			}
		})
	}
}

func TestPromoteForcesNothingUponAnotherMember(t *testing.T) {
	f := newTestFleet(t, "member1", "member2")
	for member, value := range map[string]string{"member1": "v", "member2": "w"} {
		f.add(member, deployments+"nginx", deployment("nginx", "2/2", `{}`))
		f.add(member, deployments+"nginx-"+member, deployment("nginx-"+member, "2/2", `{}`))
		f.add(member, "api/v1/namespaces/default/configmaps/settings", strings.ReplaceAll(settings, `"v"}`, `"`+value+`"}`))
	}
	for _, name := range []string{"nginx", "nginx-member1"} {
		if _, _, err := f.run("promote", "deployment", name, "-C", "member1", "-d"); err != nil {
			t.Fatal(name, err)
		}
	}
	before := len(f.objects[""])
	for name, expected := range map[string]string{
		"nginx":         "is promoted already, by the policy nginx-",
		"nginx-member2": "ConfigMap default/settings is in the control plane already and says something else than that of cluster member2",
	} {
		_, _, err := f.run("promote", "deployment", name, "-C", "member2", "-d")
		if err == nil || !strings.Contains(err.Error(), expected) {
			t.Errorf("%s: got %v, want %q", name, err, expected)
		}
	}
	if len(f.objects[""]) != before {
		t.Error("something was written")
	}
}
