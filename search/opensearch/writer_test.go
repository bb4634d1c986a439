package opensearch

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
)

const annotation = "resource.karmada.io/cached-from-cluster"

// service is what an OpenSearch service holds, and how it answers.
type service struct {
	*testing.T
	url string

	mu        sync.Mutex
	documents map[string]string
	indices   map[string]string
	// refuse answers a request in place of the service; item does so for one document, by its id.
	refuse func(r *http.Request, body string) int
	item   func(id string) (status int, why string)
	// requests are the sizes of those that carried documents, in documents.
	requests []int
}

func newService(t *testing.T, serve func(http.Handler) *httptest.Server) *service {
	t.Helper()
	s := &service{
		T: t, documents: map[string]string{}, indices: map[string]string{},
		refuse: func(*http.Request, string) int { return 0 }, item: func(string) (int, string) { return 0, "" },
	}
	server := serve(s)
	s.url = server.URL
	t.Cleanup(server.Close)
	return s
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.Error(err)
	}
	if status := s.refuse(r, string(body)); status != 0 {
		w.WriteHeader(status)
		return
	}
	if r.Method == http.MethodPut {
		if s.indices[r.URL.Path] != "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		s.indices[r.URL.Path] = string(body)
		return
	}
	if r.Method != http.MethodPost || r.URL.Path != "/_bulk" || r.Header.Get("Content-Type") != "application/x-ndjson" {
		s.Errorf("the service is asked for %s %s of %s", r.Method, r.URL, r.Header.Get("Content-Type"))
	}
	s.bulk(w, body)
}

func (s *service) bulk(w http.ResponseWriter, body []byte) {
	var items []map[string]any
	lines := bufio.NewScanner(bytes.NewReader(body))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var line map[string]action
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			s.Errorf("%s: %v", lines.Text(), err)
		}
		for verb, on := range line {
			at := on.Index + "/" + on.ID
			document := ""
			if verb == "index" {
				lines.Scan()
				document = lines.Text()
			}
			status, why := s.item(on.ID)
			switch {
			case status != 0:
			case verb == "index":
				status, s.documents[at] = http.StatusCreated, document
			case s.documents[at] == "":
				status = http.StatusNotFound
			default:
				status = http.StatusOK
				delete(s.documents, at)
			}
			items = append(items, map[string]any{verb: map[string]any{"status": status, "error": map[string]any{"type": why, "reason": "it says hunter2"}}})
		}
	}
	s.requests = append(s.requests, len(items))
	if err := json.NewEncoder(w).Encode(map[string]any{"items": items}); err != nil {
		s.Error(err)
	}
}

