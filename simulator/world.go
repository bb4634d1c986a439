package simulator

import (
	"context"
	"math/rand/v2"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/simulator/store"
)

// world moves the workloads of one member cluster: replicas appear at once and become ready when they have started.
type world struct {
	cluster *cluster
	random  *rand.Rand
	fail    func(error)
}

// onChange sees every change in the cluster, as its own controllers do.
func (w *world) onChange(event store.Event) {
	if deployment, ok := event.Object().(*appsv1.Deployment); ok && event.Type != watch.Deleted {
		w.rollOut(client.ObjectKeyFromObject(deployment), deployment.Generation)
	}
}

// rollOut begins what a Deployment asks for now, and plans the moment when its replicas are ready.
func (w *world) rollOut(name types.NamespacedName, generation int64) {
	deployment := w.read(name, generation)
	if deployment == nil || deployment.Status.ObservedGeneration == generation {
		return
	}
	wanted := ptr.Deref(deployment.Spec.Replicas, 1)
	status := &deployment.Status
	status.ObservedGeneration, status.Replicas, status.UpdatedReplicas = generation, wanted, wanted
	status.ReadyReplicas = min(status.ReadyReplicas, wanted)
	status.AvailableReplicas = status.ReadyReplicas
	status.UnavailableReplicas = wanted - status.ReadyReplicas
	w.write(deployment)
	w.cluster.loop.After(w.startup(), func() { w.becomeReady(name, generation) })
}

// becomeReady ends a roll-out. A cluster that is down meanwhile goes on with it when it is back.
func (w *world) becomeReady(name types.NamespacedName, generation int64) {
	if w.cluster.down() != nil {
		w.cluster.loop.After(time.Second, func() { w.becomeReady(name, generation) })
		return
	}
	deployment := w.read(name, generation)
	if deployment == nil {
		return
	}
	status := &deployment.Status
	status.ReadyReplicas, status.AvailableReplicas, status.UnavailableReplicas = status.Replicas, status.Replicas, 0
	w.write(deployment)
}

// read returns the Deployment, or nil when it is gone or has moved on to another generation.
func (w *world) read(name types.NamespacedName, generation int64) *appsv1.Deployment {
	deployment := &appsv1.Deployment{}
	err := w.cluster.store.Client().Get(context.Background(), name, deployment)
	if client.IgnoreNotFound(err) != nil {
		w.fail(err)
	}
	if err != nil || deployment.Generation != generation {
		return nil
	}
	return deployment
}

func (w *world) write(deployment *appsv1.Deployment) {
	if err := w.cluster.store.Client().Status().Update(context.Background(), deployment); err != nil {
		w.fail(err)
	}
}

func (w *world) startup() time.Duration {
	startup := w.cluster.spec.Startup
	delay := max(startup.Delay, 0)
	if startup.Jitter > 0 {
		delay += time.Duration(w.random.Int64N(int64(startup.Jitter)))
	}
	return delay
}
