package conformance

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func readCases() []Case {
	return []Case{
		{"get of what does not exist", getMissing},
		{"get copies", getCopies},
		{"list is sorted", listSorted},
		{"list across namespaces is sorted as etcd sorts", listAcrossNamespaces},
		{"list by label", listByLabel},
		{"list by field", listByField},
		{"list by an unknown field", listByUnknownField},
		{"list in pages", listInPages},
		{"pages show one revision", listPagesConsistent},
		{"malformed continue token", listMalformedContinue},
		{"list in every form", listForms},
		{"kinds that are not served", unknownKind},
		{"cluster-scoped kinds ignore namespaces", clusterScoped},
	}
}

func number(t *testing.T, text string) uint64 {
	t.Helper()
	value, err := strconv.ParseUint(text, 10, 64)
	must(t, err)
	return value
}

// namesOf lists the names in a list.
func namesOf(list client.ObjectList) []string {
	var names []string
	items, err := meta.ExtractList(list)
	if err != nil {
		return []string{err.Error()}
	}
	for _, item := range items {
		names = append(names, item.(metav1.Object).GetName())
	}
	return names
}

// labelled creates config maps that are told apart from those a cluster makes by itself.
func labelled(ctx context.Context, t *testing.T, env Env, names ...string) {
	t.Helper()
	for i, name := range names {
		object := configMap(env, name)
		object.Labels = map[string]string{"case": "yes", "odd": strconv.FormatBool(i%2 == 1)}
		created(ctx, t, env, object)
	}
}

func getMissing(ctx context.Context, t *testing.T, env Env) {
	err := env.Client.Get(ctx, client.ObjectKey{Namespace: env.Namespace, Name: "a"}, &corev1.ConfigMap{})
	notFound(t, err)
	equal(t, "message", err.Error(), `configmaps "a" not found`)
	status := refused(t, err, http.StatusNotFound, metav1.StatusReasonNotFound)
	equal(t, "kind in details", status.Details.Kind, "configmaps")
	err = env.Client.Get(ctx, client.ObjectKey{Namespace: env.Namespace, Name: "a"}, &Widget{})
	notFound(t, err)
	equal(t, "message", err.Error(), `widgets.conformance.example.com "a" not found`)
}

func getCopies(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, configMap(env, "a", "k", "v"))
	object.Data["k"] = "mine"
	first := reload(ctx, t, env, object)
	first.Data["k"] = "mine too"
	equal(t, "data", reload(ctx, t, env, object).Data["k"], "v")
	list := &corev1.ConfigMapList{}
	must(t, env.Client.List(ctx, list, client.InNamespace(env.Namespace), client.MatchingFields{"metadata.name": "a"}))
	list.Items[0].Data["k"] = "mine again"
	equal(t, "data after a list", reload(ctx, t, env, object).Data["k"], "v")
}

func listSorted(ctx context.Context, t *testing.T, env Env) {
	labelled(ctx, t, env, "c", "a", "b.x", "b-x", "b", "b1")
	list := &corev1.ConfigMapList{}
	must(t, env.Client.List(ctx, list, client.InNamespace(env.Namespace), client.HasLabels{"case"}))
	equalStrings(t, "names", namesOf(list), []string{"a", "b", "b-x", "b.x", "b1", "c"})
	if list.ResourceVersion == "" {
		t.Fatal("the list has no resource version")
	}
}

func listAcrossNamespaces(ctx context.Context, t *testing.T, env Env) {
	other := env
	other.Namespace = env.Namespace + "-b"
	created(ctx, t, env, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: other.Namespace}})
	third := env
	third.Namespace = env.Namespace + "0"
	created(ctx, t, env, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: third.Namespace}})
	for i, e := range []Env{third, env, other} {
		object := widget(e, fmt.Sprintf("w%d", i))
		object.Labels = map[string]string{"across": env.Namespace}
		created(ctx, t, e, object)
	}
	list := &WidgetList{}
	must(t, env.Client.List(ctx, list, client.MatchingLabels{"across": env.Namespace}))
	equalStrings(t, "names", namesOf(list), []string{"w2", "w1", "w0"})
}

