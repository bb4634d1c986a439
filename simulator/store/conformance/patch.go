package conformance

import (
	"context"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/fieldpatch"
)

func patchCases() []Case {
	return []Case{
		{"merge patch sets and removes", mergePatch},
		{"merge patch without a resource version", mergePatchUnconditional},
		{"merge patch with a stale resource version", mergePatchStale},
		{"merge patch that changes nothing", patchNothing},
		{"merge patch of what does not exist", patchMissing},
		{"json patch", jsonPatch},
		{"json patch whose test fails", jsonPatchTest},
		{"malformed patches", malformedPatches},
		{"strategic patch merges by key", strategicPatch},
		{"strategic patch of a custom resource", strategicPatchCustom},
		{"patch cannot change identity", patchIdentity},
		{"patch in dry run stores nothing", patchDryRun},
		{"patch of a custom resource sets defaults", patchDefaults},
		{"apply creates and merges", applyMerges},
		{"field patches set fields and nothing else", fieldPatches},
		{"field patches of what was read too early", fieldPatchesStale},
		{"field patches leave no owners of fields, but for those of apply", fieldPatchesOwners},
	}
}

func mergeOf(text string) client.Patch {
	return client.RawPatch(types.MergePatchType, []byte(text))
}

func jsonOf(text string) client.Patch {
	return client.RawPatch(types.JSONPatchType, []byte(text))
}

func mergePatch(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, configMap(env, "a", "k", "v", "gone", "soon"))
	must(t, env.Client.Patch(ctx, object, mergeOf(`{"data":{"k":"w","new":"1","gone":null}}`)))
	equal(t, "changed", object.Data["k"], "w")
	equal(t, "added", object.Data["new"], "1")
	equal(t, "entries", len(object.Data), 2)
	changed := object.DeepCopy()
	changed.Data["k"] = "x"
	must(t, env.Client.Patch(ctx, changed, client.MergeFrom(object)))
	equal(t, "data", reload(ctx, t, env, object).Data["k"], "x")
}

func mergePatchUnconditional(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, widget(env, "a"))
	stale := object.DeepCopyObject().(*Widget)
	object.Spec.Mode = "Manual"
	must(t, env.Client.Update(ctx, object))
	must(t, env.Client.Patch(ctx, stale, mergeOf(`{"spec":{"tags":["x"]}}`)))
	equal(t, "mode", stale.Spec.Mode, "Manual")
	equalStrings(t, "tags", stale.Spec.Tags, []string{"x"})
}

func mergePatchStale(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, configMap(env, "a", "k", "v"))
	stale := object.DeepCopy()
	object.Data["k"] = "w"
	must(t, env.Client.Update(ctx, object))
	changed := stale.DeepCopy()
	changed.Data["k"] = "x"
	conflict(t, env.Client.Patch(ctx, changed,
		client.MergeFromWithOptions(stale, client.MergeFromWithOptimisticLock{})))
	equal(t, "data", reload(ctx, t, env, object).Data["k"], "w")
}

func patchNothing(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, configMap(env, "a", "k", "v"))
	revision := object.ResourceVersion
	must(t, env.Client.Patch(ctx, object, mergeOf(`{"data":{"k":"v"}}`)))
	must(t, env.Client.Patch(ctx, object, mergeOf(`{}`)))
	equal(t, "resource version", object.ResourceVersion, revision)
}

func patchMissing(ctx context.Context, t *testing.T, env Env) {
	notFound(t, env.Client.Patch(ctx, configMap(env, "a"), mergeOf(`{"data":{"k":"v"}}`)))
	notFound(t, env.Client.Patch(ctx, widget(env, "a"), jsonOf(`[]`)))
	notFound(t, env.Client.Status().Patch(ctx, widget(env, "a"), mergeOf(`{"status":{"ready":1}}`)))
}

func jsonPatch(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, configMap(env, "a", "k", "v"))
	must(t, env.Client.Patch(ctx, object, jsonOf(`[{"op":"test","path":"/data/k","value":"v"},`+
		`{"op":"replace","path":"/data/k","value":"w"},{"op":"add","path":"/data/n","value":"1"}]`)))
	equal(t, "replaced", object.Data["k"], "w")
	equal(t, "added", object.Data["n"], "1")
	custom := widget(env, "a")
	custom.Spec.Tags = []string{"x", "y"}
	created(ctx, t, env, custom)
	must(t, env.Client.Patch(ctx, custom, jsonOf(`[{"op":"remove","path":"/spec/tags/0"}]`)))
	equalStrings(t, "tags", custom.Spec.Tags, []string{"y"})
}

