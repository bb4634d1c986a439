package conformance

import (
	"context"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func metadataCases() []Case {
	return []Case{
		{"create fills system metadata", createFillsMetadata},
		{"create ignores what clients may not set", createIgnoresSystemFields},
		{"create of an existing name", createExisting},
		{"create of a name that is being deleted", createDeleting},
		{"create with a resource version", createWithRevision},
		{"create without a namespace", createWithoutNamespace},
		{"create without a name", createWithoutName},
		{"create with malformed names", createMalformedNames},
		{"create with malformed labels, finalizers and owners", createMalformedMetadata},
		{"create with a generated name", createGeneratedName},
		{"create drops repeated owners", createRepeatedOwners},
		{"create in dry run stores nothing", createDryRun},
		{"create keeps the kind the caller said", createKeepsType},
		{"every kind has its rules for names", namesByKind},
		{"typed, unstructured and metadata reads agree", readsAgree},
		{"metadata alone cannot be written", metadataOnlyWrites},
		{"times lose their fractions and empty values vanish", valuesTravelAsJSON},
	}
}

func createFillsMetadata(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, configMap(env, "a", "k", "v"))
	if object.UID == "" || object.ResourceVersion == "" || object.CreationTimestamp.IsZero() {
		t.Fatalf("metadata is not filled: %+v", object.ObjectMeta)
	}
	equal(t, "fraction of the creation time", object.CreationTimestamp.Nanosecond(), 0)
	equal(t, "generation", object.Generation, 0)
	read := reload(ctx, t, env, object)
	equal(t, "uid", read.UID, object.UID)
	equal(t, "resource version", read.ResourceVersion, object.ResourceVersion)
	equal(t, "data", read.Data["k"], "v")
	equal(t, "creation time", read.CreationTimestamp, object.CreationTimestamp)
	other := created(ctx, t, env, configMap(env, "b"))
	if other.UID == object.UID || other.ResourceVersion == object.ResourceVersion {
		t.Fatalf("two objects share a uid or a resource version")
	}
}

func createIgnoresSystemFields(ctx context.Context, t *testing.T, env Env) {
	now := metav1.NewTime(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	object := configMap(env, "a")
	object.UID = "mine"
	object.CreationTimestamp = metav1.NewTime(time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC))
	object.DeletionTimestamp = &now
	must(t, env.Client.Create(ctx, object))
	if object.UID == "mine" || object.CreationTimestamp.Year() == 2001 || object.DeletionTimestamp != nil {
		t.Fatalf("system fields were taken from the client: %+v", object.ObjectMeta)
	}
}

func createExisting(ctx context.Context, t *testing.T, env Env) {
	created(ctx, t, env, configMap(env, "a"))
	status := refused(t, env.Client.Create(ctx, configMap(env, "a")), http.StatusConflict, metav1.StatusReasonAlreadyExists)
	equal(t, "name in details", status.Details.Name, "a")
	equal(t, "kind in details", status.Details.Kind, "configmaps")
	equal(t, "message", status.Message, `configmaps "a" already exists`)
}

func createDeleting(ctx context.Context, t *testing.T, env Env) {
	object := configMap(env, "a")
	object.Finalizers = []string{"example.com/hold"}
	created(ctx, t, env, object)
	must(t, env.Client.Delete(ctx, configMap(env, "a")))
	status := refused(t, env.Client.Create(ctx, configMap(env, "a")), http.StatusConflict, metav1.StatusReasonAlreadyExists)
	if !strings.HasPrefix(status.Message, "object is being deleted") {
		t.Fatalf("message %q", status.Message)
	}
}

func createWithRevision(ctx context.Context, t *testing.T, env Env) {
	object := configMap(env, "a")
	object.ResourceVersion = "7"
	status := refused(t, env.Client.Create(ctx, object), http.StatusInternalServerError, metav1.StatusReasonUnknown)
	equal(t, "message", status.Message, "resourceVersion should not be set on objects to be created")
	notFound(t, env.Client.Get(ctx, client.ObjectKeyFromObject(object), &corev1.ConfigMap{}))
}

