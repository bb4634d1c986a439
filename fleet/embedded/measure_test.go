package embedded

import (
	"bufio"
	"cmp"
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/fleet"
)

var (
	measure = flag.Bool("measure", false, "measure the default fleet: start, memory, kill, pause (see bench/fleet.md)")
	pauseBy = flag.Duration("pause", time.Minute, "how long -measure pauses a cluster")
)

// What the fleet has to keep, on a machine of two cores.
const (
	startLimit  = 10 * time.Second
	memoryLimit = 1638 << 20 // 1.6 GiB
	wholeLimit  = 10 * time.Second
	// watchWhole is how long a cluster is watched for falling back after it was whole.
	watchWhole = 20 * time.Second
)

func TestMeasureFleet(t *testing.T) {
	if !*measure {
		t.Skip("measures only with -measure")
	}
	f := newFleet(t)
	ctx := t.Context()
	report := func(what string, took, limit time.Duration) {
		t.Logf("%-50s %6.1f s (limit %.0f s)", what, took.Seconds(), limit.Seconds())
		if took > limit {
			t.Errorf("%s took too long", what)
		}
	}
	began := time.Now()
	if err := f.Up(ctx, DefaultSpecs()...); err != nil {
		t.Fatal(err)
	}
	report("four clusters answer, nodes ready", time.Since(began), startLimit)
	members := []string{"member1", "member2", "member3"}
	if err := forEach(members, func(name string) error { return runWeb(ctx, f, name, 20) }); err != nil {
		t.Fatal(err)
	}
	t.Logf("%-50s %6.1f s", "20 pods ready in each of three members", time.Since(began).Seconds())
	time.Sleep(10 * time.Second)
	t.Logf("CPU of the fleet when idle: %.1f%% of a core", idleCPU(t, f))
	reportMemory(t, f)

	if err := f.Kill(ctx, "member1"); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	if err := f.Revive(ctx, "member1"); err != nil {
		t.Fatal(err)
	}
	report("killed member answers", time.Since(began), wholeLimit)
	report("killed member whole for good", awaitWhole(ctx, t, f, began, "member1"), wholeLimit)

	if err := forEach(members, func(name string) error { return f.Pause(ctx, name) }); err != nil {
		t.Fatal(err)
	}
	time.Sleep(*pauseBy)
	began = time.Now()
	if err := forEach(members, func(name string) error { return f.Resume(ctx, name) }); err != nil {
		t.Fatal(err)
	}
	report(fmt.Sprintf("three members paused for %s whole for good", *pauseBy), awaitWhole(ctx, t, f, began, members...), wholeLimit)
	reportMemory(t, f)

	began = time.Now()
	if err := f.Down(ctx); err != nil {
		t.Fatal(err)
	}
	report("all shut down", time.Since(began), 4*time.Second)
	began = time.Now()
	if err := f.Up(ctx, DefaultSpecs()...); err != nil {
		t.Fatal(err)
	}
	report("all up again on their data", time.Since(began), startLimit)
}

