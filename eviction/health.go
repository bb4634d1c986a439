package eviction

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
)

// Lost tells whether a cluster is known and not well. One that never reported is not there yet, so nothing can be lost with it.
func Lost(cluster *clusterv1alpha1.Cluster) bool {
	ready := meta.FindStatusCondition(cluster.Status.Conditions, names.ConditionClusterReady)
	return ready != nil && ready.Status != metav1.ConditionTrue
}

// JudgeCluster weighs what drives workloads out of a cluster against the tolerations of one of them: its NoExecute taints where
// these count, and its health as if that were such a taint, since the moment its Ready condition last changed. A workload that
// does not say how long it tolerates the latter has the patience of the installation. A lost cluster is not left while a partition lasts,
// nor before Settle is over from then on, and no time begins before the end.
func (o *Options) JudgeCluster(cluster *clusterv1alpha1.Cluster, tolerations []corev1.Toleration, now time.Time) Verdict {
	lost := !o.Reference && Lost(cluster)
	if !lost {
		return o.judgeTaints(cluster.Spec.Taints, tolerations, now)
	}
	ended, open := heldUntil(cluster)
	if open {
		return Verdict{Wait: Never}
	}
	verdict := sooner(
		o.judgeTaints(countFrom(cluster.Spec.Taints, ended), tolerations, now),
		Judge(countFrom(healthTaint(cluster), ended), slices.Concat(tolerations, o.patience()), now))
	if settles := ended.Add(o.Settle).Sub(now); verdict.Evict && settles > 0 {
		return Verdict{Wait: settles}
	}
	return verdict
}

// judgeTaints weighs taints where they count.
func (o *Options) judgeTaints(taints []corev1.Taint, tolerations []corev1.Toleration, now time.Time) Verdict {
	if !o.NoExecute {
		return Verdict{Wait: Never}
	}
	return Judge(taints, tolerations, now)
}

func sooner(a, b Verdict) Verdict {
	if a.Evict || !b.Evict && (b.Wait == Never || a.Wait != Never && a.Wait < b.Wait) {
		return a
	}
	return b
}

// healthTaint is what the health of a lost cluster amounts to.
func healthTaint(cluster *clusterv1alpha1.Cluster) []corev1.Taint {
	ready := meta.FindStatusCondition(cluster.Status.Conditions, names.ConditionClusterReady)
	key := names.TaintNotReady
	if ready.Status == metav1.ConditionUnknown {
		key = names.TaintUnreachable
	}
	return []corev1.Taint{{Key: key, Effect: corev1.TaintEffectNoExecute, TimeAdded: &ready.LastTransitionTime}}
}

// patience is what a workload tolerates that does not say.
func (o *Options) patience() []corev1.Toleration {
	tolerate := func(key string, wait time.Duration) corev1.Toleration {
		return corev1.Toleration{
			Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: ptr.To(int64(wait / time.Second)),
		}
	}
	return []corev1.Toleration{tolerate(names.TaintNotReady, o.NotReady), tolerate(names.TaintUnreachable, o.Unreachable)}
}

// Holds tells whether lost clusters are not left at all at a rate, though others are.
func (o *Options) Holds(rate float64) bool { return !o.Reference && rate <= 0 && o.Rate > 0 }

// LostRate is how many bindings a second may leave lost clusters while so many of all are lost. When most of a fleet looks lost
// at once it is more likely that the control plane cannot see: what it cannot see goes on running.
func (o *Options) LostRate(lost, all int) float64 {
	if o.Reference || all == 0 {
		return o.Rate
	}
	part := float64(lost) / float64(all)
	switch {
	case lost == all && all > 1, part >= o.StopFrom && all > 1:
		return 0
	case part > o.SlowAbove && all > 1:
		return min(o.SecondaryRate, o.Rate)
	}
	return o.Rate
}
