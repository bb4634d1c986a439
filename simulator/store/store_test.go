package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/simulator/store"
	"github.com/seatrial/seatrial/simulator/store/conformance"
)

func widgetStore(t testing.TB, change ...func(*store.Options)) *store.Store {
	t.Helper()
	widgets, err := store.FromDefinition(conformance.WidgetDefinition())
	must(t, err)
	return newStore(t, append([]func(*store.Options){func(o *store.Options) {
		o.Resources = append(o.Resources, widgets)
	}}, change...)...)
}

func configMap(name, value string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Data: map[string]string{"k": value},
	}
}

func configMapNames(t *testing.T, reader client.Reader, options ...client.ListOption) string {
	t.Helper()
	list := &corev1.ConfigMapList{}
	must(t, reader.List(t.Context(), list, options...))
	var names []string
	for i := range list.Items {
		names = append(names, list.Items[i].Name+"="+list.Items[i].Data["k"])
	}
	return strings.Join(names, " ")
}

func TestViewsShowThePast(t *testing.T) {
	s := newStore(t)
	c := s.Client()
	var revisions []uint64
	var want []string
	step := func(state string, err error) {
		t.Helper()
		must(t, err)
		revisions, want = append(revisions, s.Revision()), append(want, state)
	}
	a, b := configMap("a", "1"), configMap("b", "1")
	step("a=1", c.Create(t.Context(), a))
	step("a=1 b=1", c.Create(t.Context(), b))
	a.Data["k"] = "2"
	step("a=2 b=1", c.Update(t.Context(), a))
	step("a=2", c.Delete(t.Context(), b))
	step("a=2 b=3", c.Create(t.Context(), configMap("b", "3")))
	for i, revision := range revisions {
		view := s.At(revision)
		if got := configMapNames(t, view); got != want[i] {
			t.Errorf("at %d: %s, want %s", revision, got, want[i])
		}
		err := view.Get(t.Context(), client.ObjectKeyFromObject(b), &corev1.ConfigMap{})
		if present := strings.Contains(want[i], "b="); present != (err == nil) {
			t.Errorf("at %d: b is there: %v, got %v", revision, present, err)
		}
	}
	s.Compact(revisions[3])
	if err := s.At(revisions[2]).List(t.Context(), &corev1.ConfigMapList{}); !apierrors.IsResourceExpired(err) {
		t.Errorf("reading a compacted revision: %v", err)
	}
	if _, err := s.Changes(revisions[2], 0); !apierrors.IsResourceExpired(err) {
		t.Errorf("changes since a compacted revision: %v", err)
	}
	for i, revision := range revisions[3:] {
		if got := configMapNames(t, s.At(revision)); got != want[3+i] {
			t.Errorf("at %d after compaction: %s, want %s", revision, got, want[3+i])
		}
	}
	if err := s.At(s.Revision()+1).List(t.Context(), &corev1.ConfigMapList{}); !apierrors.IsTimeout(err) {
		t.Errorf("reading the future: %v", err)
	}
}

func TestChangesAreOnePerRevision(t *testing.T) {
	s := widgetStore(t)
	c := s.Client()
	start := s.Revision()
	object := configMap("a", "1")
	must(t, c.Create(t.Context(), object))
	object.Data["k"] = "2"
	must(t, c.Update(t.Context(), object))
	must(t, c.Update(t.Context(), object))
	must(t, c.Create(t.Context(), &conformance.Widget{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "w"}}))
	must(t, c.Delete(t.Context(), object))
	events, err := s.Changes(start, 0)
	must(t, err)
	var got []string
	for i, event := range events {
		if event.Revision != start+uint64(i)+1 || fmt.Sprint(event.Revision) != event.Object().GetResourceVersion() {
			t.Errorf("event %d is of revision %d and shows %s", i, event.Revision, event.Object().GetResourceVersion())
		}
		old := ""
		if event.Old() != nil {
			old = " from " + event.Old().GetResourceVersion()
		}
		got = append(got, fmt.Sprintf("%s %s %s%s", event.Type, event.GVK.Kind, event.Key.Name, old))
	}
	want := []string{
		"ADDED ConfigMap a", fmt.Sprintf("MODIFIED ConfigMap a from %d", start+1), "ADDED Widget w",
		fmt.Sprintf("DELETED ConfigMap a from %d", start+2),
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, ok := events[2].Object().(*conformance.Widget); !ok {
		t.Errorf("a widget comes as %T", events[2].Object())
	}
	if mode, _, _ := unstructured.NestedString(events[2].Tree().(*unstructured.Unstructured).Object, "spec", "mode"); mode != "Auto" {
		t.Errorf("the tree of a widget has mode %q", mode)
	}
	limited, err := s.Changes(start, 1)
	must(t, err)
	if len(limited) != 1 || limited[0].Type != watch.Added {
		t.Errorf("limited changes: %v", limited)
	}
}

