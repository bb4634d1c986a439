package cluster

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seatrial/seatrial/api/names"
)

func taint(key string, effect corev1.TaintEffect) corev1.Taint {
	return corev1.Taint{Key: key, Effect: effect}
}

func TestReadinessTaint(t *testing.T) {
	for status, want := range map[metav1.ConditionStatus]string{
		metav1.ConditionTrue: "", metav1.ConditionFalse: names.TaintNotReady, metav1.ConditionUnknown: names.TaintUnreachable,
	} {
		if got := readinessTaint([]metav1.Condition{{Type: names.ConditionClusterReady, Status: status}}); got != want {
			t.Errorf("Ready %s: taint %q, want %q", status, got, want)
		}
	}
	if got := readinessTaint(nil); got != names.TaintNotReady {
		t.Errorf("no condition: taint %q, want %q", got, names.TaintNotReady)
	}
}

func TestWithReadinessTaint(t *testing.T) {
	mine, maintenance := taint("team", corev1.TaintEffectNoExecute), taint("maintenance", corev1.TaintEffectNoSchedule)
	notReady, unreachable := taint(names.TaintNotReady, corev1.TaintEffectNoSchedule), taint(names.TaintUnreachable, corev1.TaintEffectNoSchedule)
	evicting := taint(names.TaintNotReady, corev1.TaintEffectNoExecute)
	for _, c := range []struct {
		name   string
		taints []corev1.Taint
		wanted string
		want   []corev1.Taint
	}{
		{"nothing to do", nil, "", nil},
		{"added at the end", []corev1.Taint{mine}, names.TaintNotReady, []corev1.Taint{mine, notReady}},
		{"stays in its place", []corev1.Taint{notReady, mine}, names.TaintNotReady, []corev1.Taint{notReady, mine}},
		{"exchanged", []corev1.Taint{notReady, mine}, names.TaintUnreachable, []corev1.Taint{mine, unreachable}},
		{"removed", []corev1.Taint{mine, unreachable, maintenance, notReady}, "", []corev1.Taint{mine, maintenance}},
		{"once", []corev1.Taint{notReady, notReady}, names.TaintNotReady, []corev1.Taint{notReady}},
		{"of another effect is another's", []corev1.Taint{evicting}, "", []corev1.Taint{evicting}},
	} {
		before := slices.Clone(c.taints)
		got := withReadinessTaint(c.taints, c.wanted)
		if !slices.EqualFunc(got, c.want, sameTaint) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if !slices.EqualFunc(before, c.taints, sameTaint) {
			t.Errorf("%s: the given taints were changed", c.name)
		}
		if again := withReadinessTaint(got, c.wanted); !slices.EqualFunc(got, again, sameTaint) {
			t.Errorf("%s: a second time gives %v", c.name, again)
		}
	}
}

// TestEventTellsTheCause: that a taint comes and goes is of use only with the reason for it.
func TestEventTellsTheCause(t *testing.T) {
	is := func(status metav1.ConditionStatus, reason, message string) []metav1.Condition {
		return []metav1.Condition{{Type: names.ConditionClusterReady, Status: status, Reason: reason, Message: message}}
	}
	for want, conditions := range map[string][]metav1.Condition{
		"tainted with cluster.karmada.io/not-ready: it has not reported yet":                                                   nil,
		"tainted with cluster.karmada.io/not-ready: Ready is False, ClusterNotReachable: no route":                             is(metav1.ConditionFalse, "ClusterNotReachable", "no route"),
		"tainted with cluster.karmada.io/unreachable: Ready is Unknown, ClusterStatusUnknown: the agent has stopped reporting": is(metav1.ConditionUnknown, "ClusterStatusUnknown", "the agent has stopped reporting"),
		"no taint for its readiness: it is ready":                                                                              is(metav1.ConditionTrue, "ClusterReady", "fine"),
	} {
		if got := followed(conditions); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