func jsonPatchTest(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, configMap(env, "a", "k", "v"))
	err := env.Client.Patch(ctx, object, jsonOf(`[{"op":"test","path":"/data/k","value":"x"}]`))
	refused(t, err, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
	err = env.Client.Patch(ctx, object, jsonOf(`[{"op":"remove","path":"/data/none"}]`))
	refused(t, err, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
}

func malformedPatches(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, configMap(env, "a", "k", "v"))
	for _, patch := range []client.Patch{
		mergeOf(`{`), jsonOf(`{"op":"add"}`), client.RawPatch(types.StrategicMergePatchType, []byte(`[`)),
	} {
		refused(t, env.Client.Patch(ctx, object.DeepCopy(), patch), http.StatusBadRequest, metav1.StatusReasonBadRequest)
	}
	wrong := `{"data":{"k":{"not":"a string"}}}`
	invalid(t, env.Client.Patch(ctx, object.DeepCopy(), mergeOf(wrong)), "patch")
	strategic := client.RawPatch(types.StrategicMergePatchType, []byte(wrong))
	invalid(t, env.Client.Patch(ctx, object.DeepCopy(), strategic), "patch")
	custom := created(ctx, t, env, widget(env, "a"))
	invalid(t, env.Client.Patch(ctx, custom, mergeOf(`{"metadata":{"labels":{"l":{"not":"a string"}}}}`)), "patch")
	equal(t, "data", reload(ctx, t, env, object).Data["k"], "v")
}

func strategicPatch(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, deployment(env, "a"))
	must(t, env.Client.Patch(ctx, object, client.RawPatch(types.StrategicMergePatchType,
		[]byte(`{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"side:1"}]}}}}`))))
	containers := object.Spec.Template.Spec.Containers
	equal(t, "containers", len(containers), 2)
	must(t, env.Client.Patch(ctx, object, client.RawPatch(types.StrategicMergePatchType,
		[]byte(`{"spec":{"template":{"spec":{"containers":[{"name":"side","$patch":"delete"},{"name":"main","image":"main:2"}]}}}}`))))
	containers = object.Spec.Template.Spec.Containers
	equal(t, "containers after deletion", len(containers), 1)
	equal(t, "image", containers[0].Image, "main:2")
	changed := object.DeepCopy()
	changed.Spec.Template.Spec.Containers[0].Image = "main:3"
	must(t, env.Client.Patch(ctx, changed, client.StrategicMergeFrom(object)))
	equal(t, "image after a computed patch", changed.Spec.Template.Spec.Containers[0].Image, "main:3")
}

func strategicPatchCustom(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, widget(env, "a"))
	err := env.Client.Patch(ctx, object, client.RawPatch(types.StrategicMergePatchType, []byte(`{"spec":{"mode":"Manual"}}`)))
	refused(t, err, http.StatusUnsupportedMediaType, metav1.StatusReasonUnsupportedMediaType)
}

func patchIdentity(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, configMap(env, "a", "k", "v"))
	before := object.DeepCopy()
	invalid(t, env.Client.Patch(ctx, object.DeepCopy(), mergeOf(`{"metadata":{"uid":"other"}}`)), "metadata.uid")
	must(t, env.Client.Patch(ctx, object, mergeOf(`{"metadata":{"creationTimestamp":"2001-01-01T00:00:00Z","generation":9}}`)))
	equal(t, "creation time", object.CreationTimestamp, before.CreationTimestamp)
	equal(t, "resource version", object.ResourceVersion, before.ResourceVersion)
	err := env.Client.Patch(ctx, before.DeepCopy(), mergeOf(`{"metadata":{"name":"b"}}`))
	refused(t, err, http.StatusBadRequest, metav1.StatusReasonBadRequest)
	err = env.Client.Patch(ctx, before.DeepCopy(), mergeOf(`{"metadata":{"namespace":"other"}}`))
	refused(t, err, http.StatusBadRequest, metav1.StatusReasonBadRequest)
}

func patchDryRun(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, configMap(env, "a", "k", "v"))
	must(t, env.Client.Patch(ctx, object, mergeOf(`{"data":{"k":"w"}}`), client.DryRunAll))
	equal(t, "answer", object.Data["k"], "w")
	equal(t, "stored", reload(ctx, t, env, object).Data["k"], "v")
}

func patchDefaults(ctx context.Context, t *testing.T, env Env) {
	object := widget(env, "a")
	object.Spec.Mode = "Manual"
	created(ctx, t, env, object)
	must(t, env.Client.Patch(ctx, object, mergeOf(`{"spec":{"mode":null,"unknown":1}}`)))
	equal(t, "mode", object.Spec.Mode, "Auto")
	invalid(t, env.Client.Patch(ctx, object.DeepCopyObject().(*Widget), mergeOf(`{"spec":{"mode":"Never"}}`)), "spec.mode")
}