func TestReadsAreShared(t *testing.T) {
	s := newStore(t)
	must(t, s.Client().Create(t.Context(), configMap("a", "1")))
	first, second := &corev1.ConfigMap{}, &corev1.ConfigMap{}
	key := types.NamespacedName{Namespace: "default", Name: "a"}
	must(t, s.Reader().Get(t.Context(), key, first))
	must(t, s.At(s.Revision()).Get(t.Context(), key, second))
	first.Data["k"] = "shared"
	if second.Data["k"] != "shared" {
		t.Error("two shared reads have maps of their own")
	}
	peeked := s.Peek(corev1.SchemeGroupVersion.WithKind("ConfigMap"), key)
	if peeked != s.Peek(corev1.SchemeGroupVersion.WithKind("ConfigMap"), key) {
		t.Error("two peeks give different objects")
	}
}

func TestCheckedStoreCatchesWriters(t *testing.T) {
	key := types.NamespacedName{Namespace: "default", Name: "a"}
	for name, write := range map[string]func(t *testing.T, s *store.Store){
		"typed": func(t *testing.T, s *store.Store) {
			object := &corev1.ConfigMap{}
			must(t, s.Reader().Get(t.Context(), key, object))
			object.Data["k"] = "mine"
		},
		"derived tree": func(t *testing.T, s *store.Store) {
			object := &unstructured.Unstructured{}
			object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("ConfigMap"))
			must(t, s.Reader().Get(t.Context(), key, object))
			must(t, unstructured.SetNestedField(object.Object, "mine", "data", "k"))
		},
		"event": func(t *testing.T, s *store.Store) {
			events, err := s.Changes(s.Revision()-1, 0)
			must(t, err)
			events[0].Object().SetName("mine")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, func(o *store.Options) { o.Checked = true })
			must(t, s.Client().Create(t.Context(), configMap("a", "1")))
			must(t, s.Verify())
			write(t, s)
			if s.Verify() == nil {
				t.Error("nobody noticed the writer")
			}
		})
	}
	s := newStore(t, func(o *store.Options) { o.Checked = true })
	must(t, s.Client().Create(t.Context(), configMap("a", "1")))
	s.Peek(corev1.SchemeGroupVersion.WithKind("ConfigMap"), key).(*corev1.ConfigMap).Data["k"] = "mine"
	defer func() {
		if recover() == nil {
			t.Error("reading a changed object did not panic")
		}
	}()
	_ = s.Reader().Get(context.Background(), key, &corev1.ConfigMap{})
}

