package search

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	serializerjson "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/request"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/api/scheme"
	searchv1alpha1 "github.com/seatrial/seatrial/api/search/v1alpha1"
	"github.com/seatrial/seatrial/apiserver/proxy"
	"github.com/seatrial/seatrial/search/cache"
)

const prefix = "/apis/search.karmada.io/v1alpha1/proxying/karmada/proxy"

// stand is a Search over one member that has one secret, beside a control plane that tells who asks.
type stand struct {
	*testing.T
	search *Search
	// asked are the requests that the member and the control plane got.
	asked []string
	body  string
	// store is where registries want things written.
	store *searchv1alpha1.BackendStoreConfig
}

func newStand(t *testing.T) *stand {
	t.Helper()
	s := &stand{T: t}
	member := httptest.NewServer(http.HandlerFunc(s.member))
	plane := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s.asked = append(s.asked, fmt.Sprintf("plane: %s %s as %s", r.Method, r.URL.Path, r.Header.Get("Impersonate-User")))
	}))
	secrets := func(_ context.Context, name types.NamespacedName) (*corev1.Secret, error) {
		return &corev1.Secret{Data: map[string][]byte{"token": []byte(name.Name)}}, nil
	}
	controlPlane, err := proxy.NewControlPlane(t.Context(), &rest.Config{Host: plane.URL})
	if err != nil {
		t.Fatal(err)
	}
	kinds := meta.NewDefaultRESTMapper(nil)
	kinds.Add(schema.GroupVersionKind{Version: "v1", Kind: "Secret"}, meta.RESTScopeNamespace)
	ctx, cancel := context.WithCancel(context.Background())
	s.search = New(ctx, Settings{
		Members: proxy.New(ctx, secrets, clock.RealClock{}), ControlPlane: controlPlane, Authorizer: authorizer.AuthorizerFunc(mayRead), Kinds: kinds,
		Secrets: func(_ context.Context, name types.NamespacedName) (*corev1.Secret, error) {
			return &corev1.Secret{Data: map[string][]byte{"username": []byte(name.Namespace), "password": []byte(name.Name)}}, nil
		},
	})
	t.Cleanup(func() {
		cancel()
		s.search.cache.Wait()
		s.search.mirrors.writing.Wait()
		member.CloseClientConnections()
		member.Close()
		plane.Close()
	})
	s.update(member.URL, "m1")
	return s
}

// update has the registry choose a cluster of all there are.
func (s *stand) update(url, chosen string) {
	s.Helper()
	cluster := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "m1"}, Spec: clusterv1alpha1.ClusterSpec{
		APIEndpoint: url, SecretRef: &clusterv1alpha1.LocalSecretReference{Name: "own"}, ImpersonatorSecretRef: &clusterv1alpha1.LocalSecretReference{Name: "deputy"},
	}}
	registry := &searchv1alpha1.ResourceRegistry{ObjectMeta: metav1.ObjectMeta{Name: "r"}, Spec: searchv1alpha1.ResourceRegistrySpec{
		TargetCluster:     policyv1alpha1.ClusterAffinity{ClusterNames: []string{chosen}},
		ResourceSelectors: []searchv1alpha1.ResourceSelector{{APIVersion: "v1", Kind: "Secret"}, {APIVersion: "v1", Kind: "Unheard"}},
		BackendStore:      s.store,
	}}
	known := runtime.NewScheme()
	if err := scheme.AddToScheme(known); err != nil {
		s.Fatal(err)
	}
	objects := fake.NewClientBuilder().WithScheme(known).WithObjects(cluster, registry).Build()
	if missing, err := s.search.update(s.Context(), stored{objects, objects}); err != nil || !missing {
		s.Fatalf("missing %t, %v", missing, err)
	}
}

func mayRead(_ context.Context, a authorizer.Attributes) (authorizer.Decision, string, error) {
	if a.GetUser().GetName() == "una" && a.IsReadOnly() && a.GetResource() == "secrets" && a.GetNamespace() == "a" {
		return authorizer.DecisionAllow, "", nil
	}
	return authorizer.DecisionNoOpinion, "", nil
}

