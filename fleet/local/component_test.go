package local

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/seatrial/seatrial/fleet/embedded/process"
)

func TestChoosePorts(t *testing.T) {
	all := func(int) bool { return true }
	first, err := choosePorts("seed", 3, all)
	if err != nil || len(first) != 3 {
		t.Fatalf("got %v, %v", first, err)
	}
	again, _ := choosePorts("seed", 3, all)
	if !slices.Equal(first, again) {
		t.Errorf("the same seed gave %v, then %v", first, again)
	}
	other, err := choosePorts("seed", 3, func(port int) bool { return !slices.Contains(first, port) })
	if err != nil {
		t.Fatal(err)
	}
	for _, port := range append(slices.Clone(first), other...) {
		if port < firstPort || port >= firstPort+portCount {
			t.Errorf("port %d is out of range", port)
		}
	}
	for _, port := range other {
		if slices.Contains(first, port) {
			t.Errorf("port %d was taken", port)
		}
	}
	if _, err := choosePorts("seed", 2, func(port int) bool { return port == firstPort }); err == nil {
		t.Error("two ports where one is free")
	}
}

// sleeper is a component that does nothing.
func sleeper(t *testing.T) (component, launch) {
	t.Helper()
	sleep, err := readProgram("/bin/sleep")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c := component{name: "sleeper", folder: filepath.Join(dir, componentsFolder)}
	input := filepath.Join(dir, "input")
	if err := os.WriteFile(input, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if r, err := c.record(); err == nil {
			_ = r.Process.Signal(syscall.SIGKILL)
		}
	})
	return c, launch{
		executable: sleep, ports: 2, tied: true, files: []string{input},
		args:      func([]int) []string { return []string{"600"} },
		healthURL: func(ports []int) string { return "http://" + loopback(ports[0]) },
	}
}

func recordOf(t *testing.T, c component) componentRecord {
	t.Helper()
	r, err := c.record()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestComponentLife(t *testing.T) {
	ctx := t.Context()
	c, l := sleeper(t)
	all := func(int) bool { return true }
	ensure := func(l launch, free func(int) bool) componentRecord {
		t.Helper()
		if err := c.ensure(ctx, l, free); err != nil {
			t.Fatal(err)
		}
		r := recordOf(t, c)
		if r.Process.State() != process.Running {
			t.Fatalf("after ensure the component is in state %v", r.Process.State())
		}
		return r
	}
	was := ensure(l, all)
	if again := ensure(l, all); again.Process != was.Process {
		t.Errorf("a running component was replaced: %v, then %v", was.Process, again.Process)
	}

	replaced := func(how string, l launch, free func(int) bool) componentRecord {
		t.Helper()
		is := ensure(l, free)
		if is.Process == was.Process || was.Process.State() != process.Gone {
			t.Errorf("%s: process %v is in state %v, and the new one is %v", how, was.Process, was.Process.State(), is.Process)
		}
		was = is
		return is
	}
	if err := os.WriteFile(l.files[0], []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	replaced("other input", l, all)
	longer := l
	longer.args = func([]int) []string { return []string{"700"} }
	replaced("other arguments", longer, all)
	if err := was.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := was.Process.Await(ctx, process.Frozen); err != nil {
		t.Fatal(err)
	}
	ports := replaced("frozen", longer, all).Ports
	if err := was.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := was.Process.Await(ctx, process.Gone); err != nil {
		t.Fatal(err)
	}
	if status := c.look(ctx); !status.Started || !strings.Contains(status.Health, "does not run") {
		t.Errorf("status of a killed component: %+v", status)
	}
	if kept := replaced("killed", longer, all).Ports; !slices.Equal(kept, ports) {
		t.Errorf("ports %v became %v", ports, kept)
	}
	other := l
	if moved := replaced("a port is taken", other, func(port int) bool { return port != ports[1] }).Ports; slices.Contains(moved, ports[1]) {
		t.Errorf("ports %v, of which %d is taken", moved, ports[1])
	}

	if err := c.stop(ctx); err != nil {
		t.Fatal(err)
	}
	if was.Process.State() != process.Gone {
		t.Error("a stopped component is there")
	}
	if err := c.forget(); err != nil {
		t.Fatal(err)
	}
	if status := c.look(ctx); status.Started || status.PID != 0 {
		t.Errorf("status of an ended component: %+v", status)
	}
	if err := c.stop(ctx); err != nil {
		t.Errorf("stopping what is stopped: %v", err)
	}
}

func TestComponentRecordErrorsNameTheFile(t *testing.T) {
	c, _ := sleeper(t)
	if err := os.MkdirAll(c.folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "{", `{"version": 99}`} {
		if err := os.WriteFile(c.recordPath(), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := c.record(); err == nil || !strings.Contains(err.Error(), c.recordPath()) {
			t.Errorf("record %q: %v", text, err)
		}
	}
}

func TestAskHealth(t *testing.T) {
	code := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }))
	defer server.Close()
	if err := askHealth(t.Context(), server.URL+"/healthz", ""); err != nil {
		t.Errorf("healthy: %v", err)
	}
	code = http.StatusInternalServerError
	if err := askHealth(t.Context(), server.URL+"/healthz", ""); err == nil || !strings.Contains(err.Error(), "500") {
		t.Errorf("unhealthy: %v", err)
	}
	if err := askHealth(t.Context(), server.URL, filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("no error for a CA that cannot be read")
	}
}
