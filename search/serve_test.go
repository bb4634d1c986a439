package search

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/client-go/rest"

	"github.com/seatrial/seatrial/api/scheme"
	"github.com/seatrial/seatrial/search/cache"
)

const (
	tableType    = "application/json;as=Table;v=v1;g=meta.k8s.io"
	metadataType = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
	listType     = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
)

// accept asks for what is below prefix in a form.
func (s *stand) accept(path, accepted string) (string, error) {
	r := httptest.NewRequestWithContext(s.Context(), http.MethodGet, prefix+path, nil)
	r.Header.Set("Accept", accepted)
	r = r.WithContext(request.WithUser(r.Context(), &user.DefaultInfo{Name: "una"}))
	w := httptest.NewRecorder()
	var failed error
	s.search.Proxies(w, r, prefix, func(err error) { failed = err })
	return w.Body.String(), failed
}

func TestObjectsComeInTheFormThatIsAskedFor(t *testing.T) {
	s := newStand(t)
	const all, one = "/api/v1/namespaces/a/secrets", "/api/v1/namespaces/a/secrets/x"
	for _, tc := range []struct{ path, accepted, want, without string }{
		{all, tableType + ",application/json", `"kind":"Table","apiVersion":"meta.k8s.io/v1"`, `"kind":"Secret"`},
		{all, tableType, `"cells":["x","m1","",0,"\u003cunknown\u003e"],"object":{"apiVersion":"meta.k8s.io/v1","kind":"PartialObjectMetadata"`, `"kind":"Secret"`},
		{one, tableType, `"name":"Cluster","type":"string"`, `"kind":"Secret"`},
		{one + "?includeObject=Object", "application/json;as=Table;v=v1beta1;g=meta.k8s.io", `"kind":"Secret"`, "meta.k8s.io/v1\""},
		{one + "?includeObject=None", tableType, `"object":null`, "annotations"},
		{all, listType, `"kind":"PartialObjectMetadataList"`, `"Secret`},
		{one, metadataType, `"kind":"PartialObjectMetadata"`, `"Secret"`},
		{one, "application/vnd.kubernetes.protobuf,application/json", `"kind":"Secret"`, "Table"},
		{one, "application/json;as=Table;v=v9;g=meta.k8s.io", `"kind":"Secret"`, "Table"},
	} {
		got, err := s.accept(tc.path, tc.accepted)
		if err != nil || !strings.Contains(got, tc.want) || strings.Contains(got, tc.without) {
			t.Errorf("%s as %s: %s, %v; want %s without %s", tc.path, tc.accepted, got, err, tc.want, tc.without)
		}
	}
	if _, err := s.accept(one+"?includeObject=Half", tableType); !apierrors.IsBadRequest(err) {
		t.Errorf("a false includeObject: %v", err)
	}
}

func TestVersionsOfReadsCount(t *testing.T) {
	s := newStand(t)
	known := cache.Versions{"m1": "7"}.String()
	for path, want := range map[string]metav1.StatusReason{
		"?resourceVersion=" + known: "", "?resourceVersion=" + known + "&resourceVersionMatch=Exact": "", "/x?resourceVersion=" + known: "",
		"?resourceVersion=" + cache.Versions{"m1": "6"}.String() + "&resourceVersionMatch=Exact": metav1.StatusReasonExpired,
		"?resourceVersionMatch=Exact": metav1.StatusReasonBadRequest, "?resourceVersion=7": metav1.StatusReasonBadRequest,
		"?resourceVersion=" + known + "&resourceVersionMatch=Odd": metav1.StatusReasonBadRequest,
	} {
		if _, err := s.accept("/api/v1/namespaces/a/secrets"+path, ""); apierrors.ReasonForError(err) != want && (want != "" || err != nil) {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
}

// serve answers una over HTTP.
func (s *stand) serve() string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(request.WithUser(r.Context(), &user.DefaultInfo{Name: "una"}))
		s.search.Proxies(w, r, prefix, func(err error) { http.Error(w, err.Error(), http.StatusTeapot) })
	}))
	s.Cleanup(server.Close)
	return server.URL + prefix
}

