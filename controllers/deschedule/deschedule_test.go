package deschedule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	testclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/internal/byhand"
)

// estimators answer with what they are given for a cluster, and with an error when that is negative.
type estimators map[string]int32

func (e estimators) Unschedulable(_ context.Context, cluster string, _ workv1alpha2.ObjectReference, threshold time.Duration) (int32, error) {
	if threshold != 5*time.Minute {
		return 0, fmt.Errorf("asked for %s", threshold)
	}
	if e[cluster] < 0 {
		return 0, errors.New("no answer")
	}
	return e[cluster], nil
}

// share is a cluster of a binding: what it was given, what is ready and what waits for a node there.
type share struct {
	given, ready, waiting int32
	lost                  bool
}

func dynamic() *policyv1alpha1.ReplicaSchedulingStrategy {
	return &policyv1alpha1.ReplicaSchedulingStrategy{
		ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided, ReplicaDivisionPreference: policyv1alpha1.ReplicaDivisionPreferenceWeighted,
		WeightPreference: &policyv1alpha1.ClusterPreferences{DynamicWeight: policyv1alpha1.DynamicWeightByAvailableReplicas},
	}
}

// TestWhatIsTaken takes what waits and nothing that is ready, and only where replicas are divided by room.
func TestWhatIsTaken(t *testing.T) {
	aggregated, static := dynamic(), dynamic()
	aggregated.ReplicaDivisionPreference, aggregated.WeightPreference = policyv1alpha1.ReplicaDivisionPreferenceAggregated, nil
	static.WeightPreference = nil
	for _, c := range []struct {
		name   string
		shares []share
		by     *policyv1alpha1.ReplicaSchedulingStrategy
		change func(binding.Binding)
		want   string
		fails  bool
	}{
		{name: "some wait", shares: []share{{given: 6, ready: 4, waiting: 2}, {given: 4, ready: 4}}, want: "m1:4 m2:4"},
		{name: "all wait", shares: []share{{given: 6, waiting: 6}}, want: "m1:0"},
		{name: "they start", shares: []share{{given: 6, ready: 4}}, want: "m1:6"},
		{name: "an estimate that is too high", shares: []share{{given: 6, ready: 5, waiting: 4}}, want: "m1:5"},
		{name: "more than were given", shares: []share{{given: 6, ready: 0, waiting: 9}}, want: "m1:0"},
		{name: "all are ready", shares: []share{{given: 6, ready: 6, waiting: 3}}, want: "m1:6"},
		{name: "nobody can see", shares: []share{{given: 6, ready: 4, waiting: 2, lost: true}}, want: "m1:6"},
		{name: "no answer", shares: []share{{given: 6, ready: 4, waiting: -1}, {given: 4, ready: 3, waiting: 1}}, want: "m1:6 m2:3", fails: true},
		{name: "few clusters", by: aggregated, shares: []share{{given: 6, ready: 4, waiting: 2}}, want: "m1:4"},
		{name: "static weights", by: static, shares: []share{{given: 6, ready: 4, waiting: 2}}, want: "m1:6"},
		{name: "another kind", change: func(view binding.Binding) { view.Spec.Resource.Kind = "StatefulSet" }, shares: []share{{given: 6, ready: 4, waiting: 2}}, want: "m1:6"},
		{name: "something is held", shares: []share{{given: 6, ready: 4, waiting: 2}}, want: "m1:6", change: func(view binding.Binding) {
			view.Spec.GracefulEvictionTasks = []workv1alpha2.GracefulEvictionTask{{FromCluster: "m2", Reason: "R", Producer: "P"}}
		}},
		{name: "its scheduling is suspended", shares: []share{{given: 6, ready: 4, waiting: 2}}, want: "m1:6", change: func(view binding.Binding) {
			view.Spec.Suspension = &workv1alpha2.Suspension{Scheduling: ptr.To(true)}
		}},
		{name: "the scheduler has yet to answer", shares: []share{{given: 6, ready: 4, waiting: 2}}, want: "m1:6", change: func(view binding.Binding) {
			now := metav1.NewTime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
			view.Spec.RescheduleTriggeredAt = &now
		}},
	} {
		asked := estimators{}
		options := Defaults()
		options.Estimators = asked
		plane := byhand.New(t, New(options))
		view := binding.New("default", "web-deployment")
		view.Spec.Resource = workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "default", Name: "web"}
		if c.by == nil {
			c.by = dynamic()
		}
		applied, err := json.Marshal(policyv1alpha1.Placement{ReplicaScheduling: c.by})
		plane.Must(err)
		view.SetAnnotations(map[string]string{names.AnnotationAppliedPlacement: string(applied)})
		for i, share := range c.shares {
			name := fmt.Sprint("m", i+1)
			asked[name] = share.waiting
			view.Spec.Replicas += share.given
			view.Spec.Clusters = append(view.Spec.Clusters, workv1alpha2.TargetCluster{Name: name, Replicas: share.given})
			join(plane, t, name, share.lost)
		}
		if c.change != nil {
			c.change(view)
		}
		plane.Create(view.Object)
		for i, share := range c.shares {
			view.Status.AggregatedStatus = append(view.Status.AggregatedStatus, workv1alpha2.AggregatedStatusItem{
				ClusterName: fmt.Sprint("m", i+1), Status: &runtime.RawExtension{Raw: fmt.Appendf(nil, `{"replicas":%d,"readyReplicas":%d}`, share.given, share.ready)},
			})
		}
		plane.Must(plane.Store.Status().Update(t.Context(), view.Object))
		key := control.KeyOf(view)
		if _, err := plane.Try(key); (err != nil) != c.fails {
			t.Errorf("%s: error %v", c.name, err)
		}
		plane.Read(view.Object)
		var got []string
		for _, target := range view.Spec.Clusters {
			got = append(got, fmt.Sprintf("%s:%d", target.Name, target.Replicas))
		}
		if got := strings.Join(got, " "); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func join(plane *byhand.Plane, t *testing.T, name string, lost bool) {
	cluster := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: clusterv1alpha1.ClusterSpec{SyncMode: clusterv1alpha1.Push}}
	plane.Create(cluster)
	ready := metav1.Condition{Type: names.ConditionClusterReady, Status: metav1.ConditionTrue, Reason: names.ReasonClusterReady, LastTransitionTime: metav1.NewTime(plane.Clock.Now())}
	if lost {
		ready.Status = metav1.ConditionFalse
	}
	cluster.Status.Conditions = []metav1.Condition{ready}
	plane.Must(plane.Store.Status().Update(t.Context(), cluster))
}