func applyMerges(ctx context.Context, t *testing.T, env Env) {
	//nolint:staticcheck // The patch form of apply reaches the same endpoint and takes any object.
	apply := func(object client.Object) error {
		return env.Client.Patch(ctx, object, client.Apply, client.FieldOwner("conformance"), client.ForceOwnership)
	}
	object := configMap(env, "a", "k", "v")
	object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	must(t, apply(object))
	if object.UID == "" {
		t.Fatal("apply did not create")
	}
	again := configMap(env, "a", "n", "1")
	again.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	again.Data["k"] = "w"
	must(t, apply(again))
	read := reload(ctx, t, env, again)
	equal(t, "changed", read.Data["k"], "w")
	equal(t, "added", read.Data["n"], "1")
	equal(t, "uid", read.UID, object.UID)
}

func fieldPatches(ctx context.Context, t *testing.T, env Env) {
	object := widget(env, "a")
	object.Annotations = map[string]string{"stays": "1", "goes": "1"}
	object.Spec.Tags = []string{"x", "y"}
	created(ctx, t, env, object)
	version, generation := object.ResourceVersion, object.Generation
	must(t, fieldpatch.Object(ctx, env.Client, object, fieldpatch.Fields{
		Annotations: map[string]any{"comes": "1", "goes": nil}, Spec: map[string]any{"tags": []string{"z"}},
	}))
	equal(t, "generation", object.Generation, generation+1)
	equal(t, "a new version", object.ResourceVersion != version, true)
	equalStrings(t, "tags of the object that was passed", object.Spec.Tags, []string{"x", "y"})
	must(t, fieldpatch.Status(ctx, env.Client, object, fieldpatch.Fields{Status: map[string]any{"ready": 2}}))
	read := reload(ctx, t, env, object)
	equal(t, "version", read.ResourceVersion, object.ResourceVersion)
	equal(t, "annotations", len(read.Annotations), 2)
	equal(t, "annotation that came", read.Annotations["comes"], "1")
	equalStrings(t, "tags", read.Spec.Tags, []string{"z"})
	equal(t, "default", read.Spec.Mode, "Auto")
	equal(t, "status", read.Status.Ready, 2)
	must(t, fieldpatch.Object(ctx, env.Client, read, fieldpatch.Fields{Spec: map[string]any{"tags": nil}}))
	equal(t, "tags that were taken away", len(reload(ctx, t, env, read).Spec.Tags), 0)
}

func fieldPatchesStale(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, widget(env, "a"))
	stale := object.DeepCopyObject().(*Widget)
	must(t, fieldpatch.Object(ctx, env.Client, object, fieldpatch.Fields{Spec: map[string]any{"tags": []string{"x"}}}))
	conflict(t, fieldpatch.Object(ctx, env.Client, stale, fieldpatch.Fields{Spec: map[string]any{"tags": []string{"y"}}}))
	conflict(t, fieldpatch.Status(ctx, env.Client, stale, fieldpatch.Fields{Status: map[string]any{"ready": 1}}))
	equalStrings(t, "tags", reload(ctx, t, env, object).Spec.Tags, []string{"x"})
	must(t, fieldpatch.Status(ctx, env.Client, stale, fieldpatch.Fields{Status: map[string]any{"ready": 1}, Force: true}))
	equal(t, "status by force", reload(ctx, t, env, object).Status.Ready, 1)
	must(t, env.Client.Delete(ctx, object))
	notFound(t, fieldpatch.Object(ctx, env.Client, object, fieldpatch.Fields{Spec: map[string]any{"tags": nil}}))
}

func fieldPatchesOwners(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, widget(env, "a"))
	must(t, fieldpatch.Object(ctx, env.Client, object, fieldpatch.Fields{Spec: map[string]any{"tags": []string{"x"}}}))
	must(t, fieldpatch.Status(ctx, env.Client, object, fieldpatch.Fields{Status: map[string]any{"ready": 1}}))
	equal(t, "owners", len(reload(ctx, t, env, object).ManagedFields), 0)
	applied := tree(env, "b", map[string]any{"tags": []any{"x"}})
	must(t, env.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(applied), client.FieldOwner("users")))
	read := reload(ctx, t, env, widget(env, "b"))
	before := len(read.ManagedFields)
	must(t, fieldpatch.Object(ctx, env.Client, read, fieldpatch.Fields{Annotations: map[string]any{"a": "1"}}))
	equal(t, "owners after apply are kept", len(reload(ctx, t, env, read).ManagedFields) >= before, true)
}
