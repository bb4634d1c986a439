package native

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/clock"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// aggregation is what an aggregate function reads.
type aggregation struct {
	object *unstructured.Unstructured
	items  []workv1alpha2.AggregatedStatusItem
	clock  clock.PassiveClock
}

// reported is the status of one member; nil means that it reported none.
type reported[S any] struct {
	cluster string
	status  *S
}

// typed adapts an aggregation in Go types: old is the status of the object, and answering it again changes nothing.
func typed[S any](build func(old S, members []reported[S], clock clock.PassiveClock) S) func(aggregation) (map[string]any, error) {
	return func(in aggregation) (map[string]any, error) {
		var old S
		status, err := statusOf(in.object)
		if err != nil {
			return nil, err
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(status, &old); err != nil {
			return nil, err
		}
		members := make([]reported[S], 0, len(in.items))
		for _, item := range in.items {
			member := reported[S]{cluster: item.ClusterName}
			if item.Status != nil {
				member.status = new(S)
				if err := json.Unmarshal(item.Status.Raw, member.status); err != nil {
					return nil, fmt.Errorf("status from cluster %s: %w", item.ClusterName, err)
				}
			}
			members = append(members, member)
		}
		fresh := build(old, members, in.clock)
		if reflect.DeepEqual(fresh, old) {
			return nil, nil
		}
		return runtime.DefaultUnstructuredConverter.ToUnstructured(&fresh)
	}
}

// worst is the first phase in order of severity that any member is in, empty when none is listed.
func worst[P comparable](phases sets.Set[P], severity ...P) P {
	for _, phase := range severity {
		if phases.Has(phase) {
			return phase
		}
	}
	var none P
	return none
}

// aggregatePod lists the containers of all members without their names, which are the same everywhere. A member without a
// status has not started its pod.
func aggregatePod(_ corev1.PodStatus, members []reported[corev1.PodStatus], _ clock.PassiveClock) corev1.PodStatus {
	var sum corev1.PodStatus
	phases := sets.New[corev1.PodPhase]()
	for _, member := range members {
		if member.status == nil {
			phases.Insert(corev1.PodPending)
			continue
		}
		phases.Insert(member.status.Phase)
		for _, container := range member.status.ContainerStatuses {
			sum.ContainerStatuses = append(sum.ContainerStatuses,
				corev1.ContainerStatus{Ready: container.Ready, State: container.State})
		}
		for _, container := range member.status.InitContainerStatuses {
			sum.InitContainerStatuses = append(sum.InitContainerStatuses,
				corev1.ContainerStatus{Ready: container.Ready, State: container.State})
		}
	}
	sum.Phase = worst(phases, corev1.PodFailed, corev1.PodPending, corev1.PodRunning, corev1.PodSucceeded)
	return sum
}

func aggregateVolume(
	_ corev1.PersistentVolumeStatus, members []reported[corev1.PersistentVolumeStatus], _ clock.PassiveClock,
) corev1.PersistentVolumeStatus {
	phases := sets.New[corev1.PersistentVolumePhase]()
	for _, member := range members {
		phase := corev1.VolumePending
		if member.status != nil {
			phase = member.status.Phase
		}
		phases.Insert(phase)
	}
	phase := worst(phases, corev1.VolumeFailed, corev1.VolumePending, corev1.VolumeAvailable, corev1.VolumeBound,
		corev1.VolumeReleased)
	return corev1.PersistentVolumeStatus{Phase: phase}
}

// aggregateClaim is bound unless a member says otherwise; one lost claim makes all of them lost.
func aggregateClaim(
	_ corev1.PersistentVolumeClaimStatus, members []reported[corev1.PersistentVolumeClaimStatus], _ clock.PassiveClock,
) corev1.PersistentVolumeClaimStatus {
	phase := corev1.ClaimBound
	for _, member := range members {
		if member.status == nil || member.status.Phase == corev1.ClaimBound {
			continue
		}
		if phase != corev1.ClaimLost {
			phase = member.status.Phase
		}
	}
	return corev1.PersistentVolumeClaimStatus{Phase: phase}
}

func aggregateCronJob(
	_ batchv1.CronJobStatus, members []reported[batchv1.CronJobStatus], _ clock.PassiveClock,
) batchv1.CronJobStatus {
	var sum batchv1.CronJobStatus
	for _, member := range members {
		if member.status == nil {
			continue
		}
		sum.Active = append(sum.Active, member.status.Active...)
		sum.LastScheduleTime = later(sum.LastScheduleTime, member.status.LastScheduleTime)
		sum.LastSuccessfulTime = later(sum.LastSuccessfulTime, member.status.LastSuccessfulTime)
	}
	return sum
}

// later is the later of two times, of which nil is the earliest.
func later(a, b *metav1.Time) *metav1.Time {
	if a == nil || (b != nil && a.Before(b)) {
		return b
	}
	return a
}

// aggregateDisruptionBudget writes a status even without members, so that readers see zeros instead of old numbers.
func aggregateDisruptionBudget(
	_ policyv1.PodDisruptionBudgetStatus, members []reported[policyv1.PodDisruptionBudgetStatus], _ clock.PassiveClock,
) policyv1.PodDisruptionBudgetStatus {
	sum := policyv1.PodDisruptionBudgetStatus{DisruptedPods: map[string]metav1.Time{}}
	for _, member := range members {
		if member.status == nil {
			continue
		}
		sum.CurrentHealthy += member.status.CurrentHealthy
		sum.DesiredHealthy += member.status.DesiredHealthy
		sum.DisruptionsAllowed += member.status.DisruptionsAllowed
		sum.ExpectedPods += member.status.ExpectedPods
		for pod, at := range member.status.DisruptedPods {
			sum.DisruptedPods[member.cluster+"/"+pod] = at
		}
	}
	return sum
}

func aggregateAutoscaler(
	_ autoscalingv2.HorizontalPodAutoscalerStatus, members []reported[autoscalingv2.HorizontalPodAutoscalerStatus],
	_ clock.PassiveClock,
) autoscalingv2.HorizontalPodAutoscalerStatus {
	var sum autoscalingv2.HorizontalPodAutoscalerStatus
	for _, member := range members {
		if member.status != nil {
			sum.CurrentReplicas += member.status.CurrentReplicas
			sum.DesiredReplicas += member.status.DesiredReplicas
		}
	}
	return sum
}

// aggregateService gathers the addresses of load balancers; the status of other types stays.
func aggregateService(in aggregation) (map[string]any, error) {
	if !isLoadBalancer(in.object) {
		return nil, nil
	}
	return typed(func(
		_ corev1.ServiceStatus, members []reported[corev1.ServiceStatus], _ clock.PassiveClock,
	) corev1.ServiceStatus {
		var all []corev1.LoadBalancerIngress
		for _, member := range members {
			if member.status != nil {
				all = append(all, member.status.LoadBalancer.Ingress...)
			}
		}
		all = byAddress(all, func(i corev1.LoadBalancerIngress) address { return address{i.IP, i.Hostname} })
		return corev1.ServiceStatus{LoadBalancer: corev1.LoadBalancerStatus{Ingress: all}}
	})(in)
}

func aggregateIngress(
	_ networkingv1.IngressStatus, members []reported[networkingv1.IngressStatus], _ clock.PassiveClock,
) networkingv1.IngressStatus {
	all := []networkingv1.IngressLoadBalancerIngress{}
	for _, member := range members {
		if member.status != nil {
			all = append(all, member.status.LoadBalancer.Ingress...)
		}
	}
	all = byAddress(all, func(i networkingv1.IngressLoadBalancerIngress) address { return address{i.IP, i.Hostname} })
	return networkingv1.IngressStatus{LoadBalancer: networkingv1.IngressLoadBalancerStatus{Ingress: all}}
}

type address struct{ ip, hostname string }

// byAddress sorts load balancers by address and keeps the first of equal ones.
func byAddress[E any](list []E, of func(E) address) []E {
	slices.SortStableFunc(list, func(a, b E) int {
		return cmp.Or(cmp.Compare(of(a).ip, of(b).ip), cmp.Compare(of(a).hostname, of(b).hostname))
	})
	return slices.CompactFunc(list, func(a, b E) bool { return of(a) == of(b) })
}