func (s *stand) member(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	const kept = `{"apiVersion":"v1","kind":"Secret","metadata":{"namespace":"a","name":"x","resourceVersion":"5","uid":"u-x"}}`
	switch {
	case r.Header.Get("Authorization") == "Bearer own" && r.URL.Query().Get("watch") == "":
		_, _ = io.WriteString(w, `{"apiVersion":"v1","kind":"SecretList","metadata":{"resourceVersion":"7"},"items":[`+kept+`]}`)
	case r.Header.Get("Authorization") == "Bearer own":
		// The list says all; an informer that asks for a stream is told to list.
		if r.URL.Query().Get("sendInitialEvents") != "" {
			w.WriteHeader(http.StatusUnprocessableEntity)
			_, _ = io.WriteString(w, `{"apiVersion":"v1","kind":"Status","status":"Failure","reason":"Invalid","code":422}`)
			return
		}
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	default:
		body, _ := io.ReadAll(r.Body)
		s.body = string(body)
		s.asked = append(s.asked, fmt.Sprintf("member: %s %s as %s", r.Method, r.URL.Path, r.Header.Get("Impersonate-User")))
	}
}

// ask sends a request as a user, and returns what was answered, or the error.
func (s *stand) ask(method, path, as, body string) (string, error) {
	s.Helper()
	r := httptest.NewRequestWithContext(s.Context(), method, prefix+path, strings.NewReader(body))
	r = r.WithContext(request.WithUser(r.Context(), &user.DefaultInfo{Name: as}))
	w := httptest.NewRecorder()
	var failed error
	s.search.Proxies(w, r, prefix, func(err error) { failed = err })
	return w.Body.String(), failed
}

func TestWhoMayNotReadIsShownNothing(t *testing.T) {
	s := newStand(t)
	for _, ask := range []struct{ method, path string }{
		{"GET", "/api/v1/secrets"}, {"GET", "/api/v1/namespaces/a/secrets"}, {"GET", "/api/v1/namespaces/a/secrets/x"},
		{"GET", "/api/v1/secrets?watch=1"}, {"GET", "/api/v1/watch/namespaces/a/secrets/x"},
		{"DELETE", "/api/v1/namespaces/a/secrets/x"}, {"DELETE", "/api/v1/namespaces/a/secrets/unknown"},
	} {
		answered, err := s.ask(ask.method, ask.path, "stranger", "")
		if !apierrors.IsForbidden(err) || answered != "" {
			t.Errorf("%s %s: %q, %v", ask.method, ask.path, answered, err)
		}
	}
	if _, err := s.ask("GET", "/api/v1/secrets", "una", ""); !apierrors.IsForbidden(err) {
		t.Errorf("all namespaces with a right to one: %v", err)
	}
	if _, err := s.ask("GET", prefix+"/version", "una", ""); !apierrors.IsBadRequest(err) {
		t.Errorf("itself: %v", err)
	}
	if len(s.asked) > 0 {
		t.Errorf("asked on: %v", s.asked)
	}
}

func TestEachRequestGoesWhereItBelongs(t *testing.T) {
	s := newStand(t)
	listed, err := s.ask("GET", "/api/v1/namespaces/a/secrets?labelSelector=a!%3Db", "una", "")
	if err != nil || !strings.Contains(listed, `"cached-from-cluster":"m1"`) && !strings.Contains(listed, `cached-from-cluster":"m1"`) {
		t.Errorf("listed %s, %v", listed, err)
	}
	got, err := s.ask("GET", "/api/v1/namespaces/a/secrets/x", "una", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.ask("PUT", "/api/v1/namespaces/a/secrets/x", "una", got); err != nil {
		t.Error(err)
	}
	sent := &corev1.Secret{}
	if err := json.Unmarshal([]byte(s.body), sent); err != nil || sent.ResourceVersion != "5" || len(sent.Annotations) > 0 {
		t.Errorf("the member was sent %s, %v", s.body, err)
	}
	if _, err := s.ask("POST", "/api/v1/namespaces/a/secrets", "una", "{}"); !apierrors.IsMethodNotSupported(err) {
		t.Errorf("creating: %v", err)
	}
	if _, err := s.ask("GET", "/api/v1/nodes", "una", ""); err != nil {
		t.Error(err)
	}
	want := "member: PUT /api/v1/namespaces/a/secrets/x as una; plane: GET /api/v1/nodes as una"
	if asked := strings.Join(s.asked, "; "); asked != want {
		t.Errorf("asked %s, want %s", asked, want)
	}
}

func TestAllClustersAreListed(t *testing.T) {
	s := newStand(t)
	const prefix = "/apis/search.karmada.io/v1alpha1/search/cache"
	for path, want := range map[string]string{
		"/api/v1/namespaces/a/secrets": "1", "/api/v1/namespaces/a/secrets/x": "1", "/api/v1/namespaces/a/secrets/y": "0",
		"/api/v1/namespaces/b/secrets": "Forbidden", "/api/v1/namespaces/a/secrets?watch=1": "MethodNotAllowed", "/version": "BadRequest",
	} {
		r := httptest.NewRequestWithContext(t.Context(), "GET", prefix+path, nil)
		r = r.WithContext(request.WithUser(r.Context(), &user.DefaultInfo{Name: "una"}))
		w := httptest.NewRecorder()
		got := ""
		s.search.Lists(w, r, prefix, func(err error) { got = string(apierrors.ReasonForError(err)) })
		list := &corev1.SecretList{}
		if got == "" && json.Unmarshal(w.Body.Bytes(), list) == nil && list.Kind == "SecretList" {
			got = fmt.Sprint(len(list.Items))
		}
		if got != want {
			t.Errorf("%s: %s, want %s: %s", path, got, want, w.Body)
		}
	}
}

func TestRegistriesAreFollowed(t *testing.T) {
	s := newStand(t)
	resource := schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	s.update("https://127.0.0.1:1", "m2")
	if _, _, err := s.search.cache.Find(t.Context(), resource, "a", "x"); !apierrors.IsNotFound(err) {
		t.Errorf("of a cluster that is not chosen: %v", err)
	}
	before := New(t.Context(), Settings{})
	if err := before.ready(); !apierrors.IsServiceUnavailable(err) {
		t.Errorf("before the registries are read: %v", err)
	}
}

func TestWatchesAreStreamed(t *testing.T) {
	s := newStand(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(request.WithUser(r.Context(), &user.DefaultInfo{Name: "una"}))
		s.search.Proxies(w, r, prefix, func(err error) { http.Error(w, err.Error(), http.StatusTeapot) })
	}))
	defer server.Close()
	path := prefix + "/api/v1/namespaces/a/secrets?watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	events := json.NewDecoder(response.Body)
	for _, want := range []string{"ADDED", "BOOKMARK"} {
		event := metav1.WatchEvent{}
		if err := events.Decode(&event); err != nil || event.Type != want {
			t.Fatalf("%v %s, want %s", err, event.Type, want)
		}
	}
	cancel()
}

