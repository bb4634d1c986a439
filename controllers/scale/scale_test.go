package scale_test

import (
	"context"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autoscalingv1alpha1 "github.com/seatrial/seatrial/api/autoscaling/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/autoscale/load"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/controlplane"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/simulator"
	"github.com/seatrial/seatrial/simulator/kube"
)

var members = []string{"member1", "member2", "member3"}

// loaded is a simulated fleet with a workload whose load can be set.
type loaded struct {
	*testing.T
	env   *simulator.Fleet
	plane client.Client
	// milli is what all pods use of CPU together, in thousandths.
	milli int64
}

// newLoaded starts a workload spread over three clusters, and an autoscaler that keeps its CPU at half of what its pods request.
func newLoaded(t *testing.T, milli int64, replicas, least, most int32) *loaded {
	t.Helper()
	l := &loaded{T: t, milli: milli}
	var err error
	l.env, err = simulator.New(t.Context(), simulator.Options{Seed: 3, Checked: true, Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
	l.must(err)
	pool := kube.NodePool{Name: "nodes", Count: 3, Allocatable: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourceMemory: resource.MustParse("32Gi"), corev1.ResourcePods: resource.MustParse("110"),
	}}
	l.begin()
	for _, name := range members {
		_, err := l.env.AddColumnar(t.Context(), fleet.Spec{Name: name, Role: fleet.Member}, simulator.Columns{Pools: []kube.NodePool{pool}})
		l.must(err)
		l.must(l.env.Join(t.Context(), name))
	}
	l.plane, err = l.env.Client(t.Context(), fleet.ControlPlaneName)
	l.must(err)
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}, deployment(replicas), divided(), scaler(least, most),
	} {
		l.must(l.plane.Create(t.Context(), object))
	}
	l.settle(2*time.Minute, exactly(replicas))
	return l
}

// begin runs all controllers but some, as a process that starts.
func (l *loaded) begin(without ...string) {
	l.Helper()
	settings := controlplane.Defaults()
	settings.Autoscale.Metrics = &load.Source{
		Clusters: func() []string { return members }, Inside: l.env.Client, Members: l.env, Clock: now{l.env},
		Demand: func(time.Time, string, labels.Selector, string) int64 { return l.milli },
	}
	all := append(controlplane.Controllers(settings), scheduler.New(scheduler.Options{Name: "default-scheduler"}))
	l.must(l.env.Restart(slices.DeleteFunc(all, func(c control.Controller) bool { return slices.Contains(without, c.Name) })...))
}

// now is the time of a fleet.
type now struct{ fleet *simulator.Fleet }

func (n now) Now() time.Time                   { return n.fleet.Now() }
func (n now) Since(at time.Time) time.Duration { return n.fleet.Now().Sub(at) }

func (l *loaded) must(err error) {
	l.Helper()
	if err != nil {
		l.Fatal(err)
	}
}

func deployment(replicas int32) *appsv1.Deployment {
	app := map[string]string{"app": "web"}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: app},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: app}, Spec: corev1.PodSpec{Containers: []corev1.Container{{
				Name: "web", Image: "web", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")}},
			}}}},
		},
	}
}

func divided() *policyv1alpha1.PropagationPolicy {
	return &policyv1alpha1.PropagationPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec: policyv1alpha1.PropagationSpec{
			ResourceSelectors: []policyv1alpha1.ResourceSelector{{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web"}},
			Placement: policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{
				ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided, ReplicaDivisionPreference: policyv1alpha1.ReplicaDivisionPreferenceWeighted,
				WeightPreference: &policyv1alpha1.ClusterPreferences{DynamicWeight: policyv1alpha1.DynamicWeightByAvailableReplicas},
			}},
		},
	}
}

func scaler(least, most int32) *autoscalingv1alpha1.FederatedHPA {
	return &autoscalingv1alpha1.FederatedHPA{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec: autoscalingv1alpha1.FederatedHPASpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"},
			MinReplicas:    &least, MaxReplicas: most,
			Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
				Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: ptr.To[int32](50)},
			}}},
		},
	}
}

