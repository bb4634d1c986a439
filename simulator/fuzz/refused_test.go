package fuzz

import (
	"context"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/simulator/invariant"
)

// outgrowing is a workload that comes to ask more than its quota has room for, and then something that has it rendered again.
const outgrowing = `
seed: 1
duration: 2m
enforceQuotas: true
clusters:
- {name: member1, nodes: {count: 2, cpu: "8", memory: 64Gi, pods: "110"}}
- {name: member2, nodes: {count: 2, cpu: "8", memory: 64Gi, pods: "110"}}
steps:
- {at: 0s, do: apply, object: {apiVersion: v1, kind: Namespace, metadata: {name: shop}}}
- at: 1s
  do: apply
  object: {apiVersion: policy.karmada.io/v1alpha1, kind: FederatedResourceQuota, metadata: {name: all, namespace: shop}, spec: {overall: {cpu: "3"}}}
- at: 2s
  do: apply
  object:
    apiVersion: policy.karmada.io/v1alpha1
    kind: PropagationPolicy
    metadata: {name: web, namespace: shop}
    spec:
      resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]
      placement: {replicaScheduling: {replicaSchedulingType: Divided, replicaDivisionPreference: Weighted, weightPreference: {dynamicWeight: AvailableReplicas}}}
- at: 3s
  do: apply
  object:
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web, namespace: shop}
    spec:
      replicas: 2
      selector: {matchLabels: {app: web}}
      template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "web:1", resources: {requests: {cpu: "1"}}}]}}
- at: 30s
  do: apply
  object:
    apiVersion: apps/v1
    kind: Deployment
    metadata: {name: web, namespace: shop}
    spec:
      replicas: 2
      selector: {matchLabels: {app: web}}
      template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: "web:2", resources: {requests: {cpu: "2"}}}]}}
- at: 60s
  do: apply
  object:
    apiVersion: policy.karmada.io/v1alpha1
    kind: OverridePolicy
    metadata: {name: marked, namespace: shop}
    spec:
      resourceSelectors: [{apiVersion: apps/v1, kind: Deployment}]
      overrideRules: [{overriders: {labelsOverrider: [{operator: add, value: {marked: "yes"}}]}}]
`

// TestRefusedTemplateIsNotRendered holds that, and that the invariant finds a controller which overlooks what a binding says of the
// refusal. Random scenarios seldom come to it.
func TestRefusedTemplateIsNotRendered(t *testing.T) {
	overlooks := bug{controller: "binding", plane: interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			err := c.Get(ctx, key, object, options...)
			if bound, is := object.(*workv1alpha2.ResourceBinding); is && err == nil {
				*bound = *bound.DeepCopy()
				bound.Spec.ReplicaRequirements, bound.Status.Conditions = nil, nil
			}
			return err
		},
	}}
	finds(t, outgrowing, overlooks, "refused")
}

// finds fails unless a scenario holds without a bug, and breaks an invariant with it.
func finds(t *testing.T, text string, made bug, broken string) {
	t.Helper()
	scenario, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	sound, err := Run(t.Context(), scenario, Options{})
	if err != nil || sound.Violation != nil {
		t.Errorf("without the bug: %v, %v", sound.Violation, err)
	}
	bent, err := Run(t.Context(), scenario, Options{Controllers: made.controllers, Invariants: invariant.Defaults()})
	if err != nil || bent.Violation == nil || bent.Violation.Invariant != broken {
		t.Errorf("with the bug: %v, %v", bent.Violation, err)
	}
}
