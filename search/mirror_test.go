package search

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	searchv1alpha1 "github.com/seatrial/seatrial/api/search/v1alpha1"
	"github.com/seatrial/seatrial/search/cache"
	"github.com/seatrial/seatrial/search/opensearch"
)

// written is an OpenSearch service that tells which writes it gets, by line.
func written(t *testing.T) (url string, lines <-chan string) {
	t.Helper()
	told := make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost {
			return
		}
		user, password, _ := r.BasicAuth()
		var items []string
		for line := range strings.Lines(string(body)) {
			if strings.HasPrefix(line, `{"index":`) || strings.HasPrefix(line, `{"delete":`) {
				items = append(items, `{"done":{"status":200}}`)
				told <- fmt.Sprintf("%s/%s: %s", user, password, strings.TrimSpace(line))
			} else if strings.Contains(line, `"resource.karmada.io/cached-from-cluster":"m1"`) {
				told <- "marked"
			}
		}
		fmt.Fprintf(w, `{"items":[%s]}`, strings.Join(items, ","))
	}))
	t.Cleanup(server.Close)
	return server.URL, told
}

func expect(t *testing.T, lines <-chan string, wanted ...string) {
	t.Helper()
	for _, want := range wanted {
		select {
		case got := <-lines:
			if got != want {
				t.Fatalf("the service was told %s, want %s", got, want)
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("the service was not told %s", want)
		}
	}
}

// TestRegistriesNameAService: what is chosen is written there, and taken away when it is chosen no longer.
func TestRegistriesNameAService(t *testing.T) {
	url, lines := written(t)
	s := newStand(t)
	member := s.search.clusters["m1"].Spec.APIEndpoint
	s.store = &searchv1alpha1.BackendStoreConfig{OpenSearch: &searchv1alpha1.OpenSearchConfig{
		Addresses: []string{url}, SecretRef: clusterv1alpha1.LocalSecretReference{Namespace: "karmada-system", Name: "hunter2"},
	}}
	s.update(member, "m1")
	const of = `{"_index":"kubernetes-secret","_id":"u-x"}}`
	expect(t, lines, "karmada-system/hunter2: "+`{"index":`+of, "marked")
	s.update(member, "m1")
	s.update(member, "another")
	expect(t, lines, "karmada-system/hunter2: "+`{"delete":`+of)
	s.update(member, "m1")
	expect(t, lines, "karmada-system/hunter2: "+`{"index":`+of, "marked")

	// A registry that names no service any more leaves there what is there.
	s.store = nil
	s.update(member, "m1")
	if len(s.search.mirrors.running) != 0 {
		t.Errorf("still written to: %v", s.search.mirrors.running)
	}
	s.store = &searchv1alpha1.BackendStoreConfig{OpenSearch: &searchv1alpha1.OpenSearchConfig{Addresses: []string{"nowhere"}}}
	s.update(member, "m1")
	s.search.mirrors.writing.Wait()
	if len(lines) != 0 || len(s.search.mirrors.running) != 0 {
		t.Errorf("the service was told %s; written to are %v", <-lines, s.search.mirrors.running)
	}
}

// TestFeedsTellWhatHasBecomeOfObjects: by their UIDs, and of what is chosen alone.
func TestFeedsTellWhatHasBecomeOfObjects(t *testing.T) {
	url, lines := written(t)
	writer, err := opensearch.New(opensearch.Settings{Addresses: []string{url}, Credentials: func(context.Context) (opensearch.Credentials, error) {
		return opensearch.Credentials{Username: "u", Password: "p"}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	f := feed{writer: writer, kind: "Pod", clusters: map[string][]string{"m1": {""}, "m2": {"a"}, "m3": {""}}, told: map[place]string{}}
	object := func(cluster, namespace, name, uid string) *unstructured.Unstructured {
		made := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Pod"}}
		made.SetNamespace(namespace)
		made.SetName(name)
		made.SetUID(types.UID(uid))
		made.SetAnnotations(map[string]string{names.AnnotationCachedFromCluster: cluster})
		return made
	}
	seen := map[place]bool{}
	for _, step := range []error{
		f.tell(t.Context(), watch.Added, object("m1", "b", "x", "1"), nil),
		f.tell(t.Context(), watch.Added, object("m2", "b", "x", "not chosen"), nil),
		f.tell(t.Context(), watch.Added, object("m9", "a", "x", "not chosen"), nil),
		f.tell(t.Context(), watch.Added, object("m2", "a", "x", "2"), nil),
		f.tell(t.Context(), watch.Added, object("m3", "a", "x", "3"), nil),
		// Another one has come in its place, unseen.
		f.tell(t.Context(), watch.Modified, object("m1", "b", "x", "4"), seen),
		f.tell(t.Context(), watch.Added, object("m1", "b", "y", "5"), seen),
		f.tell(t.Context(), watch.Deleted, object("m1", "b", "y", "5"), seen),
		// m2 is known and has it no longer; of m3 nothing is known yet.
		f.forget(t.Context(), seen, cache.Versions{"m1": "7", "m2/a": "7"}.String()),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	if err := f.forget(t.Context(), seen, "?"); err == nil {
		t.Error("a false version is taken")
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); writer.Run(ctx) }()
	defer func() { cancel(); <-done }()
	line := func(verb, uid string) string {
		return `u/p: {"` + verb + `":{"_index":"kubernetes-pod","_id":"` + uid + `"}}`
	}
	expect(t, lines, line("delete", "1"), line("delete", "2"), line("index", "3"), line("index", "4"), "marked", line("delete", "5"))
	if len(f.told) != 2 {
		t.Errorf("known are %v", f.told)
	}
}

// TestFeedsEnd: with the context, and not before the feed that they follow.
func TestFeedsEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	kept := cache.New(ctx, func(context.Context, string) (dynamic.Interface, error) { return nil, errors.New("unplugged") })
	f := feed{cache: kept, resource: schema.GroupVersionResource{Version: "v1", Resource: "pods"}, done: make(chan struct{})}
	before := make(chan struct{})
	go f.run(ctx, before)
	cancel()
	select {
	case <-f.done:
		t.Error("it did not wait for the one before")
	case <-time.After(20 * time.Millisecond):
	}
	close(before)
	<-f.done
}
