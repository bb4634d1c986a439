// Package replicas lets autoscalers in the members have the say over workloads: it marks what they scale, and brings the number
// of replicas they arrive at back to the template.
package replicas

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/control"
)

// Syncer is the controller named "deploymentReplicasSyncer". Its keys are Deployments that leave their replicas to the members
// and are divided among them: spec.replicas follows the number of replicas that the members have together. Copies that are not
// divided have a number of their own each, which their sum says nothing about.
func Syncer(workers int) control.Controller {
	return control.Controller{
		Name: "deploymentReplicasSyncer",
		Watches: []control.Watch{
			{Object: &appsv1.Deployment{}, Keys: onDeployment},
			{Object: &workv1alpha2.ResourceBinding{}, Keys: onReport},
		},
		Workers:   workers,
		Reconcile: sync,
	}
}

// onDeployment wakes Deployments that follow their members and have other replicas.
func onDeployment(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	current, _ := event.New.(*appsv1.Deployment)
	if current == nil || !follows(current) || ptr.Deref(current.Spec.Replicas, 1) == current.Status.Replicas {
		return nil
	}
	return []control.Key{control.KeyOf(current)}
}

func follows(template *appsv1.Deployment) bool {
	return marked(template) && template.DeletionTimestamp.IsZero()
}

// onReport wakes the Deployment of a binding: it may be complete now.
func onReport(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	bound, ok := event.New.(*workv1alpha2.ResourceBinding)
	if !ok || bound == nil || bound.Spec.Resource.Kind != deploymentKind || bound.Spec.Resource.APIVersion != appsv1.SchemeGroupVersion.String() {
		return nil
	}
	return []control.Key{{Namespace: bound.Spec.Resource.Namespace, Name: bound.Spec.Resource.Name}}
}

const deploymentKind = "Deployment"

func sync(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	template := &appsv1.Deployment{}
	if err := deps.Client.Get(ctx, key.NamespacedName(), template); err != nil {
		return control.Result{}, client.IgnoreNotFound(err)
	}
	if !follows(template) {
		return control.Result{}, nil
	}
	bound := &workv1alpha2.ResourceBinding{}
	name := types.NamespacedName{Namespace: key.Namespace, Name: names.Binding(deploymentKind, key.Name)}
	if err := deps.Client.Get(ctx, name, bound); err != nil {
		return control.Result{}, client.IgnoreNotFound(err)
	}
	reported, complete := members(template, bound)
	if !complete || reported == ptr.Deref(template.Spec.Replicas, 1) {
		// What is missing wakes the Deployment.
		return control.Result{}, nil
	}
	changed := template.DeepCopy()
	changed.Spec.Replicas = ptr.To(reported)
	if err := deps.Client.Patch(ctx, changed, client.MergeFromWithOptions(template, client.MergeFromWithOptimisticLock{})); client.IgnoreNotFound(err) != nil {
		return control.Result{}, fmt.Errorf("setting the replicas of Deployment %s to the %d that the members have: %w", key, reported, err)
	}
	return control.Result{}, nil
}

// members adds up the replicas in all clusters a template is divided among. Complete is false as long as any step from the
// template to the clusters and back is behind, since a number that misses some would be taken for a decision to scale.
func members(template *appsv1.Deployment, bound *workv1alpha2.ResourceBinding) (replicas int32, complete bool) {
	if !divided(bound.Spec.Placement) || len(bound.Spec.Clusters) == 0 || len(bound.Status.AggregatedStatus) != len(bound.Spec.Clusters) ||
		bound.Spec.Replicas != ptr.Deref(template.Spec.Replicas, 1) || bound.Status.SchedulerObservedGeneration != bound.Generation {
		return 0, false
	}
	var assigned int32
	for _, target := range bound.Spec.Clusters {
		at := slices.IndexFunc(bound.Status.AggregatedStatus, func(item workv1alpha2.AggregatedStatusItem) bool {
			return item.ClusterName == target.Name && item.Applied && item.Status != nil
		})
		if at < 0 {
			return 0, false
		}
		var status memberStatus
		if err := json.Unmarshal(bound.Status.AggregatedStatus[at].Status.Raw, &status); err != nil || !status.settled(template, target) {
			return 0, false
		}
		assigned += target.Replicas
		replicas += status.Replicas
	}
	return replicas, assigned == bound.Spec.Replicas
}

// memberStatus is what a member reports of its copy.
type memberStatus struct {
	appsv1.DeploymentStatus    `json:",inline"`
	Generation                 int64 `json:"generation"`
	ResourceTemplateGeneration int64 `json:"resourceTemplateGeneration"`
}

// settled tells whether the replicas of a status are those the member wants: its controller has seen all there is to see, has
// made all pods, and is not replacing any. A copy without replicas has none yet, or is switched off, which is not followed.
func (s *memberStatus) settled(template *appsv1.Deployment, target workv1alpha2.TargetCluster) bool {
	return s.ResourceTemplateGeneration == template.Generation && s.ObservedGeneration == s.Generation &&
		s.Replicas == s.UpdatedReplicas && s.Replicas == s.AvailableReplicas+s.UnavailableReplicas && (s.Replicas > 0 || target.Replicas == 0)
}

func divided(placement *policyv1alpha1.Placement) bool {
	return placement != nil && placement.ReplicaScheduling != nil &&
		placement.ReplicaScheduling.ReplicaSchedulingType == policyv1alpha1.ReplicaSchedulingTypeDivided
}
