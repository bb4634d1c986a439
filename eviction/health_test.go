package eviction

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
)

func TestJudgeCluster(t *testing.T) {
	noExecute := corev1.Taint{Key: "team", Effect: corev1.TaintEffectNoExecute, TimeAdded: &metav1.Time{Time: began}}
	notReady := corev1.Taint{Key: names.TaintNotReady, Effect: corev1.TaintEffectNoExecute, TimeAdded: &metav1.Time{Time: began}}
	tolerates := func(key string, seconds *int64) corev1.Toleration {
		return corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: seconds}
	}
	const patience = 5 * time.Minute
	for _, c := range []struct {
		name        string
		ready       metav1.ConditionStatus
		taints      []corev1.Taint
		tolerations []corev1.Toleration
		after       time.Duration
		off         bool
		want        Verdict
		reference   Verdict
	}{
		{name: "well", ready: "True", want: Verdict{Wait: Never}, reference: Verdict{Wait: Never}},
		{name: "never reported", want: Verdict{Wait: Never}, reference: Verdict{Wait: Never}},
		{name: "not ready", ready: "False", want: Verdict{Wait: patience}, reference: Verdict{Wait: Never}},
		{name: "not ready for long", ready: "False", after: patience, want: Verdict{Evict: true}, reference: Verdict{Wait: Never}},
		{name: "unreachable for long", ready: "Unknown", after: patience, want: Verdict{Evict: true}, reference: Verdict{Wait: Never}},
		{
			name: "tolerated", ready: "False", after: patience, tolerations: []corev1.Toleration{tolerates(names.TaintNotReady, nil)},
			want: Verdict{Wait: Never}, reference: Verdict{Wait: Never},
		},
		{
			name: "tolerated for less", ready: "Unknown", tolerations: []corev1.Toleration{tolerates(names.TaintUnreachable, ptr.To[int64](10))},
			want: Verdict{Wait: 10 * time.Second}, reference: Verdict{Wait: Never},
		},
		{name: "tainted", ready: "True", taints: []corev1.Taint{noExecute}, want: Verdict{Evict: true}, reference: Verdict{Evict: true}},
		{name: "taints do not count", ready: "True", taints: []corev1.Taint{noExecute}, off: true, want: Verdict{Wait: Never}, reference: Verdict{Wait: Never}},
		{
			name: "the sooner of both", ready: "False", taints: []corev1.Taint{noExecute}, tolerations: []corev1.Toleration{tolerates("team", ptr.To[int64](60))},
			want: Verdict{Wait: time.Minute}, reference: Verdict{Wait: time.Minute},
		},
		{
			name: "the sooner of both, the other way", ready: "False", taints: []corev1.Taint{noExecute}, tolerations: []corev1.Toleration{tolerates("team", ptr.To[int64](900))},
			want: Verdict{Wait: patience}, reference: Verdict{Wait: 15 * time.Minute},
		},
		{name: "the patience of the installation is not for taints", ready: "False", taints: []corev1.Taint{notReady}, want: Verdict{Evict: true}, reference: Verdict{Evict: true}},
	} {
		cluster := &clusterv1alpha1.Cluster{Spec: clusterv1alpha1.ClusterSpec{Taints: c.taints}}
		if c.ready != "" {
			cluster.Status.Conditions = []metav1.Condition{{Type: names.ConditionClusterReady, Status: c.ready, LastTransitionTime: metav1.Time{Time: began}}}
		}
		for _, reference := range []bool{false, true} {
			options := Defaults()
			options.NoExecute, options.Reference = !c.off, reference
			want := c.want
			if reference {
				want = c.reference
			}
			if got := options.JudgeCluster(cluster, c.tolerations, began.Add(c.after)); got != want {
				t.Errorf("%s (reference: %t): %+v, want %+v", c.name, reference, got, want)
			}
		}
	}
}

func TestWhoEvicts(t *testing.T) {
	for _, c := range []struct {
		failover, manager, noExecute, reference bool
		want                                    bool
	}{
		{false, true, true, false, false}, {true, false, true, false, false}, {true, true, false, false, true},
		{true, true, false, true, false}, {true, true, true, true, true},
	} {
		options := Options{Failover: c.failover, TaintManager: c.manager, NoExecute: c.noExecute, Reference: c.reference}
		if got := options.Evicts(); got != c.want {
			t.Errorf("%+v: %t", c, got)
		}
	}
}
