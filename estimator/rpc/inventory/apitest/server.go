// Package apitest serves lists and watches of Kubernetes objects over HTTP, in protobuf or JSON, for tests of what follows
// a cluster. It can fail the ways in which API servers fail.
package apitest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Server holds objects by resource, such as "pods". Every change has a number of its own, and every object the number of its
// last change as its resource version.
type Server struct {
	http *httptest.Server

	mu      sync.Mutex
	objects map[string]map[string]runtime.Object
	order   map[string][]string
	events  []event
	// oldest is the first change that watches can still start after.
	oldest int
	// changed is closed and made anew with each change and each failure.
	changed   chan struct{}
	broken    bool
	epoch     int
	forbidden map[string]bool
	oldServer bool
	requests  map[string]int
}

type event struct {
	resource string
	kind     watch.EventType
	object   runtime.Object
}

// New starts a server that ends with the test.
func New(t testing.TB) *Server {
	s := &Server{
		objects: map[string]map[string]runtime.Object{}, order: map[string][]string{}, changed: make(chan struct{}),
		forbidden: map[string]bool{}, requests: map[string]int{},
	}
	s.http = httptest.NewServer(s)
	t.Cleanup(func() {
		s.Break()
		s.http.Close()
	})
	return s
}

// Client talks to the server in protobuf.
func (s *Server) Client(t testing.TB) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(&rest.Config{Host: s.http.URL, QPS: -1, ContentConfig: rest.ContentConfig{
		ContentType: runtime.ContentTypeProtobuf, AcceptContentTypes: runtime.ContentTypeProtobuf,
	}})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// URL is where the server listens.
func (s *Server) URL() string { return s.http.URL }

// Set makes an object be there as it is. The server keeps it.
func (s *Server) Set(resource string, object runtime.Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := nameOf(object)
	kind := watch.Modified
	if _, ok := s.objects[resource][name]; !ok {
		kind = watch.Added
		s.order[resource] = append(s.order[resource], name)
	}
	if s.objects[resource] == nil {
		s.objects[resource] = map[string]runtime.Object{}
	}
	s.objects[resource][name] = object
	s.record(event{resource: resource, kind: kind, object: object})
}

// Delete makes an object be gone.
func (s *Server) Delete(resource, namespace, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := namespace + "/" + name
	object := s.objects[resource][key].DeepCopyObject()
	delete(s.objects[resource], key)
	for i, other := range s.order[resource] {
		if other == key {
			s.order[resource] = append(s.order[resource][:i:i], s.order[resource][i+1:]...)
			break
		}
	}
	s.record(event{resource: resource, kind: watch.Deleted, object: object})
}

// record numbers a change.
func (s *Server) record(e event) {
	s.events = append(s.events, e)
	accessor(e.object).SetResourceVersion(fmt.Sprint(len(s.events)))
	s.wake()
}

func (s *Server) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// Break ends all watches and refuses every request.
func (s *Server) Break() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = true
	s.epoch++
	s.wake()
}

// Mend ends a break.
func (s *Server) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = false
}

// EndWatches ends all watches in good order, as servers do from time to time.
func (s *Server) EndWatches() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
	s.wake()
}

// Forget lets no watch start after a change that has happened, so that all start anew.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.oldest = len(s.events) + 1
	s.record(event{kind: watch.Bookmark, object: &metav1.PartialObjectMetadata{}})
}

// Forbid refuses requests for a resource.
func (s *Server) Forbid(resource string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forbidden[resource] = true
}

// BeOld refuses to stream what there is at the start of a watch.
func (s *Server) BeOld() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.oldServer = true
}

// Requests is how often a verb ("list", "watch" or "get") was used on a resource.
func (s *Server) Requests(verb, resource string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests[verb+" "+resource]
}

func (s *Server) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	r := parse(request)
	s.mu.Lock()
	s.requests[r.verb+" "+r.resource]++
	broken, forbidden := s.broken, s.forbidden[r.resource]
	s.mu.Unlock()
	switch {
	case broken:
		r.fail(response, http.StatusServiceUnavailable, metav1.StatusReasonServiceUnavailable)
	case forbidden:
		r.fail(response, http.StatusForbidden, metav1.StatusReasonForbidden)
	case r.verb == "watch":
		s.watch(response, request, r)
	case r.verb == "list":
		s.list(response, r)
	default:
		s.get(response, r)
	}
}

func nameOf(object runtime.Object) string {
	about := accessor(object)
	return about.GetNamespace() + "/" + about.GetName()
}

func accessor(object runtime.Object) metav1.Object {
	about, err := meta.Accessor(object)
	if err != nil {
		panic(fmt.Sprintf("%T is no object: %v", object, err))
	}
	return about
}

// call is what is asked of the server.
type call struct {
	verb, resource, namespace, name string
	group                           string
	options                         metav1.ListOptions
	mediaType                       string
}

// parse reads /api/v1/[namespaces/NS/]RESOURCE[/NAME] and /apis/GROUP/v1/... .
func parse(request *http.Request) call {
	parts := strings.Split(strings.Trim(request.URL.Path, "/"), "/")
	r := call{verb: "list", mediaType: runtime.ContentTypeJSON}
	if parts[0] == "apis" {
		r.group, parts = parts[1], parts[1:]
	}
	if parts = parts[2:]; len(parts) > 2 && parts[0] == "namespaces" {
		r.namespace, parts = parts[1], parts[2:]
	}
	r.resource = parts[0]
	if len(parts) > 1 {
		r.verb, r.name = "get", parts[1]
	}
	if strings.Contains(request.Header.Get("Accept"), runtime.ContentTypeProtobuf) {
		r.mediaType = runtime.ContentTypeProtobuf
	}
	if err := metav1.Convert_url_Values_To_v1_ListOptions(ptrTo(request.URL.Query()), &r.options, nil); err != nil {
		panic(fmt.Sprintf("options of %s: %v", request.URL, err))
	}
	if r.options.Watch {
		r.verb = "watch"
	}
	return r
}

func ptrTo[T any](value T) *T { return &value }
