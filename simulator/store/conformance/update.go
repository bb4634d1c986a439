package conformance

import (
	"context"
	"net/http"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func updateCases() []Case {
	return []Case{
		{"update stores and answers", updateStores},
		{"update of a stale version", updateStale},
		{"update without a resource version", updateWithoutRevision},
		{"update of what does not exist", updateMissing},
		{"update may create leases", updateCreates},
		{"update with another uid", updateOtherUID},
		{"update that changes nothing", updateNothing},
		{"update cannot change identity and times", updateImmutable},
		{"update cannot set a deletion time", updateDeletionTime},
		{"update in dry run stores nothing", updateDryRun},
		{"update of an immutable config map", updateImmutableConfigMap},
		{"invalid update leaves the object alone", updateInvalid},
		{"resource versions grow", revisionsGrow},
	}
}

func updateStores(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, configMap(env, "a", "k", "v"))
	before := *object.DeepCopy()
	object.Data["k"] = "w"
	object.Labels = map[string]string{"l": "1"}
	must(t, env.Client.Update(ctx, object))
	if object.ResourceVersion == before.ResourceVersion {
		t.Fatal("the resource version is the same after an update")
	}
	equal(t, "uid", object.UID, before.UID)
	read := reload(ctx, t, env, object)
	equal(t, "data", read.Data["k"], "w")
	equal(t, "label", read.Labels["l"], "1")
	equal(t, "resource version", read.ResourceVersion, object.ResourceVersion)
}

func updateStale(ctx context.Context, t *testing.T, env Env) {
	first := created(ctx, t, env, configMap(env, "a", "k", "v"))
	second := first.DeepCopy()
	second.Data["k"] = "w"
	must(t, env.Client.Update(ctx, second))
	first.Data["k"] = "x"
	err := env.Client.Update(ctx, first)
	conflict(t, err)
	equal(t, "message", err.Error(), `Operation cannot be fulfilled on configmaps "a": the object has been modified; `+
		`please apply your changes to the latest version and try again`)
	equal(t, "data", reload(ctx, t, env, first).Data["k"], "w")
	custom := created(ctx, t, env, widget(env, "a"))
	stale := custom.DeepCopyObject().(*Widget)
	custom.Spec.Mode = "Manual"
	must(t, env.Client.Update(ctx, custom))
	conflict(t, env.Client.Update(ctx, stale))
	conflict(t, env.Client.Status().Update(ctx, stale))
}

func updateWithoutRevision(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, configMap(env, "a", "k", "v"))
	object.ResourceVersion = ""
	object.Data["k"] = "w"
	must(t, env.Client.Update(ctx, object))
	equal(t, "data", reload(ctx, t, env, object).Data["k"], "w")

	custom := created(ctx, t, env, widget(env, "a"))
	custom.ResourceVersion = ""
	custom.Spec.Mode = "Manual"
	invalid(t, env.Client.Update(ctx, custom), "metadata.resourceVersion")
	invalid(t, env.Client.Status().Update(ctx, custom), "metadata.resourceVersion")

	budget := &policyv1.PodDisruptionBudget{ObjectMeta: metav1.ObjectMeta{Namespace: env.Namespace, Name: "a"}}
	created(ctx, t, env, budget)
	budget.ResourceVersion = ""
	invalid(t, env.Client.Update(ctx, budget), "metadata.resourceVersion")
}

func updateMissing(ctx context.Context, t *testing.T, env Env) {
	err := env.Client.Update(ctx, configMap(env, "a"))
	notFound(t, err)
	equal(t, "message", err.Error(), `configmaps "a" not found`)
	notFound(t, env.Client.Update(ctx, widget(env, "a")))
	notFound(t, env.Client.Status().Update(ctx, widget(env, "a")))
}

func updateCreates(ctx context.Context, t *testing.T, env Env) {
	lease := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: env.Namespace, Name: "a"},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: ptr.To("me"), LeaseDurationSeconds: ptr.To[int32](10)},
	}
	must(t, env.Client.Update(ctx, lease))
	if lease.UID == "" {
		t.Fatal("no uid after an update that creates")
	}
	equal(t, "holder", *reload(ctx, t, env, lease).Spec.HolderIdentity, "me")
	lease.Spec.HolderIdentity = ptr.To("you")
	lease.ResourceVersion = ""
	invalid(t, env.Client.Update(ctx, lease), "metadata.resourceVersion")
	other := lease.DeepCopy()
	other.Name, other.UID, other.ResourceVersion = "b", "no-such-uid", ""
	conflict(t, env.Client.Update(ctx, other))
}

