package fuzz

import (
	"context"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/binding"
)

// unwilling is a workload whose policy keeps up all of its replicas. It is to move to a cluster where pods take longer to start than a move
// waits before it goes down to its floor.
const unwilling = `
seed: 1
duration: 8m
clusters:
- {name: member1, nodes: {count: 2, cpu: "8", memory: 64Gi, pods: "110"}}
- {name: member2, nodes: {count: 2, cpu: "8", memory: 64Gi, pods: "110"}, startup: {delay: 480000000000}}
steps:
- {at: 0s, do: apply, object: {apiVersion: v1, kind: Namespace, metadata: {name: shop}}}
- at: 2s
  do: apply
  object:
    apiVersion: policy.karmada.io/v1alpha1
    kind: PropagationPolicy
    metadata: {name: web, namespace: shop, annotations: {seatrial.io/availability-floor: 100%}}
    spec:
      resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]
      placement: {clusterAffinity: {clusterNames: [member1]}, replicaScheduling: {replicaSchedulingType: Divided, replicaDivisionPreference: Aggregated}}
- at: 3s
  do: apply
  object:
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web, namespace: shop}
    spec:
      replicas: 8
      selector: {matchLabels: {app: web}}
      template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "web:1", resources: {requests: {cpu: 500m}}}]}}
- at: 60s
  do: apply
  object:
    apiVersion: policy.karmada.io/v1alpha1
    kind: PropagationPolicy
    metadata: {name: web, namespace: shop, annotations: {seatrial.io/availability-floor: 100%}}
    spec:
      resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]
      placement: {clusterAffinity: {clusterNames: [member2]}, replicaScheduling: {replicaSchedulingType: Divided, replicaDivisionPreference: Aggregated}}
`

// TestFloorOfAPolicyIsKept holds that, and that the invariant finds a controller which overlooks what a policy asks for.
func TestFloorOfAPolicyIsKept(t *testing.T) {
	overlooks := bug{controller: "gracefulEviction", plane: interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			err := c.Get(ctx, key, object, options...)
			if bound, is := binding.Of(object); is && err == nil {
				annotations := map[string]string{}
				for name, value := range bound.GetAnnotations() {
					if name != names.AnnotationFloor {
						annotations[name] = value
					}
				}
				object.SetAnnotations(annotations)
			}
			return err
		},
	}}
	finds(t, unwilling, overlooks, "floor")
}
