package scheduler

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// placed is a binding of 4 replicas, divided over m1 and m2, that nothing is due for.
func placed() binding.Binding {
	bound := binding.New("shop", "web-deployment")
	bound.SetAnnotations(map[string]string{names.AnnotationPropagationPolicyNamespace: "shop", names.AnnotationPropagationPolicyName: "web"})
	bound.Spec.Replicas = 4
	bound.Spec.Placement = &policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{
		ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided,
	}}
	bound.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: "m1", Replicas: 1}, {Name: "m2", Replicas: 3}}
	bound.Status.Conditions = []metav1.Condition{{Type: names.ConditionScheduled, Status: metav1.ConditionTrue}}
	bound.GetAnnotations()[names.AnnotationAppliedPlacement] = appliedPlacement(bound)
	return bound
}

// limit gives a binding an affinity, as if it had been decided under it.
func limit(bound binding.Binding, clusters ...string) {
	bound.Spec.Placement.ClusterAffinity = &policyv1alpha1.ClusterAffinity{ClusterNames: clusters}
	bound.GetAnnotations()[names.AnnotationAppliedPlacement] = appliedPlacement(bound)
}

// limitTo does so by the second of two terms, the first cluster being its own and the others its overflow.
func limitTo(bound binding.Binding, clusters ...string) {
	term := policyv1alpha1.ClusterAffinityTerm{AffinityName: "second", ClusterAffinity: policyv1alpha1.ClusterAffinity{ClusterNames: clusters[:1]}}
	for _, name := range clusters[1:] {
		term.OverflowAffinities = append(term.OverflowAffinities,
			policyv1alpha1.OverflowClusterAffinity{ClusterAffinity: policyv1alpha1.ClusterAffinity{ClusterNames: []string{name}}})
	}
	bound.Spec.Placement.ClusterAffinities = []policyv1alpha1.ClusterAffinityTerm{{AffinityName: "first"}, term}
	bound.Status.SchedulerObservedAffinityName = "second"
	bound.GetAnnotations()[names.AnnotationAppliedPlacement] = appliedPlacement(bound)
}

func fleetOf(clusters ...*clusterv1alpha1.Cluster) *placement.Snapshot {
	return placement.NewSnapshot(clusters)
}

func cluster(name string) *clusterv1alpha1.Cluster {
	return &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func TestDue(t *testing.T) {
	leaving := cluster("m1")
	leaving.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	whole := fleetOf(cluster("m1"), cluster("m2"), cluster("m3"))
	at := func(second int64) *metav1.Time { return &metav1.Time{Time: time.Unix(second, 0)} }
	for _, c := range []struct {
		name   string
		change func(binding.Binding)
		fleet  *placement.Snapshot
		want   bool
	}{
		{"as decided", func(binding.Binding) {}, whole, false},
		{"never decided", func(b binding.Binding) { b.Status.Conditions = nil }, whole, true},
		{"failed before", func(b binding.Binding) { b.Status.Conditions[0].Status = metav1.ConditionFalse }, whole, true},
		{"another placement", func(b binding.Binding) {
			b.Spec.Placement.ClusterAffinity = &policyv1alpha1.ClusterAffinity{ClusterNames: []string{"m1"}}
		}, whole, true},
		{"more replicas", func(b binding.Binding) { b.Spec.Replicas = 5 }, whole, true},
		{"a cluster is gone", func(binding.Binding) {}, fleetOf(cluster("m2")), true},
		{"a cluster is leaving", func(binding.Binding) {}, fleetOf(leaving, cluster("m2")), true},
		{"asked for", func(b binding.Binding) { b.Spec.RescheduleTriggeredAt = at(2) }, whole, true},
		{"asked for and answered", func(b binding.Binding) {
			b.Spec.RescheduleTriggeredAt, b.Status.LastScheduledTime = at(2), at(2)
		}, whole, false},
		{"asked for since", func(b binding.Binding) {
			b.Spec.RescheduleTriggeredAt, b.Status.LastScheduledTime = at(3), at(2)
		}, whole, true},
		{"a cluster is outside the affinity", func(b binding.Binding) { limit(b, "m1") }, whole, true},
		{"within the affinity", func(b binding.Binding) { limit(b, "m1", "m2") }, whole, false},
		{"outside the term in force", func(b binding.Binding) { limitTo(b, "m1") }, whole, true},
		{"within an overflow of the term in force", func(b binding.Binding) { limitTo(b, "m1", "m2") }, whole, false},
		{"goes wherever it fits", func(b binding.Binding) {
			b.Spec.Replicas = 0
			b.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: "m1"}, {Name: "m2"}}
		}, whole, true},
	} {
		bound := placed()
		c.change(bound)
		if got := due(bound, c.fleet); got != c.want {
			t.Errorf("%s: due %t, want %t", c.name, got, c.want)
		}
	}
}

