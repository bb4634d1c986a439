package server_test

import (
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/proto"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"

	"github.com/seatrial/seatrial/estimator/rpc/inventory"
	"github.com/seatrial/seatrial/estimator/rpc/inventory/apitest"
	"github.com/seatrial/seatrial/estimator/rpc/wire"
)

func newInventory(t *testing.T, api *apitest.Server) *inventory.Inventory {
	t.Helper()
	return inventory.New(api.Client(t), inventory.Options{Backoff: wait.Backoff{Duration: time.Millisecond, Steps: 1}})
}

// TestStaleAnswers: while the API server is away all calls go on answering, the batch says that it is stale, and so does the
// metric; health does not change.
func TestStaleAnswers(t *testing.T) {
	api := apitest.New(t)
	api.Set("nodes", newNode("a", "4"))
	v := newInventory(t, api)
	follow(t, v)
	r := serve(t, v, nil, 0)
	connection := dial(t, r, nil)
	batch, installed := wire.NewBatchEstimatorClient(connection), wire.NewEstimatorClient(connection)
	request := batchOf(t, asking("1"))
	awaitBatch := func(count int32, stale bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
			response, err := batch.Estimate(t.Context(), request)
			if err != nil {
				t.Fatal(err)
			}
			if response.GetStale() == stale && response.GetEstimates()[0].GetCount() == count {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("got %v, want %d, stale %t", response, count, stale)
			}
		}
		want := 0.0
		if stale {
			want = 1
		}
		if got := value(t, r.registry, "seatrial_estimator_stale", nil); got != want {
			t.Errorf("the metric says %v, want %v", got, want)
		}
	}
	awaitBatch(4, false)
	api.Break()
	awaitBatch(4, true)
	answer, err := installed.MaxAvailableReplicas(t.Context(), &wire.MaxAvailableReplicasRequest{Cluster: proto.String(member)})
	if err != nil || answer.GetMaxReplicas() != 110 {
		t.Errorf("an installed scheduler gets %v (%v), want the 110 pods of the node", answer, err)
	}
	health, err := grpc_health_v1.NewHealthClient(connection).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: wire.Estimator_ServiceDesc.ServiceName})
	if err != nil || health.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("health is %v (%v)", health.GetStatus(), err)
	}
	api.Set("nodes", newNode("b", "3"))
	api.Mend()
	awaitBatch(7, false)
}

// waitingPod is a pod of a ReplicaSet that has found no node.
func waitingPod(of *appsv1.ReplicaSet) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: of.Namespace, Name: of.Name + "-x", OwnerReferences: []metav1.OwnerReference{
			{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: of.Name, UID: of.UID, Controller: ptr.To(true)}}},
		Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{
			Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
			LastTransitionTime: metav1.NewTime(time.Now().Add(-time.Hour).Truncate(time.Second))}}},
	}
}

func unschedulable(kind, name string) *wire.UnschedulableReplicasRequest {
	return &wire.UnschedulableReplicasRequest{Cluster: proto.String(member), Resource: &wire.ObjectReference{
		ApiVersion: proto.String("apps/v1"), Kind: &kind, Namespace: proto.String("shop"), Name: &name}}
}

// TestUnschedulable asks the API server only when pods wait, and says whose fault it is that there is no answer.
func TestUnschedulable(t *testing.T) {
	api := apitest.New(t)
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web", UID: "d"}, Spec: appsv1.DeploymentSpec{
		Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}}
	set := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-1", UID: "r", Labels: map[string]string{"app": "web"},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: "web", UID: "d", Controller: ptr.To(true)}}}}
	api.Set("deployments", deployment)
	api.Set("replicasets", set)
	v := newInventory(t, api)
	follow(t, v)
	client := wire.NewEstimatorClient(dial(t, serve(t, v, nil, 0), nil))

	answer, err := client.GetUnschedulableReplicas(t.Context(), unschedulable("Deployment", "web"))
	if err != nil || answer.GetUnschedulableReplicas() != 0 || api.Requests("get", "deployments") != 0 {
		t.Errorf("got %v (%v) after %d reads", answer, err, api.Requests("get", "deployments"))
	}
	api.Set("pods", waitingPod(set))
	for deadline := time.Now().Add(20 * time.Second); answer.GetUnschedulableReplicas() != 1; time.Sleep(2 * time.Millisecond) {
		if answer, err = client.GetUnschedulableReplicas(t.Context(), unschedulable("Deployment", "web")); err != nil {
			t.Fatal(err)
		}
		if time.Now().After(deadline) {
			t.Fatal("the pod that waits is not counted")
		}
	}
	_, err = client.GetUnschedulableReplicas(t.Context(), unschedulable("StatefulSet", "web"))
	refused(t, err, codes.InvalidArgument, "only Deployments")
	_, err = client.GetUnschedulableReplicas(t.Context(), unschedulable("Deployment", "gone"))
	refused(t, err, codes.NotFound, "Deployment shop/gone")
	api.Break()
	_, err = client.GetUnschedulableReplicas(t.Context(), unschedulable("Deployment", "web"))
	refused(t, err, codes.Unavailable, "Deployment shop/web")
}
