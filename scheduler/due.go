package scheduler

import (
	"maps"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/policy"
	"github.com/seatrial/seatrial/scheduler/placement"
	"github.com/seatrial/seatrial/workload"
)

// due tells whether a binding needs a decision: something calls for one, or its clusters follow from the fleet alone, and nobody
// knows whether that is as it was.
func due(bound binding.Binding, fleet *placement.Snapshot) bool {
	return followsFleet(bound.Spec) || calledFor(bound, fleet)
}

// calledFor tells whether something calls for a decision: the placement of a binding, its preferences or its replicas changed, a
// reschedule was asked for, or one of its clusters is gone or outside its affinity.
func calledFor(bound binding.Binding, fleet *placement.Snapshot) bool {
	return waits(bound) || rescheduleAsked(bound) || outdated(bound, fleet)
}

// outdated tells whether the targets of a binding are an answer to something else than what it says now.
func outdated(bound binding.Binding, fleet *placement.Snapshot) bool {
	if replicasChanged(bound.Spec) || lostCluster(bound.Spec.Clusters, fleet) || placementChanged(bound) ||
		bound.GetAnnotations()[names.AnnotationAppliedPreferences] != appliedPreferences(bound, fleet.PriceList()) {
		return true
	}
	request := placement.Request{Spec: bound.Spec, Term: bound.Status.SchedulerObservedAffinityName}
	return request.Strayed(fleet)
}

// policyChanged tells whether an event is about what a policy says of a binding.
func policyChanged(event control.Event) bool {
	old, wasThere := binding.Of(event.Old)
	current, isThere := binding.Of(event.New)
	if !wasThere || !isThere {
		return false
	}
	before, wasClaimed := policy.ClaimOf(old)
	after, isClaimed := policy.ClaimOf(current)
	return wasClaimed != isClaimed || before != after || !maps.Equal(wishesOf(old), wishesOf(current)) ||
		!workload.Equal(old.Spec.Placement, current.Spec.Placement)
}

// waits tells a binding that has no place, or is to leave one and cannot yet.
func waits(bound binding.Binding) bool {
	return !meta.IsStatusConditionTrue(bound.Status.Conditions, names.ConditionScheduled) || eviction.AnyWaiting(bound.Spec)
}

// placementChanged tells whether a binding was placed under other rules, or never.
func placementChanged(bound binding.Binding) bool {
	return bound.GetAnnotations()[names.AnnotationAppliedPlacement] != appliedPlacement(bound)
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

func lostCluster(targets []workv1alpha2.TargetCluster, fleet *placement.Snapshot) bool {
	for _, target := range targets {
		cluster := fleet.Cluster(target.Name)
		if cluster == nil || !cluster.DeletionTimestamp.IsZero() {
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
