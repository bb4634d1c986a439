package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/kwok/pkg/apis/internalversion"
)

func TestLoadConfig(t *testing.T) {
	const minimal = `{"name":"m1","etcd":{"dataDir":"/d"},"apiServer":["--x"],"kubeconfig":"k","control":"c"`
	for name, tc := range map[string]struct{ content, want string }{
		"minimal":       {minimal + `}`, ""},
		"with nodes":    {minimal + `,"nodes":{"selector":"a=b","startupMillis":5,"jitterMillis":1}}`, ""},
		"unknown field": {minimal + `,"partitoned":true}`, "partitoned"},
		"no API server": {`{"name":"m1","etcd":{"dataDir":"/d"}}`, "lacks"},
		"no JSON":       {`name: m1`, "reading"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "cluster.json")
			if err := os.WriteFile(path, []byte(tc.content), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := loadConfig(path)
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
		})
	}
	if _, err := loadConfig(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a missing file is a configuration")
	}
}

func TestStages(t *testing.T) {
	stages, err := loadStages(nodesConfig{StartupMillis: 700, JitterMillis: 300})
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*internalversion.Stage{}
	for _, of := range stages {
		for _, s := range of {
			byName[s.Name] = s
		}
	}
	ready := byName["pod-ready"]
	if ready == nil || *ready.Spec.Delay.DurationMilliseconds != 700 || *ready.Spec.Delay.JitterDurationMilliseconds != 1000 {
		t.Errorf("pods become ready by %+v", ready)
	}
	for _, name := range []string{"pod-recover", "pod-delete"} {
		if s := byName[name]; s == nil || s.Spec.Delay != nil {
			t.Errorf("stage %s is %+v, want one without a delay", name, s)
		}
	}
	if byName["node-heartbeat-with-lease"].Spec.Delay == nil {
		t.Error("the node heartbeat has lost its own delay")
	}
}
