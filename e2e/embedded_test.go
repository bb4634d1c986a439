package e2e_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded"
	"github.com/seatrial/seatrial/fleet/local"
	"github.com/seatrial/seatrial/registration"
)

// installation is a whole one of its own: real API servers, and the components as processes, as a user starts them. They end
// with the test.
type installation struct {
	*embedded.Fleet
	local *local.Installation
	// flags are given to the controllers beside those that every test needs.
	flags []string
	// others are given to other components, by their names.
	others map[string][]string
	// estimators says that they run beside the members.
	estimators bool
	// program is the executable of the components, kubeconfig that of an administrator of the control plane.
	program, kubeconfig string
	// out is where the progress of starting is told.
	out io.Writer
}

func install(t *testing.T, flags ...string) *installation {
	t.Helper()
	return installWith(t, local.Options{}, flags...)
}

func installWith(t *testing.T, options local.Options, flags ...string) *installation {
	t.Helper()
	made := &installation{flags: flags}
	made.start(t, options)
	return made
}

// start brings an installation up.
func (i *installation) start(t *testing.T, options local.Options) {
	t.Helper()
	i.out = t.Output()
	i.local, i.program = prepare(t, options)
	if err := i.up(t.Context(), i.out); err != nil {
		t.Fatal(err)
	}
	var err error
	if i.Fleet, err = i.local.Fleet(); err != nil {
		t.Fatal(err)
	}
	if i.kubeconfig, err = i.Kubeconfig(t.Context(), fleet.ControlPlaneName); err != nil {
		t.Fatal(err)
	}
}

// places are for installations that run at the same time: each takes a gigabyte of memory, and waits most of the time.
var places = make(chan struct{}, 3)

// prepare finds a place for an installation of a program, and ends with the test what runs there then.
func prepare(t *testing.T, options local.Options) (installed *local.Installation, program string) {
	t.Helper()
	places <- struct{}{}
	t.Cleanup(func() { <-places })
	clusters, err := embedded.EnsureBinary(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	options.StateDir, options.Executable, options.ClusterBinary, options.Tied = t.TempDir(), buildSeatrial(t), clusters, true
	if installed, err = local.Open(options); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test's own context has ended by now.
		if _, err := installed.Down(context.Background(), false); err != nil {
			t.Errorf("ending the installation: %v", err)
		}
	})
	return installed, options.Executable
}

// soon has a change of a member's health be believed after seconds.
var soon = []string{"--cluster-status-update-frequency=1s", "--cluster-failure-threshold=3s", "--cluster-success-threshold=3s"}

// baseFlags are those of the controllers in every test: it need not wait as long as production before it believes that a cluster has
// failed, or is back.
func baseFlags() []string {
	return append([]string{
		"--cluster-monitor-period=1s", "--cluster-monitor-grace-period=8s", "--feature-gates=PropagationPolicyPreemption=true,MultiClusterService=true",
	}, soon...)
}

// agentFlags are those of agents.
func agentFlags() []string {
	return append([]string{"--cluster-lease-duration=4s", "--feature-gates=MultiClusterService=true"}, soon...)
}

func (i *installation) up(ctx context.Context, out io.Writer) error {
	flags := map[string][]string{
		"controller-manager": append(baseFlags(), i.flags...),
		"agent":              agentFlags(),
	}
	for component, more := range i.others {
		flags[component] = append(flags[component], more...)
	}
	return i.local.Up(ctx, local.UpOptions{Members: 3, Estimators: i.estimators, Timeout: 5 * time.Minute, Flags: flags}, local.NewProgress(out))
}

// Join implements e2e.Joiner.
func (i *installation) Join(ctx context.Context, name string) error {
	plane, member, access, err := i.sides(ctx, name)
	if err != nil {
		return err
	}
	return registration.Join(ctx, plane, member, access)
}

// Unjoin implements e2e.Joiner. A member that cannot be reached leaves by force.
func (i *installation) Unjoin(ctx context.Context, name string) error {
	plane, member, access, err := i.sides(ctx, name)
	if err != nil {
		return err
	}
	return registration.Unjoin(ctx, plane, member, access, registration.UnjoinOptions{Wait: time.Minute, Force: true})
}

