package conformance

import (
	"context"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func namespaceCases() []Case {
	return []Case{
		{"create in a missing namespace", createInMissingNamespace},
		{"new namespaces are active and labelled", newNamespace},
		{"create in a terminating namespace", createInTerminatingNamespace},
		{"namespace deletion removes the content", namespaceDeletion},
		{"namespace waits for held content", namespaceWaits},
		{"system namespaces cannot be deleted", systemNamespaces},
	}
}

func newSpace(ctx context.Context, t *testing.T, env Env, suffix string) (Env, *corev1.Namespace) {
	t.Helper()
	inner := env
	inner.Namespace = env.Namespace + suffix
	return inner, created(ctx, t, env, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: inner.Namespace}})
}

func createInMissingNamespace(ctx context.Context, t *testing.T, env Env) {
	env.Namespace += "-missing"
	err := env.Client.Create(ctx, configMap(env, "a"))
	notFound(t, err)
	equal(t, "message", err.Error(), `namespaces "`+env.Namespace+`" not found`)
	notFound(t, env.Client.Create(ctx, widget(env, "a")))
}

func newNamespace(ctx context.Context, t *testing.T, env Env) {
	_, namespace := newSpace(ctx, t, env, "-new")
	equal(t, "phase", namespace.Status.Phase, corev1.NamespaceActive)
	equal(t, "label", namespace.Labels["kubernetes.io/metadata.name"], namespace.Name)
	equal(t, "finalizers", len(namespace.Spec.Finalizers), 1)
	equal(t, "generation", namespace.Generation, 0)
	namespace.Spec.Finalizers = nil
	delete(namespace.Labels, "kubernetes.io/metadata.name")
	must(t, env.Client.Update(ctx, namespace))
	equal(t, "finalizers after an update", len(namespace.Spec.Finalizers), 1)
	equal(t, "label after an update", namespace.Labels["kubernetes.io/metadata.name"], namespace.Name)
}

func createInTerminatingNamespace(ctx context.Context, t *testing.T, env Env) {
	inner, namespace := newSpace(ctx, t, env, "-term")
	kept := created(ctx, t, inner, held(inner, "kept"))
	must(t, env.Client.Delete(ctx, namespace))
	read := reload(ctx, t, env, namespace)
	equal(t, "phase", read.Status.Phase, corev1.NamespaceTerminating)
	status := refused(t, env.Client.Create(ctx, configMap(inner, "late")), http.StatusForbidden, metav1.StatusReasonForbidden)
	equal(t, "cause", status.Details.Causes[0].Type, corev1.NamespaceTerminatingCause)
	must(t, env.Client.Patch(ctx, kept, mergeOf(`{"metadata":{"finalizers":null}}`)))
	gone(ctx, t, env, namespace)
}

func namespaceDeletion(ctx context.Context, t *testing.T, env Env) {
	inner, namespace := newSpace(ctx, t, env, "-full")
	content := []client.Object{configMap(inner, "a"), configMap(inner, "b"), widget(inner, "a"), pod(inner, "p")}
	for _, object := range content {
		must(t, env.Client.Create(ctx, object))
	}
	must(t, env.Client.Delete(ctx, namespace))
	gone(ctx, t, env, namespace)
	for _, object := range content {
		notFound(t, env.Client.Get(ctx, client.ObjectKeyFromObject(object), object.DeepCopyObject().(client.Object)))
	}
	again := created(ctx, t, env, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: inner.Namespace}})
	if again.UID == namespace.UID {
		t.Fatal("the new namespace has the old uid")
	}
}

func namespaceWaits(ctx context.Context, t *testing.T, env Env) {
	inner, namespace := newSpace(ctx, t, env, "-held")
	object := widget(inner, "kept")
	object.Finalizers = []string{hold}
	created(ctx, t, inner, object)
	created(ctx, t, inner, configMap(inner, "free"))
	must(t, env.Client.Delete(ctx, namespace))
	gone(ctx, t, env, configMap(inner, "free"))
	must(t, env.Settle(ctx, func() (bool, error) {
		read := &Widget{}
		err := env.Client.Get(ctx, client.ObjectKeyFromObject(object), read)
		return err == nil && read.DeletionTimestamp != nil, err
	}))
	equal(t, "phase", reload(ctx, t, env, namespace).Status.Phase, corev1.NamespaceTerminating)
	must(t, env.Client.Patch(ctx, object, mergeOf(`{"metadata":{"finalizers":null}}`)))
	gone(ctx, t, env, namespace)
}

func systemNamespaces(ctx context.Context, t *testing.T, env Env) {
	for _, name := range []string{"default", "kube-system", "kube-public"} {
		err := env.Client.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, client.DryRunAll)
		refused(t, err, http.StatusForbidden, metav1.StatusReasonForbidden)
	}
}

func definitionCases() []Case {
	return []Case{
		{"a definition adds a kind", definitionAddsKind},
		{"a definition takes its objects with it", definitionTakesObjects},
		{"invalid definitions", definitionInvalid},
		{"a kind without a status subresource", definitionWithoutStatus},
		{"a kind with two versions", definitionTwoVersions},
	}
}

func anyVersion(name string, storage bool) apiextensionsv1.CustomResourceDefinitionVersion {
	text := apiextensionsv1.JSONSchemaProps{Type: "string"}
	return apiextensionsv1.CustomResourceDefinitionVersion{
		Name: name, Served: true, Storage: storage,
		Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
			Type: "object",
			Properties: map[string]apiextensionsv1.JSONSchemaProps{
				"spec": {
					Type:       "object",
					Properties: map[string]apiextensionsv1.JSONSchemaProps{"word": text, "other": text},
				},
				"status": {Type: "object", XPreserveUnknownFields: ptr.To(true)},
			},
		}},
	}
}