func TestReplicasChanged(t *testing.T) {
	divided := &policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{
		ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided,
	}}
	for _, c := range []struct {
		name         string
		placement    *policyv1alpha1.Placement
		replicas     int32
		requirements *workv1alpha2.ReplicaRequirements
		shares       []int32
		want         bool
	}{
		{"no workload", &policyv1alpha1.Placement{}, 0, nil, []int32{0, 0}, false},
		{"divided as asked for", divided, 4, nil, []int32{1, 3}, false},
		{"divided, fewer", divided, 3, nil, []int32{1, 3}, true},
		{"divided, scaled to nothing", divided, 0, &workv1alpha2.ReplicaRequirements{}, []int32{1, 3}, true},
		{"divided, at nothing", divided, 0, &workv1alpha2.ReplicaRequirements{}, []int32{0, 0}, false},
		{"divided, nowhere", divided, 4, nil, nil, true},
		{"the same in each", &policyv1alpha1.Placement{}, 4, nil, []int32{4, 4}, false},
		{"not the same in each", &policyv1alpha1.Placement{}, 4, nil, []int32{4, 3}, true},
		{"nowhere", &policyv1alpha1.Placement{}, 4, nil, nil, false},
	} {
		spec := &workv1alpha2.ResourceBindingSpec{Placement: c.placement, Replicas: c.replicas, ReplicaRequirements: c.requirements}
		for i, share := range c.shares {
			spec.Clusters = append(spec.Clusters, workv1alpha2.TargetCluster{Name: fmt.Sprint("m", i), Replicas: share})
		}
		if got := replicasChanged(spec); got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
}

func TestCondition(t *testing.T) {
	targets := []workv1alpha2.TargetCluster{{Name: "m1", Replicas: 2}, {Name: "m2"}}
	for _, c := range []struct {
		decision     placement.Decision
		status       metav1.ConditionStatus
		reason, says string
	}{
		{placement.Decision{Clusters: targets}, metav1.ConditionTrue, "Success", "scheduled to m1:2, m2"},
		{placement.Decision{}, metav1.ConditionTrue, "Success", "scheduled to no cluster"},
		{placement.Decision{Err: &placement.FitError{Total: 3}}, metav1.ConditionFalse, "NoClusterFit", "0/3 clusters"},
		{placement.Decision{Err: fmt.Errorf("term a: %w", &placement.UnschedulableError{Message: "too small"})}, metav1.ConditionFalse, "Unschedulable", "too small"},
		{placement.Decision{Err: errors.New("boom")}, metav1.ConditionFalse, "SchedulerError", "boom"},
	} {
		got := condition(c.decision, metav1.Now(), 7)
		if got.Type != "Scheduled" || got.Status != c.status || got.Reason != c.reason || !strings.Contains(got.Message, c.says) || got.ObservedGeneration != 7 {
			t.Errorf("%+v gives %+v, want %s/%s: %s", c.decision, got, c.status, c.reason, c.says)
		}
	}
}

