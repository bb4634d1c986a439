package simulator

import (
	"context"
	"errors"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/controllers/clusterstatus"
	"github.com/seatrial/seatrial/estimator"
	packing "github.com/seatrial/seatrial/estimator/nodes"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/simulator/kube"
)

// columnar is a fleet with member m1 of three nodes with four cores each, as rows.
func columnar(t *testing.T, options Options, controllers ...control.Controller) (*Fleet, *kube.Cluster, map[kube.Key]int) {
	t.Helper()
	options.Start, options.Seed, options.Checked = start, 1, true
	f, err := New(t.Context(), options)
	ok(t, err)
	ok(t, f.Run(controllers...))
	told := map[kube.Key]int{}
	rows, err := f.AddColumnar(t.Context(), fleet.Spec{Name: "m1"}, Columns{
		Changed: func(key kube.Key) { told[key]++ },
		Pools: []kube.NodePool{{Name: "pool", Count: 3, Allocatable: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("16Gi"), corev1.ResourcePods: resource.MustParse("110"),
		}}},
	})
	ok(t, err)
	ok(t, f.Join(t.Context(), "m1"))
	return f, rows, told
}

func web(replicas int32) *appsv1.Deployment {
	labels := map[string]string{"app": "web"}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
				Containers: []corev1.Container{{Name: "web", Image: "web", Resources: corev1.ResourceRequirements{Requests: cores("1")}}},
			}},
		},
	}
}

func readyReplicas(t *testing.T, f *Fleet, want int32) {
	t.Helper()
	ok(t, f.Await(t.Context(), 10*time.Minute, "replicas to be ready", func(ctx context.Context) (bool, error) {
		deployment := &appsv1.Deployment{}
		err := f.clusters["m1"].store.Client().Get(ctx, types.NamespacedName{Namespace: "default", Name: "web"}, deployment)
		return deployment.Status.ReadyReplicas == want && deployment.Status.ObservedGeneration == deployment.Generation, err
	}))
}

// TestColumnsMoveWorkloads follows a Deployment in the store of a member whose pods are rows: it starts, scales, loses its
// cluster and comes back with it, and ends.
func TestColumnsMoveWorkloads(t *testing.T) {
	f, rows, told := columnar(t, Options{})
	m1 := of(t, f, "m1")
	deployment := web(5)
	ok(t, m1.Create(t.Context(), deployment))
	readyReplicas(t, f, 5)
	key := kube.Key{Kind: kube.KindDeployment, Namespace: "default", Name: "web"}
	if told[key] == 0 {
		t.Error("nobody was told of the workload")
	}
	pods, nodes := &corev1.PodList{}, &corev1.NodeList{}
	ok(t, m1.List(t.Context(), pods))
	ok(t, m1.List(t.Context(), nodes))
	if len(pods.Items) != 5 || len(nodes.Items) != 3 {
		t.Errorf("a reader sees %d pods and %d nodes, want 5 and 3", len(pods.Items), len(nodes.Items))
	}
	ok(t, m1.Get(t.Context(), types.NamespacedName{Namespace: "default", Name: pods.Items[0].Name}, &corev1.Pod{}))

	ok(t, m1.Get(t.Context(), types.NamespacedName{Namespace: "default", Name: "web"}, deployment))
	deployment.Spec.Replicas = ptr.To[int32](8)
	ok(t, m1.Update(t.Context(), deployment))
	readyReplicas(t, f, 8)

	ok(t, f.Kill(t.Context(), "m1"))
	if status, _ := rows.Status(key); status.Serving != 0 {
		t.Errorf("%d pods serve in a cluster without power", status.Serving)
	}
	run(t, f, time.Minute)
	ok(t, f.Revive(t.Context(), "m1"))
	ok(t, f.Await(t.Context(), 10*time.Minute, "pods to serve again", func(context.Context) (bool, error) {
		status, _ := rows.Status(key)
		return status.Serving == 8, nil
	}))
	ok(t, m1.Delete(t.Context(), deployment))
	run(t, f, 30*time.Minute)
	if _, known := rows.Status(key); known {
		t.Error("a deleted workload is still known")
	}
}

// TestStoppedAndFrozen: a cluster that is stopped and frozen, in whatever order, works again when both have ended.
func TestStoppedAndFrozen(t *testing.T) {
	type step struct {
		do   func(*Fleet, context.Context, string) error
		left fleet.State
	}
	for name, steps := range map[string][]step{
		"frozen while stopped": {
			{(*Fleet).Kill, fleet.Stopped}, {(*Fleet).Pause, fleet.Stopped}, {(*Fleet).Resume, fleet.Stopped}, {(*Fleet).Revive, fleet.Running},
		},
		"frozen beyond the stop": {
			{(*Fleet).Kill, fleet.Stopped}, {(*Fleet).Pause, fleet.Stopped}, {(*Fleet).Revive, fleet.Running}, {(*Fleet).Resume, fleet.Running},
		},
		"stopped while frozen": {
			{(*Fleet).Pause, fleet.Paused}, {(*Fleet).Kill, fleet.Stopped}, {(*Fleet).Revive, fleet.Running}, {(*Fleet).Resume, fleet.Running},
		},
		"stopped beyond the freeze": {
			{(*Fleet).Pause, fleet.Paused}, {(*Fleet).Kill, fleet.Stopped}, {(*Fleet).Resume, fleet.Stopped}, {(*Fleet).Revive, fleet.Running},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, _, _ := columnar(t, Options{})
			deployment := web(2)
			ok(t, of(t, f, "m1").Create(t.Context(), deployment))
			readyReplicas(t, f, 2)
			for i, step := range steps {
				ok(t, step.do(f, t.Context(), "m1"))
				if got := f.clusters["m1"].state; got != step.left {
					t.Errorf("after step %d it is %s, want %s", i+1, got, step.left)
				}
				run(t, f, f.Now().Sub(start)+10*time.Second)
			}
			ok(t, of(t, f, "m1").Get(t.Context(), types.NamespacedName{Namespace: "default", Name: "web"}, deployment))
			deployment.Spec.Replicas = ptr.To[int32](3)
			ok(t, of(t, f, "m1").Update(t.Context(), deployment))
			readyReplicas(t, f, 3)
		})
	}
}