// holds waits until the service holds exactly these documents.
func (s *service) holds(ids ...string) {
	s.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		s.mu.Lock()
		var got []string
		for at := range s.documents {
			got = append(got, at)
		}
		s.mu.Unlock()
		slices.Sort(got)
		if slices.Equal(got, ids) {
			return
		}
		if time.Now().After(deadline) {
			s.Fatalf("the service holds %v, want %v", got, ids)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (s *service) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func named(password string) func(context.Context) (Credentials, error) {
	return func(context.Context) (Credentials, error) {
		return Credentials{Username: "una", Password: password}, nil
	}
}

// running is a writer that writes.
func running(t *testing.T, settings Settings) *Writer {
	t.Helper()
	settings.ClusterAnnotation, settings.Retry = annotation, time.Millisecond
	w, err := New(settings)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() { w.Run(ctx) })
	t.Cleanup(func() { cancel(); ended.Wait() })
	return w
}

func object(uid string, more map[string]any) *unstructured.Unstructured {
	made := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment"}}
	for field, value := range more {
		made.Object[field] = value
	}
	made.SetUID(types.UID("u-" + uid))
	made.SetName(uid)
	return made
}

func TestObjectsAreIndexedAndDeleted(t *testing.T) {
	s := newService(t, httptest.NewServer)
	s.refuse = func(r *http.Request, _ string) int {
		if name, password, _ := r.BasicAuth(); name != "una" || password != "right" {
			return http.StatusUnauthorized
		}
		return 0
	}
	w := running(t, Settings{Addresses: []string{s.url}, Credentials: named("right")})
	full := object("a", map[string]any{"spec": map[string]any{"replicas": int64(3)}, "status": map[string]any{"readyReplicas": int64(2)}, "metadata": map[string]any{
		"namespace": "shop", "creationTimestamp": "2026-01-01T00:00:00Z", "deletionTimestamp": "2026-01-02T00:00:00Z",
		"labels": map[string]any{"app": "x"}, "annotations": map[string]any{annotation: "m1"},
	}})
	secret := object("b", map[string]any{"kind": "Secret", "data": map[string]any{"password": "aHVudGVyMg=="}, "metadata": map[string]any{
		"annotations": map[string]any{"kubectl.kubernetes.io/last-applied-configuration": "hunter2"},
	}})
	for _, o := range []*unstructured.Unstructured{full, secret, object("c", nil)} {
		if err := w.Index(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	s.holds("kubernetes-deployment/u-a", "kubernetes-deployment/u-c", "kubernetes-secret/u-b")
	const want = `{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a","namespace":"shop","creationTimestamp":"2026-01-01T00:00:00Z",` +
		`"deletionTimestamp":"2026-01-02T00:00:00Z","labels":{"app":"x"},"annotations":{"resource.karmada.io/cached-from-cluster":"m1"}},` +
		`"spec":"{\"replicas\":3}","status":"{\"readyReplicas\":2}"}`
	if diff := cmp.Diff(want, s.documents["kubernetes-deployment/u-a"]); diff != "" {
		t.Errorf("the document (-want +got):\n%s", diff)
	}
	if document := s.documents["kubernetes-secret/u-b"]; strings.Contains(document, "hunter2") || strings.Contains(document, "aHVudGVyMg") {
		t.Errorf("a secret is indexed with its content: %s", document)
	}
	for _, index := range []string{"/kubernetes-deployment", "/kubernetes-secret"} {
		if !strings.Contains(s.indices[index], `"labels":{"type":"flat_object"}`) {
			t.Errorf("index %s is made as %s", index, s.indices[index])
		}
	}
	// The second is not there, which is as well; of what comes quickly one after another the last counts.
	for _, err := range []error{w.Delete(t.Context(), "Deployment", "u-a"), w.Delete(t.Context(), "Deployment", "u-x"), w.Index(t.Context(), object("d", nil)), w.Delete(t.Context(), "Deployment", "u-d")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	s.holds("kubernetes-deployment/u-c", "kubernetes-secret/u-b")
}

// TestFailuresAreTriedAgain: those of requests, of single documents, of addresses and of credentials that have been replaced.
func TestFailuresAreTriedAgain(t *testing.T) {
	const both = "kubernetes-deployment/u-a kubernetes-deployment/u-b"
	times := func(n int, status int, path string) func(*service) {
		return func(s *service) {
			s.refuse = func(r *http.Request, _ string) int {
				if n--; n >= 0 && strings.HasPrefix(r.URL.Path, path) {
					return status
				}
				return 0
			}
		}
	}
	for name, tc := range map[string]struct {
		prepare func(*service)
		want    string
	}{
		"the service is down":       {times(3, http.StatusServiceUnavailable, "/"), both},
		"it is busy":                {times(3, http.StatusTooManyRequests, "/_bulk"), both},
		"its index may not be made": {times(1, http.StatusForbidden, "/kubernetes-deployment"), both},
		"it forgets who may write":  {times(2, http.StatusForbidden, "/_bulk"), both},
		"it sends elsewhere":        {times(2, http.StatusFound, "/_bulk"), both},
		"one document is too much": {func(s *service) {
			n := 0
			s.item = func(id string) (int, string) { n++; return map[bool]int{true: 429}[id == "u-a" && n < 5], "" }
		}, both},
		"an index is locked": {func(s *service) {
			n := 0
			s.item = func(string) (int, string) { n++; return map[bool]int{true: 403}[n < 5], "cluster_block_exception" }
		}, both},
		"one document is refused": {func(s *service) {
			s.item = func(id string) (int, string) { return map[bool]int{true: 400}[id == "u-a"], "mapper_parsing_exception" }
		}, "kubernetes-deployment/u-b"},
		"requests are too large": {func(s *service) {
			s.refuse = func(_ *http.Request, body string) int {
				return map[bool]int{true: 413}[strings.Count(body, "_index") > 1]
			}
		}, both},
		"one document is too large": {func(s *service) {
			s.refuse = func(_ *http.Request, body string) int { return map[bool]int{true: 413}[strings.Contains(body, "u-a")] }
		}, "kubernetes-deployment/u-b"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, httptest.NewServer)
			tc.prepare(s)
			w := running(t, Settings{Addresses: []string{s.url}, Credentials: named("")})
			for _, id := range []string{"a", "b"} {
				if err := w.Index(t.Context(), object(id, nil)); err != nil {
					t.Fatal(err)
				}
			}
			s.holds(strings.Fields(tc.want)...)
		})
	}
}

func TestReplacedCredentialsAndOtherAddresses(t *testing.T) {
	s := newService(t, httptest.NewTLSServer)
	s.refuse = func(r *http.Request, _ string) int {
		if _, password, _ := r.BasicAuth(); password != "second" {
			return http.StatusUnauthorized
		}
		return 0
	}
	server := httptest.NewTLSServer(http.NotFoundHandler())
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	down := server.URL
	server.Close()
	read := 0
	w := running(t, Settings{Addresses: []string{down, s.url}, Credentials: func(context.Context) (Credentials, error) {
		switch read++; {
		case read == 1:
			return Credentials{}, errors.New("no such secret")
		case read < 4:
			return Credentials{Username: "una", Password: "first", CA: ca}, nil
		case read == 4:
			return Credentials{CA: []byte("no certificate")}, nil
		}
		return Credentials{Username: "una", Password: "second", CA: ca}, nil
	}})
	if err := w.Index(t.Context(), object("a", nil)); err != nil {
		t.Fatal(err)
	}
	s.holds("kubernetes-deployment/u-a")
}

func TestWhoTellsMoreThanIsTakenWaits(t *testing.T) {
	s := newService(t, httptest.NewServer)
	s.refuse = func(*http.Request, string) int { return http.StatusServiceUnavailable }
	w := running(t, Settings{Addresses: []string{s.url}, Credentials: named("")})
	large := map[string]any{"spec": strings.Repeat("x", 1<<20)}
	const told = queuedBytes>>20 - 1
	for i := range told {
		if err := w.Index(t.Context(), object(fmt.Sprint(i), large)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := w.Index(ctx, object("one too many", large)); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("more than %d MiB of a service that takes nothing: %v", told, err)
	}
	s.set(func() { s.refuse = func(*http.Request, string) int { return 0 } })
	if err := w.Index(t.Context(), object("last", nil)); err != nil {
		t.Fatal(err)
	}
	var all []string
	for i := range told {
		all = append(all, fmt.Sprint("kubernetes-deployment/u-", i))
	}
	all = append(all, "kubernetes-deployment/u-last")
	slices.Sort(all)
	s.holds(all...)
	for _, documents := range s.requests {
		if documents > batchedBytes>>20 {
			t.Errorf("a request had %d MiB", documents)
		}
	}
}

// TestLogsTellNothing: neither passwords nor what a service says of a document.
func TestLogsTellNothing(t *testing.T) {
	var logged bytes.Buffer
	var mu sync.Mutex
	klog.LogToStderr(false)
	klog.SetOutput(writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return logged.Write(p)
	}))
	t.Cleanup(func() {
		klog.LogToStderr(true)
		klog.SetOutput(io.Discard)
	})
	s := newService(t, httptest.NewServer)
	s.item = func(id string) (int, string) { return map[bool]int{true: 400}[id == "u-a"], "mapper_parsing_exception" }
	n := 0
	s.refuse = func(*http.Request, string) int { n++; return map[bool]int{true: 401}[n < 3] }
	address := strings.Replace(s.url, "http://", "http://una:hunter2@", 1)
	down := strings.Replace(address, "127.0.0.1", "127.0.0.2", 1)
	w := running(t, Settings{Addresses: []string{down, address}, Credentials: named("hunter2")})
	for _, id := range []string{"a", "b"} {
		if err := w.Index(t.Context(), object(id, map[string]any{"spec": "hunter2"})); err != nil {
			t.Fatal(err)
		}
	}
	s.holds("kubernetes-deployment/u-b")
	mu.Lock()
	defer mu.Unlock()
	// What is dropped is told last.
	for end := time.Now().Add(20 * time.Second); !strings.Contains(logged.String(), "mapper_parsing_exception") && time.Now().Before(end); {
		mu.Unlock()
		klog.Flush()
		time.Sleep(5 * time.Millisecond)
		mu.Lock()
	}
	for _, want := range []string{"mapper_parsing_exception", "answers with 401", "127.0.0.2"} {
		if !strings.Contains(logged.String(), want) {
			t.Errorf("the log does not tell %q:\n%s", want, logged.String())
		}
	}
	if strings.Contains(logged.String(), "hunter2") {
		t.Errorf("the log tells too much:\n%s", logged.String())
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestAddressesAreURLs(t *testing.T) {
	for _, addresses := range [][]string{nil, {"a:9200"}, {"https://a:9200", "://hunter2"}, {"https://"}} {
		if _, err := New(Settings{Addresses: addresses}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("addresses %v: %v", addresses, err)
		}
	}
}
