// Package scheduler decides where bindings go: it gathers what the pure core of scheduler/placement needs, and writes what
// it decides.
package scheduler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/scheduler/placement"
	"github.com/seatrial/seatrial/workload"
)

// Options are the settings of one scheduler.
type Options struct {
	// Name is the schedulerName of the bindings it serves.
	Name string
	// Placement are the settings that change decisions.
	Placement placement.Options
	// General is the estimator that reads the resource summary of a Cluster.
	General estimator.General
	Workers int
}

// New is the scheduler as a controller, named "scheduler". Its keys are bindings of both scopes.
func New(options Options) control.Controller {
	scheduler := &scheduler{options: options}
	watches := []control.Watch{{Object: &clusterv1alpha1.Cluster{}, Keys: onCluster}}
	for _, kind := range binding.Kinds() {
		watches = append(watches, control.Watch{Object: kind, Keys: onBinding})
	}
	return control.Controller{Name: "scheduler", Watches: watches, Workers: options.Workers, Reconcile: scheduler.reconcile}
}

// onBinding leaves out status changes, among them the scheduler's own.
func onBinding(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	if event.New == nil || event.Old != nil && event.Old.GetGeneration() == event.New.GetGeneration() {
		return nil
	}
	return []control.Key{control.KeyOf(event.New)}
}

// onCluster wakes the bindings whose answer the change of a cluster may alter: all when it comes, goes or changes its
// traits, those that wait for capacity when only its capacity changes.
func onCluster(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	old, _ := event.Old.(*clusterv1alpha1.Cluster)
	current, _ := event.New.(*clusterv1alpha1.Cluster)
	onlyWaiting := old != nil && current != nil && sameTraits(old, current)
	if onlyWaiting && workload.Equal(old.Status.ResourceSummary, current.Status.ResourceSummary) {
		return nil
	}
	bindings, err := binding.List(ctx, reader)
	if err != nil {
		return nil
	}
	var keys []control.Key
	for _, bound := range bindings {
		if !onlyWaiting || waits(bound) {
			keys = append(keys, control.KeyOf(bound))
		}
	}
	return keys
}

func sameTraits(a, b *clusterv1alpha1.Cluster) bool {
	return a.Generation == b.Generation && maps.Equal(a.Labels, b.Labels) &&
		a.DeletionTimestamp.IsZero() == b.DeletionTimestamp.IsZero() &&
		workload.Equal(a.Status.APIEnablements, b.Status.APIEnablements) &&
		meta.IsStatusConditionTrue(a.Status.Conditions, names.ConditionCompleteAPIEnablements) ==
			meta.IsStatusConditionTrue(b.Status.Conditions, names.ConditionCompleteAPIEnablements)
}

func waits(bound binding.Binding) bool {
	return !meta.IsStatusConditionTrue(bound.Status.Conditions, names.ConditionScheduled)
}

type scheduler struct {
	options Options
}

func (s *scheduler) reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	bound, err := binding.Get(ctx, deps.Client, key.NamespacedName())
	if err != nil {
		return control.Result{}, client.IgnoreNotFound(err)
	}
	if !s.serves(bound) {
		return control.Result{}, nil
	}
	clusters := &clusterv1alpha1.ClusterList{}
	if err := deps.Client.List(ctx, clusters); err != nil {
		return control.Result{}, fmt.Errorf("listing clusters: %w", err)
	}
	if !due(bound, clusters.Items) {
		return control.Result{}, observe(ctx, deps, bound)
	}
	decision := s.decide(bound, clusters.Items)
	if err := write(ctx, deps, bound, decision); err != nil {
		return control.Result{}, err
	}
	if retry(decision.Err) {
		return control.Result{}, fmt.Errorf("scheduling binding %s: %w", bound.NamespacedName(), decision.Err)
	}
	return control.Result{}, nil
}

func (s *scheduler) serves(bound binding.Binding) bool {
	return bound.GetDeletionTimestamp().IsZero() && bound.Spec.Placement != nil &&
		cmp.Or(bound.Spec.SchedulerName, s.options.Name) == s.options.Name &&
		(bound.Spec.Suspension == nil || !ptr.Deref(bound.Spec.Suspension.Scheduling, false))
}

// decide runs the core on a snapshot of the fleet.
func (s *scheduler) decide(bound binding.Binding, items []clusterv1alpha1.Cluster) placement.Decision {
	clusters := make([]*clusterv1alpha1.Cluster, len(items))
	for i := range items {
		clusters[i] = &items[i]
	}
	snapshot := placement.NewSnapshot(clusters)
	request := placement.Request{
		Binding: bound.NamespacedName(), Spec: bound.Spec, Term: bound.Status.SchedulerObservedAffinityName,
		LastScheduled: bound.Status.LastScheduledTime, Options: s.options.Placement,
	}
	var decision placement.Decision
	for _, attempt := range request.Attempts() {
		candidates := placement.Candidates(attempt, snapshot)
		decision = placement.Assign(candidates, s.estimate(candidates))
		if decision.Err == nil {
			break
		}
	}
	return decision
}