// TestIndexesAgreeWithScans changes objects at random and compares lists by index with lists by scan, at random
// revisions.
func TestIndexesAgreeWithScans(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	indexed, plain := newStore(t), newStore(t)
	must(t, indexed.IndexLabels(&corev1.ConfigMap{}, "l"))
	byValue := func(o client.Object) []string { return []string{o.(*corev1.ConfigMap).Data["k"]} }
	for round := range 400 {
		object := configMap(fmt.Sprintf("n%d", random.IntN(12)), fmt.Sprint(random.IntN(3)))
		object.Labels = map[string]string{"l": fmt.Sprint(random.IntN(3))}
		remove := random.IntN(3) == 0
		for _, s := range []*store.Store{indexed, plain} {
			if remove {
				must(t, client.IgnoreNotFound(s.Client().Delete(t.Context(), object.DeepCopy())))
			} else if err := s.Client().Create(t.Context(), object.DeepCopy()); apierrors.IsAlreadyExists(err) {
				must(t, s.Client().Update(t.Context(), object.DeepCopy()))
			}
			if round%100 == 99 {
				s.Compact(s.Revision() - 20)
			}
		}
		if round == 150 {
			must(t, indexed.IndexField(t.Context(), &corev1.ConfigMap{}, "data.k", byValue))
		}
		revision := indexed.Revision() - uint64(random.IntN(min(int(indexed.Revision())-4, 15)))
		if revision != plain.Revision()-(indexed.Revision()-revision) {
			t.Fatal("the two stores went apart")
		}
		label := client.MatchingLabels{"l": fmt.Sprint(random.IntN(3))}
		got, want := configMapNames(t, indexed.At(revision), label), configMapNames(t, plain.At(revision), label)
		if got != want {
			t.Fatalf("round %d at %d: by label %q, want %q", round, revision, got, want)
		}
		if round > 150 {
			value := fmt.Sprint(random.IntN(3))
			got := configMapNames(t, indexed.At(revision), client.MatchingFields{"data.k": value})
			want := slices.DeleteFunc(strings.Fields(configMapNames(t, plain.At(revision))),
				func(s string) bool { return !strings.HasSuffix(s, "="+value) })
			if got != strings.Join(want, " ") {
				t.Fatalf("round %d at %d: by field %q, want %q", round, revision, got, want)
			}
		}
	}
}

// history writes everything a store did.
func history(t *testing.T, s *store.Store) string {
	t.Helper()
	events, err := s.Changes(0, 0)
	must(t, err)
	var text strings.Builder
	for _, event := range events {
		encoded, err := json.Marshal(event.Tree())
		must(t, err)
		fmt.Fprintf(&text, "%d %s %s\n", event.Revision, event.Type, encoded)
	}
	return text.String()
}

func TestSameCallsGiveTheSameBytes(t *testing.T) {
	run := func() string {
		s := newStore(t)
		env := envOf(s)
		for i, c := range conformance.Cases() {
			background := []string{"collect", "orphan", "deletion", "namespace", "generated"}
			if !slices.ContainsFunc(background, func(word string) bool { return strings.Contains(c.Name, word) }) {
				continue
			}
			env.Namespace = fmt.Sprintf("case-%d", i)
			conformance.Prepare(t.Context(), t, env)
			c.Run(t.Context(), t, env)
		}
		return history(t, s)
	}
	first := run()
	if first != run() {
		t.Error("two runs of the same calls differ")
	}
	if revisions := strings.Count(first, "\n"); revisions < 100 {
		t.Errorf("only %d revisions cannot tell", revisions)
	}
}

func TestRetainBoundsTheLog(t *testing.T) {
	s := newStore(t, func(o *store.Options) { o.Retain = 10 })
	for i := range 50 {
		object := configMap(fmt.Sprint(i), "v")
		must(t, s.Client().Create(t.Context(), object))
		must(t, s.Client().Delete(t.Context(), object))
	}
	events, err := s.Changes(s.Revision()-10, 0)
	must(t, err)
	if len(events) != 10 {
		t.Errorf("%d events are retained, want 10", len(events))
	}
	if _, err := s.Changes(s.Revision()-11, 0); !apierrors.IsResourceExpired(err) {
		t.Errorf("an old revision can be read: %v", err)
	}
	watcher, err := s.Client().Watch(t.Context(), &corev1.ConfigMapList{},
		&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: "3"}})
	must(t, err)
	event := <-watcher.ResultChan()
	if status, ok := event.Object.(*metav1.Status); event.Type != watch.Error || !ok || status.Code != 410 {
		t.Errorf("a watch from an old revision starts with %+v", event)
	}
}