// anyDefinition makes a definition that no other case uses, without a status subresource.
func anyDefinition(kind, plural string) *apiextensionsv1.CustomResourceDefinition {
	return definition(kind, plural, anyVersion("v1", true))
}

// defineAndCreate creates a definition and, as soon as it is served, an object of it.
func defineAndCreate(ctx context.Context, t *testing.T, env Env, definition *apiextensionsv1.CustomResourceDefinition,
	spec map[string]any) *unstructured.Unstructured {
	t.Helper()
	must(t, env.Client.Create(ctx, definition))
	object := tree(env, "a", spec)
	object.SetGroupVersionKind(schema.GroupVersionKind{
		Group: definition.Spec.Group, Version: definition.Spec.Versions[0].Name, Kind: definition.Spec.Names.Kind,
	})
	must(t, env.Settle(ctx, func() (bool, error) {
		return env.Client.Create(ctx, object) == nil, nil
	}))
	return object
}

func definitionAddsKind(ctx context.Context, t *testing.T, env Env) {
	crd := anyDefinition("Added"+env.Namespace, "added"+env.Namespace)
	object := defineAndCreate(ctx, t, env, crd, map[string]any{"word": "x", "unknown": "y"})
	if _, found, _ := unstructured.NestedString(object.Object, "spec", "unknown"); found {
		t.Fatal("the object was not pruned")
	}
	read := reload(ctx, t, env, crd)
	equal(t, "generation", read.Generation, 1)
	equal(t, "finalizers", len(read.Finalizers), 0)
	equalStrings(t, "stored versions", read.Status.StoredVersions, []string{"v1"})
	equal(t, "accepted kind", read.Status.AcceptedNames.Kind, crd.Spec.Names.Kind)
	equal(t, "list kind by default", read.Spec.Names.ListKind, crd.Spec.Names.Kind+"List")
	established := false
	for _, condition := range read.Status.Conditions {
		established = established || (condition.Type == apiextensionsv1.Established &&
			condition.Status == apiextensionsv1.ConditionTrue)
	}
	equal(t, "established", established, true)
	must(t, env.Client.Delete(ctx, crd))
}

func definitionTakesObjects(ctx context.Context, t *testing.T, env Env) {
	crd := anyDefinition("Taken"+env.Namespace, "taken"+env.Namespace)
	object := defineAndCreate(ctx, t, env, crd, nil)
	must(t, env.Client.Delete(ctx, crd))
	gone(ctx, t, env, crd)
	err := env.Client.Get(ctx, client.ObjectKeyFromObject(object), object)
	if err == nil || (!meta.IsNoMatchError(err) && client.IgnoreNotFound(err) != nil) {
		t.Fatalf("got %v for an object of a removed kind", err)
	}
}

func definitionInvalid(ctx context.Context, t *testing.T, env Env) {
	crd := anyDefinition("Wrong", "wrong")
	crd.Name = "other.conformance.example.com"
	invalid(t, env.Client.Create(ctx, crd), "metadata.name")
	crd = definition("Wrong", "wrong", anyVersion("v1", true), anyVersion("v2", true))
	invalid(t, env.Client.Create(ctx, crd), "spec.versions")
}

func definitionWithoutStatus(ctx context.Context, t *testing.T, env Env) {
	crd := anyDefinition("Plain"+env.Namespace, "plain"+env.Namespace)
	object := defineAndCreate(ctx, t, env, crd, map[string]any{"word": "x"})
	equal(t, "generation", object.GetGeneration(), 1)
	must(t, unstructured.SetNestedField(object.Object, "done", "status", "phase"))
	must(t, env.Client.Update(ctx, object))
	phase, _, _ := unstructured.NestedString(object.Object, "status", "phase")
	equal(t, "status", phase, "done")
	equal(t, "generation after a change of the status", object.GetGeneration(), 2)
	notFound(t, env.Client.Status().Update(ctx, object))
	must(t, env.Client.Delete(ctx, crd))
}

func definitionTwoVersions(ctx context.Context, t *testing.T, env Env) {
	crd := definition("Double"+env.Namespace, "double"+env.Namespace, anyVersion("v1beta1", false), anyVersion("v1", true))
	object := defineAndCreate(ctx, t, env, crd, map[string]any{"word": "x"})
	equal(t, "version in the answer", object.GroupVersionKind().Version, "v1beta1")
	other := object.DeepCopy()
	other.SetGroupVersionKind(schema.GroupVersionKind{Group: crd.Spec.Group, Version: "v1", Kind: crd.Spec.Names.Kind})
	must(t, env.Client.Get(ctx, client.ObjectKeyFromObject(object), other))
	equal(t, "version of the read", other.GroupVersionKind().Version, "v1")
	equal(t, "uid", other.GetUID(), object.GetUID())
	must(t, unstructured.SetNestedField(other.Object, "y", "spec", "word"))
	must(t, env.Client.Update(ctx, other))
	must(t, env.Client.Get(ctx, client.ObjectKeyFromObject(object), object))
	word, _, _ := unstructured.NestedString(object.Object, "spec", "word")
	equal(t, "word", word, "y")
	equal(t, "generation", object.GetGeneration(), 2)
	must(t, env.Client.Delete(ctx, crd))
}