func TestWritesHaveTheMembersOwnMetadata(t *testing.T) {
	made := func(version string, marks map[string]string) *corev1.Secret {
		return &corev1.Secret{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
			ObjectMeta: metav1.ObjectMeta{Name: "x", ResourceVersion: version, Annotations: marks}, Data: map[string][]byte{"a": []byte("1")},
		}
	}
	seen := made(cache.Versions{"m1": "5", "m2": "9"}.String(), map[string]string{names.AnnotationCachedFromCluster: "m1", "own": "1"})
	want := made("5", map[string]string{"own": "1"})
	binary := protobuf.NewSerializer(clientscheme.Scheme, clientscheme.Scheme)
	for contentType, codec := range map[string]runtime.Serializer{
		runtime.ContentTypeProtobuf: binary, runtime.ContentTypeJSON: serializerjson.NewSerializerWithOptions(serializerjson.DefaultMetaFactory, clientscheme.Scheme, clientscheme.Scheme, serializerjson.SerializerOptions{}),
	} {
		var body bytes.Buffer
		if err := codec.Encode(seen, &body); err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequestWithContext(t.Context(), "PUT", "/", &body)
		r.Header.Set("Content-Type", contentType)
		restored, err := restore(httptest.NewRecorder(), r, "m1")
		if err != nil {
			t.Fatal(err)
		}
		sent, err := io.ReadAll(restored.Body)
		if err != nil || int64(len(sent)) != restored.ContentLength {
			t.Fatal(err, restored.ContentLength)
		}
		got, _, err := codec.Decode(sent, nil, nil)
		if diff := cmp.Diff(runtime.Object(want), got); err != nil || diff != "" {
			t.Errorf("%s, %v (-want +got):\n%s", contentType, err, diff)
		}
	}
	for _, body := range []string{`[{"op":"remove","path":"/data"}]`, `metadata: {}`, `{}`} {
		if got, err := restoreJSON([]byte(body), "m1"); err != nil || string(got) != body {
			t.Errorf("%s became %s, %v", body, got, err)
		}
	}
}

// Rights in a namespace say nothing of other namespaces.
func TestNamespacesAreNotInNamespaces(t *testing.T) {
	for path, want := range map[string]string{
		"/api/v1/namespaces": "", "/api/v1/namespaces/a": "", "/api/v1/namespaces/a/namespaces": "a", "/api/v1/namespaces/a/namespaces/b": "a",
		"/api/v1/watch/namespaces/a/namespaces": "a", "/api/v1/namespaces/a/secrets/a": "a",
	} {
		a, err := resolve(httptest.NewRequestWithContext(t.Context(), "GET", prefix+path, nil), prefix)
		if err != nil || a.namespace() != want {
			t.Errorf("%s: objects in %q, %v, want %q", path, a.namespace(), err, want)
		}
	}
}
