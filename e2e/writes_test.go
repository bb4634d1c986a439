package e2e_test

import (
	"context"
	"flag"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/local"
	"github.com/seatrial/seatrial/simulator"
)

// mostWrites is what propagating one Deployment to three clusters may cost the control plane, from its creation to its settled
// status: requests that change objects, events left out.
const mostWrites = 16

// TestWritesOfOneDeployment counts what a control plane writes for one Deployment in three clusters.
func TestWritesOfOneDeployment(t *testing.T) {
	kept := &ledger{}
	var values []control.Controller
	for _, value := range controllers() {
		values = append(values, kept.keep(value))
	}
	env := simulatedWith(t, simulator.Options{Seed: 1}, values)
	pass(t, env, 2*time.Minute)
	plane := clientOf(t, env, fleet.ControlPlaneName)
	for _, object := range spread("writes") {
		if err := plane.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	pass(t, env, time.Minute)
	kept.close()
	web := sixReplicas("writes", "web")
	if err := plane.Create(t.Context(), web); err != nil {
		t.Fatal(err)
	}
	settled := func(ctx context.Context) (bool, error) {
		err := plane.Get(ctx, client.ObjectKeyFromObject(web), web)
		return isSettled(web), err
	}
	if err := env.Await(t.Context(), time.Minute, "the status of the Deployment", settled); err != nil {
		t.Fatal(err)
	}
	pass(t, env, 5*time.Minute)
	writes, notices := kept.close()
	writes = withoutClusters(writes)
	t.Logf("%d writes:\n%s\n%d events:\n%s", len(writes), tally(writes), len(notices), tallyNotices(notices))
	// Each cluster has a Work, at least.
	if len(writes) < 3 || len(writes) > mostWrites {
		t.Errorf("%d writes for one Deployment, more than %d or hardly any", len(writes), mostWrites)
	}
	if again := repeated(notices); len(notices) == 0 || len(again) > 0 {
		t.Errorf("events that were told before, of %d: %+v", len(notices), again)
	}
	if replicas := web.Status.ReadyReplicas; replicas != 6 {
		t.Errorf("%d replicas are ready of 6", replicas)
	}
}

// withoutClusters leaves out the heartbeats of clusters: they are written with or without Deployments.
func withoutClusters(writes []entry) []entry {
	var rest []entry
	for _, made := range writes {
		if made.kind != "Cluster" && made.kind != "clusters" {
			rest = append(rest, made)
		}
	}
	return rest
}

// spread is a namespace with a policy that divides its Deployments among all clusters by their free capacity.
func spread(name string) []client.Object {
	return []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}},
		&policyv1alpha1.PropagationPolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: name, Name: "spread"},
			Spec: policyv1alpha1.PropagationSpec{
				ResourceSelectors: []policyv1alpha1.ResourceSelector{{APIVersion: "apps/v1", Kind: "Deployment"}},
				Placement: policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{
					ReplicaSchedulingType:     policyv1alpha1.ReplicaSchedulingTypeDivided,
					ReplicaDivisionPreference: policyv1alpha1.ReplicaDivisionPreferenceWeighted,
					WeightPreference:          &policyv1alpha1.ClusterPreferences{DynamicWeight: policyv1alpha1.DynamicWeightByAvailableReplicas},
				}},
			},
		},
	}
}

func sixReplicas(namespace, name string) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To[int32](6), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
				Containers: []corev1.Container{{Name: "nginx", Image: "nginx:1.28"}},
			}},
		},
	}
}

// isSettled tells whether the status of a Deployment sums up that all is well.
func isSettled(web *appsv1.Deployment) bool {
	return web.Status.ObservedGeneration == web.Generation && web.Status.ReadyReplicas == *web.Spec.Replicas &&
		web.Status.AvailableReplicas == *web.Spec.Replicas
}

var measureWrites = flag.Bool("measure-writes", false, "count the writes for one Deployment on real API servers, by their audit log (see bench/propagation.md)")

// TestMeasureWrites counts the same by the audit log of a real control plane.
func TestMeasureWrites(t *testing.T) {
	if !*measureWrites {
		t.Skip("measures only with -measure-writes")
	}
	env := installWith(t, local.Options{Audited: true})
	plane, err := env.Client(t.Context(), fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	files, err := env.Files(fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range spread("writes") {
		if err := plane.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(10 * time.Second)
	before := audited(t, files.Audit)
	web := sixReplicas("writes", "web")
	if err := plane.Create(t.Context(), web); err != nil {
		t.Fatal(err)
	}
	if err := env.Await(t.Context(), time.Minute, "the status of the Deployment", func(ctx context.Context) (bool, error) {
		err := plane.Get(ctx, client.ObjectKeyFromObject(web), web)
		return isSettled(web), err
	}); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Second) // for what comes after the status was settled
	after := audited(t, files.Audit)
	writes, notices := withoutClusters(after.writes[len(before.writes):]), after.notices[len(before.notices):]
	t.Logf("requests that were refused:\n%s", tally(withoutClusters(after.refused[len(before.refused):])))
	t.Logf("%d writes:\n%s\n%d events:\n%s", len(writes), tally(writes), len(notices), tallyNotices(notices))
	if len(writes) > mostWrites {
		t.Errorf("%d writes for one Deployment, more than %d", len(writes), mostWrites)
	}
	if again := repeated(notices); len(again) > 0 {
		t.Errorf("events that were told before: %+v", again)
	}
}
