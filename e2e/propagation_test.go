package e2e_test

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/simulator"
)

// TestPropagationSettles lets all that propagation waits for, brings along and cannot do come to rest: nobody writes any more,
// and a restart, after which everything is new to the controllers, changes nothing either. A lazy policy sleeps through it.
func TestPropagationSettles(t *testing.T) {
	env := simulated(t)
	pass(t, env, 2*time.Minute)
	complicate(t, env)
	pass(t, env, 5*time.Minute)
	for _, when := range []string{"at rest", "after a restart"} {
		before := revisions(t, env)
		pass(t, env, 10*time.Minute)
		for cluster, since := range before {
			if writes, err := besideHeartbeats(env.Writes(cluster, since)); err != nil || len(writes) > 0 {
				t.Errorf("%d writes in %s %s: %v\n%s", len(writes), cluster, when, err, strings.Join(writes[:min(len(writes), 20)], "\n"))
			}
		}
		if err := env.Restart(controllers()...); err != nil {
			t.Fatal(err)
		}
	}
	lazy := &corev1.ConfigMap{}
	if err := clientOf(t, env, "member1").Get(t.Context(), client.ObjectKey{Namespace: "rest", Name: "lazy"}, lazy); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("the template of a lazy policy is in member1: %v", err)
	}
}

// complicate makes one case of each sort that propagation treats in its own way.
func complicate(t *testing.T, env *simulator.Fleet) {
	t.Helper()
	plane := clientOf(t, env, fleet.ControlPlaneName)
	create := func(objects ...client.Object) {
		t.Helper()
		for _, object := range objects {
			if err := plane.Create(t.Context(), object); err != nil {
				t.Fatal(err)
			}
		}
	}
	in := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "rest", Name: name} }
	config := func(name string) *corev1.ConfigMap { return &corev1.ConfigMap{ObjectMeta: in(name)} }
	labels := map[string]string{"app": "rest"}
	web := &appsv1.Deployment{ObjectMeta: in("web"), Spec: appsv1.DeploymentSpec{
		Replicas: ptr.To[int32](2), Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "nginx", Image: "nginx:1.28"}}, ServiceAccountName: "missing",
			Volumes: []corev1.Volume{{Name: "settings", VolumeSource: corev1.VolumeSource{
				ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "needed"}},
			}}},
		}},
	}}
	web.Annotations = map[string]string{names.AnnotationDependencies: `[{"apiVersion":"example.com/v1","kind":"Unknown","name":"x"}]`}
	create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "rest"}}, web)
	for _, name := range []string{"needed", "lazy", "waiting", "unfit"} {
		create(config(name))
	}
	pass(t, env, 2*time.Second)
	policy := func(template client.Object, kind, apiVersion string, change func(*policyv1alpha1.PropagationSpec)) {
		made := &policyv1alpha1.PropagationPolicy{ObjectMeta: in(template.GetName())}
		made.Spec.ResourceSelectors = []policyv1alpha1.ResourceSelector{{APIVersion: apiVersion, Kind: kind, Name: template.GetName()}}
		change(&made.Spec)
		create(made)
	}
	policy(web, "Deployment", "apps/v1", func(s *policyv1alpha1.PropagationSpec) { s.PropagateDeps = true })
	policy(config("lazy"), "ConfigMap", "v1", func(s *policyv1alpha1.PropagationSpec) { s.ActivationPreference = policyv1alpha1.LazyActivation })
	policy(config("waiting"), "ConfigMap", "v1", func(s *policyv1alpha1.PropagationSpec) { s.DependentOverrides = []string{"never"} })
	create(&policyv1alpha1.OverridePolicy{ObjectMeta: in("unfit"), Spec: policyv1alpha1.OverrideSpec{
		ResourceSelectors: []policyv1alpha1.ResourceSelector{{APIVersion: "v1", Kind: "ConfigMap", Name: "unfit"}},
		OverrideRules: []policyv1alpha1.RuleWithCluster{{
			TargetCluster: &policyv1alpha1.ClusterAffinity{ClusterNames: []string{"member2"}},
			Overriders: policyv1alpha1.Overriders{Plaintext: []policyv1alpha1.PlaintextOverrider{{
				Path: "/data/missing", Operator: policyv1alpha1.OverriderOpReplace, Value: apiextensionsv1.JSON{Raw: []byte(`"x"`)},
			}}},
		}},
	}})
	policy(config("unfit"), "ConfigMap", "v1", func(*policyv1alpha1.PropagationSpec) {})
}
