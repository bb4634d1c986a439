package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/seatrial/seatrial/fleet"
)

// TestContainers takes a real fleet through everything that can be done to it, and tells how long each step took.
func TestContainers(t *testing.T) {
	if os.Getenv("ENV") != "kind" {
		t.Skip("it makes four clusters in containers; ENV=kind asks for that")
	}
	log.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt)
	defer stop()
	root := filepath.Join(t.TempDir(), "fleet")
	if Keep() {
		root = filepath.Join("..", "..", ".cache", "kind", "fleet")
	}
	err := Run(ctx, Options{Root: root}, Keep(), DefaultSpecs(), func(ctx context.Context, f *Fleet) error {
		for _, step := range []struct {
			what string
			do   func(context.Context, *Fleet) error
		}{
			{"finding all four again", upAgain},
			{"looking at nodes", checkNodes},
			{"pausing and resuming", pauseAndResume},
			{"partitioning and healing", partitionAndHeal},
			{"killing and reviving a cut member", killAndRevive},
			{"stopping and reviving the host", stopAndReviveHost},
			{"refusing calls out of the machine", refusesWhatLeaves},
			{"adding and removing a member", addAndRemove},
		} {
			began := time.Now()
			if err := step.do(ctx, f); err != nil {
				return fmt.Errorf("%s: %w", step.what, err)
			}
			t.Logf("%s took %s", step.what, time.Since(began).Round(10*time.Millisecond))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if Keep() {
		return
	}
	if left, err := runDocker(t.Context(), nil, "container", "ls", "--all", "--quiet", "--filter", "name=^"+fleetName+"-"); err != nil || len(left) > 0 {
		t.Errorf("containers %q are left, %v", left, err)
	}
}

func upAgain(ctx context.Context, f *Fleet) error {
	if err := f.Up(ctx, DefaultSpecs()...); err != nil {
		return err
	}
	clusters, err := f.Clusters(ctx)
	if err != nil {
		return err
	}
	for _, c := range clusters {
		if c.State != fleet.Running || c.Partitioned {
			return fmt.Errorf("%+v", c)
		}
	}
	if len(clusters) != len(DefaultSpecs()) {
		return fmt.Errorf("%d clusters", len(clusters))
	}
	return nil
}

func checkNodes(ctx context.Context, f *Fleet) error {
	for _, spec := range DefaultSpecs()[1:] {
		c, err := f.Client(ctx, spec.Name)
		if err != nil {
			return err
		}
		nodes := &corev1.NodeList{}
		if err := c.List(ctx, nodes); err != nil {
			return err
		}
		if len(nodes.Items) != 1 {
			return fmt.Errorf("%s has %d nodes", spec.Name, len(nodes.Items))
		}
		labels := nodes.Items[0].Labels
		if labels[corev1.LabelTopologyRegion] != spec.Region || labels[corev1.LabelTopologyZone] != spec.Zones[0] {
			return fmt.Errorf("the node of %s is labelled %v", spec.Name, labels)
		}
	}
	return nil
}

// expectState fails unless the cluster is in the state.
func expectState(ctx context.Context, f *Fleet, cluster string, state fleet.State, partitioned bool) error {
	clusters, err := f.Clusters(ctx)
	if err != nil {
		return err
	}
	for _, c := range clusters {
		if c.Name == cluster && (c.State != state || c.Partitioned != partitioned) {
			return fmt.Errorf("cluster %s is %s, partitioned: %t", cluster, c.State, c.Partitioned)
		}
	}
	return nil
}

func pauseAndResume(ctx context.Context, f *Fleet) error {
	c, err := f.Client(ctx, "member1")
	if err != nil {
		return err
	}
	err = errors.Join(c.List(ctx, &corev1.NodeList{}), f.Pause(ctx, "member1"), f.Pause(ctx, "member1"), expectState(ctx, f, "member1", fleet.Paused, false))
	if err != nil {
		return err
	}
	hanging, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := c.List(hanging, &corev1.NodeList{}); !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("a paused cluster gave %w, want a call that hangs", err)
	}
	return errors.Join(f.Resume(ctx, "member1"), expectState(ctx, f, "member1", fleet.Running, false), c.List(ctx, &corev1.NodeList{}))
}

// reaches tells whether the host reaches a member by the link.
func reaches(ctx context.Context, f *Fleet, member string) (bool, error) {
	r, err := f.record(member)
	if err != nil {
		return false, err
	}
	connect := fmt.Sprintf("timeout 2 bash -c 'exec 3<>/dev/tcp/%s/%d' 2>/dev/null && echo yes || echo no", r.linkAddress(), apiPort)
	output, err := f.docker.run(ctx, nil, "exec", "seatrial-host-control-plane", "bash", "-c", connect)
	return strings.TrimSpace(string(output)) == "yes", err
}

// expectReach gives the host a while to find the address again that it missed.
func expectReach(ctx context.Context, f *Fleet, member string, want bool) error {
	what := fmt.Sprintf("the host to reach %s: %t", member, want)
	return f.Await(ctx, 20*time.Second, what, func(ctx context.Context) (bool, error) {
		got, err := reaches(ctx, f, member)
		return got == want, err
	})
}

func partitionAndHeal(ctx context.Context, f *Fleet) error {
	direct, err := f.Client(ctx, "member2")
	if err != nil {
		return err
	}
	return errors.Join(
		expectReach(ctx, f, "member2", true),
		f.Partition(ctx, "member2"), f.Partition(ctx, "member2"),
		expectState(ctx, f, "member2", fleet.Running, true),
		expectReach(ctx, f, "member2", false), expectReach(ctx, f, "member3", true),
		direct.List(ctx, &corev1.NodeList{}),
		f.Heal(ctx, "member2"), f.Heal(ctx, "member2"),
		expectState(ctx, f, "member2", fleet.Running, false),
		expectReach(ctx, f, "member2", true),
	)
}

func killAndRevive(ctx context.Context, f *Fleet) error {
	namespace := &corev1.Namespace{}
	namespace.Name = "kept"
	c, err := f.Client(ctx, "member3")
	if err != nil {
		return err
	}
	return errors.Join(
		client.IgnoreAlreadyExists(c.Create(ctx, namespace)),
		f.Partition(ctx, "member3"),
		f.Kill(ctx, "member3"), f.Kill(ctx, "member3"),
		expectState(ctx, f, "member3", fleet.Stopped, true),
		f.Revive(ctx, "member3"),
		expectState(ctx, f, "member3", fleet.Running, true),
		expectReach(ctx, f, "member3", false),
		c.Get(ctx, client.ObjectKeyFromObject(namespace), namespace),
		f.Heal(ctx, "member3"),
		expectReach(ctx, f, "member3", true),
	)
}

func stopAndReviveHost(ctx context.Context, f *Fleet) error {
	return errors.Join(
		f.Stop(ctx, fleet.ControlPlaneName),
		expectState(ctx, f, fleet.ControlPlaneName, fleet.Stopped, false),
		f.Revive(ctx, fleet.ControlPlaneName),
		expectReach(ctx, f, "member1", true),
	)
}

func refusesWhatLeaves(ctx context.Context, f *Fleet) error {
	output, err := f.docker.run(ctx, strings.NewReader(string(checkNetwork)), "exec", "--interactive", "seatrial-member1-control-plane", "bash", "-s")
	if err == nil && len(output) > 0 {
		err = fmt.Errorf("member1 reaches what is outside: %s", output)
	}
	return err
}

func addAndRemove(ctx context.Context, f *Fleet) error {
	return errors.Join(
		f.Add(ctx, fleet.Spec{Name: "member4"}),
		expectReach(ctx, f, "member4", true),
		f.Pause(ctx, "member4"),
		f.Remove(ctx, "member4"),
	)
}
