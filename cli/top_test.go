package cli

import (
	"encoding/json"
	"strings"
	"testing"
)

// busy is a fleet of which one member measures two pods and one of its two nodes, the other one pod.
func busy(t *testing.T) *testFleet {
	t.Helper()
	f := newTestFleet(t, "member1", "member2")
	metric := func(member, name, containers string) {
		f.add(member, "apis/metrics.k8s.io/v1beta1/namespaces/default/pods/"+name, `{"apiVersion":"metrics.k8s.io/v1beta1","kind":"PodMetrics",
			"metadata":{"name":"`+name+`","namespace":"default"},"timestamp":"2026-01-01T00:00:00Z","window":"30s","containers":[`+containers+`]}`)
	}
	metric("member1", "a", `{"name":"x","usage":{"cpu":"100m","memory":"64Mi"}},{"name":"y","usage":{"cpu":"20m","memory":"256Mi"}}`)
	metric("member1", "b", `{"name":"x","usage":{"cpu":"1","memory":"32Mi"}}`)
	metric("member2", "a", `{"name":"x","usage":{"cpu":"500m","memory":"1Gi"}}`)
	for _, node := range []string{"n1", "n2"} {
		f.add("member1", "api/v1/nodes/"+node, `{"apiVersion":"v1","kind":"Node","metadata":{"name":"`+node+`"},
			"status":{"allocatable":{"cpu":"2","memory":"4Gi"},"capacity":{"cpu":"4","memory":"8Gi"}}}`)
	}
	f.add("member1", "apis/metrics.k8s.io/v1beta1/nodes/n1", `{"apiVersion":"metrics.k8s.io/v1beta1","kind":"NodeMetrics",
		"metadata":{"name":"n1"},"timestamp":"2026-01-01T00:00:00Z","window":"30s","usage":{"cpu":"500m","memory":"1Gi"}}`)
	return f
}

func TestTop(t *testing.T) {
	for _, test := range []struct{ name, arguments, expected string }{
		{"pods", "top pods", "NAME CLUSTER CPU(cores) MEMORY(bytes)|a member1 120m 320Mi|a member2 500m 1024Mi|b member1 1000m 32Mi"},
		{"by CPU", "top pod --sort-by cpu --no-headers", "b member1 1000m 32Mi|a member2 500m 1024Mi|a member1 120m 320Mi"},
		{"one pod", "top po a -C member2 --no-headers", "a member2 500m 1024Mi"},
		{"a pod that one member has", "top pod b --no-headers", "b member1 1000m 32Mi"},
		{"containers", "top pods a -C member1 --containers --sort-by memory", "POD NAME CLUSTER CPU(cores) MEMORY(bytes)|a y member1 20m 256Mi|a x member1 100m 64Mi"},
		{"all namespaces and a sum", "top pods -A -C member1 --sum",
			"NAMESPACE NAME CLUSTER CPU(cores) MEMORY(bytes)|default a member1 120m 320Mi|default b member1 1000m 32Mi|________ ________|1120m 352Mi"},
		{"nodes", "top nodes", "NAME CLUSTER CPU(cores) CPU% MEMORY(bytes) MEMORY%|n1 member1 500m 25% 1024Mi 25%|n2 member1 <unknown> <unknown> <unknown> <unknown>"},
		{"nodes by capacity", "top no n1 --show-capacity --no-headers -C member1", "n1 member1 500m 12% 1024Mi 12%"},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, told, err := busy(t).run(strings.Fields(test.arguments)...)
			if err != nil {
				t.Fatal(err, told)
			}
			if got := strings.Join(lines(out), "|"); got != test.expected {
				t.Errorf("got  %s\nwant %s", got, test.expected)
			}
		})
	}
}

func TestTopAsData(t *testing.T) {
	out, _, err := busy(t).run("top", "pods", "-o", "json", "-C", "member1")
	if err != nil {
		t.Fatal(err)
	}
	var found struct{ Items []usage }
	if err := json.Unmarshal([]byte(out), &found); err != nil {
		t.Fatal(err)
	}
	if len(found.Items) != 2 || found.Items[0].Cluster != "member1" || amount(found.Items[0].CPU) != 120 || len(found.Items[0].Containers) != 2 {
		t.Errorf("got %s", out)
	}
}

func TestTopTellsFaults(t *testing.T) {
	for _, test := range []struct{ name, arguments, expected string }{
		{"a pod that is nowhere", "top pod gone", `pods.metrics.k8s.io "gone" not found`},
		{"a node that is nowhere", "top node gone", `nodes "gone" not found`},
		{"no such order", "top pods --sort-by age", `--sort-by "age": use cpu or memory`},
		{"no such format", "top pods -o yaml", `--output "yaml": use json`},
		{"a name and a selector", "top pods a -l app=a", "give a NAME or a selector, not both"},
		{"a member without metrics", "top pods", "cluster member2: it has no metrics API: install metrics-server there"},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := busy(t)
			if strings.Contains(test.name, "without") {
				f.absent["member2"] = []string{"apis/metrics.k8s.io/v1beta1"}
			}
			out, _, err := f.run(strings.Fields(test.arguments)...)
			if err == nil || !strings.Contains(err.Error(), test.expected) {
				t.Errorf("got %v, want %q", err, test.expected)
			}
			if strings.Contains(test.name, "without") && !strings.Contains(out, "member1") {
				t.Errorf("what others measure is not shown: %q", out)
			}
		})
	}
}
