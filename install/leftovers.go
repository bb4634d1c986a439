package install

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/deploy"
)

// dropBudgets removes the budgets that an earlier run gave to those of the objects of which there is one copy now.
func (i *installation) dropBudgets(ctx context.Context, objects []client.Object) error {
	if i.values.Replicas > 1 {
		return nil
	}
	budgets := &policyv1.PodDisruptionBudgetList{}
	if err := i.ours(ctx, budgets); err != nil {
		return err
	}
	for n := range budgets.Items {
		budget := &budgets.Items[n]
		if !slices.ContainsFunc(objects, func(object client.Object) bool {
			_, is := object.(*appsv1.Deployment)
			return is && object.GetName() == budget.Name
		}) {
			continue
		}
		if err := i.writer.remove(ctx, "PodDisruptionBudget", budget); err != nil {
			return err
		}
	}
	return nil
}

// dropEstimators removes the estimators of clusters that are no members any more.
func (i *installation) dropEstimators(ctx context.Context, _ func(string)) error {
	deployments := &appsv1.DeploymentList{}
	if err := i.ours(ctx, deployments); err != nil {
		return err
	}
	deployments.Items = slices.DeleteFunc(deployments.Items, func(d appsv1.Deployment) bool { return d.Spec.Template.Labels["app"] != deploy.Estimator })
	if len(deployments.Items) == 0 {
		return nil
	}
	closeWay, err := i.reach(ctx)
	if err != nil {
		return err
	}
	defer closeWay()
	return i.dropUnjoined(ctx, deployments.Items)
}

// dropUnjoined removes those of the estimators whose clusters the control plane does not know.
func (i *installation) dropUnjoined(ctx context.Context, estimators []appsv1.Deployment) error {
	clusters := &clusterv1alpha1.ClusterList{}
	if err := i.plane.List(ctx, clusters); err != nil {
		return fmt.Errorf("listing Clusters: %w", err)
	}
	for n := range estimators {
		estimator := &estimators[n]
		member := estimator.Spec.Template.Labels["cluster"]
		if slices.ContainsFunc(clusters.Items, func(c clusterv1alpha1.Cluster) bool { return c.Name == member }) {
			continue
		}
		if err := i.dropEstimator(ctx, estimator, member); err != nil {
			return err
		}
	}
	return nil
}

// dropEstimator removes what estimate has made in the host. The Deployment goes last: it is what the rest is found by.
func (i *installation) dropEstimator(ctx context.Context, estimator *appsv1.Deployment, member string) error {
	named := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: i.values.Namespace, Name: name}
	}
	for _, object := range []struct {
		kind string
		client.Object
	}{
		{"PodDisruptionBudget", &policyv1.PodDisruptionBudget{ObjectMeta: named(estimator.Name)}},
		{"Service", &corev1.Service{ObjectMeta: named(estimator.Name)}},
		{"Secret", &corev1.Secret{ObjectMeta: named(deploy.EstimatorSecret(member))}},
		{"Deployment", estimator},
	} {
		err := i.host.Get(ctx, client.ObjectKeyFromObject(object.Object), object.Object)
		if err == nil {
			err = i.writer.remove(ctx, object.kind, object.Object)
		}
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("removing the estimator of %s: %w", member, err)
		}
	}
	return nil
}

// ours lists what installations have made in the namespace.
func (i *installation) ours(ctx context.Context, into client.ObjectList) error {
	err := i.host.List(ctx, into, client.InNamespace(i.values.Namespace), client.MatchingLabels{deploy.LabelManagedBy: deploy.ManagedBy})
	if err != nil {
		return fmt.Errorf("listing what is installed in namespace %s: %w", i.values.Namespace, err)
	}
	return nil
}
