package main

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/local"
)

func someStatus() *local.Status {
	return &local.Status{
		StateDir: "/state", Kubeconfig: "/state/kubeconfig",
		Clusters: []local.ClusterStatus{
			{Name: "plane", Role: fleet.ControlPlane, State: fleet.Running, Endpoint: "https://127.0.0.1:1", Version: "v1.36.3", Ready: "True"},
			{Name: "m1", Role: fleet.Member, State: fleet.Running, Partitioned: true, Endpoint: "https://127.0.0.1:2", Nodes: 3, ReadyNodes: 2, Version: "v1.36.3", Ready: "False"},
			{Name: "m2", Role: fleet.Member, State: fleet.Stopped, Endpoint: "https://127.0.0.1:3", Ready: local.NotJoined},
		},
		Components: []local.ComponentStatus{
			{Name: "scheduler", Started: true, PID: 7, State: fleet.Running, Health: "ok", Log: "/state/scheduler.log"},
			{Name: "apiserver", State: fleet.Stopped, Health: "apiserver does not run", Log: "/state/apiserver.log"},
		},
		Example: &local.Workload{Namespace: "default", Name: "nginx", Desired: 3, Ready: 2, Clusters: []local.Placement{{Cluster: "m1", Desired: 3, Ready: 2}}},
	}
}

func TestPrintStatus(t *testing.T) {
	var out bytes.Buffer
	if err := printStatus(&out, someStatus()); err != nil {
		t.Fatal(err)
	}
	const want = `CLUSTER   ROLE            STATE                  ENDPOINT              NODES   VERSION   READY
plane     control-plane   running                https://127.0.0.1:1   -       v1.36.3   True
m1        member          running, partitioned   https://127.0.0.1:2   2/3     v1.36.3   False
m2        member          stopped                https://127.0.0.1:3   -       -         NotJoined

COMPONENT   PID   STATE     HEALTH                   LOG
scheduler   7     running   ok                       /state/scheduler.log
apiserver   -     stopped   apiserver does not run   /state/apiserver.log

deployment default/nginx: 2 of 3 replicas ready
CLUSTER   DESIRED   READY
m1        3         2

export KUBECONFIG=/state/kubeconfig
`
	if out.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", out.String(), want)
	}
}

func TestPrintUpWithoutExample(t *testing.T) {
	status := someStatus()
	status.Example = nil
	var out bytes.Buffer
	if err := printUp(&out, status); err != nil {
		t.Fatal(err)
	}
	const want = "\nCLUSTER   READY\nm1        False\nm2        NotJoined\n\nexport KUBECONFIG=/state/kubeconfig\n"
	if out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}

// Where nothing was ever started, looking and ending succeed and say so.
func TestStatusAndDownOfNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	run := func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		command := newRootCommand()
		command.SetArgs(append(args, "--state-dir", dir))
		command.SetOut(&out)
		if err := command.ExecuteContext(t.Context()); err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return out.String()
	}
	if got := run("status"); !strings.Contains(got, "nothing runs") || !strings.Contains(got, dir) {
		t.Errorf("status: %q", got)
	}
	if got := run("down"); !strings.Contains(got, "nothing to end") {
		t.Errorf("down: %q", got)
	}
	var status local.Status
	if err := json.Unmarshal([]byte(run("status", "-o", "json")), &status); err != nil || status.StateDir != dir {
		t.Errorf("status as JSON: %+v, %v", status, err)
	}
}