// TestMessageOfFailure: users read how many clusters there were, and what no fleet can do.
func TestMessageOfFailure(t *testing.T) {
	fleet := fleetOf(roomy("m1", 10), roomy("m2", 10), cluster("m3"))
	for _, c := range []struct {
		spread policyv1alpha1.SpreadConstraint
		want   string
	}{
		{policyv1alpha1.SpreadConstraint{SpreadByField: "cluster", MinGroups: 3, MaxGroups: 4},
			"failed to select clusters: the number of feasible clusters is less than spreadConstraint.MinGroups " +
				"(spread over cluster: minGroups is 3, and the clusters that fit make 2; 2/3 clusters fit: 1 does not serve the API)"},
		{policyv1alpha1.SpreadConstraint{SpreadByField: "cluster", MinGroups: 5, MaxGroups: 2},
			"failed to select clusters: the number of feasible clusters is less than spreadConstraint.MinGroups " +
				"(spread over cluster: minGroups 5 is more than maxGroups 2; 2/3 clusters fit: 1 does not serve the API)"},
		{policyv1alpha1.SpreadConstraint{SpreadByField: "cluster", MinGroups: 1},
			"failed to select clusters: no enough resource when selecting 0 clusters " +
				"(spread over cluster: maxGroups is missing or 0 and lets no group in; 2/3 clusters fit: 1 does not serve the API)"},
		{policyv1alpha1.SpreadConstraint{SpreadByField: "cluster", MinGroups: -1, MaxGroups: -3},
			"failed to select clusters: no enough resource when selecting 0 clusters " +
				"(spread over cluster: minGroups -1 and maxGroups -3 must not be negative; 2/3 clusters fit: 1 does not serve the API)"},
	} {
		bound := asking(3)
		bound.Spec.Placement.SpreadConstraints = []policyv1alpha1.SpreadConstraint{c.spread}
		decision := Options{Name: "default-scheduler"}.Decide(t.Context(), bound, fleet)
		decision.Err = makeLegible(&decision)
		if got := condition(decision, metav1.Now(), 1).Message; got != c.want {
			t.Errorf("%+v:\n got %s\nwant %s", c.spread, got, c.want)
		}
	}
}

// TestServes: a binding that no policy claims any more stays where it is.
func TestServes(t *testing.T) {
	own := &scheduler{options: Options{Name: "default-scheduler"}.withDefaults()}
	for _, c := range []struct {
		name   string
		change func(binding.Binding)
		want   bool
	}{
		{"claimed", func(binding.Binding) {}, true},
		{"let go by its policy", func(b binding.Binding) { b.SetAnnotations(nil) }, false},
		{"of a multi-cluster service", func(b binding.Binding) {
			b.SetAnnotations(nil)
			b.SetLabels(map[string]string{names.LabelBindingManagedBy: names.MultiClusterServiceKind})
		}, true},
		{"without placement", func(b binding.Binding) { b.Spec.Placement = nil }, false},
		{"by name", func(b binding.Binding) { b.Spec.SchedulerName = "default-scheduler" }, true},
		{"by no name", func(b binding.Binding) { b.Spec.SchedulerName = "" }, true},
		{"of another scheduler", func(b binding.Binding) { b.Spec.SchedulerName = "mine" }, false},
		{"suspended", func(b binding.Binding) { b.Spec.Suspension = &workv1alpha2.Suspension{Scheduling: ptr.To(true)} }, false},
		{"resumed", func(b binding.Binding) { b.Spec.Suspension = &workv1alpha2.Suspension{Scheduling: ptr.To(false)} }, true},
		{"leaving", func(b binding.Binding) { b.SetDeletionTimestamp(&metav1.Time{Time: time.Unix(1, 0)}) }, false},
	} {
		bound := placed()
		c.change(bound)
		if got := own.serves(bound); got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
}