func listByLabel(ctx context.Context, t *testing.T, env Env) {
	labelled(ctx, t, env, "a", "b", "c", "d")
	for text, want := range map[string][]string{
		"odd=true": {"b", "d"}, "odd!=true,case": {"a", "c"}, "odd in (true,false)": {"a", "b", "c", "d"},
		"case,!odd": nil, "case=yes,odd notin (true)": {"a", "c"},
	} {
		selector, err := labels.Parse(text)
		must(t, err)
		list := &corev1.ConfigMapList{}
		must(t, env.Client.List(ctx, list, client.InNamespace(env.Namespace), client.MatchingLabelsSelector{Selector: selector}))
		equalStrings(t, "names for "+text, namesOf(list), want)
	}
}

func listByField(ctx context.Context, t *testing.T, env Env) {
	labelled(ctx, t, env, "a", "b")
	list := &corev1.ConfigMapList{}
	must(t, env.Client.List(ctx, list, client.InNamespace(env.Namespace), client.MatchingFields{"metadata.name": "b"}))
	equalStrings(t, "names", namesOf(list), []string{"b"})
	must(t, env.Client.List(ctx, list, client.MatchingFields{"metadata.namespace": env.Namespace}, client.HasLabels{"case"}))
	equalStrings(t, "names by namespace", namesOf(list), []string{"a", "b"})
	bound := pod(env, "bound")
	bound.Spec.NodeName = "n1"
	created(ctx, t, env, bound)
	created(ctx, t, env, pod(env, "free"))
	pods := &corev1.PodList{}
	must(t, env.Client.List(ctx, pods, client.InNamespace(env.Namespace), client.MatchingFields{"spec.nodeName": "n1"}))
	equalStrings(t, "pods of a node", namesOf(pods), []string{"bound"})
	must(t, env.Client.List(ctx, pods, client.InNamespace(env.Namespace), client.MatchingFields{"status.phase": "Pending"}))
	equalStrings(t, "pending pods", namesOf(pods), []string{"bound", "free"})
	created(ctx, t, env, widget(env, "w"))
	widgets := &WidgetList{}
	must(t, env.Client.List(ctx, widgets, client.InNamespace(env.Namespace), client.MatchingFields{"metadata.name": "w"}))
	equalStrings(t, "widgets", namesOf(widgets), []string{"w"})
}

func listByUnknownField(ctx context.Context, t *testing.T, env Env) {
	err := env.Client.List(ctx, &corev1.ConfigMapList{}, client.InNamespace(env.Namespace), client.MatchingFields{"data.k": "v"})
	refused(t, err, http.StatusBadRequest, metav1.StatusReasonBadRequest)
	err = env.Client.List(ctx, &WidgetList{}, client.InNamespace(env.Namespace), client.MatchingFields{"spec.mode": "Auto"})
	refused(t, err, http.StatusBadRequest, metav1.StatusReasonBadRequest)
}

func listInPages(ctx context.Context, t *testing.T, env Env) {
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		created(ctx, t, env, widget(env, name))
	}
	var names []string
	var remaining []int64
	token := ""
	for {
		list := &WidgetList{}
		must(t, env.Client.List(ctx, list, client.InNamespace(env.Namespace), client.Limit(2), client.Continue(token)))
		names = append(names, namesOf(list)...)
		if list.RemainingItemCount != nil {
			remaining = append(remaining, *list.RemainingItemCount)
		}
		if token = list.Continue; token == "" {
			break
		}
	}
	equalStrings(t, "names", names, []string{"a", "b", "c", "d", "e"})
	equal(t, "remaining counts", fmt.Sprint(remaining), "[3 1]")
	list := &WidgetList{}
	must(t, env.Client.List(ctx, list, client.InNamespace(env.Namespace), client.Limit(5)))
	equal(t, "token of a full page", list.Continue, "")
}

