package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded/process"
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

// newFleet makes a fleet whose processes end with the test, however that ends.
func newFleet(t *testing.T) *Fleet {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real clusters")
	}
	binary, err := EnsureBinary(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, apiregistrationv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	f, err := Open(Options{Root: t.TempDir(), Binary: binary, Tied: true, Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		clusters, err := readRecords(f.root)
		if err != nil {
			t.Errorf("after the test: %v", err)
		}
		for _, r := range clusters {
			if err := f.Remove(context.Background(), r.name()); err != nil {
				t.Errorf("after the test: %v", err)
			}
		}
	})
	return f
}

func TestFleetLifecycle(t *testing.T) {
	f := newFleet(t)
	ctx := t.Context()
	specs := []fleet.Spec{
		{Name: "control", Role: fleet.ControlPlane},
		{Name: "m1", Role: fleet.Member, Region: "r1", Zones: []string{"r1-a", "r1-b"}, Startup: fleet.Startup{Delay: 300 * time.Millisecond}},
	}
	if err := f.Up(ctx, specs...); err != nil {
		t.Fatal(err)
	}
	pids := runningPIDs(t, f)
	if len(pids) != 2 {
		t.Fatalf("%d processes after Up of two clusters", len(pids))
	}
	if err := f.Up(ctx, specs...); err != nil {
		t.Fatalf("a second Up: %v", err)
	}
	if again := runningPIDs(t, f); !slices.Equal(again, pids) {
		t.Fatalf("a second Up changed the processes from %v to %v", pids, again)
	}

	member := clientOf(t, f, "m1")
	checkNodes(t, member)
	deploy(t, f, member, "web", 3)
	ips := podIPs(t, member)
	checkControlPlaneRunsNoWorkloads(t, f)

	t.Run("access", func(t *testing.T) { testAccess(t, f) })
	t.Run("aggregation", func(t *testing.T) { testAggregation(t, f) })
	t.Run("recover", func(t *testing.T) { testRecover(t, f, member) })
	t.Run("kill", func(t *testing.T) { testKill(t, f, member, ips) })
	t.Run("pause", func(t *testing.T) { testPause(t, f, member) })
	t.Run("partition", func(t *testing.T) { testPartition(t, f, member) })
	t.Run("remove", func(t *testing.T) { testRemove(t, f) })
	t.Run("down", func(t *testing.T) { testDown(t, f) })
}

func testKill(t *testing.T, f *Fleet, member client.Client, before map[string]string) {
	ctx := t.Context()
	for range 2 { // killing the dead is no error
		if err := f.Kill(ctx, "m1"); err != nil {
			t.Fatal(err)
		}
	}
	checkState(t, f, "m1", fleet.Stopped)

	// A kept port that another process has taken meanwhile is named, with its cluster.
	r, err := f.record("m1")
	if err != nil {
		t.Fatal(err)
	}
	squatter, err := net.Listen("tcp", loopback(r.Ports.API))
	if err != nil {
		t.Fatal(err)
	}
	err = f.Revive(ctx, "m1")
	squatter.Close()
	if want := fmt.Sprintf("port %d of cluster m1's API server is in use", r.Ports.API); err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("revived over a taken port: %v, want %q", err, want)
	}

	if err := f.Revive(ctx, "m1"); err != nil {
		t.Fatal(err)
	}
	checkState(t, f, "m1", fleet.Running)
	awaitReplicas(t, f, member, "web", 3)
	// New pods start on the revived nodes, and none of them gets an address that an old one has.
	deploy(t, f, member, "later", 6)
	after := podIPs(t, member)
	owner := map[string]string{}
	for pod, ip := range after {
		if other, taken := owner[ip]; taken {
			t.Errorf("pods %s and %s have the same address %s", pod, other, ip)
		}
		owner[ip] = pod
		if old, ok := before[pod]; ok && old != ip {
			t.Errorf("pod %s had the address %s and now has %s", pod, old, ip)
		}
	}
}

