package cluster

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/api/scheme"
	"github.com/seatrial/seatrial/control"
)

var began = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

type noEvents struct{}

func (noEvents) Eventf(runtime.Object, string, string, string, ...any) {}

// stage is the controller on an API server that knows one cluster, its turns taken by hand.
type stage struct {
	*keeper
	deps  control.Deps
	clock *testclock.FakePassiveClock
}

func newStage(t *testing.T, mode clusterv1alpha1.ClusterSyncMode, conditions ...metav1.Condition) *stage {
	t.Helper()
	kinds := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, coordinationv1.AddToScheme, corev1.AddToScheme} {
		if err := add(kinds); err != nil {
			t.Fatal(err)
		}
	}
	made := &clusterv1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: "m1", UID: "u1", CreationTimestamp: metav1.Time{Time: began}},
		Spec:       clusterv1alpha1.ClusterSpec{SyncMode: mode}, Status: clusterv1alpha1.ClusterStatus{Conditions: conditions},
	}
	s := &stage{keeper: &keeper{watcher{settings: DefaultMonitor(), signs: map[types.UID]sign{}}}, clock: testclock.NewFakePassiveClock(began)}
	s.deps = control.Deps{
		Client: fake.NewClientBuilder().WithScheme(kinds).WithObjects(made).WithStatusSubresource(made).Build(), Clock: s.clock, Events: noEvents{},
	}
	return s
}

// pass gives the controller the turns it asks for in some time.
func (s *stage) pass(t *testing.T, span time.Duration) {
	t.Helper()
	end := s.clock.Now().Add(span)
	for {
		result, err := s.reconcile(t.Context(), s.deps, control.Key{Name: "m1"})
		if err != nil {
			t.Fatal(err)
		}
		if result.RequeueAfter == 0 || s.clock.Now().Add(result.RequeueAfter).After(end) {
			s.clock.SetTime(end)
			return
		}
		s.clock.SetTime(s.clock.Now().Add(result.RequeueAfter))
	}
}

