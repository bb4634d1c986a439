package conformance

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func ownershipCases() []Case {
	return []Case{
		{"background deletion collects dependents", collectBackground},
		{"foreground deletion waits for dependents", collectForeground},
		{"foreground deletion does not wait for those that do not block", collectForegroundUnblocked},
		{"orphaned dependents stay", collectOrphan},
		{"one living owner is enough", collectShared},
		{"dependents of what never existed are collected", collectDangling},
		{"dependents of dependents are collected", collectChain},
		{"the propagation policy overrides finalizers", collectPolicy},
		{"jobs orphan by default", collectJobs},
	}
}

func ownedBy(env Env, name string, owners ...*corev1.ConfigMap) *corev1.ConfigMap {
	object := configMap(env, name)
	for _, owner := range owners {
		object.OwnerReferences = append(object.OwnerReferences, metav1.OwnerReference{
			APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID, BlockOwnerDeletion: ptr.To(true),
		})
	}
	return object
}

func collectBackground(ctx context.Context, t *testing.T, env Env) {
	owner := created(ctx, t, env, configMap(env, "owner"))
	dependent := created(ctx, t, env, ownedBy(env, "dependent", owner))
	must(t, env.Client.Delete(ctx, owner, client.PropagationPolicy(metav1.DeletePropagationBackground)))
	notFound(t, env.Client.Get(ctx, client.ObjectKeyFromObject(owner), &corev1.ConfigMap{}))
	gone(ctx, t, env, dependent)
}

func collectForeground(ctx context.Context, t *testing.T, env Env) {
	owner := created(ctx, t, env, configMap(env, "owner"))
	dependent := ownedBy(env, "dependent", owner)
	dependent.Finalizers = []string{hold}
	created(ctx, t, env, dependent)
	must(t, env.Client.Delete(ctx, owner, client.PropagationPolicy(metav1.DeletePropagationForeground)))
	marked := reload(ctx, t, env, owner)
	equalStrings(t, "finalizers", marked.Finalizers, []string{metav1.FinalizerDeleteDependents})
	must(t, env.Settle(ctx, func() (bool, error) {
		read := &corev1.ConfigMap{}
		err := env.Client.Get(ctx, client.ObjectKeyFromObject(dependent), read)
		return err == nil && read.DeletionTimestamp != nil, err
	}))
	if reload(ctx, t, env, owner).DeletionTimestamp == nil {
		t.Fatal("the owner is not being deleted")
	}
	must(t, env.Client.Patch(ctx, dependent, mergeOf(`{"metadata":{"finalizers":null}}`)))
	gone(ctx, t, env, owner)
	gone(ctx, t, env, dependent)
}

func collectForegroundUnblocked(ctx context.Context, t *testing.T, env Env) {
	owner := created(ctx, t, env, configMap(env, "owner"))
	dependent := ownedBy(env, "dependent", owner)
	dependent.OwnerReferences[0].BlockOwnerDeletion = nil
	dependent.Finalizers = []string{hold}
	created(ctx, t, env, dependent)
	must(t, env.Client.Delete(ctx, owner, client.PropagationPolicy(metav1.DeletePropagationForeground)))
	gone(ctx, t, env, owner)
	must(t, env.Settle(ctx, func() (bool, error) {
		read := &corev1.ConfigMap{}
		err := env.Client.Get(ctx, client.ObjectKeyFromObject(dependent), read)
		return err == nil && read.DeletionTimestamp != nil, err
	}))
	must(t, env.Client.Patch(ctx, dependent, mergeOf(`{"metadata":{"finalizers":null}}`)))
	gone(ctx, t, env, dependent)
}

func collectOrphan(ctx context.Context, t *testing.T, env Env) {
	owner := created(ctx, t, env, configMap(env, "owner"))
	dependent := created(ctx, t, env, ownedBy(env, "dependent", owner))
	must(t, env.Client.Delete(ctx, owner, client.PropagationPolicy(metav1.DeletePropagationOrphan)))
	gone(ctx, t, env, owner)
	equal(t, "owners left", len(reload(ctx, t, env, dependent).OwnerReferences), 0)
}

func collectShared(ctx context.Context, t *testing.T, env Env) {
	first := created(ctx, t, env, configMap(env, "first"))
	second := created(ctx, t, env, configMap(env, "second"))
	dependent := created(ctx, t, env, ownedBy(env, "dependent", first, second))
	must(t, env.Client.Delete(ctx, first))
	must(t, env.Settle(ctx, func() (bool, error) {
		return len(reload(ctx, t, env, dependent).OwnerReferences) == 1, nil
	}))
	equal(t, "owner left", reload(ctx, t, env, dependent).OwnerReferences[0].Name, "second")
	must(t, env.Client.Delete(ctx, second))
	gone(ctx, t, env, dependent)
}

func collectDangling(ctx context.Context, t *testing.T, env Env) {
	never := configMap(env, "never")
	never.UID = "00000000-0000-4000-8000-000000000000"
	gone(ctx, t, env, created(ctx, t, env, ownedBy(env, "a", never)))
	other := created(ctx, t, env, configMap(env, "other"))
	other.UID = "00000000-0000-4000-8000-000000000001"
	gone(ctx, t, env, created(ctx, t, env, ownedBy(env, "b", other)))
}

func collectChain(ctx context.Context, t *testing.T, env Env) {
	top := created(ctx, t, env, configMap(env, "top"))
	middle := created(ctx, t, env, ownedBy(env, "middle", top))
	bottom := created(ctx, t, env, ownedBy(env, "bottom", middle))
	must(t, env.Client.Delete(ctx, top, client.PropagationPolicy(metav1.DeletePropagationForeground)))
	gone(ctx, t, env, top)
	gone(ctx, t, env, middle)
	gone(ctx, t, env, bottom)
}

func collectPolicy(ctx context.Context, t *testing.T, env Env) {
	object := held(env, "a")
	object.Finalizers = append(object.Finalizers, metav1.FinalizerOrphanDependents)
	created(ctx, t, env, object)
	must(t, env.Client.Delete(ctx, object, client.PropagationPolicy(metav1.DeletePropagationBackground)))
	equalStrings(t, "finalizers", reload(ctx, t, env, object).Finalizers, []string{hold})
	both := held(env, "b")
	both.Finalizers = []string{metav1.FinalizerOrphanDependents, metav1.FinalizerDeleteDependents}
	invalid(t, env.Client.Create(ctx, both), "metadata.finalizers")
	wrong := metav1.DeletionPropagation("Sideways")
	invalid(t, env.Client.Delete(ctx, object, client.PropagationPolicy(wrong)), "propagationPolicy")
}

func collectJobs(ctx context.Context, t *testing.T, env Env) {
	owner := job(env, "owner")
	owner.Finalizers = []string{hold}
	created(ctx, t, env, owner)
	must(t, env.Client.Delete(ctx, owner))
	must(t, env.Settle(ctx, func() (bool, error) {
		// The orphan finalizer comes with the deletion and goes when the dependents are let go.
		return len(reload(ctx, t, env, owner).Finalizers) == 1, nil
	}))
	must(t, env.Client.Patch(ctx, owner, mergeOf(`{"metadata":{"finalizers":null}}`)))
	gone(ctx, t, env, owner)
}