// TestRounds: a round wakes the bindings that lack replicas, and is followed by another.
func TestRounds(t *testing.T) {
	options := Defaults()
	options.Estimators = estimators{}
	plane := byhand.New(t, New(options))
	applied, err := json.Marshal(policyv1alpha1.Placement{ReplicaScheduling: dynamic()})
	plane.Must(err)
	for name, ready := range map[string]int32{"full": 2, "short": 1} {
		view := binding.New("default", name)
		view.SetAnnotations(map[string]string{names.AnnotationAppliedPlacement: string(applied)})
		view.Spec.Resource = workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "default", Name: name}
		view.Spec.Replicas, view.Spec.Clusters = 2, []workv1alpha2.TargetCluster{{Name: "m1", Replicas: 2}}
		plane.Create(view.Object)
		view.Status.AggregatedStatus = []workv1alpha2.AggregatedStatusItem{{ClusterName: "m1", Status: &runtime.RawExtension{Raw: fmt.Appendf(nil, `{"readyReplicas":%d}`, ready)}}}
		plane.Must(plane.Store.Status().Update(t.Context(), view.Object))
	}
	result := plane.Turn(roundKey)
	if len(result.Wake) != 1 || result.Wake[0].Name != "short" || result.RequeueAfter != 2*time.Minute {
		t.Errorf("wakes %v, the next round after %s", result.Wake, result.RequeueAfter)
	}
	// Each new binding asks for rounds.
	clock := plane.Clock.(*testclock.FakePassiveClock)
	for _, c := range []struct {
		after time.Duration
		wakes int
		again time.Duration
	}{{0, 0, 2 * time.Minute}, {30 * time.Second, 0, 90 * time.Second}, {90 * time.Second, 1, 2 * time.Minute}, {-time.Hour, 1, 2 * time.Minute}} {
		clock.SetTime(clock.Now().Add(c.after))
		if result := plane.Turn(roundKey); len(result.Wake) != c.wakes || result.RequeueAfter != c.again {
			t.Errorf("%s later: wakes %v, the next round after %s", c.after, result.Wake, result.RequeueAfter)
		}
	}
}
