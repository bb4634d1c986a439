package conformance

import (
	"context"
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func deleteCases() []Case {
	return []Case{
		{"delete removes", deleteRemoves},
		{"delete of what does not exist", deleteMissing},
		{"delete with a wrong uid", deleteWrongUID},
		{"delete with a wrong resource version", deleteWrongRevision},
		{"delete waits for finalizers", deleteFinalizers},
		{"no new finalizers while deleting", deleteNoNewFinalizers},
		{"changes while deleting", deleteChanges},
		{"delete twice changes nothing", deleteTwice},
		{"delete bumps the generation of what has one", deleteGeneration},
		{"delete in dry run removes nothing", deleteDryRun},
		{"delete of a pod grants a grace period", deleteGracefully},
		{"delete of a pod without a node is immediate", deleteUnscheduledPod},
		{"recreation makes a new object", deleteRecreate},
		{"delete all of a kind by label", deleteAllOf},
		{"last finalizer removed by a patch", deleteByPatch},
		{"last finalizer removed by a status update does not count", deleteByStatus},
	}
}

const hold = "example.com/hold"

func held(env Env, name string) *corev1.ConfigMap {
	object := configMap(env, name, "k", "v")
	object.Finalizers = []string{hold}
	return object
}

func deleteRemoves(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, configMap(env, "a"))
	must(t, env.Client.Delete(ctx, object))
	notFound(t, env.Client.Get(ctx, client.ObjectKeyFromObject(object), &corev1.ConfigMap{}))
	custom := created(ctx, t, env, widget(env, "a"))
	must(t, env.Client.Delete(ctx, custom))
	notFound(t, env.Client.Get(ctx, client.ObjectKeyFromObject(custom), &Widget{}))
}

func deleteMissing(ctx context.Context, t *testing.T, env Env) {
	err := env.Client.Delete(ctx, configMap(env, "a"))
	notFound(t, err)
	equal(t, "message", err.Error(), `configmaps "a" not found`)
	err = env.Client.Delete(ctx, widget(env, "a"))
	notFound(t, err)
	equal(t, "message", err.Error(), `widgets.conformance.example.com "a" not found`)
}

func deleteWrongUID(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, configMap(env, "a"))
	conflict(t, env.Client.Delete(ctx, object, client.Preconditions{UID: ptr.To(types.UID("other"))}))
	must(t, env.Client.Delete(ctx, object, client.Preconditions{UID: ptr.To(object.UID)}))
}

func deleteWrongRevision(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, configMap(env, "a", "k", "v"))
	stale := object.ResourceVersion
	object.Data["k"] = "w"
	must(t, env.Client.Update(ctx, object))
	conflict(t, env.Client.Delete(ctx, object, client.Preconditions{ResourceVersion: &stale}))
	must(t, env.Client.Delete(ctx, object, client.Preconditions{ResourceVersion: &object.ResourceVersion}))
}

func deleteFinalizers(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, held(env, "a"))
	must(t, env.Client.Delete(ctx, object))
	marked := reload(ctx, t, env, object)
	if marked.DeletionTimestamp == nil {
		t.Fatal("no deletion time")
	}
	equal(t, "grace period", *marked.DeletionGracePeriodSeconds, 0)
	if marked.ResourceVersion == object.ResourceVersion {
		t.Fatal("marking made no new version")
	}
	marked.Finalizers = nil
	must(t, env.Client.Update(ctx, marked))
	if marked.DeletionTimestamp == nil {
		t.Fatal("the answer to the last update has no deletion time")
	}
	notFound(t, env.Client.Get(ctx, client.ObjectKeyFromObject(object), &corev1.ConfigMap{}))
}

func deleteNoNewFinalizers(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, held(env, "a"))
	must(t, env.Client.Delete(ctx, object))
	marked := reload(ctx, t, env, object)
	marked.Finalizers = append(marked.Finalizers, "example.com/late")
	invalid(t, env.Client.Update(ctx, marked), "metadata.finalizers")
}

func deleteChanges(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, held(env, "a"))
	must(t, env.Client.Delete(ctx, object))
	marked := reload(ctx, t, env, object)
	deleted := marked.DeletionTimestamp.DeepCopy()
	marked.Data["k"] = "w"
	marked.DeletionTimestamp = nil
	marked.DeletionGracePeriodSeconds = nil
	must(t, env.Client.Update(ctx, marked))
	equal(t, "data", marked.Data["k"], "w")
	if !marked.DeletionTimestamp.Equal(deleted) {
		t.Fatalf("deletion time changed from %v to %v", deleted, marked.DeletionTimestamp)
	}
	later := metav1.NewTime(deleted.Add(time.Hour))
	marked.DeletionTimestamp = &later
	marked.Data["k"] = "x"
	must(t, env.Client.Update(ctx, marked))
	if !marked.DeletionTimestamp.Equal(deleted) {
		t.Fatalf("deletion time changed from %v to %v", deleted, marked.DeletionTimestamp)
	}
}

func deleteTwice(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, held(env, "a"))
	must(t, env.Client.Delete(ctx, object))
	marked := reload(ctx, t, env, object)
	must(t, env.Client.Delete(ctx, object))
	equal(t, "resource version", reload(ctx, t, env, object).ResourceVersion, marked.ResourceVersion)
}

