package truth

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/simulator"
)

// told writes down what it is told.
type told struct {
	settled []string
	ready   map[string]string
}

func (r *told) Settled(cluster string, promised, ready int32) {
	r.settled = append(r.settled, fmt.Sprintf("%s %d of %d", cluster, ready, promised))
}

func (r *told) Ready(cluster string, replicas int64, seen bool) {
	r.ready[cluster] = fmt.Sprintf("%d ready", replicas)
	if !seen {
		r.ready[cluster] = fmt.Sprintf("%d when last seen", replicas)
	}
}

func (r *told) Gone(cluster string) { delete(r.ready, cluster) }

// fixture is a control plane with clusters, on which only this controller runs.
type fixture struct {
	*testing.T
	env   *simulator.Fleet
	plane client.Client
	told  *told
	bound *workv1alpha2.ResourceBinding
}

func newFixture(t *testing.T, targets ...workv1alpha2.TargetCluster) *fixture {
	t.Helper()
	env, err := simulator.New(t.Context(), simulator.Options{Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Checked: true})
	if err != nil {
		t.Fatal(err)
	}
	plane, err := env.Client(t.Context(), fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{T: t, env: env, plane: plane, told: &told{ready: map[string]string{}}}
	f.bound = &workv1alpha2.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web-deployment"}}
	f.bound.Spec.Resource = workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web"}
	f.bound.Spec.Clusters = targets
	f.bound.Spec.Placement = &policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{
		ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided, ReplicaDivisionPreference: policyv1alpha1.ReplicaDivisionPreferenceAggregated}}
	for _, target := range targets {
		cluster := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: target.Name}}
		cluster.Spec.SyncMode = clusterv1alpha1.Push
		f.must(plane.Create(t.Context(), cluster))
		f.setReady(target.Name, metav1.ConditionTrue)
	}
	f.must(plane.Create(t.Context(), f.bound))
	f.must(env.Run(New(f.told, Defaults())))
	return f
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) setReady(name string, status metav1.ConditionStatus) {
	f.Helper()
	cluster := &clusterv1alpha1.Cluster{}
	f.must(f.plane.Get(f.Context(), client.ObjectKey{Name: name}, cluster))
	cluster.Status.Conditions = []metav1.Condition{{Type: names.ConditionClusterReady, Status: status, Reason: "Test", LastTransitionTime: metav1.NewTime(f.env.Now())}}
	f.must(f.plane.Status().Update(f.Context(), cluster))
}

// schedule says that the scheduler has placed the binding as it stands.
func (f *fixture) schedule() {
	f.change(func(status *workv1alpha2.ResourceBindingStatus) {
		now := metav1.NewTime(f.env.Now())
		status.SchedulerObservedGeneration, status.LastScheduledTime = f.bound.Generation, &now
		status.Conditions = []metav1.Condition{{Type: names.ConditionScheduled, Status: metav1.ConditionTrue, Reason: "Success", LastTransitionTime: now}}
	})
}

func (f *fixture) change(change func(*workv1alpha2.ResourceBindingStatus)) {
	f.Helper()
	f.must(f.plane.Get(f.Context(), client.ObjectKeyFromObject(f.bound), f.bound))
	change(&f.bound.Status)
	f.must(f.plane.Status().Update(f.Context(), f.bound))
}

func (f *fixture) report(cluster, status string) {
	f.Helper()
	f.change(func(s *workv1alpha2.ResourceBindingStatus) {
		s.AggregatedStatus = slices.DeleteFunc(s.AggregatedStatus, func(item workv1alpha2.AggregatedStatusItem) bool { return item.ClusterName == cluster })
		s.AggregatedStatus = append(s.AggregatedStatus, workv1alpha2.AggregatedStatusItem{
			ClusterName: cluster, Applied: true, Status: &runtime.RawExtension{Raw: []byte(status)}})
	})
}

