package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded"
	"github.com/seatrial/seatrial/fleet/local"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// withoutModels leaves resource models aside, which would tell part of what nodes do.
const withoutModels = "--feature-gates=CustomizedClusterResourceModeling=false"

// estimating is an installation of two members of three nodes with 8 CPUs each, with estimators. The nodes of member1 have 2 CPUs
// left each.
type estimating struct {
	*testing.T
	*embedded.Fleet
	local *local.Installation
	dir   string
	// program is the seatrial executable.
	program string
	plane   client.Client
}

func installEstimating(t *testing.T) *estimating {
	t.Helper()
	clusters, err := embedded.EnsureBinary(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	e := &estimating{T: t, dir: t.TempDir(), program: buildSeatrial(t)}
	if e.local, err = local.Open(local.Options{StateDir: e.dir, Executable: e.program, ClusterBinary: clusters, Tied: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test's own context has ended by now.
		if _, err := e.local.Down(context.Background(), false); err != nil {
			t.Errorf("ending the installation: %v", err)
		}
	})
	e.up()
	if e.Fleet, err = e.local.Fleet(); err != nil {
		t.Fatal(err)
	}
	if e.plane, err = e.Client(t.Context(), fleet.ControlPlaneName); err != nil {
		t.Fatal(err)
	}
	e.fill("member1", "6")
	return e
}

func (e *estimating) up() {
	e.Helper()
	e.must(e.local.Up(e.Context(), local.UpOptions{
		Members: 2, Estimators: true, Timeout: 5 * time.Minute,
		Flags: map[string][]string{"scheduler": {withoutModels}, "controller-manager": {"--cluster-status-update-frequency=1s"}},
	}, local.NewProgress(e.Output())))
}

func (e *estimating) must(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

func (e *estimating) await(what string, condition func(context.Context) (bool, error)) {
	e.Helper()
	e.must(e.Await(e.Context(), time.Minute, what, condition))
}

func (e *estimating) nodesOf(name string) (member client.Client, nodes []corev1.Node) {
	e.Helper()
	member, err := e.Client(e.Context(), name)
	e.must(err)
	list := &corev1.NodeList{}
	e.must(member.List(e.Context(), list))
	return member, list.Items
}

// fill puts a pod that takes so many CPUs onto each node of a member, and waits until the control plane counts them.
func (e *estimating) fill(name, cpu string) {
	e.Helper()
	member, nodes := e.nodesOf(name)
	taken := resource.MustParse(cpu)
	wanted := resource.Quantity{}
	for i := range nodes {
		e.must(member.Create(e.Context(), &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprint("fill-", i)},
			Spec:       corev1.PodSpec{NodeName: nodes[i].Name, Containers: []corev1.Container{container(taken)}},
		}))
		wanted.Add(taken)
	}
	e.awaitAllocated(name, wanted.String())
}

// awaitAllocated waits until the summary of a member says that so many CPUs are taken.
func (e *estimating) awaitAllocated(name, cpu string) {
	e.Helper()
	wanted := resource.MustParse(cpu)
	e.await(fmt.Sprintf("%s CPUs of %s taken", cpu, name), func(ctx context.Context) (bool, error) {
		cluster := &clusterv1alpha1.Cluster{}
		if err := e.plane.Get(ctx, client.ObjectKey{Name: name}, cluster); err != nil || cluster.Status.ResourceSummary == nil {
			return false, err
		}
		return cluster.Status.ResourceSummary.Allocated.Cpu().Cmp(wanted) == 0, nil
	})
}

func container(cpu resource.Quantity) corev1.Container {
	return corev1.Container{Name: "main", Image: "nginx:1.28", Resources: corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: cpu},
	}}
}

// deploy makes a Deployment of pods with 2.1 CPUs, divided by what the members named have left, and returns its binding.
func (e *estimating) deploy(name string, replicas int32, selector map[string]string, members ...string) client.ObjectKey {
	e.Helper()
	labels := map[string]string{"app": name}
	e.must(e.plane.Create(e.Context(), &policyv1alpha1.PropagationPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: policyv1alpha1.PropagationSpec{
			ResourceSelectors: []policyv1alpha1.ResourceSelector{{APIVersion: "apps/v1", Kind: "Deployment", Name: name}},
			Placement: policyv1alpha1.Placement{
				ClusterAffinity: &policyv1alpha1.ClusterAffinity{ClusterNames: members},
				ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{
					ReplicaSchedulingType:     policyv1alpha1.ReplicaSchedulingTypeDivided,
					ReplicaDivisionPreference: policyv1alpha1.ReplicaDivisionPreferenceWeighted,
					WeightPreference:          &policyv1alpha1.ClusterPreferences{DynamicWeight: policyv1alpha1.DynamicWeightByAvailableReplicas},
				},
			},
		},
	}))
	e.must(e.plane.Create(e.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{NodeSelector: selector, Containers: []corev1.Container{container(resource.MustParse("2100m"))}},
			},
		},
	}))
	return client.ObjectKey{Namespace: "default", Name: name + "-deployment"}
}

// awaitTargets waits until the scheduler has decided, by which reason, and returns where to.
func (e *estimating) awaitTargets(key client.ObjectKey) (targets map[string]int32, reason string) {
	e.Helper()
	bound := &workv1alpha2.ResourceBinding{}
	e.await(fmt.Sprintf("a decision about %s", key), func(ctx context.Context) (bool, error) {
		err := e.plane.Get(ctx, key, bound)
		return err == nil && reasonOf(bound) != "", client.IgnoreNotFound(err)
	})
	targets = map[string]int32{}
	for _, target := range bound.Spec.Clusters {
		targets[target.Name] = target.Replicas
	}
	return targets, reasonOf(bound)
}

