package cache

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

var pods = schema.GroupVersionResource{Version: "v1", Resource: "pods"}

func pod(name, node string, version int) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Pod", "spec": map[string]any{"nodeName": node},
		"metadata": map[string]any{"namespace": "a", "name": name, "resourceVersion": fmt.Sprint(version), "managedFields": []any{map[string]any{"manager": "x"}}},
	}}
}

// filled is a cache of two members that nobody reaches; the test tells what they hold.
func filled(t *testing.T) (*Cache, []*source) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := New(ctx, func(context.Context, string) (dynamic.Interface, error) { return nil, errors.New("unplugged") })
	t.Cleanup(func() { cancel(); c.Wait() })
	c.Keep(map[schema.GroupVersionResource]Kind{pods: {Kind: schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, Clusters: map[string][]string{"m1": nil, "m2": nil}}})
	sources := c.table(pods).sources
	for i, listed := range [][]any{{pod("x", "n1", 5), pod("y", "n2", 6)}, {pod("z", "n1", 70)}} {
		if err := sources[i].Replace(listed, fmt.Sprint(10+90*i)); err != nil {
			t.Fatal(err)
		}
	}
	return c, sources
}

func TestPagesAndSelectors(t *testing.T) {
	c, _ := filled(t)
	after, got := "", ""
	for range 3 {
		page, err := c.List(t.Context(), pods, Selection{Namespace: "a"}, 1, after)
		if err != nil || len(page.Items) != 1 || page.GetKind() != "PodList" {
			t.Fatalf("%v, %v", page, err)
		}
		object := page.Items[0]
		got += object.GetAnnotations()["resource.karmada.io/cached-from-cluster"] + "/" + object.GetName() + " "
		if after = page.GetContinue(); object.GetManagedFields() != nil || page.GetResourceVersion() != (Versions{"m1": "10", "m2": "100"}).String() {
			t.Errorf("%v", page)
		}
	}
	if got != "m1/x m1/y m2/z " || after != "" {
		t.Errorf("pages %s, then %q", got, after)
	}
	onNode, err := c.List(t.Context(), pods, Selection{Fields: fields.OneTermEqualSelector("spec.nodeName", "n1")}, 0, "")
	if err != nil || len(onNode.Items) != 2 {
		t.Errorf("on n1: %v, %v", onNode, err)
	}
	if _, err := c.List(t.Context(), pods, Selection{}, 0, "?"); !apierrors.IsBadRequest(err) {
		t.Errorf("a false token: %v", err)
	}
}