func updateOtherUID(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, configMap(env, "a", "k", "v"))
	object.UID = "other"
	conflict(t, env.Client.Update(ctx, object))
	custom := created(ctx, t, env, widget(env, "a"))
	custom.UID = "other"
	conflict(t, env.Client.Update(ctx, custom))
	conflict(t, env.Client.Status().Update(ctx, custom))
	conflict(t, env.Client.Status().Update(ctx, withoutRevision(custom)))
}

func withoutRevision(object *Widget) *Widget {
	copied := object.DeepCopyObject().(*Widget)
	copied.ResourceVersion = ""
	return copied
}

func updateNothing(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, configMap(env, "a", "k", "v"))
	revision := object.ResourceVersion
	must(t, env.Client.Update(ctx, object))
	equal(t, "resource version", object.ResourceVersion, revision)
	object.Labels = map[string]string{}
	must(t, env.Client.Update(ctx, object))
	equal(t, "resource version after empty labels", object.ResourceVersion, revision)
	custom := created(ctx, t, env, widget(env, "a"))
	revision = custom.ResourceVersion
	must(t, env.Client.Update(ctx, custom))
	equal(t, "resource version of the custom resource", custom.ResourceVersion, revision)
	// A Go type sends an empty status, which is not the same as none.
	must(t, env.Client.Status().Update(ctx, custom))
	if revision == custom.ResourceVersion {
		t.Fatal("an empty status in place of none made no version")
	}
	revision = custom.ResourceVersion
	must(t, env.Client.Status().Update(ctx, custom))
	equal(t, "resource version of the custom resource after the status", custom.ResourceVersion, revision)
	equal(t, "generation of the custom resource", custom.Generation, 1)
}

func updateImmutable(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, configMap(env, "a", "k", "v"))
	before := object.DeepCopy()
	object.CreationTimestamp = metav1.NewTime(before.CreationTimestamp.AddDate(1, 0, 0))
	object.Generation = 42
	object.UID = ""
	object.Data["k"] = "w"
	must(t, env.Client.Update(ctx, object))
	equal(t, "uid", object.UID, before.UID)
	equal(t, "creation time", object.CreationTimestamp, before.CreationTimestamp)
	equal(t, "generation", object.Generation, before.Generation)
}

func updateDeletionTime(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, configMap(env, "a", "k", "v"))
	now := metav1.NewTime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	object.DeletionTimestamp = &now
	invalid(t, env.Client.Update(ctx, object), "metadata.deletionTimestamp")
	if reload(ctx, t, env, object).DeletionTimestamp != nil {
		t.Fatal("an update set the deletion time")
	}
}

func updateDryRun(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, configMap(env, "a", "k", "v"))
	revision := object.ResourceVersion
	object.Data["k"] = "w"
	must(t, env.Client.Update(ctx, object, client.DryRunAll))
	equal(t, "data in the answer", object.Data["k"], "w")
	read := reload(ctx, t, env, object)
	equal(t, "data in the store", read.Data["k"], "v")
	equal(t, "resource version", read.ResourceVersion, revision)
}

func updateImmutableConfigMap(ctx context.Context, t *testing.T, env Env) {
	object := configMap(env, "a", "k", "v")
	object.Immutable = ptr.To(true)
	created(ctx, t, env, object)
	object.Data["k"] = "w"
	invalid(t, env.Client.Update(ctx, object), "data")
	object.Data["k"] = "v"
	object.Labels = map[string]string{"l": "1"}
	must(t, env.Client.Update(ctx, object))
}

func updateInvalid(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, configMap(env, "a", "k", "v"))
	object.Labels = map[string]string{"k": "not a value"}
	err := env.Client.Update(ctx, object)
	invalid(t, err, "metadata.labels")
	equal(t, "kind in details", refused(t, err, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid).Details.Kind,
		"ConfigMap")
	if len(reload(ctx, t, env, object).Labels) > 0 {
		t.Fatal("an invalid update was stored")
	}
}

func revisionsGrow(ctx context.Context, t *testing.T, env Env) {
	last := uint64(0)
	object := created(ctx, t, env, configMap(env, "a"))
	other := created(ctx, t, env, widget(env, "b"))
	for range 3 {
		object.Data = map[string]string{"k": object.ResourceVersion}
		must(t, env.Client.Update(ctx, object))
		other.Spec.Tags = []string{other.ResourceVersion}
		must(t, env.Client.Update(ctx, other))
		for _, text := range []string{object.ResourceVersion, other.ResourceVersion} {
			now := number(t, text)
			if now <= last {
				t.Fatalf("resource version %d after %d", now, last)
			}
			last = now
		}
	}
	list := &corev1.ConfigMapList{}
	must(t, env.Client.List(ctx, list, client.InNamespace(env.Namespace)))
	if number(t, list.ResourceVersion) < last {
		t.Fatalf("list at resource version %s after %d", list.ResourceVersion, last)
	}
}