// estimate answers the capacity question of one attempt for all its candidates.
func (s *scheduler) estimate(candidates *placement.CandidateSet) []int32 {
	spec := candidates.Request().Spec
	capacity := placement.NoCapacity(candidates.Len())
	for i := range capacity {
		switch candidates.Demand() {
		case placement.DemandReplicas:
			capacity[i] = s.options.General.Replicas(candidates.Cluster(i), spec.ReplicaRequirements, nil)
		case placement.DemandSets:
			capacity[i] = s.options.General.Sets(candidates.Cluster(i), spec.Components, nil)
		}
	}
	return capacity
}

// retry tells the failures that time may mend. When no cluster passes the filters, only a change of clusters or of the
// binding can help, and both wake it.
func retry(err error) bool {
	var fit *placement.FitError
	return err != nil && !errors.As(err, &fit)
}

// due tells whether a binding needs a decision: its placement or its replicas changed, a reschedule was asked for, one of
// its clusters is gone, or its clusters follow from the fleet alone.
func due(bound binding.Binding, clusters []clusterv1alpha1.Cluster) bool {
	if waits(bound) || bound.GetAnnotations()[names.AnnotationAppliedPlacement] != appliedPlacement(bound) {
		return true
	}
	if rescheduleAsked(bound) || replicasChanged(bound.Spec) {
		return true
	}
	return followsFleet(bound.Spec) || lostCluster(bound.Spec.Clusters, clusters)
}

// rescheduleAsked tells a trigger that no decision has answered yet.
func rescheduleAsked(bound binding.Binding) bool {
	trigger, last := bound.Spec.RescheduleTriggeredAt, bound.Status.LastScheduledTime
	return trigger != nil && (last == nil || trigger.After(last.Time))
}

// followsFleet tells bindings that go to every cluster that fits: no replicas, or the same number in each.
func followsFleet(spec *workv1alpha2.ResourceBindingSpec) bool {
	return spec.Replicas == 0 && len(spec.Components) == 0 || !divided(spec)
}

func lostCluster(targets []workv1alpha2.TargetCluster, clusters []clusterv1alpha1.Cluster) bool {
	for _, target := range targets {
		here := slices.ContainsFunc(clusters, func(cluster clusterv1alpha1.Cluster) bool {
			return cluster.Name == target.Name && cluster.DeletionTimestamp.IsZero()
		})
		if !here {
			return true
		}
	}
	return false
}

func divided(spec *workv1alpha2.ResourceBindingSpec) bool {
	scheduling := spec.Placement.ReplicaScheduling
	return scheduling != nil && scheduling.ReplicaSchedulingType == policyv1alpha1.ReplicaSchedulingTypeDivided
}

func replicasChanged(spec *workv1alpha2.ResourceBindingSpec) bool {
	if spec.Replicas == 0 && spec.ReplicaRequirements == nil {
		return false
	}
	var sum int32
	for _, target := range spec.Clusters {
		if !divided(spec) && target.Replicas != spec.Replicas {
			return true
		}
		sum += target.Replicas
	}
	return divided(spec) && sum != spec.Replicas
}

// condition tells users what was decided, or what stands in the way.
func condition(decision placement.Decision, now metav1.Time, generation int64) metav1.Condition {
	result := metav1.Condition{
		Type: names.ConditionScheduled, Status: metav1.ConditionTrue, Reason: names.ReasonScheduled,
		Message: "scheduled to " + describe(decision.Clusters), LastTransitionTime: now, ObservedGeneration: generation,
	}
	if decision.Err == nil {
		return result
	}
	result.Status, result.Reason, result.Message = metav1.ConditionFalse, names.ReasonSchedulerError, decision.Err.Error()
	var fit *placement.FitError
	var unschedulable *placement.UnschedulableError
	switch {
	case errors.As(decision.Err, &fit):
		result.Reason = names.ReasonNoClusterFit
	case errors.As(decision.Err, &unschedulable):
		result.Reason = names.ReasonUnschedulable
	}
	return result
}

func report(deps control.Deps, bound binding.Binding, decision placement.Decision) {
	if decision.Err != nil {
		deps.Events.Eventf(bound.Object, corev1.EventTypeWarning, names.EventScheduleBindingFailed, "%v", decision.Err)
		return
	}
	deps.Events.Eventf(bound.Object, corev1.EventTypeNormal, names.EventScheduleBindingSucceed, "scheduled to %s", describe(decision.Clusters))
}

// describe reads "member1:2, member2:1"; clusters of objects without replicas stand alone.
func describe(clusters []workv1alpha2.TargetCluster) string {
	text := ""
	for i, cluster := range clusters {
		if i > 0 {
			text += ", "
		}
		text += cluster.Name
		if cluster.Replicas > 0 {
			text += fmt.Sprintf(":%d", cluster.Replicas)
		}
	}
	return cmp.Or(text, "no cluster")
}
