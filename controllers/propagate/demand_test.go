package propagate

import (
	"context"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/simulator"
)

// alone runs the detector in a control plane without members.
func alone(t *testing.T) (*simulator.Fleet, client.Client) {
	t.Helper()
	env, err := simulator.New(t.Context(), simulator.Options{Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Checked: true})
	if err != nil {
		t.Fatal(err)
	}
	c, err := env.Client(t.Context(), fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	if err := env.Run(New(Options{})); err != nil {
		t.Fatal(err)
	}
	return env, c
}

// TestDemandTravelsToBinding: what pods ask beyond their requirements stands on the binding while they ask it. Bindings of
// pods that ask nothing are written once, and never say anything about it.
func TestDemandTravelsToBinding(t *testing.T) {
	env, c := alone(t)
	labels := map[string]string{"app": "web"}
	web := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}}
	web.Spec.Replicas = ptr.To[int32](3)
	web.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
	web.Spec.Template.Labels = labels
	web.Spec.Template.Spec.Containers = []corev1.Container{{Name: "web", Image: "web"}}
	claimer := &policyv1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}}
	claimer.Spec.ResourceSelectors = []policyv1alpha1.ResourceSelector{{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}}
	for _, object := range []client.Object{web, claimer} {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	bound := &workv1alpha2.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web-deployment"}}
	await := func(what string, replicas int32, demand string) {
		t.Helper()
		err := env.Await(t.Context(), time.Minute, what, func(ctx context.Context) (bool, error) {
			if err := c.Get(ctx, client.ObjectKeyFromObject(bound), bound); err != nil {
				return false, client.IgnoreNotFound(err)
			}
			return bound.Spec.Replicas == replicas && bound.Annotations[names.AnnotationPodDemand] == demand, nil
		})
		if err != nil {
			t.Fatalf("%v; the binding says %q", err, bound.Annotations[names.AnnotationPodDemand])
		}
	}
	change := func(change func()) {
		t.Helper()
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(web), web); err != nil {
			t.Fatal(err)
		}
		change()
		if err := c.Update(t.Context(), web); err != nil {
			t.Fatal(err)
		}
	}
	await("a binding that says nothing", 3, "")
	lines, err := env.Writes("", 0)
	if err != nil {
		t.Fatal(err)
	}
	writes := 0
	for _, line := range lines {
		if strings.Contains(line, "ResourceBinding default/web-deployment") {
			writes++
		}
	}
	if _, says := bound.Annotations[names.AnnotationPodDemand]; writes != 1 || says {
		t.Errorf("the binding of pods that ask nothing was written %d times, with the annotation: %t", writes, says)
	}

	term := corev1.PodAffinityTerm{TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: labels}}
	change(func() {
		web.Spec.Template.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{term}}}
	})
	await("the demand on the binding", 3,
		`{"labels":{"app":"web"},"antiAffinity":[{"labelSelector":{"matchLabels":{"app":"web"}},"topologyKey":"kubernetes.io/hostname"}]}`)

	change(func() { web.Spec.Template.Spec.Affinity, web.Spec.Replicas = nil, ptr.To[int32](4) })
	await("a binding that says nothing again", 4, "")
	if _, says := bound.Annotations[names.AnnotationPodDemand]; says {
		t.Error("the annotation is there, and empty")
	}

	// What cannot be read is said, and holds nothing up.
	change(func() {
		web.Annotations[names.AnnotationPodDemand] = "{"
		web.Spec.Replicas = ptr.To[int32](5)
	})
	await("a binding without the unreadable demand", 5, "")
}
