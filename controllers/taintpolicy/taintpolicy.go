// Package taintpolicy puts the taints of ClusterTaintPolicies on clusters, and takes them off, as conditions of the clusters say.
package taintpolicy

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/override"
	"github.com/seatrial/seatrial/workload"
)

// New is the controller named "clustertaintpolicy". Its keys are Cluster names.
func New(workers int) control.Controller {
	return control.Controller{
		Name: "clustertaintpolicy",
		Watches: []control.Watch{
			{Object: &clusterv1alpha1.Cluster{}, Keys: onCluster},
			{Object: &policyv1alpha1.ClusterTaintPolicy{}, Keys: onPolicy},
		},
		Workers:   workers,
		Reconcile: reconcile,
	}
}

// onCluster leaves out changes that no policy asks about.
func onCluster(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	old, _ := event.Old.(*clusterv1alpha1.Cluster)
	current, _ := event.New.(*clusterv1alpha1.Cluster)
	if current == nil || old != nil && workload.Equal(old.Labels, current.Labels) && workload.Equal(old.Spec, current.Spec) &&
		workload.Equal(statuses(old), statuses(current)) {
		return nil
	}
	return []control.Key{control.KeyOf(current)}
}

func statuses(cluster *clusterv1alpha1.Cluster) map[string]metav1.ConditionStatus {
	all := map[string]metav1.ConditionStatus{}
	for _, condition := range cluster.Status.Conditions {
		all[condition.Type] = condition.Status
	}
	return all
}

// onPolicy wakes all clusters for a policy that is new or says something else. What a policy did stays when it goes.
func onPolicy(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	if event.New == nil || event.Old != nil && event.Old.GetGeneration() == event.New.GetGeneration() {
		return nil
	}
	clusters := &clusterv1alpha1.ClusterList{}
	if err := reader.List(ctx, clusters); err != nil {
		return nil
	}
	keys := make([]control.Key, 0, len(clusters.Items))
	for i := range clusters.Items {
		keys = append(keys, control.KeyOf(&clusters.Items[i]))
	}
	return keys
}

func reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	cluster := &clusterv1alpha1.Cluster{}
	if err := deps.Client.Get(ctx, key.NamespacedName(), cluster); err != nil {
		return control.Result{}, client.IgnoreNotFound(err)
	}
	if !cluster.DeletionTimestamp.IsZero() {
		return control.Result{}, nil
	}
	policies := &policyv1alpha1.ClusterTaintPolicyList{}
	if err := deps.Client.List(ctx, policies); err != nil {
		return control.Result{}, fmt.Errorf("listing cluster taint policies: %w", err)
	}
	taints := Apply(policies.Items, cluster, metav1.NewTime(deps.Clock.Now()))
	if workload.Equal(taints, cluster.Spec.Taints) {
		return control.Result{}, nil
	}
	return control.Result{}, write(ctx, deps, cluster, taints)
}

func write(ctx context.Context, deps control.Deps, cluster *clusterv1alpha1.Cluster, taints []corev1.Taint) error {
	changed := cluster.DeepCopy()
	changed.Spec.Taints = taints
	patch := client.MergeFromWithOptions(cluster, client.MergeFromWithOptimisticLock{})
	if err := deps.Client.Patch(ctx, changed, patch); err != nil {
		if !control.Stale(err) {
			deps.Events.Eventf(cluster, corev1.EventTypeWarning, names.EventTaintClusterFailed, "updating taints: %v", err)
		}
		return fmt.Errorf("updating the taints of cluster %s: %w", cluster.Name, err)
	}
	deps.Events.Eventf(cluster, corev1.EventTypeNormal, names.EventTaintClusterSucceed, "taints follow the cluster taint policies")
	return nil
}

// Apply is what the taints of a cluster become by policies, which count in order of their names. Each adds first and removes then,
// so that one whose conditions both hold leaves no taint. Taints keep their place and the time they were added.
func Apply(policies []policyv1alpha1.ClusterTaintPolicy, cluster *clusterv1alpha1.Cluster, now metav1.Time) []corev1.Taint {
	ordered := slices.Clone(policies)
	slices.SortFunc(ordered, func(a, b policyv1alpha1.ClusterTaintPolicy) int { return strings.Compare(a.Name, b.Name) })
	taints := slices.Clone(cluster.Spec.Taints)
	for i := range ordered {
		spec := &ordered[i].Spec
		if !ordered[i].DeletionTimestamp.IsZero() || spec.TargetClusters != nil && !override.Targets(spec.TargetClusters, cluster) {
			continue
		}
		if hold(spec.AddOnConditions, cluster.Status.Conditions) {
			taints = add(taints, spec.Taints, now)
		}
		if hold(spec.RemoveOnConditions, cluster.Status.Conditions) {
			taints = slices.DeleteFunc(taints, func(taint corev1.Taint) bool { return listed(spec.Taints, taint) })
		}
	}
	// Where policies contradict each other the last one wins; that alone adds no taint anew.
	for i := range taints {
		same := func(before corev1.Taint) bool {
			return before.MatchTaint(&taints[i]) && before.Value == taints[i].Value
		}
		if at := slices.IndexFunc(cluster.Spec.Taints, same); at >= 0 {
			taints[i] = cluster.Spec.Taints[at]
		}
	}
	return taints
}

// add leaves taints alone that are there with the same value.
func add(taints []corev1.Taint, wanted []policyv1alpha1.Taint, now metav1.Time) []corev1.Taint {
	for _, taint := range wanted {
		added := corev1.Taint{Key: taint.Key, Value: taint.Value, Effect: taint.Effect}
		if taint.Effect == corev1.TaintEffectNoExecute {
			added.TimeAdded = &now
		}
		at := slices.IndexFunc(taints, func(t corev1.Taint) bool { return t.MatchTaint(&added) })
		switch {
		case at < 0:
			taints = append(taints, added)
		case taints[at].Value != added.Value:
			taints[at] = added
		}
	}
	return taints
}

func listed(taints []policyv1alpha1.Taint, taint corev1.Taint) bool {
	return slices.ContainsFunc(taints, func(t policyv1alpha1.Taint) bool { return t.Key == taint.Key && t.Effect == taint.Effect })
}

// hold tells whether all conditions do. None is no reason for anything, and a condition that a cluster does not have matches
// nothing.
func hold(wanted []policyv1alpha1.MatchCondition, conditions []metav1.Condition) bool {
	for _, match := range wanted {
		found := meta.FindStatusCondition(conditions, match.ConditionType)
		if found == nil {
			return false
		}
		is := slices.Contains(match.StatusValues, found.Status)
		if is != (match.Operator == policyv1alpha1.MatchConditionOpIn) {
			return false
		}
	}
	return len(wanted) > 0
}
