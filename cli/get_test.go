package cli

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// shop is a fleet whose members have a deployment of the control plane, and one that is their own.
func shop(t *testing.T) *testFleet {
	t.Helper()
	f := newTestFleet(t, "member1", "member2")
	f.add("", deployments+"nginx", deployment("nginx", "6/2", "{}"))
	f.add("member1", deployments+"nginx", deployment("nginx", "2/2", `{"karmada.io/managed":"true"}`))
	f.add("member2", deployments+"nginx", deployment("nginx", "1/2", `{"karmada.io/managed":"true"}`))
	f.add("member2", deployments+"own", deployment("own", "9/9", "{}"))
	return f
}

func lines(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		all = append(all, strings.Join(strings.Fields(line), " "))
	}
	return all
}

func TestGetTables(t *testing.T) {
	for _, test := range []struct {
		name, arguments, expected string
	}{
		{"the control plane", "get deployments", "NAME CLUSTER STATE ADOPTION|nginx Karmada 6/2 -"},
		{"all places", "get deployment nginx --operation-scope all",
			"NAME CLUSTER STATE ADOPTION|nginx Karmada 6/2 -|nginx member1 2/2 Y|nginx member2 1/2 Y"},
		{"members", "get deploy -s members", "NAME CLUSTER STATE ADOPTION|nginx member1 2/2 Y|nginx member2 1/2 Y|own member2 9/9 N"},
		{"one member", "get deployments -C member2 --no-headers", "nginx member2 1/2 Y|own member2 9/9 N"},
		{"some beside the control plane", "get deployments -s all --clusters member1", "NAME CLUSTER STATE ADOPTION|nginx Karmada 6/2 -|nginx member1 2/2 Y"},
		{"what only one member has", "get deployment own -s all", "NAME CLUSTER STATE ADOPTION|own member2 9/9 N"},
		{"sorted together", "get deployments -s members --sort-by=.status.state", "NAME CLUSTER STATE ADOPTION|nginx member2 1/2 Y|nginx member1 2/2 Y|own member2 9/9 N"},
		{"wide, with labels", "get deployments -C member1 -o wide -L karmada.io/managed",
			"NAME CLUSTER STATE NODE ADOPTION MANAGED|nginx member1 2/2 node Y true"},
		{"names", "get deployments -s members -o name", "deployment.apps/nginx|deployment.apps/nginx|deployment.apps/own"},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, told, err := shop(t).run(strings.Fields(test.arguments)...)
			if err != nil {
				t.Fatal(err, told)
			}
			if got := strings.Join(lines(out), "|"); got != test.expected {
				t.Errorf("got  %s\nwant %s", got, test.expected)
			}
		})
	}
}

func TestGetOfSeveralKinds(t *testing.T) {
	f := shop(t)
	f.add("member1", "api/v1/namespaces/default/pods/p", `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"default"},"status":{"state":"Running"}}`)
	out, _, err := f.run("get", "pods,deployments", "-s", "members")
	if err != nil {
		t.Fatal(err)
	}
	// Adoption of pods is shown with -o wide alone.
	const expected = "NAME CLUSTER STATE|pod/p member1 Running||NAME CLUSTER STATE ADOPTION|deployment.apps/nginx member1 2/2 Y|" +
		"deployment.apps/nginx member2 1/2 Y|deployment.apps/own member2 9/9 N"
	if got := strings.Join(lines(out), "|"); got != expected {
		t.Errorf("got  %s\nwant %s", got, expected)
	}
}

