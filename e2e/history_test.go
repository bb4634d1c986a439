package e2e_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/e2e"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/simulator"
)

// TestWritesSettle lets a fleet of many kinds come to rest, with what cannot succeed among them: from then on nobody writes
// anything, not even controllers that have been restarted and remember nothing.
func TestWritesSettle(t *testing.T) {
	env := simulated(t)
	pass(t, env, 2*time.Minute)
	fill(t, env)
	pass(t, env, 2*time.Minute)
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
}

// fill makes one object of every sort that propagation treats in its own way.
func fill(t *testing.T, env *simulator.Fleet) {
	t.Helper()
	plane := clientOf(t, env, fleet.ControlPlaneName)
	in := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "rest", Name: name} }
	labels := map[string]string{"app": "rest"}
	selector := &metav1.LabelSelector{MatchLabels: labels}
	pods := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "nginx", Image: "nginx:1.28"}}},
	}
	objects := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "rest"}},
		&appsv1.Deployment{ObjectMeta: in("web"), Spec: appsv1.DeploymentSpec{Replicas: ptr.To[int32](4), Selector: selector, Template: pods}},
		&appsv1.StatefulSet{ObjectMeta: in("db"), Spec: appsv1.StatefulSetSpec{Selector: selector, Template: pods}},
		&appsv1.DaemonSet{ObjectMeta: in("agent"), Spec: appsv1.DaemonSetSpec{Selector: selector, Template: pods}},
		&batchv1.Job{ObjectMeta: in("once"), Spec: batchv1.JobSpec{Template: restartless(pods)}},
		&corev1.Service{ObjectMeta: in("web"), Spec: corev1.ServiceSpec{Selector: labels, Ports: []corev1.ServicePort{{Port: 80}}}},
		&corev1.ServiceAccount{ObjectMeta: in("web")},
		&corev1.ConfigMap{ObjectMeta: in("taken"), Data: map[string]string{"mode": "ours"}},
		&corev1.Secret{ObjectMeta: in("web"), StringData: map[string]string{"key": "value"}},
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "rest"}, Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}}}},
	}
	everywhere := &policyv1alpha1.ClusterPropagationPolicy{ObjectMeta: metav1.ObjectMeta{Name: "rest"}}
	for _, object := range objects {
		gvk, err := plane.GroupVersionKindFor(object)
		if err != nil {
			t.Fatal(err)
		}
		if gvk.Kind != "Namespace" {
			everywhere.Spec.ResourceSelectors = append(everywhere.Spec.ResourceSelectors,
				policyv1alpha1.ResourceSelector{APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind, Name: object.GetName()})
		}
		if err := plane.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	everywhere.Spec.ResourceSelectors = append(everywhere.Spec.ResourceSelectors, policyv1alpha1.ResourceSelector{APIVersion: "example.com/v1", Kind: "Unknown"})
	unfit := &policyv1alpha1.PropagationPolicy{ObjectMeta: in("unfit"), Spec: policyv1alpha1.PropagationSpec{
		ResourceSelectors: []policyv1alpha1.ResourceSelector{{APIVersion: "v1", Kind: "Secret", Name: "web"}},
		Placement:         policyv1alpha1.Placement{ClusterAffinity: &policyv1alpha1.ClusterAffinity{ClusterNames: []string{"atlantis"}}},
	}}
	pass(t, env, time.Second)
	if err := clientOf(t, env, "member1").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: in("taken")}); err != nil {
		t.Fatal(err)
	}
	for _, policy := range []client.Object{unfit, everywhere} {
		if err := plane.Create(t.Context(), policy); err != nil {
			t.Fatal(err)
		}
	}
}

func restartless(pods corev1.PodTemplateSpec) corev1.PodTemplateSpec {
	pods.Labels = nil
	pods.Spec.RestartPolicy = corev1.RestartPolicyNever
	return pods
}

func clientOf(t *testing.T, env *simulator.Fleet, cluster string) client.Client {
	t.Helper()
	found, err := env.Client(t.Context(), cluster)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// besideHeartbeats leaves out that agents say that they are there.
func besideHeartbeats(writes []string, err error) ([]string, error) {
	return slices.DeleteFunc(writes, func(line string) bool { return strings.Contains(line, " Lease "+names.NamespaceCluster+"/") }), err
}

func revisions(t *testing.T, env *simulator.Fleet) map[string]uint64 {
	t.Helper()
	clusters, err := env.Clusters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]uint64{}
	for _, cluster := range clusters {
		if found[cluster.Name], err = env.Revision(cluster.Name); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// pass lets virtual time go by.
func pass(t *testing.T, env *simulator.Fleet, duration time.Duration) {
	t.Helper()
	end := env.Now().Add(duration)
	err := env.Await(t.Context(), duration, "time to pass", func(context.Context) (bool, error) { return !env.Now().Before(end), nil })
	if err != nil {
		t.Fatal(err)
	}
}

// TestSameSeedSameHistory runs one suite three times: with the same seed every byte written is the same, with another one the
// identifiers differ at least.
func TestSameSeedSameHistory(t *testing.T) {
	digest := func(seed uint64) string {
		env := simulatedFrom(t, simulator.Options{Seed: seed}, controllers())
		e2e.Propagation(t, env)
		sum, err := env.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	first := digest(7)
	if again := digest(7); again != first {
		t.Errorf("seed 7 gave history %s, then %s", first, again)
	}
	if other := digest(8); other == first {
		t.Errorf("seeds 7 and 8 gave the same history %s", first)
	}
}
