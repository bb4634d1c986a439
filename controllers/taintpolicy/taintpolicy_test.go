package taintpolicy

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/control"
)

var (
	now     = metav1.Time{Time: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}
	earlier = metav1.Time{Time: now.Add(-time.Hour)}
)

func when(condition string, operator policyv1alpha1.MatchConditionOperator, states ...metav1.ConditionStatus) policyv1alpha1.MatchCondition {
	return policyv1alpha1.MatchCondition{ConditionType: condition, Operator: operator, StatusValues: states}
}

func policy(name string, change func(*policyv1alpha1.ClusterTaintPolicySpec)) policyv1alpha1.ClusterTaintPolicy {
	p := policyv1alpha1.ClusterTaintPolicy{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: policyv1alpha1.ClusterTaintPolicySpec{
		AddOnConditions:    []policyv1alpha1.MatchCondition{when("Ready", policyv1alpha1.MatchConditionOpNotIn, metav1.ConditionTrue)},
		RemoveOnConditions: []policyv1alpha1.MatchCondition{when("Ready", policyv1alpha1.MatchConditionOpIn, metav1.ConditionTrue)},
		Taints:             []policyv1alpha1.Taint{{Key: "dark", Effect: corev1.TaintEffectNoExecute}},
	}}
	if change != nil {
		change(&p.Spec)
	}
	return p
}

// text reads "key=value:Effect@added".
func text(taints []corev1.Taint) string {
	var parts []string
	for _, taint := range taints {
		part := taint.ToString()
		if taint.TimeAdded != nil {
			part += "@" + taint.TimeAdded.Format("15:04")
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " ")
}

func TestApply(t *testing.T) {
	old := corev1.Taint{Key: "dark", Effect: corev1.TaintEffectNoExecute, TimeAdded: &earlier}
	mine := corev1.Taint{Key: "mine", Value: "v", Effect: corev1.TaintEffectNoSchedule}
	for _, c := range []struct {
		name     string
		policies []policyv1alpha1.ClusterTaintPolicy
		ready    metav1.ConditionStatus
		taints   []corev1.Taint
		want     string
	}{
		{"added", []policyv1alpha1.ClusterTaintPolicy{policy("a", nil)}, "False", []corev1.Taint{mine}, "mine=v:NoSchedule dark:NoExecute@00:00"},
		{"keeps its time", []policyv1alpha1.ClusterTaintPolicy{policy("a", nil)}, "Unknown", []corev1.Taint{old, mine}, "dark:NoExecute@23:00 mine=v:NoSchedule"},
		{"removed", []policyv1alpha1.ClusterTaintPolicy{policy("a", nil)}, "True", []corev1.Taint{old, mine}, "mine=v:NoSchedule"},
		{"another value", []policyv1alpha1.ClusterTaintPolicy{policy("a", func(s *policyv1alpha1.ClusterTaintPolicySpec) { s.Taints[0].Value = "w" })}, "False", []corev1.Taint{old}, "dark=w:NoExecute@00:00"},
		{"no time for what does not evict", []policyv1alpha1.ClusterTaintPolicy{policy("a", func(s *policyv1alpha1.ClusterTaintPolicySpec) { s.Taints[0].Effect = corev1.TaintEffectNoSchedule })}, "False", nil, "dark:NoSchedule"},
		{"no condition to add on", []policyv1alpha1.ClusterTaintPolicy{policy("a", func(s *policyv1alpha1.ClusterTaintPolicySpec) { s.AddOnConditions = nil })}, "False", nil, ""},
		{"no condition to remove on", []policyv1alpha1.ClusterTaintPolicy{policy("a", func(s *policyv1alpha1.ClusterTaintPolicySpec) { s.RemoveOnConditions = nil })}, "True", []corev1.Taint{old}, "dark:NoExecute@23:00"},
		{"an unknown condition matches nothing", []policyv1alpha1.ClusterTaintPolicy{policy("a", func(s *policyv1alpha1.ClusterTaintPolicySpec) {
			s.AddOnConditions = append(s.AddOnConditions, when("Other", policyv1alpha1.MatchConditionOpNotIn, metav1.ConditionTrue))
		})}, "False", nil, ""},
		{"another cluster's", []policyv1alpha1.ClusterTaintPolicy{policy("a", func(s *policyv1alpha1.ClusterTaintPolicySpec) {
			s.TargetClusters = &policyv1alpha1.ClusterAffinity{ClusterNames: []string{"m2"}}
		})}, "False", nil, ""},
		{"in the order of names", []policyv1alpha1.ClusterTaintPolicy{
			policy("b", func(s *policyv1alpha1.ClusterTaintPolicySpec) { s.Taints[0].Value = "second" }),
			policy("a", func(s *policyv1alpha1.ClusterTaintPolicySpec) { s.Taints[0].Value = "first" }),
		}, "False", nil, "dark=second:NoExecute@00:00"},
		{"both hold", []policyv1alpha1.ClusterTaintPolicy{policy("a", func(s *policyv1alpha1.ClusterTaintPolicySpec) { s.RemoveOnConditions = s.AddOnConditions })}, "False", []corev1.Taint{old}, ""},
	} {
		cluster := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "m1"}, Spec: clusterv1alpha1.ClusterSpec{Taints: c.taints}}
		cluster.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: c.ready}}
		before := text(c.taints)
		got := Apply(c.policies, cluster, now)
		if text(got) != c.want {
			t.Errorf("%s: %s, want %s", c.name, text(got), c.want)
		}
		if text(c.taints) != before {
			t.Errorf("%s: the given taints were changed to %s", c.name, text(c.taints))
		}
		cluster.Spec.Taints = got
		if again := Apply(c.policies, cluster, metav1.Time{Time: now.Add(time.Minute)}); text(again) != text(got) {
			t.Errorf("%s: a second time gives %s", c.name, text(again))
		}
	}
}

func TestWakes(t *testing.T) {
	old := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "m1"}}
	old.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: metav1.ConditionTrue, Reason: "A"}}
	same, other := old.DeepCopy(), old.DeepCopy()
	same.Status.Conditions[0].Reason = "B"
	other.Status.Conditions[0].Status = metav1.ConditionFalse
	for name, c := range map[string]struct {
		current *clusterv1alpha1.Cluster
		want    int
	}{"another reason": {same, 0}, "another status": {other, 1}} {
		if keys := onCluster(t.Context(), nil, control.Event{Old: old, New: c.current}); len(keys) != c.want {
			t.Errorf("%s wakes %v", name, keys)
		}
	}
}
