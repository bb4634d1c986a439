package eviction

import (
	"slices"
	"time"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// Standing is what a cluster has of a workload that moves: the replicas that its Work carries, how many are ready, and how many are
// known not to be.
type Standing struct{ Replicas, Ready, Idle int32 }

// Within bounds the replicas that clusters get together while a binding moves. Each keeps what it has of them. What is left up to most
// is dealt evenly, to clusters that bring up what they get rather than to those that have yet to do so.
//
// What never becomes ready would use up for good what others wait for. Hence, when no step was taken for the timeout, all that
// is not ready is dealt anew, to other clusters first; then after twice that time, and so on, so that a replica has some day as
// long to become ready as it takes. Next is how long it is until then, 0 when nobody waits.
func (o *Options) Within(
	spec *workv1alpha2.ResourceBindingSpec, standing func(cluster string) Standing, most int32, now time.Time,
) (bounded []workv1alpha2.TargetCluster, next time.Duration) {
	granted := Granted(spec)
	bounded = slices.Clone(granted)
	turn, next := o.turn(spec, now)
	var proven, fresh, waiting []int
	for i := range bounded {
		has, holds := standing(granted[i].Name), i >= len(spec.Clusters) || granted[i].Replicas > spec.Clusters[i].Replicas
		keeps := min(granted[i].Replicas, has.Replicas)
		if turn > 0 && !holds {
			keeps = min(keeps, has.Replicas-has.Idle)
		}
		bounded[i].Replicas = keeps
		most -= keeps
		switch {
		case keeps == granted[i].Replicas:
		case keeps > has.Ready:
			waiting = append(waiting, i)
		case keeps > 0 && turn == 0:
			proven = append(proven, i)
		default:
			fresh = append(fresh, i)
		}
	}
	first := turn % max(len(fresh), 1)
	most = deal(bounded, granted, slices.Concat(proven, fresh[first:], fresh[:first]), most)
	deal(bounded, granted, waiting, most)
	if slices.EqualFunc(bounded, granted, func(a, b workv1alpha2.TargetCluster) bool { return a.Replicas == b.Replicas }) {
		next = 0
	}
	return bounded, next
}

// deal gives as many replicas to each as to the others, those that come first one more, until they have what they were granted or
// nothing is left.
func deal(to, granted []workv1alpha2.TargetCluster, order []int, left int32) int32 {
	for left > 0 {
		order = slices.DeleteFunc(order, func(i int) bool { return to[i].Replicas >= granted[i].Replicas })
		if len(order) == 0 {
			break
		}
		each := max(left/int32(len(order)), 1)
		for _, i := range order {
			more := min(granted[i].Replicas-to[i].Replicas, each, left)
			to[i].Replicas += more
			left -= more
		}
	}
	return left
}

// turn counts how often what is not ready was dealt anew since the last step of a move.
func (o *Options) turn(spec *workv1alpha2.ResourceBindingSpec, now time.Time) (turn int, next time.Duration) {
	_, last := lastStep(spec, spec.GracefulEvictionTasks)
	if last.IsZero() || o.Timeout <= 0 {
		return 0, 0
	}
	length, left := o.Timeout, last.Add(o.Timeout).Sub(now)
	for left <= 0 {
		turn++
		left += length
		length *= 2
	}
	return turn, left
}