func deleteGeneration(ctx context.Context, t *testing.T, env Env) {
	custom := widget(env, "a")
	custom.Finalizers = []string{hold}
	created(ctx, t, env, custom)
	equal(t, "generation", custom.Generation, 1)
	must(t, env.Client.Delete(ctx, custom))
	equal(t, "generation of a deleted custom resource", reload(ctx, t, env, custom).Generation, 2)
	object := created(ctx, t, env, held(env, "a"))
	must(t, env.Client.Delete(ctx, object))
	equal(t, "generation of a deleted config map", reload(ctx, t, env, object).Generation, 0)
}

func deleteDryRun(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, configMap(env, "a"))
	must(t, env.Client.Delete(ctx, object, client.DryRunAll))
	equal(t, "resource version", reload(ctx, t, env, object).ResourceVersion, object.ResourceVersion)
	kept := created(ctx, t, env, held(env, "b"))
	must(t, env.Client.Delete(ctx, kept, client.DryRunAll))
	if reload(ctx, t, env, kept).DeletionTimestamp != nil {
		t.Fatal("a dry run marked the object")
	}
}

func deleteGracefully(ctx context.Context, t *testing.T, env Env) {
	object := pod(env, "a")
	object.Spec.NodeName = "no-such-node"
	created(ctx, t, env, object)
	must(t, env.Client.Delete(ctx, object))
	marked := reload(ctx, t, env, object)
	equal(t, "grace period", *marked.DeletionGracePeriodSeconds, 30)
	equal(t, "generation", marked.Generation, 2)
	must(t, env.Client.Delete(ctx, object, client.GracePeriodSeconds(60)))
	equal(t, "resource version after a longer period", reload(ctx, t, env, object).ResourceVersion, marked.ResourceVersion)
	must(t, env.Client.Delete(ctx, object, client.GracePeriodSeconds(5)))
	shortened := reload(ctx, t, env, object)
	equal(t, "shortened grace period", *shortened.DeletionGracePeriodSeconds, 5)
	equal(t, "deletion time moved by", marked.DeletionTimestamp.Sub(shortened.DeletionTimestamp.Time), 25*time.Second)
	equal(t, "generation after shortening", shortened.Generation, 2)
	must(t, env.Client.Delete(ctx, object, client.GracePeriodSeconds(0)))
	notFound(t, env.Client.Get(ctx, client.ObjectKeyFromObject(object), &corev1.Pod{}))
}

func deleteUnscheduledPod(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, pod(env, "a"))
	must(t, env.Client.Delete(ctx, object))
	notFound(t, env.Client.Get(ctx, client.ObjectKeyFromObject(object), &corev1.Pod{}))
}

func deleteRecreate(ctx context.Context, t *testing.T, env Env) {
	first := created(ctx, t, env, configMap(env, "a", "k", "v"))
	must(t, env.Client.Delete(ctx, first))
	second := created(ctx, t, env, configMap(env, "a", "k", "v"))
	if first.UID == second.UID {
		t.Fatal("the new object has the old uid")
	}
	conflict(t, env.Client.Update(ctx, first))
	conflict(t, env.Client.Delete(ctx, first, client.Preconditions{UID: &first.UID}))
}

func deleteAllOf(ctx context.Context, t *testing.T, env Env) {
	for name, label := range map[string]string{"a": "1", "b": "1", "c": "2"} {
		object := configMap(env, name)
		object.Labels = map[string]string{"l": label}
		created(ctx, t, env, object)
	}
	must(t, env.Client.DeleteAllOf(ctx, &corev1.ConfigMap{}, client.InNamespace(env.Namespace),
		client.MatchingLabels{"l": "1"}))
	list := &corev1.ConfigMapList{}
	must(t, env.Client.List(ctx, list, client.InNamespace(env.Namespace), client.HasLabels{"l"}))
	equalStrings(t, "names left", namesOf(list), []string{"c"})
}

func deleteByPatch(ctx context.Context, t *testing.T, env Env) {
	object := widget(env, "a")
	object.Finalizers = []string{hold}
	created(ctx, t, env, object)
	must(t, env.Client.Delete(ctx, object))
	must(t, env.Client.Patch(ctx, object, mergeOf(`{"metadata":{"finalizers":null}}`)))
	notFound(t, env.Client.Get(ctx, client.ObjectKeyFromObject(object), &Widget{}))
}

func deleteByStatus(ctx context.Context, t *testing.T, env Env) {
	object := widget(env, "a")
	object.Finalizers = []string{hold}
	created(ctx, t, env, object)
	must(t, env.Client.Delete(ctx, object))
	marked := reload(ctx, t, env, object)
	marked.Finalizers = nil
	marked.Status.Ready = 1
	must(t, env.Client.Status().Update(ctx, marked))
	read := reload(ctx, t, env, object)
	equalStrings(t, "finalizers", read.Finalizers, []string{hold})
	equal(t, "status", read.Status.Ready, 1)
	read.ResourceVersion = "1"
	refused(t, env.Client.Update(ctx, read), http.StatusConflict, metav1.StatusReasonConflict)
}