func TestWatchesEndWithTheRightToThem(t *testing.T) {
	s := newStand(t)
	revoked := atomic.Bool{}
	s.search.settings.Recheck = time.Millisecond
	s.search.settings.Authorizer = authorizer.AuthorizerFunc(func(ctx context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
		if revoked.Load() {
			return authorizer.DecisionDeny, "", nil
		}
		return mayRead(ctx, a)
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.serve()+"/api/v1/namespaces/a/secrets?watch=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", tableType)
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	events := bufio.NewReader(response.Body)
	if line, err := events.ReadString('\n'); err != nil || !strings.HasPrefix(line, `{"type":"ADDED","object":{"kind":"Table"`) {
		t.Fatalf("%s, %v", line, err)
	}
	revoked.Store(true)
	if rest, err := io.ReadAll(events); err != nil || len(rest) > 0 {
		t.Errorf("the watch went on with %s, %v", rest, err)
	}
}

// A write must not go to the one cluster that is known to have an object while another may have one as well.
func TestWritesWaitForAllClusters(t *testing.T) {
	s := newStand(t)
	s.search.cache.Keep(map[schema.GroupVersionResource]cache.Kind{{Version: "v1", Resource: "secrets"}: {
		Kind: schema.GroupVersionKind{Version: "v1", Kind: "Secret"}, Clusters: map[string][]string{"m1": {""}, "unplugged": {""}},
	}})
	for _, method := range []string{"PUT", "PATCH", "DELETE"} {
		_, err := s.ask(method, "/api/v1/namespaces/a/secrets/x", "una", "{}")
		if !apierrors.IsServiceUnavailable(err) || !strings.Contains(err.Error(), "unplugged") {
			t.Errorf("%s: %v", method, err)
		}
	}
	if _, err := s.ask("GET", "/api/v1/namespaces/a/secrets/x/log", "una", ""); err != nil {
		t.Errorf("reading on: %v", err)
	}
}

// TestRegistriesAreFollowedInTheEnd, though whoever stores them does not answer at first.
func TestRegistriesAreFollowedInTheEnd(t *testing.T) {
	asked := atomic.Int32{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) <= 5 {
			http.Error(w, "not yet", http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		group := strings.Split(r.URL.Path, "/")
		switch {
		case len(group) < 4:
			fmt.Fprint(w, `{"kind":"APIGroupList","apiVersion":"v1","groups":[]}`)
		case len(group) == 4:
			kinds := map[string]string{"cluster.karmada.io": `{"name":"clusters","kind":"Cluster"}`, "search.karmada.io": `{"name":"resourceregistries","kind":"ResourceRegistry"}`}
			fmt.Fprintf(w, `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"%s/v1alpha1","resources":[%s]}`, group[2], kinds[group[2]])
		case r.URL.Query().Get("watch") == "":
			kind := map[string]string{"clusters": "ClusterList", "resourceregistries": "ResourceRegistryList"}[group[4]]
			_ = json.NewEncoder(w).Encode(map[string]any{"kind": kind, "apiVersion": group[2] + "/v1alpha1", "metadata": map[string]any{"resourceVersion": "1"}, "items": []any{}})
		case r.URL.Query().Get("sendInitialEvents") != "":
			w.WriteHeader(http.StatusUnprocessableEntity)
			fmt.Fprint(w, `{"apiVersion":"v1","kind":"Status","status":"Failure","reason":"Invalid","code":422}`)
		default:
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	}))
	defer server.Close()
	known := runtime.NewScheme()
	if err := scheme.AddToScheme(known); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	s := New(ctx, Settings{Retry: time.Millisecond})
	config := &rest.Config{Host: server.URL, QPS: -1}
	ended := make(chan struct{})
	go func() {
		s.Run(ctx, Sources{Clusters: config, Registries: config}, known)
		close(ended)
	}()
	select {
	case <-s.begun:
	case <-ctx.Done():
		t.Error("it gave up")
	}
	cancel()
	<-ended
	server.CloseClientConnections()
}