func testPause(t *testing.T, f *Fleet, member client.Client) {
	ctx := t.Context()
	if err := f.Pause(ctx, "m1"); err != nil {
		t.Fatal(err)
	}
	checkState(t, f, "m1", fleet.Paused)
	hanging, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if err := member.List(hanging, &corev1.NodeList{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a paused cluster gave %v, want a call that hangs", err)
	}
	if err := f.Resume(ctx, "m1"); err != nil {
		t.Fatal(err)
	}
	checkState(t, f, "m1", fleet.Running)
	awaitReplicas(t, f, member, "web", 3)
}

func testPartition(t *testing.T, f *Fleet, member client.Client) {
	ctx := t.Context()
	fromControlPlane := linkClient(t, f, "m1")
	uplink := uplinkClient(t, f, "m1")
	for _, c := range []client.Client{fromControlPlane, uplink} {
		if err := c.List(ctx, &corev1.NamespaceList{}); err != nil {
			t.Fatalf("before the partition: %v", err)
		}
	}
	if err := f.Partition(ctx, "m1"); err != nil {
		t.Fatal(err)
	}
	// Calls in both directions hang, on connections from before; direct users and pods go on.
	var wg sync.WaitGroup
	for _, c := range []client.Client{fromControlPlane, uplink} {
		wg.Go(func() {
			hanging, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
			defer cancel()
			if err := c.List(hanging, &corev1.NamespaceList{}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("through the partition: %v, want a call that hangs", err)
			}
		})
	}
	wg.Wait()
	deploy(t, f, member, "meanwhile", 2)

	// The cut outlives the process.
	if err := f.Kill(ctx, "m1"); err != nil {
		t.Fatal(err)
	}
	if err := f.Revive(ctx, "m1"); err != nil {
		t.Fatal(err)
	}
	hanging, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	if err := fromControlPlane.List(hanging, &corev1.NamespaceList{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("through the partition after a revival: %v, want a call that hangs", err)
	}
	if err := f.Heal(ctx, "m1"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []client.Client{fromControlPlane, uplink} {
		err := f.Await(ctx, 5*time.Second, "the healed network", func(ctx context.Context) (bool, error) {
			return c.List(ctx, &corev1.NamespaceList{}) == nil, nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

func testRemove(t *testing.T, f *Fleet) {
	ctx := t.Context()
	if err := f.Add(ctx, fleet.Spec{Name: "m2", Nodes: fleet.NodePool{Count: 1}}); err != nil {
		t.Fatal(err)
	}
	if err := f.Pause(ctx, "m2"); err != nil {
		t.Fatal(err)
	}
	r, err := f.record("m2")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Remove(ctx, "m2"); err != nil {
		t.Fatal(err)
	}
	if r.Process.State() != process.Gone {
		t.Error("the process of a removed cluster is still there")
	}
	if _, err := os.Stat(f.files("m2").Dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of a removed cluster: %v", err)
	}
	if _, err := f.Client(ctx, "m2"); !errors.Is(err, fleet.ErrUnknownCluster) {
		t.Errorf("a client of a removed cluster: %v", err)
	}
}

func testDown(t *testing.T, f *Fleet) {
	records, err := readRecords(f.root)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if r.Process.State() != process.Gone {
			t.Errorf("cluster %s still has a process after Down", r.name())
		}
		checkState(t, f, r.name(), fleet.Stopped)
	}
	if log := process.LogTail(f.files("m1").Log, 0); log == "" {
		t.Error("the cluster's process logged nothing")
	}
}

func runningPIDs(t *testing.T, f *Fleet) []int {
	t.Helper()
	records, err := readRecords(f.root)
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, r := range records {
		if r.Process.State() == process.Running && syscall.Kill(r.Process.PID, 0) == nil {
			pids = append(pids, r.Process.PID)
		}
	}
	return pids
}

func checkState(t *testing.T, f *Fleet, cluster string, want fleet.State) {
	t.Helper()
	clusters, err := f.Clusters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(clusters, func(c fleet.Cluster) bool { return c.Name == cluster })
	if i < 0 || clusters[i].State != want {
		t.Fatalf("cluster %s in %+v, want it %s", cluster, clusters, want)
	}
}

func clientOf(t *testing.T, f *Fleet, cluster string) client.Client {
	t.Helper()
	c, err := f.Client(t.Context(), cluster)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func clientFor(t *testing.T, cfg *rest.Config) client.Client {
	t.Helper()
	c, err := client.New(cfg, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func deployment(name string, replicas int32) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "registry.example/app:1"}}},
			},
		},
	}
}

func deploy(t *testing.T, f *Fleet, c client.Client, name string, replicas int32) {
	t.Helper()
	if err := c.Create(t.Context(), deployment(name, replicas)); err != nil {
		t.Fatal(err)
	}
	awaitReplicas(t, f, c, name, replicas)
}

func awaitReplicas(t *testing.T, f *Fleet, c client.Client, name string, want int32) {
	t.Helper()
	d := &appsv1.Deployment{}
	err := f.Await(t.Context(), 20*time.Second, fmt.Sprintf("%d ready replicas of %s", want, name), func(ctx context.Context) (bool, error) {
		err := c.Get(ctx, client.ObjectKey{Namespace: "default", Name: name}, d)
		return err == nil && d.Status.ReadyReplicas == want, err
	})
	if err != nil {
		t.Fatalf("%v; status %+v", err, d.Status)
	}
}

// podIPs maps the pods of the default namespace to their addresses.
func podIPs(t *testing.T, c client.Client) map[string]string {
	t.Helper()
	pods := &corev1.PodList{}
	if err := c.List(t.Context(), pods, client.InNamespace("default")); err != nil {
		t.Fatal(err)
	}
	ips := map[string]string{}
	for _, p := range pods.Items {
		if net.ParseIP(p.Status.PodIP) == nil {
			t.Errorf("pod %s has the address %q", p.Name, p.Status.PodIP)
		}
		ips[p.Name] = p.Status.PodIP
	}
	return ips
}
