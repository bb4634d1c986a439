// Package remedy tells, on each Cluster, what shall be done about the trouble that its conditions show.
package remedy

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	remedyv1alpha1 "github.com/seatrial/seatrial/api/remedy/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fieldpatch"
)

// New is the controller named "remedy". Its keys are Clusters.
func New(workers int) control.Controller {
	return control.Controller{
		Name: "remedy",
		Watches: []control.Watch{
			{Object: &clusterv1alpha1.Cluster{}, Keys: onCluster},
			{Object: &remedyv1alpha1.Remedy{}, Keys: onRemedy},
		},
		Workers:   workers,
		Reconcile: reconcile,
	}
}

// onCluster wakes a cluster that is new, whose conditions changed, or whose actions somebody else changed.
func onCluster(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	if event.New == nil {
		return nil
	}
	if old, ok := event.Old.(*clusterv1alpha1.Cluster); ok {
		now := event.New.(*clusterv1alpha1.Cluster)
		same := slices.EqualFunc(old.Status.Conditions, now.Status.Conditions, func(a, b metav1.Condition) bool {
			return a.Type == b.Type && a.Status == b.Status
		})
		if same && slices.Equal(old.Status.RemedyActions, now.Status.RemedyActions) {
			return nil
		}
	}
	return []control.Key{control.KeyOf(event.New)}
}

// onRemedy wakes the clusters that a remedy looks at, before and after a change.
func onRemedy(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	var keys []control.Key
	for _, object := range []client.Object{event.Old, event.New} {
		if object == nil {
			continue
		}
		affinity := object.(*remedyv1alpha1.Remedy).Spec.ClusterAffinity
		if affinity == nil {
			return everyCluster(ctx, reader)
		}
		for _, name := range affinity.ClusterNames {
			if key := (control.Key{Name: name}); !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	return keys
}

func everyCluster(ctx context.Context, reader client.Reader) []control.Key {
	clusters := &clusterv1alpha1.ClusterList{}
	if err := reader.List(ctx, clusters, client.UnsafeDisableDeepCopy); err != nil {
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
	if err := deps.Client.Get(ctx, key.NamespacedName(), cluster, client.UnsafeDisableDeepCopy); err != nil {
		return control.Result{}, client.IgnoreNotFound(err)
	}
	if !cluster.DeletionTimestamp.IsZero() {
		return control.Result{}, nil
	}
	remedies := &remedyv1alpha1.RemedyList{}
	if err := deps.Client.List(ctx, remedies, client.UnsafeDisableDeepCopy); err != nil {
		return control.Result{}, fmt.Errorf("listing remedies: %w", err)
	}
	actions := prescribed(remedies.Items, cluster)
	if slices.Equal(actions, cluster.Status.RemedyActions) {
		return control.Result{}, nil
	}
	written := cluster.DeepCopy()
	fields := fieldpatch.Fields{Status: map[string]any{"remedyActions": actions}, Force: true}
	if err := client.IgnoreNotFound(fieldpatch.Status(ctx, deps.Client, written, fields)); err != nil {
		return control.Result{}, fmt.Errorf("writing the remedy actions of cluster %s: %w", cluster.Name, err)
	}
	return control.Result{}, nil
}

// prescribed is what remedies prescribe for a cluster as it is, sorted, each once; nil for nothing.
func prescribed(remedies []remedyv1alpha1.Remedy, cluster *clusterv1alpha1.Cluster) []string {
	var actions []string
	for i := range remedies {
		spec := &remedies[i].Spec
		if !remedies[i].DeletionTimestamp.IsZero() || !chosen(spec.ClusterAffinity, cluster.Name) || !matches(spec.DecisionMatches, cluster.Status.Conditions) {
			continue
		}
		for _, action := range spec.Actions {
			actions = append(actions, string(action))
		}
	}
	slices.Sort(actions)
	return slices.Compact(actions)
}

// chosen tells whether an affinity means a cluster: without one, all are meant; one that names none means none.
func chosen(affinity *remedyv1alpha1.ClusterAffinity, cluster string) bool {
	return affinity == nil || slices.Contains(affinity.ClusterNames, cluster)
}

// matches tells whether one of the signs of trouble is there. Without any to look for the actions always apply.
func matches(signs []remedyv1alpha1.DecisionMatch, conditions []metav1.Condition) bool {
	return len(signs) == 0 || slices.ContainsFunc(signs, func(sign remedyv1alpha1.DecisionMatch) bool {
		wanted := sign.ClusterConditionMatch
		if wanted == nil {
			return false
		}
		condition := meta.FindStatusCondition(conditions, string(wanted.ConditionType))
		if condition == nil {
			return false
		}
		same := string(condition.Status) == wanted.ConditionStatus
		switch wanted.Operator {
		case remedyv1alpha1.ClusterConditionEqual:
			return same
		case remedyv1alpha1.ClusterConditionNotEqual:
			return !same
		}
		return false
	})
}