// pass lets time go by and tells what was said meanwhile.
func (f *fixture) pass(how time.Duration) []string {
	f.Helper()
	end := f.env.Now().Add(how)
	f.must(f.env.Await(f.Context(), how, "the time", func(context.Context) (bool, error) { return !f.env.Now().Before(end), nil }))
	said := slices.Clone(f.told.settled)
	f.told.settled = nil
	return said
}

func (f *fixture) expect(how time.Duration, want ...string) {
	f.Helper()
	if got := f.pass(how); !slices.Equal(got, want) {
		f.Errorf("in %s, told %q, want %q", how, got, want)
	}
}

func target(name string, replicas int32) workv1alpha2.TargetCluster {
	return workv1alpha2.TargetCluster{Name: name, Replicas: replicas}
}

func TestEachPlacementCountsOnce(t *testing.T) {
	f := newFixture(t, target("a", 3), target("b", 2), target("c", 0))
	f.report("a", `{"replicas":3,"readyReplicas":3}`)
	f.expect(time.Hour)

	// a is full for half a minute; b gets stuck at one replica and is given five minutes from then on.
	f.schedule()
	f.report("b", `{"replicas":2}`)
	f.expect(29 * time.Second)
	f.expect(2*time.Second, "a 3 of 3")
	f.expect(4 * time.Minute)
	f.report("b", `{"replicas":2,"readyReplicas":1}`)
	f.expect(4*time.Minute + 55*time.Second)
	f.expect(10*time.Second, "b 1 of 2")

	// What happens later is not the doing of the placement.
	f.report("a", `{"replicas":3,"readyReplicas":1}`)
	f.report("b", `{"replicas":2,"readyReplicas":2}`)
	f.expect(time.Hour)

	f.must(f.plane.Get(t.Context(), client.ObjectKeyFromObject(f.bound), f.bound))
	f.bound.Spec.Clusters[0].Replicas = 1
	f.must(f.plane.Update(t.Context(), f.bound))
	f.expect(time.Hour)
	f.schedule()
	f.expect(time.Hour, "a 1 of 1", "b 2 of 2")

	// A new process leaves what has long settled to the one before.
	f.must(f.env.Restart(New(f.told, Defaults())))
	f.expect(time.Hour)
}

func TestSilenceIsNoTruth(t *testing.T) {
	f := newFixture(t, target("a", 3))
	f.schedule()
	f.expect(time.Hour)
	f.report("a", `{"replicas":3,"readyReplicas":1,"generation":2,"observedGeneration":1}`)
	f.expect(time.Hour)
	f.report("a", `{"succeeded":3}`)
	f.expect(time.Hour)
	f.report("a", `{"replicas":3,"readyReplicas":1}`)
	f.setReady("a", metav1.ConditionUnknown)
	f.expect(time.Hour)
	f.setReady("a", metav1.ConditionTrue)
	f.expect(6*time.Minute, "a 1 of 3")

	// A binding that has gone is forgotten, and another one of its name counts.
	f.must(f.plane.Delete(t.Context(), f.bound))
	f.expect(time.Hour)
	f.bound.ResourceVersion, f.bound.UID = "", ""
	f.must(f.plane.Create(t.Context(), f.bound))
	f.schedule()
	f.report("a", `{"replicas":3,"readyReplicas":3}`)
	f.expect(time.Minute, "a 3 of 3")
}

