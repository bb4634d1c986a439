package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const rafts = `
apiVersion: config.karmada.io/v1alpha1
kind: ResourceInterpreterCustomization
metadata: {name: rafts}
spec:
  target: {apiVersion: example.com/v1, kind: Raft}
  customizations:
    replicaResource:
      luaScript: |
        function GetReplicas(desiredObj)
          print("crew", desiredObj.spec.crew)
          return desiredObj.spec.crew, {resourceRequest = {cpu = "500m"}}
        end
    replicaRevision:
      luaScript: |
        function ReviseReplica(desiredObj, desiredReplica)
          desiredObj.spec.crew = desiredReplica
          return desiredObj
        end
    retention:
      luaScript: |
        function Retain(desiredObj, observedObj)
          desiredObj.spec.captain = observedObj.spec.captain
          return desiredObj
        end
    statusAggregation:
      luaScript: |
        function AggregateStatus(desiredObj, statusItems)
          desiredObj.status = {aboard = 0}
          for _, item in ipairs(statusItems) do
            desiredObj.status.aboard = desiredObj.status.aboard + item.status.aboard
          end
          return desiredObj
        end
    statusReflection:
      luaScript: |
        function ReflectStatus(observedObj) return observedObj.status end
    healthInterpretation:
      luaScript: |
        function InterpretHealth(observedObj) return observedObj.status.aboard == observedObj.spec.crew end
    dependencyInterpretation:
      luaScript: |
        function GetDependencies(desiredObj)
          return {{apiVersion = "v1", kind = "ConfigMap", namespace = "sea", name = "charts"}}
        end
    componentResource:
      luaScript: |
        function GetComponents(desiredObj) return {{name = "rowers", replicas = 2}} end
`

const (
	desiredRaft  = `{apiVersion: example.com/v1, kind: Raft, metadata: {name: one, namespace: sea}, spec: {crew: 4}}`
	observedRaft = `{apiVersion: example.com/v1, kind: Raft, metadata: {name: one, namespace: sea}, spec: {crew: 4, captain: Ada}, status: {aboard: 4}}`
	raftStatuses = "{clusterName: member1, status: {aboard: 1}}\n---\n{clusterName: member2, status: {aboard: 2}}\n"
)

// interpret runs the command on files of these contents by their flags.
func interpret(t *testing.T, files map[string]string, flags ...string) (stdout, stderr string, err error) {
	t.Helper()
	folder := t.TempDir()
	arguments := append([]string{"interpret"}, flags...)
	for flag, content := range files {
		file := filepath.Join(folder, strings.TrimLeft(flag, "-")+".yaml")
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		arguments = append(arguments, flag, file)
	}
	command := newRootCommand()
	var out, complaints bytes.Buffer
	command.SetOut(&out)
	command.SetErr(&complaints)
	command.SetArgs(arguments)
	err = command.ExecuteContext(t.Context())
	return out.String(), complaints.String(), err
}

func TestInterpretOperations(t *testing.T) {
	for _, test := range []struct {
		operation string
		files     map[string]string
		flags     []string
		want      string
	}{
		{"InterpretReplica", map[string]string{"--desired-file": desiredRaft}, nil,
			`{"operation": "InterpretReplica", "replicas": 4, "requirements": {"resourceRequest": {"cpu": "500m"}}}`},
		{"interpretcomponent", map[string]string{"--observed-file": observedRaft}, nil,
			`{"operation": "InterpretComponent", "components": [{"name": "rowers", "replicas": 2}]}`},
		{"ReviseReplica", map[string]string{"--desired-file": desiredRaft}, []string{"--desired-replica", "7"},
			`{"operation": "ReviseReplica", "object": {"apiVersion": "example.com/v1", "kind": "Raft", "metadata": {"name": "one", "namespace": "sea"}, "spec": {"crew": 7}}}`},
		{"Retain", map[string]string{"--desired-file": desiredRaft, "--observed-file": observedRaft}, nil,
			`{"operation": "Retain", "object": {"apiVersion": "example.com/v1", "kind": "Raft", "metadata": {"name": "one", "namespace": "sea"}, "spec": {"crew": 4, "captain": "Ada"}}}`},
		{"AggregateStatus", map[string]string{"--desired-file": desiredRaft, "--status-file": raftStatuses}, nil,
			`{"operation": "AggregateStatus", "object": {"apiVersion": "example.com/v1", "kind": "Raft", "metadata": {"name": "one", "namespace": "sea"}, "spec": {"crew": 4}, "status": {"aboard": 3}}}`},
		{"InterpretStatus", map[string]string{"--observed-file": observedRaft}, nil,
			`{"operation": "InterpretStatus", "status": {"aboard": 4}}`},
		{"InterpretHealth", map[string]string{"--observed-file": observedRaft}, nil, `{"operation": "InterpretHealth", "healthy": true}`},
		{"InterpretDependency", map[string]string{"--desired-file": desiredRaft}, nil,
			`{"operation": "InterpretDependency", "dependencies": [{"apiVersion": "v1", "kind": "ConfigMap", "namespace": "sea", "name": "charts"}]}`},
	} {
		t.Run(test.operation, func(t *testing.T) {
			test.files["-f"] = rafts
			out, complaints, err := interpret(t, test.files, append(test.flags, "--operation", test.operation, "-o", "json")...)
			if err != nil {
				t.Fatal(err)
			}
			var want, got any
			if err := json.Unmarshal([]byte(test.want), &want); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(out), &got); err != nil {
				t.Fatalf("%v in %s", err, out)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if printed := complaints == "crew\t4\n"; printed != (test.operation == "InterpretReplica") {
				t.Errorf("the script printed %q", complaints)
			}
		})
	}
}

