package e2e_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os/exec"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/controlplane"
	"github.com/seatrial/seatrial/e2e"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded"
	"github.com/seatrial/seatrial/rebalance"
	"github.com/seatrial/seatrial/rebalance/drain"
	"github.com/seatrial/seatrial/rebalance/waves"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/scheduler/placement"
	"github.com/seatrial/seatrial/simulator"
	"github.com/seatrial/seatrial/simulator/kube"
	"github.com/seatrial/seatrial/testserver/ask"
)

var measureDrills = flag.Bool("measure-drills", false, "play the drills on real API servers (see bench/drills)")

// TestEmbeddedDrills plays the drills with the commands that a user types, on real API servers.
func TestEmbeddedDrills(t *testing.T) {
	if !*measureDrills {
		t.Skip("plays only with -measure-drills")
	}
	env := install(t, failoverFlags()...)
	tell(t, e2e.Drills(t, env, &commands{installation: env, t: t}))
}

// TestSimulatedDrills plays the same drills in virtual time.
func TestSimulatedDrills(t *testing.T) {
	env := drillFleet(t)
	tell(t, e2e.Drills(t, env, &steps{Fleet: env, plane: clientOf(t, env, fleet.ControlPlaneName)}))
}

// TestEmbeddedPause freezes a member of real API servers while clients ask it.
func TestEmbeddedPause(t *testing.T) {
	if !*measureDrills {
		t.Skip("plays only with -measure-drills")
	}
	env := install(t, failoverFlags()...)
	tellPause(t, e2e.PauseDrill(t, env, &commands{installation: env, t: t}))
}

// TestKindPause does so to a member of kind clusters, whose pods clients ask through the ports of its node.
func TestKindPause(t *testing.T) {
	if !*measureDrills || *chosenEnvironment != string(onKind) {
		t.Skip("plays only with -measure-drills -env=kind")
	}
	onKindFleet(t, func(ctx context.Context, rig *kindRig) error {
		if err := rig.become(ctx, failover); err != nil {
			return err
		}
		clients := &nodePorts{kindRig: rig, addresses: map[string]string{}}
		for _, member := range []string{"member1", "member2", "member3"} {
			address, err := rig.Address(ctx, member, e2e.ServicePort)
			if err != nil {
				return err
			}
			clients.addresses[member] = "http://" + address
		}
		t.Run("pause", func(t *testing.T) { tellPause(t, e2e.PauseDrill(t, rig, clients)) })
		return nil
	})
}

// TestSimulatedPause does so in virtual time.
func TestSimulatedPause(t *testing.T) {
	env := drillFleet(t)
	outcome := e2e.PauseDrill(t, env, &steps{Fleet: env, plane: clientOf(t, env, fleet.ControlPlaneName)})
	tellPause(t, outcome)
	if outcome.Failed == 0 || outcome.Failed*10 > outcome.Asked {
		t.Errorf("%d of %d requests failed; those to the frozen member do until it is noticed, and no others", outcome.Failed, outcome.Asked)
	}
}

func tellPause(t *testing.T, outcome e2e.PauseOutcome) {
	t.Helper()
	t.Log("| recovered after | noticed after | requests | failed | longest gap | least ready | worst workload | missing replica-seconds |")
	t.Log(outcome)
}

func tell(t *testing.T, outcomes []e2e.Outcome) {
	t.Helper()
	t.Log("| drill | took | least ready | worst workload | missing replica-seconds | killed after | reads |")
	for _, outcome := range outcomes {
		t.Log(outcome)
	}
}

// drillControllers look at clusters as often as those of an installation for tests.
func drillControllers() []control.Controller {
	options := controlplane.Defaults()
	options.Eviction = e2e.FailoverOptions()
	options.ClusterStatus.UpdateFrequency, options.ClusterStatus.FailureThreshold, options.ClusterStatus.SuccessThreshold = time.Second, 3*time.Second, 3*time.Second
	return append(controlplane.Controllers(options), scheduler.New(drillScheduler()))
}

