package conformance

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func customCases() []Case {
	return []Case{
		{"custom resource gets defaults", customDefaults},
		{"custom resource is pruned", customPruned},
		{"custom resource keeps what the schema preserves", customPreserved},
		{"custom resource is validated", customValidated},
		{"custom resource obeys the rules of the schema", customRules},
		{"custom resource sets have no duplicates", customSets},
		{"unknown fields are refused in strict mode", customStrict},
		{"unchanged violations are tolerated", customRatcheting},
		{"null values are replaced by defaults", customNulls},
	}
}

func widget(env Env, name string) *Widget {
	return &Widget{ObjectMeta: metav1.ObjectMeta{Namespace: env.Namespace, Name: name}}
}

// tree makes an unstructured Widget.
func tree(env Env, name string, spec map[string]any) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{}}
	object.SetGroupVersionKind(WidgetGVK)
	object.SetNamespace(env.Namespace)
	object.SetName(name)
	if spec != nil {
		object.Object["spec"] = spec
	}
	return object
}

func customDefaults(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, tree(env, "a", nil))
	mode, _, _ := unstructured.NestedString(object.Object, "spec", "mode")
	equal(t, "mode", mode, "Auto")
	replicas, _, _ := unstructured.NestedInt64(object.Object, "spec", "replicas")
	equal(t, "replicas", replicas, 1)
	typed := widget(env, "b")
	typed.Spec.Replicas = ptr.To[int32](0)
	created(ctx, t, env, typed)
	equal(t, "replicas given", *typed.Spec.Replicas, 0)
	equal(t, "mode by default", typed.Spec.Mode, "Auto")
	typed.Spec.Replicas, typed.Spec.Mode = nil, ""
	must(t, env.Client.Update(ctx, typed))
	equal(t, "replicas after an update", *typed.Spec.Replicas, 1)
}

func customPruned(ctx context.Context, t *testing.T, env Env) {
	object := tree(env, "a", map[string]any{"mode": "Auto", "unknown": "x"})
	object.Object["extra"] = map[string]any{"a": "b"}
	object.Object["metadata"].(map[string]any)["unknown"] = "x"
	created(ctx, t, env, object)
	for _, path := range [][]string{{"spec", "unknown"}, {"extra"}, {"metadata", "unknown"}} {
		if _, found, _ := unstructured.NestedFieldNoCopy(object.Object, path...); found {
			t.Fatalf("%v was not pruned", path)
		}
	}
}

func customPreserved(ctx context.Context, t *testing.T, env Env) {
	object := widget(env, "a")
	object.Spec.Payload = &runtime.RawExtension{Raw: []byte(`{"b":[1,{"c":null}],"a":1.5,"n":12345678901234}`)}
	created(ctx, t, env, object)
	var payload map[string]any
	must(t, json.Unmarshal(reload(ctx, t, env, object).Spec.Payload.Raw, &payload))
	equal(t, "number", payload["a"], any(1.5))
	inner := payload["b"].([]any)[1].(map[string]any)
	if _, found := inner["c"]; !found {
		t.Fatal("a null was dropped")
	}
	equal(t, "raw", string(reload(ctx, t, env, object).Spec.Payload.Raw), `{"a":1.5,"b":[1,{"c":null}],"n":12345678901234}`)
}

func customValidated(ctx context.Context, t *testing.T, env Env) {
	object := widget(env, "a")
	object.Spec.Mode = "Never"
	invalid(t, env.Client.Create(ctx, object), "spec.mode")
	object = widget(env, "a")
	object.Spec.Replicas = ptr.To[int32](101)
	invalid(t, env.Client.Create(ctx, object), "spec.replicas")
	invalid(t, env.Client.Create(ctx, tree(env, "a", map[string]any{"replicas": "two"})), "spec.replicas")
	invalid(t, env.Client.Create(ctx, tree(env, "a", map[string]any{"tags": "x"})), "spec.tags")
	valid := created(ctx, t, env, widget(env, "a"))
	valid.Spec.Replicas = ptr.To[int32](-1)
	err := env.Client.Update(ctx, valid)
	invalid(t, err, "spec.replicas")
	equal(t, "kind in details", refused(t, err, http.StatusUnprocessableEntity, metav1.StatusReasonInvalid).Details.Kind, "Widget")
}

func customRules(ctx context.Context, t *testing.T, env Env) {
	object := widget(env, "a")
	object.Spec.Min, object.Spec.Max = ptr.To[int32](2), ptr.To[int32](1)
	invalid(t, env.Client.Create(ctx, object), "spec")
	object.Spec.Max = ptr.To[int32](3)
	created(ctx, t, env, object)
	object.Spec.Max = ptr.To[int32](0)
	invalid(t, env.Client.Update(ctx, object), "spec")
}

func customSets(ctx context.Context, t *testing.T, env Env) {
	object := widget(env, "a")
	object.Spec.Tags = []string{"x", "y", "x"}
	invalid(t, env.Client.Create(ctx, object), "spec.tags[2]")
}

func customStrict(ctx context.Context, t *testing.T, env Env) {
	object := tree(env, "a", map[string]any{"unknown": "x"})
	err := env.Client.Create(ctx, object, client.FieldValidation("Strict"))
	refused(t, err, http.StatusBadRequest, metav1.StatusReasonBadRequest)
	config := &unstructured.Unstructured{Object: map[string]any{"datum": "x"}}
	config.SetAPIVersion("v1")
	config.SetKind("ConfigMap")
	config.SetNamespace(env.Namespace)
	config.SetName("a")
	err = env.Client.Create(ctx, config, client.FieldValidation("Strict"))
	refused(t, err, http.StatusBadRequest, metav1.StatusReasonBadRequest)
	must(t, env.Client.Create(ctx, config))
}

func customRatcheting(ctx context.Context, t *testing.T, env Env) {
	name := "ratchet" + env.Namespace
	loose := anyDefinition("Ratchet"+env.Namespace, name)
	object := defineAndCreate(ctx, t, env, loose, map[string]any{"word": "long enough", "other": "x"})
	for {
		strict := reload(ctx, t, env, loose)
		word := strict.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
		property := word.Properties["word"]
		property.MaxLength = ptr.To[int64](3)
		word.Properties["word"] = property
		err := env.Client.Update(ctx, strict)
		if err == nil {
			break
		}
		conflict(t, err)
	}
	probe := object.DeepCopy()
	must(t, env.Settle(ctx, func() (bool, error) {
		// Once the new schema holds, a changed long word is refused.
		must(t, env.Client.Get(ctx, client.ObjectKeyFromObject(object), probe))
		must(t, unstructured.SetNestedField(probe.Object, "still too long", "spec", "word"))
		return env.Client.Update(ctx, probe, client.DryRunAll) != nil, nil
	}))
	must(t, env.Client.Get(ctx, client.ObjectKeyFromObject(object), object))
	must(t, unstructured.SetNestedField(object.Object, "y", "spec", "other"))
	must(t, env.Client.Update(ctx, object))
	must(t, env.Client.Delete(ctx, loose))
}

func customNulls(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, tree(env, "a", map[string]any{"mode": nil, "min": nil, "tags": nil}))
	spec := object.Object["spec"].(map[string]any)
	equal(t, "mode", spec["mode"], any("Auto"))
	for _, name := range []string{"min", "tags"} {
		if _, found := spec[name]; found {
			t.Fatalf("null %s was kept", name)
		}
	}
}