func TestInterpretBuiltIn(t *testing.T) {
	clone := `{apiVersion: apps.kruise.io/v1alpha1, kind: CloneSet, metadata: {name: web}, spec: {replicas: 3, template: {spec: {containers: [{name: web}]}}}}`
	out, _, err := interpret(t, map[string]string{"--desired-file": clone}, "--operation", "InterpretReplica")
	if err != nil || out != "operation: InterpretReplica\nreplicas: 3\n" {
		t.Errorf("%q, error %v", out, err)
	}
}

func TestInterpretCheck(t *testing.T) {
	out, _, err := interpret(t, map[string]string{"-f": rafts}, "--check")
	want := "rafts: ok for example.com/v1 Raft: Retain, InterpretReplica, InterpretComponent, ReviseReplica, InterpretStatus, AggregateStatus, InterpretHealth, InterpretDependency\n"
	if err != nil || out != want {
		t.Errorf("%q, error %v, want %q", out, err, want)
	}
	faulty := strings.Replace(rafts, "function GetReplicas(", "function Replicas(", 1)
	faulty += "---" + strings.Replace(rafts, "name: rafts", "name: others", 1)
	out, _, err = interpret(t, map[string]string{"-f": faulty}, "--check", "-o", "json")
	if err == nil || err.Error() != "2 of 2 customizations have faults" {
		t.Errorf("error %v", err)
	}
	for _, fault := range []string{"must define the function GetReplicas", "rafts defines it for example.com/v1 Raft already"} {
		if !strings.Contains(out, fault) {
			t.Errorf("%s does not tell %q", out, fault)
		}
	}
}

func TestInterpretFaults(t *testing.T) {
	looping := strings.Replace(rafts, `print("crew", desiredObj.spec.crew)`, "while true do end", 1)
	for _, test := range []struct {
		name  string
		files map[string]string
		flags []string
		want  string
	}{
		{"nothing", nil, nil, "one of --check, --edit, --show-doc and --operation is required"},
		{"check of nothing", nil, []string{"--check"}, "--check needs -f"},
		{"operation", map[string]string{"-f": rafts}, []string{"--operation", "Sail"}, `there is no operation "Sail"; use one of Retain,`},
		{"no object", map[string]string{"-f": rafts}, []string{"--operation", "InterpretHealth"}, "needs an object"},
		{"no desired", map[string]string{"-f": rafts, "--observed-file": observedRaft}, []string{"--operation", "Retain"}, "Retain needs --desired-file and --observed-file"},
		{"no observed", map[string]string{"-f": rafts, "--desired-file": desiredRaft}, []string{"--operation", "Retain"}, "--observed-file is required"},
		{"no statuses", map[string]string{"-f": rafts, "--desired-file": desiredRaft}, []string{"--operation", "AggregateStatus"}, "needs --status-file"},
		{"status of nobody", map[string]string{"-f": rafts, "--desired-file": desiredRaft, "--status-file": "{status: {}}"}, []string{"--operation", "AggregateStatus"}, "document 1: clusterName is missing"},
		{"other document", map[string]string{"-f": desiredRaft}, []string{"--check"}, "Raft one is no ResourceInterpreterCustomization"},
		{"unknown field", map[string]string{"-f": strings.Replace(rafts, "replicaResource", "replicas", 1)}, []string{"--check"}, `unknown field "spec.customizations.replicas"`},
		{"two objects", map[string]string{"-f": rafts, "--desired-file": desiredRaft + "\n---\n" + desiredRaft}, []string{"--operation", "InterpretReplica"}, "only one object is wanted"},
		{"looping", map[string]string{"-f": looping, "--desired-file": desiredRaft}, []string{"--operation", "InterpretReplica"}, "rafts/replicaResource:2: the script was stopped"},
		{"unsupported", map[string]string{"--desired-file": desiredRaft}, []string{"--operation", "InterpretReplica"}, "no interpreter for InterpretReplica of example.com/v1, Kind=Raft"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := interpret(t, test.files, test.flags...)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}
