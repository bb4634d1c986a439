package local

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded"
	"github.com/seatrial/seatrial/fleet/embedded/process"
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

// buildSeatrial builds the executable that the components are started from.
func buildSeatrial(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "bin", "seatrial")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", path, "./cmd/seatrial")
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building seatrial: %v\n%s", err, output)
	}
	return path
}

// A whole life: each step uses what the steps before left.
func TestLifeOfAnInstallation(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real clusters")
	}
	binary, err := embedded.EnsureBinary(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	l := &life{dir: filepath.Join(t.TempDir(), "state")}
	l.installation, err = Open(Options{StateDir: l.dir, Executable: buildSeatrial(t), ClusterBinary: binary, Tied: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := l.installation.Down(context.Background(), false); err != nil {
			t.Errorf("after the test: %v", err)
		}
	})
	for _, step := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"interrupted", l.testInterrupted},
		{"up", l.testUp},
		{"up again", l.testUpAgain},
		{"admission", l.testAdmission},
		{"mend", l.testMend},
		{"estimators", l.testEstimators},
		{"down and up on the data", l.testKeepData},
		{"down", l.testDown},
	} {
		if !t.Run(step.name, step.run) {
			return
		}
	}
}

type life struct {
	dir          string
	installation *Installation
}

func (l *life) up(t *testing.T, options UpOptions) *Status {
	t.Helper()
	var out bytes.Buffer
	began := time.Now()
	options.Members, options.Example, options.Timeout = 3, true, 3*time.Minute
	err := l.installation.Up(t.Context(), options, NewProgress(&out))
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	t.Logf("up took %s:\n%s", time.Since(began).Round(100*time.Millisecond), out.String())
	status := l.status(t)
	if faults := status.Faults(); len(faults) > 0 {
		t.Fatalf("after Up: %q", faults)
	}
	return status
}

func (l *life) status(t *testing.T) *Status {
	t.Helper()
	status, err := l.installation.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// testInterrupted: what an interrupted start leaves is no obstacle.
func (l *life) testInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	progress := NewProgress(&out)
	// Past the check of the machine: while the clusters start.
	progress.now = func() time.Time {
		if strings.Contains(out.String(), "checking the machine") {
			cancel()
		}
		return time.Now()
	}
	err := l.installation.Up(ctx, UpOptions{Members: 3, Timeout: time.Minute}, progress)
	if err == nil || !strings.Contains(err.Error(), "interrupted while starting the control plane") {
		t.Fatalf("interrupted Up: %v", err)
	}
}

func (l *life) testUp(t *testing.T) {
	status := l.up(t, UpOptions{})
	if len(status.Clusters) != 4 || len(status.Components) != len(fixedComponents)+1 {
		t.Fatalf("%d clusters, %d components", len(status.Clusters), len(status.Components))
	}
	for n, want := range []Placement{{"member1", 1, 1}, {"member2", 2, 2}, {"member3", 3, 3}} {
		if got := status.Example.Clusters[n]; got != want {
			t.Errorf("placement %d is %+v, want %+v", n, got, want)
		}
	}
	if _, err := os.Stat(status.Kubeconfig); err != nil {
		t.Errorf("the kubeconfig: %v", err)
	}
	l.checkModes(t)
}

// checkModes: the control plane reaches two members, the agent of the third one reaches it.
func (l *life) checkModes(t *testing.T) {
	t.Helper()
	clusters, err := l.installation.Fleet()
	if err != nil {
		t.Fatal(err)
	}
	plane, err := clusters.Client(t.Context(), fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]clusterv1alpha1.ClusterSyncMode{
		"member1": clusterv1alpha1.Push, "member2": clusterv1alpha1.Push, "member3": clusterv1alpha1.Pull,
	} {
		known := &clusterv1alpha1.Cluster{}
		if err := plane.Get(t.Context(), client.ObjectKey{Name: name}, known); err != nil || known.Spec.SyncMode != want || known.Spec.Region == "" {
			t.Errorf("%s is in %s mode, %+v, %v", name, known.Spec.SyncMode, known.Spec, err)
		}
	}
}

func (l *life) testUpAgain(t *testing.T) {
	l.checkNoneReplaced(t)
}

func (l *life) checkNoneReplaced(t *testing.T) {
	t.Helper()
	before := l.status(t)
	after := l.up(t, UpOptions{})
	for n := range before.Components {
		if before.Components[n].PID != after.Components[n].PID {
			t.Errorf("the second Up replaced %s", before.Components[n].Name)
		}
	}
}

