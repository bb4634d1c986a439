package server_test

import (
	"context"
	"os"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/estimator/rpc/inventory"
	"github.com/seatrial/seatrial/estimator/rpc/wire"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded"
)

// startMember starts a real cluster of three nodes with four CPUs each, which ends with the test.
func startMember(t *testing.T) *embedded.Fleet {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a real cluster")
	}
	binary, err := embedded.EnsureBinary(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	f, err := embedded.Open(embedded.Options{Root: t.TempDir(), Binary: binary, Tied: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Delete(context.Background()); err != nil {
			t.Errorf("after the test: %v", err)
		}
	})
	pool := fleet.NodePool{Count: 3, CPU: "4", Memory: "16Gi", Pods: "20"}
	if err := f.Add(t.Context(), fleet.Spec{Name: member, Role: fleet.Member, Nodes: pool}); err != nil {
		t.Fatal(err)
	}
	return f
}

func deployment(name string, replicas int32, cpu string) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: appsv1.DeploymentSpec{Replicas: ptr.To(replicas), Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app:v1", Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{"cpu": resource.MustParse(cpu)}}}}}}},
	}
}

// TestRealMember asks about a real API server, whose scheduler has to agree: what is said to fit is scheduled, one more is
// not, and is counted as unschedulable. Answers go on while the cluster is down, and follow it when it is back.
func TestRealMember(t *testing.T) {
	f := startMember(t)
	config, err := f.RESTConfig(member)
	if err != nil {
		t.Fatal(err)
	}
	direct, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	cluster, err := f.Client(t.Context(), member)
	if err != nil {
		t.Fatal(err)
	}
	v := inventory.New(direct, inventory.Options{})
	follow(t, v)
	asked := wire.NewEstimatorClient(dial(t, serve(t, v, nil, 0), nil))
	request := wire.ReplicasRequest(member, demandOf(t, asking("1500m")), nil)
	awaitRoom := func(want int32) {
		t.Helper()
		awaitAnswer(t, want, func() (int32, error) {
			answer, err := asked.MaxAvailableReplicas(t.Context(), request)
			return answer.GetMaxReplicas(), err
		})
	}
	awaitRoom(6)
	if err := cluster.Create(t.Context(), deployment("filler", 4, "1500m")); err != nil {
		t.Fatal(err)
	}
	awaitRoom(2)
	if err := cluster.Create(t.Context(), deployment("crowd", 3, "1500m")); err != nil {
		t.Fatal(err)
	}
	awaitRoom(0)
	awaitAnswer(t, 1, func() (int32, error) {
		answer, err := asked.GetUnschedulableReplicas(t.Context(), &wire.UnschedulableReplicasRequest{Cluster: proto.String(member), Resource: &wire.ObjectReference{
			ApiVersion: proto.String("apps/v1"), Kind: proto.String("Deployment"), Namespace: proto.String("default"), Name: proto.String("crowd")}})
		return answer.GetUnschedulableReplicas(), err
	})
	if err := cluster.Delete(t.Context(), deployment("filler", 4, "1500m"), client.PropagationPolicy(metav1.DeletePropagationBackground)); err != nil {
		t.Fatal(err)
	}
	awaitRoom(3)
	if v.Stale() {
		t.Error("stale beside a cluster that runs")
	}
	if err := f.Kill(t.Context(), member); err != nil {
		t.Fatal(err)
	}
	awaitStale(t, v, true)
	awaitRoom(3)
	if err := f.Revive(t.Context(), member); err != nil {
		t.Fatal(err)
	}
	if err := cluster.Create(t.Context(), deployment("late", 1, "1500m")); err != nil {
		t.Fatal(err)
	}
	awaitRoom(2)
	awaitStale(t, v, false)
}

func awaitStale(t *testing.T, v *inventory.Inventory, want bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); v.Stale() != want; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for stale to be %t", want)
		}
	}
}

func awaitAnswer(t *testing.T, want int32, ask func() (int32, error)) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		got, err := ask()
		if err == nil && got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %d (%v), want %d", got, err, want)
		}
	}
}
