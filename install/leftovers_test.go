package install

import (
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/scheme"
	"github.com/seatrial/seatrial/deploy"
)

func made(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: "fleet", Name: name, Labels: map[string]string{deploy.LabelManagedBy: deploy.ManagedBy}}
}

// Budgets go with the copies that they were for, and those of components that this run does not touch stay.
func TestBudgetsGoWithReplicas(t *testing.T) {
	for replicas, want := range map[int32]string{1: "[other]", 2: "[other webhook]"} {
		host := fake.NewClientBuilder().WithObjects(
			&policyv1.PodDisruptionBudget{ObjectMeta: made("webhook")}, &policyv1.PodDisruptionBudget{ObjectMeta: made("other")},
		).Build()
		i := &installation{host: host, values: deploy.Values{Namespace: "fleet", Replicas: replicas}, result: &Result{}}
		i.writer = applier{to: host, changes: &i.result.Changes}
		if err := i.dropBudgets(t.Context(), []client.Object{&corev1.Service{ObjectMeta: made("other")}, &appsv1.Deployment{ObjectMeta: made("webhook")}}); err != nil {
			t.Fatal(err)
		}
		left := &policyv1.PodDisruptionBudgetList{}
		if err := host.List(t.Context(), left); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, budget := range left.Items {
			names = append(names, budget.Name)
		}
		if fmt.Sprint(names) != want {
			t.Errorf("with %d replicas the budgets %v are left, want %s", replicas, names, want)
		}
	}
}

// What an installation made for a member that has left goes, and nothing of other members.
func TestEstimatorsGoWithTheirMembers(t *testing.T) {
	kinds := runtime.NewScheme()
	if err := scheme.AddToScheme(kinds); err != nil {
		t.Fatal(err)
	}
	values := deploy.Values{Namespace: "fleet", Replicas: 2}
	hosted := fake.NewClientBuilder()
	var estimators []appsv1.Deployment
	for _, member := range []string{"here", "gone"} {
		objects, err := deploy.RenderEstimator(values, member)
		if err != nil {
			t.Fatal(err)
		}
		hosted.WithObjects(objects...).WithObjects(&corev1.Secret{ObjectMeta: made(deploy.EstimatorSecret(member))})
		for _, object := range objects {
			if estimator, is := object.(*appsv1.Deployment); is {
				estimators = append(estimators, *estimator)
			}
		}
	}
	host := hosted.Build()
	i := &installation{host: host, values: values, result: &Result{}}
	i.writer = applier{to: host, changes: &i.result.Changes}
	i.plane = fake.NewClientBuilder().WithScheme(kinds).WithObjects(&clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "here"}}).Build()
	if err := i.dropUnjoined(t.Context(), estimators); err != nil {
		t.Fatal(err)
	}
	want := "[PodDisruptionBudget Service Secret Deployment]"
	var removed []string
	for _, change := range i.result.Changes {
		removed = append(removed, change.Kind)
	}
	if fmt.Sprint(removed) != want {
		t.Errorf("%v are removed, want %s", removed, want)
	}
	left := &appsv1.DeploymentList{}
	if err := host.List(t.Context(), left); err != nil {
		t.Fatal(err)
	}
	if len(left.Items) != 1 || left.Items[0].Spec.Template.Labels["cluster"] != "here" {
		t.Errorf("the estimators left are %v", left.Items)
	}
}