// awaitReady waits until all replicas of a Deployment are ready.
func (e *estimating) awaitReady(name string) {
	e.Helper()
	e.await("Deployment "+name+" ready", func(ctx context.Context) (bool, error) {
		deployment := &appsv1.Deployment{}
		err := e.plane.Get(ctx, client.ObjectKey{Namespace: "default", Name: name}, deployment)
		return err == nil && deployment.Status.ReadyReplicas == *deployment.Spec.Replicas, err
	})
}

func (e *estimating) seatrial(arguments ...string) []byte {
	e.Helper()
	var out, problems bytes.Buffer
	command := exec.CommandContext(e.Context(), e.program, arguments...)
	command.Stdout, command.Stderr = &out, &problems
	if err := command.Run(); err != nil {
		e.Fatalf("seatrial %q: %v\n%s", arguments, err, problems.String())
	}
	return out.Bytes()
}

// room is what explain says of a cluster: its capacity, and why it is in doubt.
type room struct {
	capacity int64
	doubt    placement.DoubtKind
}

// explain runs the command with the flags of the scheduler.
func (e *estimating) explain(key client.ObjectKey) map[string]room {
	e.Helper()
	kubeconfig, err := e.Kubeconfig(e.Context(), fleet.ControlPlaneName)
	e.must(err)
	files, err := e.Files(fleet.ControlPlaneName)
	e.must(err)
	certificate := filepath.Join(e.dir, "components", "scheduler-to-estimators")
	var explained scheduler.Explanation
	e.must(json.Unmarshal(e.seatrial("explain", "binding", key.String(), "-o", "json", "--kubeconfig", kubeconfig, withoutModels,
		"--enable-scheduler-estimator", "--scheduler-estimator-ca-file", files.CA.Cert,
		"--scheduler-estimator-cert-file", certificate+".crt", "--scheduler-estimator-key-file", certificate+".key"), &explained))
	found := map[string]room{}
	for _, cluster := range explained.Clusters {
		r := room{capacity: -1}
		if cluster.Capacity != nil {
			r.capacity = *cluster.Capacity
		}
		if cluster.Doubt != nil {
			r.doubt = cluster.Doubt.Kind
		}
		found[cluster.Name] = r
	}
	return found
}

// TestEmbeddedEstimators: the scheduler places by nodes, whatever the sums of the clusters say; without one of the estimators it
// goes by the sum of that cluster alone.
func TestEmbeddedEstimators(t *testing.T) {
	realServers(t)
	e := installEstimating(t)
	// Three replicas fit onto each node of member2, one of which has a fast disk.
	member, nodes := e.nodesOf("member2")
	nodes[0].Labels["disk"] = "fast"
	e.must(member.Update(t.Context(), &nodes[0]))

	picky := e.deploy("picky", 3, map[string]string{"disk": "fast"}, "member1", "member2")
	e.expectTargets(picky, map[string]int32{"member2": 3})
	e.awaitReady("picky")

	// The sums are 6 CPUs in member1 and 17 in member2, room for 2 and 8; the nodes hold none and 6.
	plain := e.deploy("plain", 5, nil, "member1", "member2")
	e.expectTargets(plain, map[string]int32{"member2": 5})
	e.awaitReady("plain")
	e.awaitAllocated("member2", "16800m")
	e.expectRoom(plain, map[string]room{"member1": {}, "member2": {capacity: 1}})
	e.expectRoom(picky, map[string]room{"member1": {}, "member2": {}})

	e.killEstimator("member1")
	e.expectRoom(plain, map[string]room{"member1": {capacity: 2, doubt: placement.DoubtSummary}, "member2": {capacity: 1}})
	e.awaitVerdict("hopeful", names.ReasonScheduled)

	e.up()
	e.expectRoom(plain, map[string]room{"member1": {}, "member2": {capacity: 1}})
	e.awaitVerdict("late", names.ReasonUnschedulable)
}

// awaitVerdict asks for one more replica in member1 until the scheduler says what it is to say. It may have an answer from a
// moment before, and comes back to an estimator that was away after a pause.
func (e *estimating) awaitVerdict(name, reason string) {
	e.Helper()
	attempt := 0
	e.await(fmt.Sprintf("a binding for member1 to be %s", reason), func(context.Context) (bool, error) {
		attempt++
		_, got := e.awaitTargets(e.deploy(fmt.Sprint(name, "-", attempt), 1, nil, "member1"))
		return got == reason, nil
	})
}

func (e *estimating) expectTargets(key client.ObjectKey, want map[string]int32) {
	e.Helper()
	if got, reason := e.awaitTargets(key); fmt.Sprint(got) != fmt.Sprint(want) {
		e.Errorf("%s goes to %v (%s), want %v", key, got, reason, want)
	}
}

// expectRoom asks again for a while: estimators see pods a moment after the control plane does.
func (e *estimating) expectRoom(key client.ObjectKey, want map[string]room) {
	e.Helper()
	var got map[string]room
	err := e.Await(e.Context(), 20*time.Second, "the room", func(context.Context) (bool, error) {
		got = e.explain(key)
		return fmt.Sprint(got) == fmt.Sprint(want), nil
	})
	if err != nil {
		e.Errorf("explain says of %s: %v, want %v", key, got, want)
	}
}

func (e *estimating) killEstimator(member string) {
	e.Helper()
	status, err := e.local.Status(e.Context())
	e.must(err)
	at := slices.IndexFunc(status.Components, func(c local.ComponentStatus) bool { return c.Name == "estimator-"+member })
	if at < 0 || status.Components[at].PID == 0 {
		e.Fatalf("there is no estimator of %s: %+v", member, status.Components)
	}
	e.must(syscall.Kill(status.Components[at].PID, syscall.SIGKILL))
}