// TestSurveyEqualsInventory compares the sums of the rows with those of the objects made from them.
func TestSurveyEqualsInventory(t *testing.T) {
	f, _, _ := columnar(t, Options{}, clusterstatus.New(clusterstatus.Defaults()))
	ok(t, of(t, f, "m1").Create(t.Context(), web(7)))
	readyReplicas(t, f, 7)
	run(t, f, f.Now().Sub(start)+time.Minute)
	reported := &clusterv1alpha1.Cluster{}
	ok(t, of(t, f, fleet.ControlPlaneName).Get(t.Context(), types.NamespacedName{Name: "m1"}, reported))
	seen, err := f.Member(t.Context(), "m1")
	ok(t, err)
	surveyed, err := seen.(control.Surveyor).Survey(t.Context(), nil)
	ok(t, err)
	if held := reported.Status.ResourceSummary.Allocated; held.Cpu().MilliValue() != 7000 || held.Pods().Value() != 7 {
		t.Errorf("the cluster reports %v as allocated, want 7 cores of 7 pods", held)
	}
	if !equality.Semantic.DeepEqual(surveyed.Resources.Allocated, reported.Status.ResourceSummary.Allocated) || surveyed.Nodes != *reported.Status.NodeSummary {
		t.Errorf("the cluster reports %+v, its rows add up to %+v", reported.Status.ResourceSummary, surveyed.Resources)
	}
	ok(t, f.Partition(t.Context(), "m1"))
	if _, err := seen.(control.Surveyor).Survey(t.Context(), nil); !errors.Is(err, errPartitioned) {
		t.Errorf("a survey through a partition: %v", err)
	}
}

// TestEstimatorOfRows asks beside a member whose nodes and pods are rows.
func TestEstimatorOfRows(t *testing.T) {
	f, _, _ := columnar(t, Options{})
	estimators := f.Estimators(packing.Options{})
	ok(t, of(t, f, "m1").Create(t.Context(), web(5)))
	readyReplicas(t, f, 5)
	question := func() []estimator.Answer { return estimators.Estimate(t.Context(), askCores("1"), []string{"m1"}) }
	if got := counts(question()); got != "7" {
		t.Errorf("room for %s replicas, want 7", got)
	}
	ok(t, estimators.Skew(t.Context(), "m1", 2))
	if got := counts(question()); got != "14" {
		t.Errorf("an estimator that counts double answers %s", got)
	}
	ok(t, estimators.Mend(t.Context(), "m1"))
	if got := counts(question()); got != "7" {
		t.Errorf("a mended estimator answers %s", got)
	}
}

// TestServiceTime: turns wait for their requests, and requests for each other; watchers learn of writes when they are done.
func TestServiceTime(t *testing.T) {
	p := &probe{}
	written := map[string]bool{}
	p.answer = func(deps control.Deps, key control.Key) (control.Result, error) {
		if written[key.Name] {
			return control.Result{}, nil
		}
		written[key.Name] = true
		return control.Result{RequeueAfter: time.Second}, deps.Client.Create(t.Context(), configMap(key.Name, nil))
	}
	f := rig(t, p.controller("probe"))
	ok(t, f.Serve(fleet.ControlPlaneName, Service{Write: kube.Latency{Delay: 10 * time.Millisecond}, Concurrency: 1}))
	plane := of(t, f, fleet.ControlPlaneName)
	ok(t, plane.Create(t.Context(), secret("a")))
	ok(t, plane.Create(t.Context(), secret("b")))
	run(t, f, 5*time.Second)
	// One worker: b waits until the write of a is answered, and each comes back a second after its own.
	p.expect(t, "a@2ms b@12ms a@1.012s b@1.022s")
}

// TestServerFaults draws faults at their rates.
func TestServerFaults(t *testing.T) {
	f := rig(t)
	ok(t, f.Disturb(fleet.ControlPlaneName, Conflict, Disturbance{Rate: 1}))
	seen := 0
	p := &probe{answer: func(deps control.Deps, _ control.Key) (control.Result, error) {
		err := deps.Client.Create(t.Context(), configMap("refused", nil))
		if control.Stale(err) {
			seen++
		}
		return control.Result{}, err
	}}
	ok(t, f.Run(p.controller("probe")))
	ok(t, of(t, f, fleet.ControlPlaneName).Create(t.Context(), secret("a")))
	run(t, f, time.Second)
	ok(t, f.Disturb(fleet.ControlPlaneName, Conflict, Disturbance{}))
	before := seen
	run(t, f, 2*time.Second)
	if before < 10 || seen != before {
		t.Errorf("%d conflicts while they were on, %d after", before, seen-before)
	}
	if err := f.Disturb(fleet.ControlPlaneName, "Gremlins", Disturbance{Rate: 1}); err == nil {
		t.Error("a fault that does not exist was taken")
	}
}