func TestGetAsData(t *testing.T) {
	f := shop(t)
	one, _, err := f.run("get", "deployment", "nginx", "-C", "member1", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	object := &unstructured.Unstructured{}
	if err := json.Unmarshal([]byte(one), object); err != nil || object.GetKind() != "Deployment" || object.GetAnnotations()["resource.karmada.io/cached-from-cluster"] != "" {
		t.Errorf("one object of one member: %v %s", err, one)
	}
	many, _, err := f.run("get", "deployment", "nginx", "-s", "all", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	list := &unstructured.UnstructuredList{}
	if err := json.Unmarshal([]byte(many), list); err != nil {
		t.Fatal(err)
	}
	var from []string
	for _, item := range list.Items {
		from = append(from, item.GetAnnotations()["resource.karmada.io/cached-from-cluster"])
	}
	if strings.Join(from, ",") != ",member1,member2" {
		t.Errorf("objects come from %q", from)
	}
	columns, _, err := f.run("get", "deployments", "-s", "members", "-o", "custom-columns=N:.metadata.name,R:.spec.replicas")
	if err != nil || strings.Join(lines(columns), "|") != "N R|nginx 2|nginx 2|own 2" {
		t.Errorf("custom columns: %v %q", err, columns)
	}
}

func TestGetTellsFaults(t *testing.T) {
	for _, test := range []struct {
		name, arguments, expected string
		change                    func(*testFleet)
	}{
		{"nowhere", "get deployment gone -s all", `Error from server (NotFound): deployments.apps "gone" not found`, nil},
		{"not in a named member", "get deployment own -C member1,member2", `cluster member1: deployments.apps "own" not found`, nil},
		{"one of two is nowhere", "get deployment own gone -s all", `deployments.apps "gone" not found`, nil},
		{"nowhere, and one has no such kind", "get deployment gone -s members", `deployments.apps "gone" not found`, func(f *testFleet) { f.absent["member2"] = []string{"apis/apps/v1"} }},
		{"no such kind", "get widgets -s all", `the server doesn't have a resource type "widgets"`, nil},
		{"no such member", "get pods -C member1,member9", `--clusters: there is no cluster "member9"; the members are: member1, member2`, nil},
		{"a contradiction", "get pods -s karmada -C member1", "--clusters contradicts --operation-scope karmada", nil},
		{"no such scope", "get pods -s everywhere", "use one of karmada, members, all", nil},
		{"no kind", "get", "give the TYPE of resource", nil},
		{"a member that does not answer", "get deployments -s members", "cluster member2: ", func(f *testFleet) { f.dead["member2"] = true }},
		{"a member that is not ready", "get deployments -s members", "cluster member2 is left out: it is not ready (ClusterNotReachable); name it", func(f *testFleet) {
			f.add("", proxyPrefix+"member2", `{"apiVersion":"cluster.karmada.io/v1alpha1","kind":"Cluster","metadata":{"name":"member2"},
				"spec":{},"status":{"conditions":[{"type":"Ready","status":"False","reason":"ClusterNotReachable","message":"","lastTransitionTime":null}]}}`)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := shop(t)
			if test.change != nil {
				test.change(f)
			}
			out, _, err := f.run(strings.Fields(test.arguments)...)
			if err == nil || !strings.Contains(err.Error(), test.expected) {
				t.Errorf("got %v, want %q", err, test.expected)
			}
			// What others have is shown all the same.
			if test.change != nil && !strings.Contains(test.arguments, "gone") && !strings.Contains(out, "member1") {
				t.Errorf("shown: %q", out)
			}
		})
	}
}

func TestGetFindsNothing(t *testing.T) {
	f := newTestFleet(t, "member1")
	out, told, err := f.run("get", "deployments", "-s", "all")
	if err != nil || out != "" || told != "No resources found in default namespace.\n" {
		t.Errorf("%v %q %q", err, out, told)
	}
	if _, told, err = f.run("get", "deployments", "-s", "all", "--context", "other"); err != nil || !strings.Contains(told, "in elsewhere namespace") {
		t.Errorf("in another context: %v %q", err, told)
	}
	if out, _, err := f.run("get", "deployment", "gone", "--ignore-not-found"); err != nil || out != "" {
		t.Errorf("with --ignore-not-found: %v %q", err, out)
	}
	var failure *Failure
	if _, _, err := f.run("get", "deployment", "gone"); !errors.As(err, &failure) || failure.Code != 1 {
		t.Errorf("an object that is not there: %v", err)
	}
}
