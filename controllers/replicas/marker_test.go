package replicas_test

import (
	"context"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/controllers/replicas"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/simulator"
)

// stage is a control plane on which only the marker runs.
type stage struct {
	*testing.T
	env   *simulator.Fleet
	plane client.Client
}

func newStage(t *testing.T) *stage {
	t.Helper()
	env, err := simulator.New(t.Context(), simulator.Options{Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Checked: true})
	if err != nil {
		t.Fatal(err)
	}
	plane, err := env.Client(t.Context(), fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{T: t, env: env, plane: plane}
	s.must(env.Run(replicas.Marker(1)))
	return s
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stage) expect(when, name string, marked bool) {
	s.Helper()
	end := s.env.Now().Add(time.Second)
	s.must(s.env.Await(s.Context(), time.Second, "time to pass", func(context.Context) (bool, error) { return !s.env.Now().Before(end), nil }))
	found := web(name)
	s.must(s.plane.Get(s.Context(), client.ObjectKeyFromObject(found), found))
	if value := found.Labels[names.LabelRetainReplicas]; (value == names.LabelRetainReplicasValue) != marked || found.Labels["app"] != "web" {
		s.Errorf("%s: %s has labels %v", when, name, found.Labels)
	}
}

func web(name string) *appsv1.Deployment {
	labels := map[string]string{"app": "web"}
	made := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Labels: labels}}
	made.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
	made.Spec.Template.Labels = labels
	made.Spec.Template.Spec.Containers = []corev1.Container{{Name: "web", Image: "web"}}
	return made
}

func scaler(name, target string) *autoscalingv2.HorizontalPodAutoscaler {
	made := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
	made.Spec.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: target}
	made.Spec.MaxReplicas = 9
	return made
}

func claimed(scaler *autoscalingv2.HorizontalPodAutoscaler) *autoscalingv2.HorizontalPodAutoscaler {
	scaler.Labels = map[string]string{names.LabelPropagationPolicyID: "id"}
	return scaler
}

func TestTargetsOfPropagatedAutoscalersAreMarked(t *testing.T) {
	s := newStage(t)
	first, second := scaler("first", "a"), claimed(scaler("second", "a"))
	s.must(s.plane.Create(t.Context(), web("a")))
	s.must(s.plane.Create(t.Context(), web("b")))
	s.must(s.plane.Create(t.Context(), first))
	s.expect("no policy propagates the autoscaler", "a", false)
	s.must(s.plane.Update(t.Context(), claimed(first)))
	s.must(s.plane.Create(t.Context(), second))
	s.expect("propagated", "a", true)
	s.must(s.plane.Delete(t.Context(), second))
	s.expect("another one is left", "a", true)

	unmarked := web("a")
	s.must(s.plane.Patch(t.Context(), unmarked, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"`+names.LabelRetainReplicas+`":null}}}`))))
	s.expect("the mark was lost", "a", true)

	first.Spec.ScaleTargetRef.Name = "b"
	s.must(s.plane.Update(t.Context(), first))
	s.expect("it scales another", "a", false)
	s.expect("it scales another", "b", true)
	first.Labels = nil
	s.must(s.plane.Update(t.Context(), first))
	s.expect("the policy let it go", "b", false)
}

// TestTargetMayComeLater: a target is marked when it comes, and a reference that leads nowhere hurts nobody.
func TestTargetMayComeLater(t *testing.T) {
	s := newStage(t)
	lost := claimed(scaler("lost", "c"))
	lost.Spec.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{APIVersion: "example.com/v1", Kind: "Nothing", Name: "c"}
	s.must(s.plane.Create(t.Context(), lost))
	s.must(s.plane.Create(t.Context(), claimed(scaler("first", "c"))))
	s.must(s.plane.Create(t.Context(), web("d")))
	s.expect("of nobody", "d", false)
	s.must(s.plane.Create(t.Context(), web("c")))
	s.expect("come later", "c", true)
	s.must(s.plane.Delete(t.Context(), scaler("first", "c")))
	s.expect("the autoscaler is gone", "c", false)
}