// drillScheduler decides as the one of an installation does: resource models count.
func drillScheduler() scheduler.Options {
	return scheduler.Options{Name: "default-scheduler", General: estimator.General{UseModels: true}}
}

// drillFleet is a simulated fleet of the size of an embedded one, whose pods start as fast.
func drillFleet(t *testing.T) *simulator.Fleet {
	t.Helper()
	env, err := simulator.New(t.Context(), simulator.Options{Seed: 1, Checked: true, Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	if err := env.Run(drillControllers()...); err != nil {
		t.Fatal(err)
	}
	for _, spec := range embedded.DefaultSpecs() {
		if spec.Role != fleet.Member {
			continue
		}
		columns := simulator.Columns{
			Timing: kube.Timing{
				Pull: kube.Latency{Delay: kube.Never}, Start: kube.Latency{Delay: spec.Startup.Delay, Jitter: spec.Startup.Jitter}, Ready: kube.Latency{Delay: kube.Never},
			},
			Pools: nodesOf(spec),
		}
		if _, err := env.AddColumnar(t.Context(), spec, columns); err != nil {
			t.Fatal(err)
		}
		if err := env.Join(t.Context(), spec.Name); err != nil {
			t.Fatal(err)
		}
	}
	return env
}

// commands drill an installation by its commands.
type commands struct {
	*installation
	t *testing.T
}

// Now implements e2e.Drillmaster.
func (c *commands) Now() time.Time { return time.Now() }

// Readers implements e2e.Drillmaster.
func (c *commands) Readers() int { return 4 }

// Ask implements e2e.Audience.
func (c *commands) Ask(ctx context.Context, cluster string, web *appsv1.Deployment) error {
	return e2e.AskCluster(ctx, c.installation, cluster, web)
}

// Drain implements e2e.Drillmaster.
func (c *commands) Drain(ctx context.Context, cluster string) (over func(context.Context) (bool, error), err error) {
	return c.start(ctx, "drain", cluster, "--moves", "2", "--timeout", "5m")
}

// Rebalance implements e2e.Drillmaster.
func (c *commands) Rebalance(ctx context.Context) (over func(context.Context) (bool, error), err error) {
	return c.start(ctx, "rebalance", "--moves", "2")
}

// Uncordon implements e2e.Drillmaster.
func (c *commands) Uncordon(ctx context.Context, cluster string) error {
	return exec.CommandContext(ctx, c.program, "uncordon", cluster, "--kubeconfig", c.kubeconfig).Run()
}

// Crash implements e2e.Drillmaster.
func (c *commands) Crash(ctx context.Context) error { return c.crash(ctx, c.t.Output()) }

func (c *commands) start(ctx context.Context, arguments ...string) (over func(context.Context) (bool, error), err error) {
	command := exec.CommandContext(ctx, c.program, append(arguments, "--kubeconfig", c.kubeconfig)...)
	printed := &bytes.Buffer{}
	command.Stdout, command.Stderr = printed, printed
	if err := command.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	return func(context.Context) (bool, error) {
		select {
		case err := <-ended:
			c.t.Logf("seatrial %v:\n%s", arguments, printed)
			if err != nil {
				return false, fmt.Errorf("seatrial %v: %w", arguments, err)
			}
			return true, nil
		default:
			return false, nil
		}
	}, nil
}

// nodePorts are the way of clients to pods of kind clusters.
type nodePorts struct {
	*kindRig
	// addresses are URLs, by member.
	addresses map[string]string
}

// Now implements e2e.Witness.
func (*nodePorts) Now() time.Time { return time.Now() }

// Readers implements e2e.Witness.
func (*nodePorts) Readers() int { return 4 }

// Ask implements e2e.Audience. The Service leads to the pods of all workloads.
func (n *nodePorts) Ask(ctx context.Context, cluster string, _ *appsv1.Deployment) error {
	patience := time.Second
	if until, bounded := ctx.Deadline(); bounded {
		patience = time.Until(until)
	}
	report, err := ask.Run(ctx, ask.Plan{Addresses: []string{n.addresses[cluster]}, Rate: 1, Count: 1, Timeout: patience})
	if err != nil {
		return err
	}
	if report.Total.Served == 0 {
		return fmt.Errorf("asking %s: %v", cluster, report.Total.Faults)
	}
	return nil
}

// steps drill a simulated fleet: what the commands do between two looks, it does when it is asked whether they are over.
type steps struct {
	*simulator.Fleet
	plane client.Client
	begun int
}

// Readers implements e2e.Drillmaster.
func (s *steps) Readers() int { return 0 }

// Ask implements e2e.Audience.
func (s *steps) Ask(ctx context.Context, cluster string, web *appsv1.Deployment) error {
	return e2e.AskCluster(ctx, s.Fleet, cluster, web)
}

// Crash implements e2e.Drillmaster.
func (s *steps) Crash(context.Context) error { return s.Restart(drillControllers()...) }

// Uncordon implements e2e.Drillmaster.
func (s *steps) Uncordon(ctx context.Context, cluster string) error {
	if _, err := drain.Uncordon(ctx, s.plane, cluster, false); err != nil {
		return err
	}
	_, err := drain.Withdraw(ctx, s.plane, cluster)
	return err
}

// Drain implements e2e.Drillmaster.
func (s *steps) Drain(ctx context.Context, cluster string) (over func(context.Context) (bool, error), err error) {
	if _, err := drain.Cordon(ctx, s.plane, cluster, false); err != nil {
		return nil, err
	}
	return s.everySecond(func(ctx context.Context) (bool, error) {
		progress, err := drain.Step(ctx, s.plane, drain.Options{Cluster: cluster, Moves: 2})
		return err == nil && progress.Empty(), err
	}), nil
}

// Rebalance implements e2e.Drillmaster.
func (s *steps) Rebalance(ctx context.Context) (over func(context.Context) (bool, error), err error) {
	plan, err := s.plan(ctx, nil)
	if err != nil || len(plan.Waves) == 0 {
		return nil, fmt.Errorf("there is nothing to move: %+v, %w", plan, err)
	}
	left := map[types.NamespacedName]bool{}
	for _, wave := range plan.Waves {
		for i := range wave.Moves {
			left[wave.Moves[i].Binding()] = true
		}
	}
	var wave *rebalance.Wave
	return s.everySecond(func(ctx context.Context) (bool, error) {
		if wave != nil {
			progress, err := waves.Look(ctx, s.plane, fmt.Sprint("wave-", s.begun), *wave)
			if err != nil || !progress.Over() {
				return false, err
			}
			for i := range wave.Moves {
				delete(left, wave.Moves[i].Binding())
			}
		}
		plan, err := s.plan(ctx, left)
		if err != nil || len(plan.Waves) == 0 {
			return err == nil, err
		}
		wave = &plan.Waves[0]
		s.begun++
		return false, waves.Begin(ctx, s.plane, fmt.Sprint("wave-", s.begun), *wave)
	}), nil
}

func (s *steps) plan(ctx context.Context, only map[types.NamespacedName]bool) (rebalance.Plan, error) {
	listed := &clusterv1alpha1.ClusterList{}
	if err := s.plane.List(ctx, listed); err != nil {
		return rebalance.Plan{}, err
	}
	var clusters []*clusterv1alpha1.Cluster
	for i := range listed.Items {
		clusters = append(clusters, &listed.Items[i])
	}
	bindings, err := binding.List(ctx, s.plane)
	if err != nil {
		return rebalance.Plan{}, err
	}
	options := drillScheduler()
	return rebalance.New(ctx, placement.NewSnapshot(clusters), bindings, options.Decide, rebalance.Options{
		Moves: 2, Threshold: 0.1, Only: only, General: options.General,
	})
}

// everySecond asks no more often than that, as the commands do.
func (s *steps) everySecond(ask func(context.Context) (bool, error)) func(context.Context) (bool, error) {
	var last time.Time
	return func(ctx context.Context) (bool, error) {
		if s.Now().Sub(last) < time.Second {
			return false, nil
		}
		last = s.Now()
		return ask(ctx)
	}
}