// testMend: Status tells what died, and Up starts it again.
func (l *life) testMend(t *testing.T) {
	l.kill(t, schedulerName)
	l.kill(t, agentOf("member3"))
	registered, err := os.ReadFile(l.installation.agentKubeconfig("member3"))
	if err != nil {
		t.Fatal(err)
	}
	clusters, err := l.installation.Fleet()
	if err != nil {
		t.Fatal(err)
	}
	if err := clusters.Kill(t.Context(), "member2"); err != nil {
		t.Fatal(err)
	}
	faults := strings.Join(l.status(t).Faults(), "\n")
	for _, want := range []string{"cluster member2 is stopped", "scheduler does not run", "agent-member3 does not run"} {
		if !strings.Contains(faults, want) {
			t.Errorf("the faults lack %q: %q", want, faults)
		}
	}
	l.up(t, UpOptions{})
	if now, err := os.ReadFile(l.installation.agentKubeconfig("member3")); err != nil || !bytes.Equal(now, registered) {
		t.Errorf("member3 registered again: %v", err)
	}
}

func (l *life) kill(t *testing.T, component string) {
	t.Helper()
	r := recordOf(t, l.installation.component(component))
	if err := r.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := r.Process.Await(t.Context(), process.Gone); err != nil {
		t.Fatal(err)
	}
}

// testEstimators: they come when asked for, are found by the names of their Services, and then are components as the others are.
func (l *life) testEstimators(t *testing.T) {
	status := l.up(t, UpOptions{Estimators: true})
	var found []string
	for _, c := range status.Components {
		if strings.HasPrefix(c.Name, estimatorPrefix) {
			found = append(found, c.Name)
		}
	}
	if want := []string{"estimator-member1", "estimator-member2", "estimator-member3"}; !slices.Equal(found, want) {
		t.Fatalf("estimators %q, want %q", found, want)
	}
	l.checkServices(t)
	l.checkNoneReplaced(t)
	l.kill(t, "estimator-member2")
	if faults := l.status(t).Faults(); !slices.Equal(faults, []string{"component estimator-member2: estimator-member2 does not run"}) {
		t.Errorf("the faults are %q", faults)
	}
	l.up(t, UpOptions{})
	l.checkServices(t)
}

// checkServices looks for the way to each estimator in the control plane.
func (l *life) checkServices(t *testing.T) {
	t.Helper()
	clusters, err := l.installation.Fleet()
	if err != nil {
		t.Fatal(err)
	}
	plane, err := clusters.Client(t.Context(), fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	for _, member := range []string{"member1", "member2", "member3"} {
		service := &corev1.Service{}
		key := client.ObjectKey{Namespace: "karmada-system", Name: "karmada-scheduler-estimator-" + member}
		if err := plane.Get(t.Context(), key, service); err != nil {
			t.Fatal(err)
		}
		port := recordOf(t, l.installation.component(estimatorOf(member))).Ports[0]
		if service.Spec.ExternalName != "localhost" || service.Spec.Ports[0].Port != 10352 || service.Spec.Ports[0].TargetPort.IntValue() != port {
			t.Errorf("Service %s leads to %s, %+v; the estimator has port %d", key, service.Spec.ExternalName, service.Spec.Ports, port)
		}
	}
}

func (l *life) testKeepData(t *testing.T) {
	if found, err := l.installation.Down(t.Context(), true); !found || err != nil {
		t.Fatalf("found %v, %v", found, err)
	}
	l.checkNoProcess(t)
	status := l.status(t)
	if !status.Stopped() || len(status.Clusters) != 4 {
		t.Errorf("after Down: %+v", status)
	}
	for _, cluster := range status.Clusters {
		if cluster.State != fleet.Stopped {
			t.Errorf("%s is %s", cluster.Name, cluster.State)
		}
	}
	if back := l.up(t, UpOptions{}); len(back.Components) != len(status.Components) {
		t.Errorf("%d of %d components came back", len(back.Components), len(status.Components))
	}
}

func (l *life) testDown(t *testing.T) {
	if found, err := l.installation.Down(t.Context(), false); !found || err != nil {
		t.Fatalf("found %v, %v", found, err)
	}
	l.checkNoProcess(t)
	if _, err := os.Stat(l.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state folder is there: %v", err)
	}
	if found, err := l.installation.Down(t.Context(), false); found || err != nil {
		t.Errorf("a second Down: found %v, %v", found, err)
	}
}

// checkNoProcess looks for processes that were started with a path in the state folder.
func (l *life) checkNoProcess(t *testing.T) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if _, err := strconv.Atoi(entry.Name()); err != nil {
			continue
		}
		command, err := os.ReadFile(filepath.Join("/proc", entry.Name(), "cmdline"))
		if err == nil && bytes.Contains(command, []byte(l.dir)) {
			t.Errorf("process %s runs: %s", entry.Name(), bytes.ReplaceAll(command, []byte{0}, []byte{' '}))
		}
	}
}
