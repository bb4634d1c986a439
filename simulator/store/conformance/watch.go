package conformance

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func watchCases() []Case {
	return []Case{
		{"watch shows changes in order", watchOrder},
		{"watch starts with what exists", watchInitial},
		{"watch from a resource version", watchFromRevision},
		{"watch by label sees objects come and go", watchByLabel},
		{"watch of finalized objects", watchFinalizers},
		{"watch of a pod that goes at once", watchPodDeletion},
		{"watch is silent about what changes nothing", watchSilent},
		{"watch in other forms", watchForms},
	}
}

// next reads one event.
func next(t *testing.T, watcher watch.Interface) watch.Event {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	select {
	case got, open := <-watcher.ResultChan():
		if !open {
			t.Fatal("the watch was closed")
		}
		return got
	case <-ctx.Done():
		t.Fatal("no event came")
	}
	return watch.Event{}
}

// expect reads the next event and checks it.
func expect(t *testing.T, watcher watch.Interface, event watch.EventType, name string) client.Object {
	t.Helper()
	got := next(t, watcher)
	object, ok := got.Object.(client.Object)
	if !ok || got.Type != event || object.GetName() != name {
		t.Fatalf("got %s of %+v, want %s of %s", got.Type, got.Object, event, name)
	}
	return object
}

// startWatch opens a watch for changes from now on.
func startWatch(ctx context.Context, t *testing.T, env Env, list client.ObjectList, options ...client.ListOption) watch.Interface {
	t.Helper()
	now := list.DeepCopyObject().(client.ObjectList)
	must(t, env.Client.List(ctx, now, client.InNamespace(env.Namespace)))
	options = append(options, client.InNamespace(env.Namespace),
		&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: now.GetResourceVersion()}})
	watcher, err := env.Client.Watch(ctx, list, options...)
	must(t, err)
	t.Cleanup(watcher.Stop)
	return watcher
}

func watchOrder(ctx context.Context, t *testing.T, env Env) {
	watcher := startWatch(ctx, t, env, &WidgetList{})
	object := created(ctx, t, env, widget(env, "a"))
	object.Spec.Mode = "Manual"
	must(t, env.Client.Update(ctx, object))
	created(ctx, t, env, widget(env, "b"))
	must(t, env.Client.Delete(ctx, object))
	last := uint64(0)
	for _, want := range []struct {
		event watch.EventType
		name  string
	}{{watch.Added, "a"}, {watch.Modified, "a"}, {watch.Added, "b"}, {watch.Deleted, "a"}} {
		got := expect(t, watcher, want.event, want.name)
		revision := number(t, got.GetResourceVersion())
		if revision <= last {
			t.Fatalf("%s of %s at %d, after %d", want.event, want.name, revision, last)
		}
		last = revision
		if want.event != watch.Added {
			equal(t, "mode in the event", got.(*Widget).Spec.Mode, "Manual")
		}
	}
}

func watchInitial(ctx context.Context, t *testing.T, env Env) {
	created(ctx, t, env, widget(env, "b"))
	created(ctx, t, env, widget(env, "a"))
	watcher, err := env.Client.Watch(ctx, &WidgetList{}, client.InNamespace(env.Namespace))
	must(t, err)
	t.Cleanup(watcher.Stop)
	// A real API server sends them in no particular order.
	seen := map[string]bool{}
	for range 2 {
		event := next(t, watcher)
		equal(t, "event", event.Type, watch.Added)
		seen[event.Object.(*Widget).Name] = true
	}
	equal(t, "objects", fmt.Sprint(seen), "map[a:true b:true]")
	created(ctx, t, env, widget(env, "c"))
	expect(t, watcher, watch.Added, "c")
}

func watchFromRevision(ctx context.Context, t *testing.T, env Env) {
	first := created(ctx, t, env, widget(env, "a"))
	created(ctx, t, env, widget(env, "b"))
	must(t, env.Client.Delete(ctx, first))
	watcher, err := env.Client.Watch(ctx, &WidgetList{}, client.InNamespace(env.Namespace),
		&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: first.ResourceVersion}})
	must(t, err)
	t.Cleanup(watcher.Stop)
	expect(t, watcher, watch.Added, "b")
	expect(t, watcher, watch.Deleted, "a")
}