// sides are what a registration works on: both clusters, and how one reaches the other.
func (i *installation) sides(ctx context.Context, name string) (plane, member client.Client, access registration.Member, err error) {
	access.Name = name
	clusters, err := i.Clusters(ctx)
	if err != nil {
		return nil, nil, access, err
	}
	for _, cluster := range clusters {
		if cluster.Name == name {
			access.Endpoint, access.Provider, access.Region, access.Zones = cluster.Endpoint, cluster.Provider, cluster.Region, cluster.Zones
		}
	}
	files, err := i.Files(name)
	if err != nil {
		return nil, nil, access, err
	}
	if access.CABundle, err = os.ReadFile(files.CA.Cert); err != nil {
		return nil, nil, access, err
	}
	if plane, err = i.Client(ctx, fleet.ControlPlaneName); err != nil {
		return nil, nil, access, err
	}
	member, err = i.Client(ctx, name)
	return plane, member, access, err
}

// crash kills the controllers and the scheduler where they stand, and starts them again.
func (i *installation) crash(ctx context.Context, out io.Writer) error {
	return i.crashOf(ctx, out, func(component string) bool { return component != "apiserver" })
}

// crashOf does so to chosen components.
func (i *installation) crashOf(ctx context.Context, out io.Writer, chosen func(component string) bool) error {
	status, err := i.local.Status(ctx)
	if err != nil {
		return err
	}
	for _, component := range status.Components {
		if chosen(component.Name) && component.PID > 0 {
			if err := syscall.Kill(component.PID, syscall.SIGKILL); err != nil {
				return fmt.Errorf("killing %s: %w", component.Name, err)
			}
		}
	}
	return i.up(ctx, out)
}

var seatrialBinary = flag.String("seatrial", "", "the seatrial binary to test; empty means to build it")

func buildSeatrial(t *testing.T) string {
	t.Helper()
	if *seatrialBinary != "" {
		return *seatrialBinary
	}
	path := filepath.Join(t.TempDir(), "seatrial")
	if printed, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "../cmd/seatrial").CombinedOutput(); err != nil {
		t.Fatalf("building seatrial: %v\n%s", err, printed)
	}
	return path
}

// realServers has a test run beside others like it, on API servers of its own.
func realServers(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real API servers")
	}
	t.Parallel()
}

// TestEmbedded runs the cases that break no member.
func TestEmbedded(t *testing.T) { onRealServers(t, "standard") }

// TestEmbeddedOutages runs those that break members, and restarts what there is.
func TestEmbeddedOutages(t *testing.T) { onRealServers(t, "outages") }

// TestEmbeddedHealing has components die and what members hold change behind their back.
func TestEmbeddedHealing(t *testing.T) { onRealServers(t, "healing") }

// TestEmbeddedAgents is about members in Pull mode, and what spans members.
func TestEmbeddedAgents(t *testing.T) { onRealServers(t, "agents") }

// TestEmbeddedMembership has members join and leave.
func TestEmbeddedMembership(t *testing.T) { onRealServers(t, "membership") }

// TestEmbeddedFailover has workloads move between members.
func TestEmbeddedFailover(t *testing.T) { onRealServers(t, "failover") }

// TestEmbeddedAccess has users reach members through the control plane.
func TestEmbeddedAccess(t *testing.T) { onRealServers(t, "access") }

// TestEmbeddedQuotas has the webhook server refuse what goes beyond a quota.
func TestEmbeddedQuotas(t *testing.T) { onRealServers(t, "quotas") }

// onRealServers runs the quick ones of a group of cases on real API servers; make e2e runs all of them.
func onRealServers(t *testing.T, name string) {
	t.Helper()
	realServers(t)
	for _, group := range groups(runnable(onEmbedded, func(c testCase) bool { return !c.slow })) {
		if group.name == name {
			playOn(t, installPreset(t, group.preset), onEmbedded, group.cases)
			return
		}
	}
	t.Fatalf("there is no case in group %s", name)
}

// TestMain lets more tests wait at once than the machine has processors.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctrl.SetLogger(klog.Background())
	os.Exit(m.Run())
}