// replicas are those the template asks for, and those that are ready in all.
func (l *loaded) replicas() (wanted, ready int32) {
	l.Helper()
	web := deployment(0)
	l.must(l.plane.Get(l.Context(), client.ObjectKeyFromObject(web), web))
	for _, member := range members {
		inside, err := l.env.Client(l.Context(), member)
		l.must(err)
		copied := deployment(0)
		if err := inside.Get(l.Context(), client.ObjectKeyFromObject(copied), copied); err == nil {
			ready += copied.Status.ReadyReplicas
		}
	}
	return *web.Spec.Replicas, ready
}

func (l *loaded) settle(within time.Duration, holds func(wanted, ready int32) bool) {
	l.Helper()
	l.must(l.env.Await(l.Context(), within, "replicas that follow the load", func(context.Context) (bool, error) { return holds(l.replicas()), nil }))
}

// during fails when something does not hold at any second of a time.
func (l *loaded) during(span time.Duration, what string, holds func(wanted, ready int32) bool) {
	l.Helper()
	for end := l.env.Now().Add(span); l.env.Now().Before(end); {
		if wanted, ready := l.replicas(); !holds(wanted, ready) {
			l.Fatalf("%s: %d replicas wanted, %d ready at %s", what, wanted, ready, l.env.Now())
		}
		l.must(l.env.Advance(l.Context(), l.env.Now().Add(time.Second)))
	}
}

func exactly(replicas int32) func(wanted, ready int32) bool {
	return func(wanted, ready int32) bool { return wanted == replicas && ready == replicas }
}

// TestReplicasFollowLoad: the load of three clusters doubles, grows beyond all bounds and ends.
func TestReplicasFollowLoad(t *testing.T) {
	l := newLoaded(t, 300, 6, 3, 18)
	l.during(2*time.Minute, "at its target", exactly(6))
	l.milli = 600
	l.settle(time.Minute, exactly(12))
	l.during(2*time.Minute, "at its target again, with no replica too many", exactly(12))
	l.milli = 100_000
	l.settle(time.Minute, exactly(18))
	l.milli = 0
	l.during(4*time.Minute+30*time.Second, "before the window is over", exactly(18))
	l.settle(2*time.Minute, exactly(3))
}

// TestMembersLagBehind: replicas that were placed, and that no member has yet, are not asked for once more.
func TestMembersLagBehind(t *testing.T) {
	l := newLoaded(t, 300, 6, 3, 18)
	l.begin("execution")
	l.milli = 600
	l.settle(2*time.Minute, func(wanted, ready int32) bool { return wanted == 12 && ready == 6 })
	l.during(3*time.Minute, "while nothing reaches the members", func(wanted, _ int32) bool { return wanted == 12 })
	l.begin()
	l.settle(2*time.Minute, exactly(12))
}

// TestClusterDies: its load goes to the others, and no replica goes for that it is not seen.
func TestClusterDies(t *testing.T) {
	l := newLoaded(t, 300, 6, 3, 18)
	l.must(l.env.Kill(t.Context(), "member1"))
	l.during(10*time.Minute, "while a cluster is gone", func(wanted, _ int32) bool { return wanted >= 6 && wanted <= 18 })
}

// TestRestartTakesNothingAway: controllers that begin anew do not know what was needed a minute ago.
func TestRestartTakesNothingAway(t *testing.T) {
	l := newLoaded(t, 450, 9, 3, 18)
	l.milli = 100
	for range 2 {
		l.must(l.env.Pass(t.Context(), time.Minute))
		l.begin()
		l.during(3*time.Minute+50*time.Second, "after a restart", exactly(9))
	}
	l.settle(3*time.Minute, exactly(3))
}

// TestLostMetricsTakeNothingAway: without readings replicas stay, and the status says why.
func TestLostMetricsTakeNothingAway(t *testing.T) {
	l := newLoaded(t, 300, 6, 3, 18)
	l.milli = -1
	l.during(10*time.Minute, "without readings", exactly(6))
	read := scaler(0, 0)
	l.must(l.plane.Get(t.Context(), client.ObjectKeyFromObject(read), read))
	for _, condition := range read.Status.Conditions {
		if condition.Type == autoscalingv2.ScalingActive && condition.Reason == "FailedGetResourceMetric" {
			return
		}
	}
	t.Errorf("told: %+v", read.Status.Conditions)
}