func TestWatchesGoOn(t *testing.T) {
	c, sources := filled(t)
	from := Versions{"m1": "10", "m2": "100"}
	onNode := Selection{Fields: fields.OneTermEqualSelector("spec.nodeName", "n1")}
	steps := errors.Join(sources[1].Update(pod("z", "n2", 101)), sources[0].Add(pod("w", "n1", 11)), sources[0].Delete(pod("x", "n1", 12)))
	w, err := c.Watch(t.Context(), pods, onNode, from.String(), false, 0)
	if err != nil || steps != nil {
		t.Fatal(err, steps)
	}
	defer w.Stop()
	last := ""
	for _, want := range []string{"ADDED w", "DELETED x", "DELETED z"} {
		event := <-w.ResultChan()
		object := event.Object.(*unstructured.Unstructured)
		if got := string(event.Type) + " " + object.GetName(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		last = object.GetResourceVersion()
	}
	if want := (Versions{"m1": "12", "m2": "101"}).String(); last != want {
		t.Errorf("version %s, want %s", last, want)
	}
	if _, err := c.Watch(t.Context(), pods, onNode, Versions{"m1": "9"}.String(), false, 0); !apierrors.IsResourceExpired(err) {
		t.Errorf("from before the cache began: %v", err)
	}
	c.Keep(nil)
	var told []string
	for event := range w.ResultChan() {
		told = append(told, string(event.Type))
	}
	if got := strings.Join(told, " "); got != "DELETED ERROR" {
		t.Errorf("a kind that is no longer kept: %s", got)
	}
}

func TestBookmarksFollowTheMembers(t *testing.T) {
	c, sources := filled(t)
	w, err := c.Watch(t.Context(), pods, Selection{}, (Versions{"m1": "10", "m2": "100"}).String(), false, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	sources[1].UpdateResourceVersion("150")
	want := (Versions{"m1": "10", "m2": "150"}).String()
	for event := range w.ResultChan() {
		object := event.Object.(*unstructured.Unstructured)
		if event.Type != watch.Bookmark || len(object.GetAnnotations()) > 0 {
			t.Fatalf("%s of %v", event.Type, object)
		}
		if object.GetResourceVersion() == want {
			return
		}
	}
}

// next gives what a watch tells, until it has told so many events.
func next(w watch.Interface, count int) string {
	var told []string
	for range count {
		event := <-w.ResultChan()
		told = append(told, string(event.Type)+" "+event.Object.(*unstructured.Unstructured).GetName())
	}
	return strings.Join(told, ", ")
}

func TestInitialEventsAreAllThereIs(t *testing.T) {
	c, sources := filled(t)
	if err := sources[0].Update(pod("x", "n1", 11)); err != nil {
		t.Fatal(err)
	}
	w, err := c.Watch(t.Context(), pods, Selection{}, (Versions{"m1": "10", "m2": "100"}).String(), true, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	// By version, so that who leaves in between can go on from there.
	if got := next(w, 4); got != "ADDED y, ADDED x, ADDED z, BOOKMARK " {
		t.Errorf("told %s", got)
	}
}

func TestClustersComeBackWhole(t *testing.T) {
	c, _ := filled(t)
	w, err := c.Watch(t.Context(), pods, Selection{}, (Versions{"m1": "10", "m2": "100"}).String(), false, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	keep := func(clusters map[string][]string) {
		c.Keep(map[schema.GroupVersionResource]Kind{pods: {Kind: schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, Clusters: clusters}})
	}
	keep(map[string][]string{"m1": nil})
	if got := next(w, 1); got != "DELETED z" {
		t.Errorf("told %s", got)
	}
	keep(map[string][]string{"m1": nil, "m2": nil})
	// Nothing has happened in the member meanwhile.
	if err := c.table(pods).sources[1].Replace([]any{pod("z", "n1", 70)}, "100"); err != nil {
		t.Fatal(err)
	}
	if got := next(w, 1); got != "ADDED z" {
		t.Errorf("told %s", got)
	}
	if _, err := c.Watch(t.Context(), pods, Selection{}, (Versions{"m2": "101"}).String(), false, 0); !apierrors.IsResourceExpired(err) {
		t.Errorf("ahead of the member: %v", err)
	}
}

// The namespaces of a cluster are listed at different times.
func TestNamespacesHaveVersionsOfTheirOwn(t *testing.T) {
	c, _ := filled(t)
	c.Keep(map[schema.GroupVersionResource]Kind{pods: {Kind: schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, Clusters: map[string][]string{"m1": {"a", "b"}}}})
	sources := c.table(pods).sources
	if err := errors.Join(sources[0].Replace([]any{pod("x", "n1", 5)}, "100"), sources[1].Replace(nil, "95")); err != nil {
		t.Fatal(err)
	}
	list, err := c.List(t.Context(), pods, Selection{}, 0, "")
	if err != nil || list.GetResourceVersion() != (Versions{"m1/a": "100", "m1/b": "95"}).String() {
		t.Fatalf("%v, %v", list, err)
	}
	late := pod("y", "n1", 99)
	late.SetNamespace("b")
	if err := errors.Join(sources[0].Update(pod("x", "n1", 101)), sources[1].Add(late)); err != nil {
		t.Fatal(err)
	}
	w, err := c.Watch(t.Context(), pods, Selection{}, list.GetResourceVersion(), false, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	if got := next(w, 2); got != "MODIFIED x, ADDED y" {
		t.Errorf("told %s", got)
	}
	x, err := c.Get(t.Context(), pods, "a", "x")
	if err != nil {
		t.Fatal(err)
	}
	if versions, err := ParseVersions(x.GetResourceVersion()); err != nil || versions.Of("m1", "a") != "101" || versions.Of("m1", "b") != "" {
		t.Errorf("%v, %v", versions, err)
	}
}

// A few large objects are not kept by the thousand for those who may come back.
func TestChangesAreBoundedByBytes(t *testing.T) {
	c, sources := filled(t)
	large := strings.Repeat("x", 1<<20)
	for i := range 40 {
		changed := pod("x", large, 11+i)
		if err := sources[0].Update(changed); err != nil {
			t.Fatal(err)
		}
	}
	sum := 0
	for _, kept := range sources[0].changes {
		sum += len(kept.entry.raw)
	}
	if sum != sources[0].bytes || sum > windowBytes+windowBytes/4 || len(sources[0].changes) < 4 {
		t.Errorf("%d changes of %d bytes are kept, counted as %d", len(sources[0].changes), sum, sources[0].bytes)
	}
	last := sources[0].changes[0].entry.version
	if _, err := c.Watch(t.Context(), pods, Selection{}, (Versions{"m1": fmt.Sprint(last - 2), "m2": "100"}).String(), false, 0); !apierrors.IsResourceExpired(err) {
		t.Errorf("from before what is kept: %v", err)
	}
	w, err := c.Watch(t.Context(), pods, Selection{}, (Versions{"m1": fmt.Sprint(last), "m2": "100"}).String(), false, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	if got := next(w, 1); got != "MODIFIED x" {
		t.Errorf("told %s", got)
	}
}

// selecting is a selector that looks whether the table can be used while it selects.
type selecting struct {
	fields.Selector
	table *table
	held  *bool
}

func (s selecting) Matches(all fields.Fields) bool {
	if s.table.mu.TryLock() {
		s.table.mu.Unlock()
	} else {
		*s.held = true
	}
	return s.Selector.Matches(all)
}

// A slow selection, over many objects, must not hold up the changes of members.
func TestSelectingHoldsNoLock(t *testing.T) {
	c, _ := filled(t)
	held := false
	slow := selecting{Selector: fields.OneTermEqualSelector("spec.nodeName", "n1"), table: c.table(pods), held: &held}
	list, err := c.List(t.Context(), pods, Selection{Fields: slow}, 1, "")
	if err != nil || len(list.Items) != 1 || list.GetContinue() == "" {
		t.Fatalf("%v, %v", list, err)
	}
	if held {
		t.Error("objects are selected under the lock of their table")
	}
}

func TestReadsAreNotOlderThanAsked(t *testing.T) {
	c, sources := filled(t)
	if err := c.Reach(t.Context(), pods, (Versions{"m1": "10", "gone": "7"}).String()); err != nil {
		t.Errorf("what is there: %v", err)
	}
	reached := make(chan error, 1)
	go func() { reached <- c.Reach(context.Background(), pods, (Versions{"m1": "10", "m2": "120"}).String()) }()
	if err := sources[1].Update(pod("z", "n1", 121)); err != nil {
		t.Fatal(err)
	}
	if err := <-reached; err != nil {
		t.Errorf("what comes: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Reach(ended, pods, (Versions{"m1": "11"}).String()); !apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge) || !strings.Contains(err.Error(), "cluster m1") {
		t.Errorf("what does not come: %v", err)
	}
	if err := c.Reach(t.Context(), pods, "17"); !apierrors.IsBadRequest(err) {
		t.Errorf("a version of no cluster: %v", err)
	}
}

func TestUnknownClustersAreNamed(t *testing.T) {
	c, _ := filled(t)
	c.Keep(map[schema.GroupVersionResource]Kind{pods: {Kind: schema.GroupVersionKind{Version: "v1", Kind: "Pod"}, Clusters: map[string][]string{"m1": nil, "m2": nil, "m3": nil, "m4": {"b"}}}})
	for _, s := range c.table(pods).sources {
		s.fail()
	}
	cluster, unknown, err := c.Find(t.Context(), pods, "a", "x")
	if err != nil || cluster != "m1" || strings.Join(unknown, " ") != "m3" {
		t.Errorf("in %s, perhaps in %v, %v", cluster, unknown, err)
	}
}
