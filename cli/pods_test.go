package cli

import (
	"strings"
	"testing"
)

const pods = "api/v1/namespaces/default/pods/"

func pod(name, app string) string {
	return `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"` + name + `","namespace":"default","labels":{"app":"` + app + `"}},
		"spec":{"containers":[{"name":"c","image":"i"}]},"status":{"phase":"Running"}}`
}

// webs is a fleet in which both members have the pod web-0, and one of them another.
func webs(t *testing.T) *testFleet {
	t.Helper()
	f := newTestFleet(t, "member1", "member2")
	for _, member := range []string{"member1", "member2"} {
		f.add(member, pods+"web-0", pod("web-0", "web"))
		f.logs[member+"/web-0"] = "hello from " + member + "\nno end of line"
	}
	f.add("member2", pods+"only-0", pod("only-0", "only"))
	f.logs["member2/only-0"] = "alone\n"
	return f
}

func TestLogs(t *testing.T) {
	for _, test := range []struct{ name, arguments, expected string }{
		{"where the pod is", "logs only-0", "alone"},
		{"wherever the pod is", "logs web-0", "[member1] hello from member1|[member1] no end of line|[member2] hello from member2|[member2] no end of line"},
		{"of one member", "logs web-0 -C member2", "hello from member2|no end of line"},
		{"by another name of the flag", "logs web-0 --cluster member1", "hello from member1|no end of line"},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, told, err := webs(t).run(strings.Fields(test.arguments)...)
			if err != nil {
				t.Fatal(err, told)
			}
			if got := strings.Join(lines(out), "|"); got != test.expected {
				t.Errorf("got %q, want %q", got, test.expected)
			}
		})
	}
}

func TestLogsWhileTheyAreWritten(t *testing.T) {
	out, _, err := webs(t).run("logs", "web-0", "-f")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"[member1] hello from member1\n", "[member2] no end of line\n"} {
		if !strings.Contains(out, line) {
			t.Errorf("%q lacks the whole line %q", out, line)
		}
	}
}

func TestPodsAreLookedFor(t *testing.T) {
	for _, test := range []struct{ name, arguments, expected string }{
		{"several members have it", "exec web-0 -- date", "pod web-0 is in member1, member2: name one of them with --cluster"},
		{"no member has it", "exec gone-0 -- date", "no member has pod gone-0 in this namespace"},
		{"no member has it", "attach deployment/gone", "no member has deployment/gone in this namespace"},
		{"no member has the logs", "logs gone-0", "no member has pod gone-0 in this namespace"},
		{"nothing is named", "exec -- date", "name a POD or TYPE/NAME"},
		{"nothing is named", "logs", "name a POD or TYPE/NAME, or give a --selector"},
		{"no such member", "exec web-0 -C member9 -- date", `--cluster: there is no cluster "member9"`},
		{"no member is named", "exec web-0 -s members -- date", "--operation-scope members works on one member: name it with --cluster"},
		{"a contradiction", "attach web-0 -s karmada -C member1", "--cluster member1 contradicts --operation-scope karmada"},
		// It is found; that the server of this test cannot run commands comes after.
		{"one member has it", "exec only-0 -- date", "unable to upgrade connection"},
		{"a member is named", "attach web-0 -C member1", "unable to upgrade connection"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := webs(t).run(strings.Fields(test.arguments)...)
			if err == nil || !strings.Contains(err.Error(), test.expected) {
				t.Errorf("got %v, want %q", err, test.expected)
			}
		})
	}
}

// A member that does not answer may be the one that has the pod.
func TestPodsOfMembersThatDoNotAnswer(t *testing.T) {
	f := webs(t)
	f.dead["member2"] = true
	_, _, err := f.run("exec", "only-0", "--", "date")
	if err == nil || !strings.Contains(err.Error(), "cluster member2: ") || !strings.Contains(err.Error(), "no member has pod only-0") {
		t.Errorf("got %v", err)
	}
	_, _, err = f.run("exec", "web-0", "--", "date")
	if err == nil || !strings.Contains(err.Error(), "cluster member2: ") || !strings.Contains(err.Error(), "pod web-0 is in member1, and may be elsewhere") {
		t.Errorf("got %v", err)
	}
}

// A workload has pods in many members, and one that does not answer may write logs as well; a pod is whole where it is found.
func TestLogsOfMembersThatDoNotAnswer(t *testing.T) {
	f := webs(t)
	f.add("member1", deployments+"web", deployment("web", "2/2", `{"app":"web"}`))
	f.dead["member2"] = true
	out, _, err := f.run("logs", "deployment/web")
	if err == nil || !strings.Contains(err.Error(), "cluster member2: ") || !strings.Contains(out, "hello from member1") {
		t.Errorf("of a workload: %v, printed %q", err, out)
	}
	for _, pod := range []string{"web-0", "pod/web-0"} {
		if out, _, err := f.run("logs", pod); err != nil || !strings.Contains(out, "hello from member1") {
			t.Errorf("of %s: %v, printed %q", pod, err, out)
		}
	}
}