// TestLastKnownIsApart: what was ready in a cluster that cannot be seen is told apart from what is ready now, of all workloads together, by
// whatever rules they are placed.
func TestLastKnownIsApart(t *testing.T) {
	f := newFixture(t, target("a", 3), target("b", 2))
	expect := func(when string, want map[string]string) {
		t.Helper()
		f.pass(time.Minute)
		if !maps.Equal(f.told.ready, want) {
			t.Errorf("%s: %v, want %v", when, f.told.ready, want)
		}
	}
	expect("nothing is reported", map[string]string{"a": "0 ready", "b": "0 ready"})
	f.report("a", `{"replicas":3,"readyReplicas":3}`)
	f.report("b", `{"replicas":2,"readyReplicas":1}`)
	other := &workv1alpha2.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "api-deployment"}, Spec: *f.bound.Spec.DeepCopy()}
	other.Spec.Resource.Name, other.Spec.Placement = "api", nil
	f.must(f.plane.Create(t.Context(), other))
	other.Status.AggregatedStatus = []workv1alpha2.AggregatedStatusItem{{ClusterName: "a", Applied: true, Status: &runtime.RawExtension{Raw: []byte(`{"replicas":4,"readyReplicas":4}`)}}}
	f.must(f.plane.Status().Update(t.Context(), other))
	expect("all can be seen", map[string]string{"a": "7 ready", "b": "1 ready"})
	f.setReady("a", metav1.ConditionUnknown)
	expect("a is cut off", map[string]string{"a": "7 when last seen", "b": "1 ready"})
	f.report("a", `{"replicas":3,"readyReplicas":2}`)
	f.must(f.env.Restart(New(f.told, Defaults())))
	expect("a report came late, and the process is another", map[string]string{"a": "6 when last seen", "b": "1 ready"})
	f.setReady("a", metav1.ConditionTrue)
	f.must(f.plane.Delete(t.Context(), other))
	expect("a is back, and a workload is gone", map[string]string{"a": "2 ready", "b": "1 ready"})
	f.change(func(s *workv1alpha2.ResourceBindingStatus) { s.AggregatedStatus = s.AggregatedStatus[:0] })
	f.must(f.plane.Delete(t.Context(), &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "b"}}))
	expect("b has left", map[string]string{"a": "0 ready"})
}

func TestPromises(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*workv1alpha2.ResourceBinding)
		want   bool
	}{
		"aggregated": {func(*workv1alpha2.ResourceBinding) {}, true},
		"dynamic weights": {func(b *workv1alpha2.ResourceBinding) {
			b.Spec.Placement.ReplicaScheduling.ReplicaDivisionPreference = policyv1alpha1.ReplicaDivisionPreferenceWeighted
			b.Spec.Placement.ReplicaScheduling.WeightPreference = &policyv1alpha1.ClusterPreferences{DynamicWeight: policyv1alpha1.DynamicWeightByAvailableReplicas}
		}, true},
		"static weights": {func(b *workv1alpha2.ResourceBinding) {
			b.Spec.Placement.ReplicaScheduling.ReplicaDivisionPreference = policyv1alpha1.ReplicaDivisionPreferenceWeighted
		}, false},
		"duplicated": {func(b *workv1alpha2.ResourceBinding) {
			b.Spec.Placement.ReplicaScheduling.ReplicaSchedulingType = policyv1alpha1.ReplicaSchedulingTypeDuplicated
		}, false},
		"no division":      {func(b *workv1alpha2.ResourceBinding) { b.Spec.Placement.ReplicaScheduling = nil }, false},
		"scheduler behind": {func(b *workv1alpha2.ResourceBinding) { b.Status.SchedulerObservedGeneration = 1 }, false},
		"not scheduled":    {func(b *workv1alpha2.ResourceBinding) { b.Status.Conditions[0].Status = metav1.ConditionFalse }, false},
		"leaving":          {func(b *workv1alpha2.ResourceBinding) { b.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)} }, false},
	} {
		bound := &workv1alpha2.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Generation: 2}}
		bound.Spec.Placement = &policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{
			ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided, ReplicaDivisionPreference: policyv1alpha1.ReplicaDivisionPreferenceAggregated}}
		bound.Status.SchedulerObservedGeneration = 2
		bound.Status.Conditions = []metav1.Condition{{Type: names.ConditionScheduled, Status: metav1.ConditionTrue}}
		c.change(bound)
		view, _ := binding.Of(bound)
		if got := promises(view); got != c.want {
			t.Errorf("%s: promises %t, want %t", name, got, c.want)
		}
	}
}