func TestSlowWatchesAreClosed(t *testing.T) {
	s := newStore(t)
	watcher, err := s.Client().Watch(t.Context(), &corev1.ConfigMapList{})
	must(t, err)
	object := configMap("a", "")
	must(t, s.Client().Create(t.Context(), object))
	for i := range 20_000 {
		object.Data["k"] = fmt.Sprint(i)
		must(t, s.Client().Update(t.Context(), object))
	}
	received := 0
	for range watcher.ResultChan() {
		received++
	}
	if received == 0 || received > 20_000 {
		t.Errorf("%d events came before the watch was closed", received)
	}
	watcher.Stop()
}

func TestAdmission(t *testing.T) {
	type call struct{ name, old string }
	var calls []call
	nameOf := func(o client.Object) string {
		if o == nil {
			return ""
		}
		if _, ok := o.(*conformance.Widget); !ok {
			t.Errorf("hooks get %T", o)
		}
		return o.GetName()
	}
	s := widgetStore(t, func(o *store.Options) {
		o.Checked = true
		o.Admission = []store.Admission{{
			GVK: conformance.WidgetGVK, Name: "widgets.example.com",
			Default: func(_ context.Context, object, _ client.Object) error {
				object.SetAnnotations(map[string]string{"completed": "yes"})
				return nil
			},
			Validate: func(_ context.Context, object, old client.Object) error {
				calls = append(calls, call{nameOf(object), nameOf(old)})
				if object == nil && old.GetLabels()["keep"] != "" {
					return fmt.Errorf("it is to be kept")
				}
				return nil
			},
		}}
	})
	object := &conformance.Widget{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "w", Labels: map[string]string{"keep": "1"}}}
	must(t, s.Client().Create(t.Context(), object))
	if object.Annotations["completed"] != "yes" || object.Spec.Mode != "Auto" {
		t.Errorf("the object was not completed: %+v", object)
	}
	object.Status.Ready = 1
	must(t, s.Client().Status().Update(t.Context(), object))
	err := s.Client().Delete(t.Context(), object)
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), `"widgets.example.com" denied the request: it is to be kept`) {
		t.Errorf("deletion: %v", err)
	}
	object.Labels = nil
	must(t, s.Client().Update(t.Context(), object))
	must(t, s.Client().Delete(t.Context(), object))
	want := []call{{"w", ""}, {"", "w"}, {"w", "w"}, {"", "w"}}
	if !slices.Equal(calls, want) {
		t.Errorf("calls %v, want %v", calls, want)
	}
	must(t, s.Verify())
}

// TestTrustingStoreAgrees runs the table against a store that keeps custom resources as Go types, but for what it leaves
// out on purpose: validation by schema, and the difference between an empty status and none.
func TestTrustingStoreAgrees(t *testing.T) {
	skipped := []string{"valid", "rules", "sets", "violations", "strict", "changes nothing"}
	widgets, err := store.FromDefinition(conformance.WidgetDefinition())
	must(t, err)
	for _, c := range conformance.Cases() {
		if slices.ContainsFunc(skipped, func(word string) bool { return strings.Contains(c.Name, word) }) ||
			strings.Contains(c.Name, "definition") || strings.Contains(c.Name, "patch of a custom resource sets defaults") {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			s := newStore(t, func(o *store.Options) {
				o.Checked, o.Trusting, o.Resources = true, true, append(o.Resources, widgets)
			})
			env := envOf(s)
			must(t, s.Client().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: env.Namespace}}))
			c.Run(t.Context(), t, env)
			must(t, s.Verify())
		})
	}
}

func TestRegistrationMistakes(t *testing.T) {
	options := store.Options{Scheme: conformance.Scheme(), Resources: append(store.Builtins(), store.Builtins()[0])}
	if _, err := store.New(options); err == nil || !strings.Contains(err.Error(), "registered twice") {
		t.Errorf("registering a kind twice: %v", err)
	}
	definition := conformance.WidgetDefinition()
	definition.Spec.Versions[0].Storage = false
	if _, err := store.FromDefinition(definition); err == nil {
		t.Error("a definition without a storage version was accepted")
	}
	definition.Spec.Versions[0].Storage = true
	definition.Spec.Versions[0].Schema = nil
	if _, err := store.FromDefinition(definition); err == nil || !strings.Contains(err.Error(), "no schema") {
		t.Errorf("registering a definition without a schema: %v", err)
	}
}