func listPagesConsistent(ctx context.Context, t *testing.T, env Env) {
	for _, name := range []string{"a", "b", "d"} {
		created(ctx, t, env, widget(env, name))
	}
	first := &WidgetList{}
	must(t, env.Client.List(ctx, first, client.InNamespace(env.Namespace), client.Limit(1)))
	created(ctx, t, env, widget(env, "c"))
	must(t, env.Client.Delete(ctx, widget(env, "d")))
	second := &WidgetList{}
	must(t, env.Client.List(ctx, second, client.InNamespace(env.Namespace), client.Limit(10), client.Continue(first.Continue)))
	equalStrings(t, "names", namesOf(second), []string{"b", "d"})
	equal(t, "resource version", second.ResourceVersion, first.ResourceVersion)
}

func listMalformedContinue(ctx context.Context, t *testing.T, env Env) {
	err := env.Client.List(ctx, &corev1.ConfigMapList{}, client.InNamespace(env.Namespace), client.Continue("nonsense"))
	refused(t, err, http.StatusBadRequest, metav1.StatusReasonBadRequest)
}

func listForms(ctx context.Context, t *testing.T, env Env) {
	labelled(ctx, t, env, "a", "b")
	gvk := corev1.SchemeGroupVersion.WithKind("ConfigMapList")
	trees := &unstructured.UnstructuredList{}
	trees.SetGroupVersionKind(gvk)
	must(t, env.Client.List(ctx, trees, client.InNamespace(env.Namespace), client.HasLabels{"case"}))
	equalStrings(t, "trees", namesOf(trees), []string{"a", "b"})
	equal(t, "kind of a tree", trees.Items[0].GetKind(), "ConfigMap")
	partial := &metav1.PartialObjectMetadataList{}
	partial.SetGroupVersionKind(gvk)
	must(t, env.Client.List(ctx, partial, client.InNamespace(env.Namespace), client.HasLabels{"case"}))
	equalStrings(t, "metadata", namesOf(partial), []string{"a", "b"})
	equal(t, "kind of metadata", partial.Items[0].Kind, "ConfigMap")
	empty := &corev1.ConfigMapList{}
	must(t, env.Client.List(ctx, empty, client.InNamespace("no-such-namespace")))
	equal(t, "items in a missing namespace", len(empty.Items), 0)
}

func unknownKind(ctx context.Context, t *testing.T, env Env) {
	tree := &unstructured.Unstructured{}
	tree.SetGroupVersionKind(schema.GroupVersionKind{Group: "nowhere.example.com", Version: "v1", Kind: "Nothing"})
	err := env.Client.Get(ctx, client.ObjectKey{Namespace: env.Namespace, Name: "a"}, tree)
	if !meta.IsNoMatchError(err) {
		t.Fatalf("got %v, want no match", err)
	}
	_, err = env.Client.RESTMapper().RESTMapping(schema.GroupKind{Group: "nowhere.example.com", Kind: "Nothing"})
	if !meta.IsNoMatchError(err) {
		t.Fatalf("got %v, want no match", err)
	}
	mapping, err := env.Client.RESTMapper().RESTMapping(WidgetGVK.GroupKind())
	must(t, err)
	equal(t, "resource", mapping.Resource.Resource, "widgets")
	equal(t, "scope", mapping.Scope.Name(), meta.RESTScopeNameNamespace)
}

func clusterScoped(ctx context.Context, t *testing.T, env Env) {
	read := &corev1.Namespace{}
	must(t, env.Client.Get(ctx, client.ObjectKey{Namespace: "ignored", Name: env.Namespace}, read))
	equal(t, "name", read.Name, env.Namespace)
	equal(t, "namespace", read.Namespace, "")
	namespaced, err := env.Client.IsObjectNamespaced(&corev1.Namespace{})
	must(t, err)
	equal(t, "namespaced", namespaced, false)
}