func createWithoutNamespace(ctx context.Context, t *testing.T, env Env) {
	object := configMap(env, "a")
	object.Namespace = ""
	err := env.Client.Create(ctx, object)
	if err == nil {
		t.Fatal("an object of a namespaced kind was created without a namespace")
	}
	equal(t, "error", err.Error(), "an empty namespace may not be set during creation")
}

func createWithoutName(ctx context.Context, t *testing.T, env Env) {
	invalid(t, env.Client.Create(ctx, configMap(env, "")), "metadata.name")
	invalid(t, env.Client.Create(ctx, widget(env, "")), "metadata.name")
}

func createMalformedNames(ctx context.Context, t *testing.T, env Env) {
	for _, name := range []string{"Upper", "under_score", "-dash", "dot.", strings.Repeat("x", 254)} {
		invalid(t, env.Client.Create(ctx, configMap(env, name)), "metadata.name")
		invalid(t, env.Client.Create(ctx, widget(env, name)), "metadata.name")
	}
	created(ctx, t, env, configMap(env, "with.dots-and-dashes"))
	invalid(t, env.Client.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "with.dots"}}), "metadata.name")
}

func createMalformedMetadata(ctx context.Context, t *testing.T, env Env) {
	object := configMap(env, "a")
	object.Labels = map[string]string{"k": "not a value"}
	invalid(t, env.Client.Create(ctx, object), "metadata.labels")
	object = configMap(env, "a")
	object.Annotations = map[string]string{"not a key": "v"}
	invalid(t, env.Client.Create(ctx, object), "metadata.annotations")
	object = configMap(env, "a")
	object.Finalizers = []string{"not a finalizer"}
	invalid(t, env.Client.Create(ctx, object), "metadata.finalizers")
	object = configMap(env, "a")
	object.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "o"}}
	status := refused(t, env.Client.Create(ctx, object), http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
	// Versions of the real API server differ in how they index the path.
	if at := status.Details.Causes[0].Field; !strings.HasPrefix(at, "metadata.ownerReferences") {
		t.Fatalf("the cause names the field %s", at)
	}
	broken := widget(env, "a")
	broken.Labels = map[string]string{"k": "not a value"}
	invalid(t, env.Client.Create(ctx, broken), "metadata.labels")
}

func createGeneratedName(ctx context.Context, t *testing.T, env Env) {
	pattern := regexp.MustCompile(`^job-[bcdfghjklmnpqrstvwxz2456789]{5}$`)
	seen := map[string]bool{}
	for range 3 {
		object := configMap(env, "")
		object.GenerateName = "job-"
		created(ctx, t, env, object)
		if !pattern.MatchString(object.Name) || seen[object.Name] {
			t.Fatalf("generated name %q", object.Name)
		}
		seen[object.Name] = true
	}
	object := configMap(env, "")
	object.GenerateName = strings.Repeat("x", 80)
	created(ctx, t, env, object)
	equal(t, "length of a long generated name", len(object.Name), 63)
	named := configMap(env, "named")
	named.GenerateName = "job-"
	created(ctx, t, env, named)
	equal(t, "name beside generateName", named.Name, "named")
}

func createRepeatedOwners(ctx context.Context, t *testing.T, env Env) {
	owner := created(ctx, t, env, configMap(env, "owner"))
	object := configMap(env, "a")
	reference := metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "owner", UID: owner.UID}
	object.OwnerReferences = []metav1.OwnerReference{reference, reference}
	created(ctx, t, env, object)
	equal(t, "owners", len(object.OwnerReferences), 1)
}

func createDryRun(ctx context.Context, t *testing.T, env Env) {
	object := configMap(env, "a", "k", "v")
	must(t, env.Client.Create(ctx, object, client.DryRunAll))
	if object.UID == "" {
		t.Fatal("a dry run fills no uid")
	}
	notFound(t, env.Client.Get(ctx, client.ObjectKeyFromObject(object), &corev1.ConfigMap{}))
	created(ctx, t, env, configMap(env, "b"))
	refused(t, env.Client.Create(ctx, configMap(env, "b"), client.DryRunAll), http.StatusConflict,
		metav1.StatusReasonAlreadyExists)
}