// renew is what an agent does whose clock is far off.
func (s *stage) renew(t *testing.T) {
	t.Helper()
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: names.NamespaceCluster, Name: "m1"}}
	err := s.deps.Client.Get(t.Context(), types.NamespacedName{Namespace: names.NamespaceCluster, Name: "m1"}, lease)
	lease.Spec.RenewTime = &metav1.MicroTime{Time: s.clock.Now().Add(-24 * time.Hour)}
	if err != nil {
		err = s.deps.Client.Create(t.Context(), lease)
	} else {
		err = s.deps.Client.Update(t.Context(), lease)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// state reads "Unknown/ClusterStatusUnknown unreachable", or "none not-ready" for a cluster without the condition.
func (s *stage) state(t *testing.T) string {
	t.Helper()
	found := &clusterv1alpha1.Cluster{}
	if err := s.deps.Client.Get(t.Context(), types.NamespacedName{Name: "m1"}, found); err != nil {
		t.Fatal(err)
	}
	text := "none"
	if ready := meta.FindStatusCondition(found.Status.Conditions, names.ConditionClusterReady); ready != nil {
		text = fmt.Sprintf("%s/%s", ready.Status, ready.Reason)
	}
	for _, taint := range found.Spec.Taints {
		text += " " + taint.Key
	}
	return text
}

func ready() metav1.Condition {
	return metav1.Condition{Type: names.ConditionClusterReady, Status: metav1.ConditionTrue, Reason: names.ReasonClusterReady, LastTransitionTime: metav1.Time{Time: began}}
}

func TestSilentAgent(t *testing.T) {
	s := newStage(t, clusterv1alpha1.Pull, ready())
	for range 20 {
		s.renew(t)
		s.pass(t, 10*time.Second)
	}
	if got := s.state(t); got != "True/ClusterReady" {
		t.Fatalf("while the agent renews its Lease: %s", got)
	}
	s.pass(t, 29*time.Second)
	if got := s.state(t); got != "True/ClusterReady" {
		t.Errorf("silent for less than is tolerated: %s", got)
	}
	s.pass(t, 10*time.Second)
	if got := s.state(t); got != "Unknown/ClusterStatusUnknown cluster.karmada.io/unreachable" {
		t.Errorf("silent for long: %s", got)
	}
	found := &clusterv1alpha1.Cluster{}
	if err := s.deps.Client.Get(t.Context(), types.NamespacedName{Name: "m1"}, found); err != nil {
		t.Fatal(err)
	}
	meta.SetStatusCondition(&found.Status.Conditions, ready())
	if err := s.deps.Client.Status().Update(t.Context(), found); err != nil {
		t.Fatal(err)
	}
	s.pass(t, time.Second)
	if got := s.state(t); got != "True/ClusterReady" {
		t.Errorf("after another report: %s", got)
	}
}

// askingForLeases does something before each answer about a Lease, which fails if that does.
func (s *stage) askingForLeases(first func() error) {
	s.deps.Client = interceptor.NewClient(s.deps.Client.(client.WithWatch), interceptor.Funcs{
		Get: func(ctx context.Context, from client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if _, ok := object.(*coordinationv1.Lease); ok {
				if err := first(); err != nil {
					return err
				}
			}
			return from.Get(ctx, key, object, options...)
		},
	})
}

// TestOutageIsNoSilence: agents cannot renew Leases that the control plane cannot read, and get their time when it is back.
func TestOutageIsNoSilence(t *testing.T) {
	s := newStage(t, clusterv1alpha1.Pull, ready())
	s.renew(t)
	s.pass(t, 10*time.Second)
	reached := s.deps.Client
	s.askingForLeases(func() error { return errors.New("unreachable") })
	for range 20 {
		s.clock.SetTime(s.clock.Now().Add(5 * time.Second))
		if result, err := s.reconcile(t.Context(), s.deps, control.Key{Name: "m1"}); err == nil || result.RequeueAfter != 5*time.Second {
			t.Fatalf("during an outage: the next look is after %s at the latest, %v", result.RequeueAfter, err)
		}
	}
	s.deps.Client = reached
	s.pass(t, 39*time.Second)
	if got := s.state(t); got != "True/ClusterReady" {
		t.Errorf("soon after the outage: %s", got)
	}
	s.pass(t, 10*time.Second)
	if got := s.state(t); got != "Unknown/ClusterStatusUnknown cluster.karmada.io/unreachable" {
		t.Errorf("silent since the outage: %s", got)
	}
}

// TestSlowAnswerIsNoSilence: what took long to answer kept agents waiting as well.
func TestSlowAnswerIsNoSilence(t *testing.T) {
	s := newStage(t, clusterv1alpha1.Pull, ready())
	s.renew(t)
	s.pass(t, 10*time.Second)
	reached := s.deps.Client
	s.askingForLeases(func() error {
		s.clock.SetTime(s.clock.Now().Add(time.Minute))
		return nil
	})
	if _, err := s.reconcile(t.Context(), s.deps, control.Key{Name: "m1"}); err != nil {
		t.Fatal(err)
	}
	s.deps.Client = reached
	s.pass(t, 20*time.Second)
	if got := s.state(t); got != "True/ClusterReady" {
		t.Errorf("soon after a slow answer: %s", got)
	}
	s.pass(t, 20*time.Second)
	if got := s.state(t); got != "Unknown/ClusterStatusUnknown cluster.karmada.io/unreachable" {
		t.Errorf("long after a slow answer: %s", got)
	}
}

func TestAgentThatNeverReported(t *testing.T) {
	s := newStage(t, clusterv1alpha1.Pull)
	s.pass(t, 59*time.Second)
	if got := s.state(t); got != "none cluster.karmada.io/not-ready" {
		t.Errorf("within the time to start: %s", got)
	}
	s.pass(t, 10*time.Second)
	if got := s.state(t); got != "Unknown/ClusterStatusNeverUpdated cluster.karmada.io/unreachable" {
		t.Errorf("after that: %s", got)
	}
}

// TestPushModeIsAsked: the silence of those that have no agent means nothing.
func TestPushModeIsAsked(t *testing.T) {
	s := newStage(t, clusterv1alpha1.Push, ready())
	s.pass(t, time.Hour)
	if got := s.state(t); got != "True/ClusterReady" {
		t.Errorf("a cluster in Push mode: %s", got)
	}
}