// TestMeasureNodeLoss: a node whose kubelet falls silent is lost, its pods are not ready, and it comes back.
func TestMeasureNodeLoss(t *testing.T) {
	if !*measure {
		t.Skip("measures only with -measure")
	}
	f := newFleet(t)
	ctx := t.Context()
	if err := f.Add(ctx, fleet.Spec{Name: "m1"}); err != nil {
		t.Fatal(err)
	}
	if err := runWeb(ctx, f, "m1", 6); err != nil {
		t.Fatal(err)
	}
	c := clientOf(t, f, "m1")
	setLabel := func(value string) {
		patch := fmt.Sprintf(`{"metadata":{"labels":{%q:%s}}}`, KubeletLabel, value)
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "m1-node-1"}}
		if err := c.Patch(ctx, node, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
			t.Fatal(err)
		}
	}
	awaitReady := func(what string, want bool) {
		began := time.Now()
		err := f.Await(ctx, 2*nodeMonitorGrace, what, func(ctx context.Context) (bool, error) {
			pods := &corev1.PodList{}
			if err := c.List(ctx, pods, client.MatchingFields{"spec.nodeName": "m1-node-1"}); err != nil {
				return false, err
			}
			return len(pods.Items) > 0 && !slices.ContainsFunc(pods.Items, func(p corev1.Pod) bool { return podReady(&p) != want }), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%-50s %6.1f s", what, time.Since(began).Seconds())
	}
	setLabel("null")
	awaitReady("pods of a silent node not ready", false)
	setLabel(`"` + KubeletValue + `"`)
	awaitReady("pods of the mended node ready", true)
}

func runWeb(ctx context.Context, f *Fleet, cluster string, replicas int32) error {
	c, err := f.Client(ctx, cluster)
	if err != nil {
		return err
	}
	if err := c.Create(ctx, deployment("web", replicas)); err != nil {
		return err
	}
	return f.Await(ctx, time.Minute, "pods of "+cluster, func(ctx context.Context) (bool, error) {
		d := &appsv1.Deployment{}
		err := c.Get(ctx, client.ObjectKey{Namespace: "default", Name: "web"}, d)
		return d.Status.ReadyReplicas == replicas, err
	})
}

// awaitWhole watches clusters for watchWhole, scales their Deployments up by one to see that new pods start, and says when the last
// of them last was not whole.
func awaitWhole(ctx context.Context, t *testing.T, f *Fleet, began time.Time, clusters ...string) time.Duration {
	t.Helper()
	took := make([]time.Duration, len(clusters))
	err := forEach(clusters, func(name string) error {
		c, err := f.Client(ctx, name)
		if err != nil {
			return err
		}
		d := &appsv1.Deployment{}
		if err := c.Get(ctx, client.ObjectKey{Namespace: "default", Name: "web"}, d); err != nil {
			return err
		}
		*d.Spec.Replicas++
		patch := fmt.Sprintf(`{"spec":{"replicas":%d}}`, *d.Spec.Replicas)
		if err := c.Patch(ctx, d, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
			return err
		}
		said := ""
		for time.Since(began) < watchWhole {
			lack := whatLacks(ctx, c, *d.Spec.Replicas)
			if lack != "" {
				took[slices.Index(clusters, name)] = time.Since(began)
			}
			if lack != said {
				t.Logf("    after %4.1f s %s lacks: %s", time.Since(began).Seconds(), name, cmp.Or(lack, "nothing"))
				said = lack
			}
			time.Sleep(50 * time.Millisecond)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Max(took)
}

func whatLacks(ctx context.Context, c client.Client, replicas int32) string {
	nodes, pods, d := &corev1.NodeList{}, &corev1.PodList{}, &appsv1.Deployment{}
	for _, err := range []error{
		c.List(ctx, nodes), c.List(ctx, pods, client.InNamespace("default")),
		c.Get(ctx, client.ObjectKey{Namespace: "default", Name: "web"}, d),
	} {
		if err != nil {
			return err.Error()
		}
	}
	for i := range nodes.Items {
		if n := &nodes.Items[i]; !nodeReady(n) || len(n.Spec.Taints) > 0 {
			return fmt.Sprintf("node %s: ready %t, taints %v", n.Name, nodeReady(n), n.Spec.Taints)
		}
	}
	if int(replicas) != len(pods.Items) || d.Status.ReadyReplicas != replicas || d.Status.Replicas != replicas {
		return fmt.Sprintf("%d pods, %d replicas, %d ready, of %d", len(pods.Items), d.Status.Replicas, d.Status.ReadyReplicas, replicas)
	}
	return ""
}

func reportMemory(t *testing.T, f *Fleet) {
	t.Helper()
	var pss, rss int64
	records, err := readRecords(f.root)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		p, s := memoryOf(t, r.Process.PID)
		t.Logf("memory of %-20s PSS %4d MiB, RSS %4d MiB", r.name(), p>>20, s>>20)
		pss, rss = pss+p, rss+s
	}
	t.Logf("memory of the fleet: PSS %d MiB (limit %d), RSS %d MiB", pss>>20, memoryLimit>>20, rss>>20)
	if pss > memoryLimit {
		t.Error("the fleet takes too much memory")
	}
}

// memoryOf reads a process's proportional and resident set sizes in bytes.
func memoryOf(t *testing.T, pid int) (pss, rss int64) {
	t.Helper()
	file, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		switch fields := strings.Fields(lines.Text()); fields[0] {
		case "Pss:":
			pss = parseInt(t, fields[1]) << 10
		case "Rss:":
			rss = parseInt(t, fields[1]) << 10
		}
	}
	return pss, rss
}

// idleCPU is how much of one core the whole fleet uses, in percent, over ten seconds.
func idleCPU(t *testing.T, f *Fleet) float64 {
	t.Helper()
	const span, ticksPerSecond = 10 * time.Second, 100
	before := cpuTicks(t, f)
	time.Sleep(span)
	return float64(cpuTicks(t, f)-before) / ticksPerSecond / span.Seconds() * 100
}

func cpuTicks(t *testing.T, f *Fleet) int64 {
	t.Helper()
	records, err := readRecords(f.root)
	if err != nil {
		t.Fatal(err)
	}
	var total int64
	for _, r := range records {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", r.Process.PID))
		if err != nil {
			t.Fatal(err)
		}
		const user, system = 14, 15 // fields of proc_pid_stat(5); the command's name here has no blank
		fields := strings.Fields(string(data))
		for _, i := range []int{user, system} {
			total += parseInt(t, fields[i-1])
		}
	}
	return total
}

func parseInt(t *testing.T, text string) int64 {
	t.Helper()
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return number
}
