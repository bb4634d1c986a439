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
// does not say how long it tolerates the latter has the patience of the installation.
func (o *Options) JudgeCluster(cluster *clusterv1alpha1.Cluster, tolerations []corev1.Toleration, now time.Time) Verdict {
	verdict := Verdict{Wait: Never}
	if o.NoExecute {
		verdict = Judge(cluster.Spec.Taints, tolerations, now)
	}
	if o.Reference || verdict.Evict || !Lost(cluster) {
		return verdict
	}
	return sooner(verdict, Judge(healthTaint(cluster), slices.Concat(tolerations, o.patience()), now))
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
