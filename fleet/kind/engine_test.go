package kind

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// The number of an engine that ended with its machine may be somebody else's process now.
func TestEngineStopsNoOtherProcess(t *testing.T) {
	script, err := os.ReadFile(filepath.Join("engine", "engine.sh"))
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	copied, state := filepath.Join(root, "fleet", "kind", "engine"), filepath.Join(root, ".cache", "kind", "engine")
	for _, folder := range []string{copied, state} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(copied, "engine.sh"), script, 0o600); err != nil {
		t.Fatal(err)
	}
	other := exec.Command("sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- other.Wait() }()
	defer func() {
		if err := other.Process.Kill(); err != nil {
			t.Errorf("the other process has ended: %v", err)
		}
		if err := <-ended; err == nil {
			t.Error("the other process ended by itself")
		}
	}()
	if err := os.WriteFile(filepath.Join(state, "pid"), []byte(strconv.Itoa(other.Process.Pid)), 0o600); err != nil {
		t.Fatal(err)
	}
	if output, err := exec.Command("bash", filepath.Join(copied, "engine.sh"), "stop").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, output)
	}
}