func createKeepsType(ctx context.Context, t *testing.T, env Env) {
	tree := &unstructured.Unstructured{}
	tree.SetGroupVersionKind(WidgetGVK)
	tree.SetNamespace(env.Namespace)
	tree.SetName("tree")
	created(ctx, t, env, tree)
	equal(t, "kind of the tree", tree.GroupVersionKind(), WidgetGVK)
	typed := widget(env, "typed")
	typed.SetGroupVersionKind(WidgetGVK)
	must(t, env.Client.Create(ctx, typed))
	typed.Spec.Mode = "Manual"
	typed.SetGroupVersionKind(WidgetGVK)
	must(t, env.Client.Update(ctx, typed))
	equal(t, "kind of the typed object", typed.GroupVersionKind(), WidgetGVK)
	equal(t, "kind of a typed read", reload(ctx, t, env, typed).Kind, "")
}

func namesByKind(ctx context.Context, t *testing.T, env Env) {
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: env.Namespace, Name: "system:With_Anything"}}
	created(ctx, t, env, role)
	role = &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: env.Namespace, Name: "with%percent"}}
	invalid(t, env.Client.Create(ctx, role), "metadata.name")
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: env.Namespace, Name: "with.dots"},
		Spec:       corev1.ServiceSpec{ClusterIP: "None", Selector: map[string]string{"a": "b"}},
	}
	invalid(t, env.Client.Create(ctx, service, client.DryRunAll), "metadata.name")
}

func readsAgree(ctx context.Context, t *testing.T, env Env) {
	object := configMap(env, "a", "k", "v")
	object.Labels = map[string]string{"l": "1"}
	created(ctx, t, env, object)
	key := client.ObjectKeyFromObject(object)

	tree := &unstructured.Unstructured{}
	tree.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	must(t, env.Client.Get(ctx, key, tree))
	data, _, _ := unstructured.NestedString(tree.Object, "data", "k")
	equal(t, "data in the tree", data, "v")
	equal(t, "api version in the tree", tree.GetAPIVersion(), "v1")
	equal(t, "resource version in the tree", tree.GetResourceVersion(), object.ResourceVersion)

	partial := &metav1.PartialObjectMetadata{}
	partial.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	must(t, env.Client.Get(ctx, key, partial))
	equal(t, "uid of the metadata", partial.UID, object.UID)
	equal(t, "label of the metadata", partial.Labels["l"], "1")
	equal(t, "kind of the metadata", partial.Kind, "ConfigMap")
}

func metadataOnlyWrites(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, configMap(env, "a", "k", "v"))
	partial := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: env.Namespace, Name: "a"}}
	partial.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
	if env.Client.Create(ctx, partial.DeepCopy()) == nil || env.Client.Update(ctx, partial.DeepCopy()) == nil {
		t.Fatal("metadata alone was written")
	}
	patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"l":"1"}}}`))
	must(t, env.Client.Patch(ctx, partial, patch))
	equal(t, "label after a patch", partial.Labels["l"], "1")
	read := reload(ctx, t, env, object)
	equal(t, "data after a patch of metadata", read.Data["k"], "v")
	equal(t, "label in the object", read.Labels["l"], "1")
	must(t, env.Client.Delete(ctx, partial))
	notFound(t, env.Client.Get(ctx, client.ObjectKeyFromObject(object), &corev1.ConfigMap{}))
}

func valuesTravelAsJSON(ctx context.Context, t *testing.T, env Env) {
	moment := time.Date(2026, 5, 4, 3, 2, 1, 987654321, time.UTC)
	object := created(ctx, t, env, widget(env, "a"))
	object.Status.Conditions = []metav1.Condition{{
		Type: "Ready", Status: "True", Reason: "Test", LastTransitionTime: metav1.NewTime(moment),
	}}
	must(t, env.Client.Status().Update(ctx, object))
	got := object.Status.Conditions[0].LastTransitionTime
	if !got.Time.Equal(moment.Truncate(time.Second)) {
		t.Fatalf("time came back as %v", got)
	}
	revision := object.ResourceVersion
	object.Status.Conditions[0].LastTransitionTime = metav1.NewTime(moment.Add(time.Millisecond))
	object.Spec.Tags = []string{}
	must(t, env.Client.Status().Update(ctx, object))
	equal(t, "resource version after a change of milliseconds", object.ResourceVersion, revision)
	if object.Spec.Tags != nil {
		t.Fatalf("empty list came back as %#v", object.Spec.Tags)
	}
}
