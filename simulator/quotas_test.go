package simulator

import (
	"context"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// TestColumnsMoveQuotas: a quota in the store of a member bounds the pods of a ReplicaSet, and the statuses of both say so.
func TestColumnsMoveQuotas(t *testing.T) {
	f, rows, _ := columnar(t, Options{})
	m1 := of(t, f, "m1")
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "quota"}}
	quota.Spec.Hard = corev1.ResourceList{corev1.ResourcePods: resource.MustParse("2")}
	ok(t, m1.Create(t.Context(), quota))
	from := web(3)
	set := &appsv1.ReplicaSet{ObjectMeta: from.ObjectMeta, Spec: appsv1.ReplicaSetSpec{
		Replicas: from.Spec.Replicas, Selector: from.Spec.Selector, Template: from.Spec.Template}}
	ok(t, m1.Create(t.Context(), set))
	name := types.NamespacedName{Namespace: "default", Name: "web"}
	await := func(replicas int32, failures int) {
		t.Helper()
		ok(t, f.Await(t.Context(), 10*time.Minute, "the statuses of the quota and the ReplicaSet", func(ctx context.Context) (bool, error) {
			if err := m1.Get(ctx, name, set); err != nil {
				return false, err
			}
			err := m1.Get(ctx, types.NamespacedName{Namespace: "default", Name: "quota"}, quota)
			return set.Status.ReadyReplicas == replicas && len(set.Status.Conditions) == failures && quota.Status.Used.Pods().Value() == int64(replicas), err
		}))
	}
	await(2, 1)
	quota.Spec.Hard[corev1.ResourcePods] = resource.MustParse("5")
	ok(t, m1.Update(t.Context(), quota))
	await(3, 0)
	if turns := rows.Stats().Turns; turns > 100 {
		t.Errorf("it took the cluster %d turns", turns)
	}
}