func watchByLabel(ctx context.Context, t *testing.T, env Env) {
	watcher := startWatch(ctx, t, env, &corev1.ConfigMapList{}, client.MatchingLabels{"l": "1"})
	object := created(ctx, t, env, configMap(env, "a", "k", "v"))
	object.Labels = map[string]string{"l": "1"}
	must(t, env.Client.Update(ctx, object))
	expect(t, watcher, watch.Added, "a")
	object.Data["k"] = "w"
	must(t, env.Client.Update(ctx, object))
	expect(t, watcher, watch.Modified, "a")
	object.Labels["l"] = "2"
	object.Data["k"] = "x"
	must(t, env.Client.Update(ctx, object))
	last := expect(t, watcher, watch.Deleted, "a").(*corev1.ConfigMap)
	equal(t, "data of an object that ceased to match", last.Data["k"], "w")
	equal(t, "its resource version", last.ResourceVersion, object.ResourceVersion)
	must(t, env.Client.Delete(ctx, object))
	again := configMap(env, "b")
	again.Labels = map[string]string{"l": "1"}
	created(ctx, t, env, again)
	expect(t, watcher, watch.Added, "b")
}

func watchFinalizers(ctx context.Context, t *testing.T, env Env) {
	watcher := startWatch(ctx, t, env, &WidgetList{})
	object := widget(env, "a")
	object.Finalizers = []string{hold}
	created(ctx, t, env, object)
	expect(t, watcher, watch.Added, "a")
	must(t, env.Client.Delete(ctx, object))
	if expect(t, watcher, watch.Modified, "a").GetDeletionTimestamp() == nil {
		t.Fatal("no deletion time in the event")
	}
	must(t, env.Client.Patch(ctx, object, mergeOf(`{"metadata":{"finalizers":null}}`)))
	last := expect(t, watcher, watch.Deleted, "a")
	equalStrings(t, "finalizers of the deleted object", last.GetFinalizers(), []string{hold})
	if number(t, last.GetResourceVersion()) <= number(t, object.ResourceVersion) {
		t.Fatalf("deletion at resource version %s after %s", last.GetResourceVersion(), object.ResourceVersion)
	}
}

func watchPodDeletion(ctx context.Context, t *testing.T, env Env) {
	watcher := startWatch(ctx, t, env, &corev1.PodList{})
	object := created(ctx, t, env, pod(env, "a"))
	expect(t, watcher, watch.Added, "a")
	must(t, env.Client.Delete(ctx, object))
	marked := expect(t, watcher, watch.Modified, "a")
	equal(t, "grace period", *marked.GetDeletionGracePeriodSeconds(), 0)
	expect(t, watcher, watch.Deleted, "a")
}

func watchSilent(ctx context.Context, t *testing.T, env Env) {
	object := created(ctx, t, env, widget(env, "a"))
	watcher := startWatch(ctx, t, env, &WidgetList{})
	must(t, env.Client.Update(ctx, object))
	must(t, env.Client.Patch(ctx, object, mergeOf(`{"spec":{"mode":"Auto"},"status":{"ready":1}}`)))
	must(t, env.Client.Create(ctx, widget(env, "dry"), client.DryRunAll))
	must(t, env.Client.Delete(ctx, object, client.DryRunAll))
	created(ctx, t, env, widget(env, "b"))
	expect(t, watcher, watch.Added, "b")
}

func watchForms(ctx context.Context, t *testing.T, env Env) {
	trees := &unstructured.UnstructuredList{}
	trees.SetGroupVersionKind(WidgetGVK.GroupVersion().WithKind("WidgetList"))
	treeWatch := startWatch(ctx, t, env, trees)
	partial := &metav1.PartialObjectMetadataList{}
	partial.SetGroupVersionKind(WidgetGVK.GroupVersion().WithKind("WidgetList"))
	partialWatch := startWatch(ctx, t, env, partial)
	object := widget(env, "a")
	object.Labels = map[string]string{"l": "1"}
	created(ctx, t, env, object)
	tree := expect(t, treeWatch, watch.Added, "a").(*unstructured.Unstructured)
	mode, _, _ := unstructured.NestedString(tree.Object, "spec", "mode")
	equal(t, "mode in the tree", mode, "Auto")
	metadata := expect(t, partialWatch, watch.Added, "a").(*metav1.PartialObjectMetadata)
	equal(t, "label in the metadata", metadata.Labels["l"], "1")
}
