package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFuzzReplays plays a small scenario from a file and tells what it met.
func TestFuzzReplays(t *testing.T) {
	file := filepath.Join(t.TempDir(), "scenario.yaml")
	scenario := "seed: 1\nclusters: [{name: member1}]\nduration: 2m\nsteps: [{at: 20s, do: kill, cluster: member1, for: 30s}]\n"
	if err := os.WriteFile(file, []byte(scenario), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--replay", file}, "1 seeds held"},
		{[]string{"--replay", file, "-o", "json"}, `"faults": 1`},
	} {
		var out bytes.Buffer
		command := newFuzzCommand()
		command.SetArgs(c.args)
		command.SetOut(&out)
		if err := command.ExecuteContext(t.Context()); err != nil || !strings.Contains(out.String(), c.want) {
			t.Errorf("%v: %v, printed %q", c.args, err, out.String())
		}
	}
}

func TestFuzzRefuses(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--seeds", "0"}, "give a number of seeds, or --duration"},
		{[]string{"--replay", "no-such-file"}, "neither a seed nor a file"},
	} {
		command := newFuzzCommand()
		command.SetArgs(c.args)
		command.SilenceUsage, command.SilenceErrors = true, true
		if err := command.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: error %v, want one with %q", c.args, err, c.want)
		}
	}
}
