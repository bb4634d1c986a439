package search

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	internalscheme "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/authorization/authorizer"
	"k8s.io/apiserver/pkg/endpoints/filters"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/klog/v2"

	searchv1alpha1 "github.com/seatrial/seatrial/api/search/v1alpha1"
	"github.com/seatrial/seatrial/search/cache"
)

const (
	// watchLasts is how long a watch lasts at least unless the client says otherwise.
	watchLasts = 30 * time.Minute
	// bookmarkEvery is the time between bookmarks.
	bookmarkEvery = time.Minute
	// recheckEvery is the time after which the rights of who watches are asked for again.
	recheckEvery = time.Minute
)

// asked is a request for a resource of the fleet.
type asked struct {
	*request.RequestInfo
	resource schema.GroupVersionResource
}

var resolver = request.RequestInfoFactory{APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api")}

// resolve reads what a request asks for below prefix.
func resolve(r *http.Request, prefix string) (asked, error) {
	path, below := strings.CutPrefix(r.URL.Path, prefix)
	if !below {
		return asked{}, apierrors.NewBadRequest(fmt.Sprintf("path %q is not below %s", r.URL.Path, prefix))
	}
	inner := &http.Request{Method: r.Method, URL: &url.URL{Path: path, RawQuery: r.URL.RawQuery}}
	info, err := resolver.NewRequestInfo(inner)
	if err != nil {
		return asked{}, apierrors.NewBadRequest(fmt.Sprintf("path %q: %v", path, err))
	}
	return asked{info, schema.GroupVersionResource{Group: info.APIGroup, Version: info.APIVersion, Resource: info.Resource}}, nil
}

// namespace is that of the objects: a namespace itself is in none. A path of namespaces within another, by whose rights the caller is
// judged, leads nowhere.
func (a asked) namespace() string {
	if a.resource.Group == "" && a.resource.Resource == "namespaces" && a.Namespace == a.Name {
		return metav1.NamespaceAll
	}
	return a.Namespace
}

func (a asked) reads() bool {
	return a.Subresource == "" && (a.Verb == "get" || a.Verb == "list" || a.Verb == "watch")
}

// ready refuses requests before it is known what is kept: they would be answered by somebody else.
func (s *Search) ready() error {
	select {
	case <-s.begun:
		return nil
	default:
		return apierrors.NewServiceUnavailable("the resource registries are not read yet")
	}
}

// authorize refuses what the caller may not do in the control plane. It is the control plane's rights that count: a cache cannot ask
// members.
func (s *Search) authorize(ctx context.Context, a asked, verb string) error {
	caller, found := request.UserFrom(ctx)
	if !found {
		return apierrors.NewInternalError(errors.New("the request has no user"))
	}
	decision, reason, err := s.settings.Authorizer.Authorize(ctx, authorizer.AttributesRecord{
		User: caller, Verb: verb, Namespace: a.Namespace, Name: a.Name,
		APIGroup: a.APIGroup, APIVersion: a.APIVersion, Resource: a.Resource, ResourceRequest: true, Path: a.Path,
	})
	if err != nil && decision != authorizer.DecisionAllow {
		return apierrors.NewInternalError(fmt.Errorf("asking whether %q may %s %s: %w", caller.GetName(), verb, a.Resource, err))
	}
	if decision != authorizer.DecisionAllow {
		why := fmt.Errorf("user %q may not %s it in the control plane, so it is not shown from the cache of members %s", caller.GetName(), verb, reason)
		return apierrors.NewForbidden(a.resource.GroupResource(), a.Name, why)
	}
	return nil
}

// Lists answers a request below prefix with the objects of all clusters. Even one that is asked for by name comes in a list, for
// several clusters may have one.
func (s *Search) Lists(w http.ResponseWriter, r *http.Request, prefix string, fail func(error)) {
	if err := s.lists(w, r, prefix); err != nil {
		fail(err)
	}
}

func (s *Search) lists(w http.ResponseWriter, r *http.Request, prefix string) error {
	if err := s.ready(); err != nil {
		return err
	}
	a, err := resolve(r, prefix)
	if err != nil {
		return err
	}
	if !a.IsResourceRequest || !a.reads() {
		return apierrors.NewBadRequest(fmt.Sprintf("path %q names no resource", a.Path))
	}
	if a.Verb == "watch" {
		return apierrors.NewMethodNotSupported(a.resource.GroupResource(), "watch")
	}
	if err := s.authorize(r.Context(), a, a.Verb); err != nil {
		return err
	}
	options, err := parse(r)
	if err != nil {
		return err
	}
	return s.list(w, r, a, options)
}

// Proxies answers a request below prefix as one cluster would that is all of them: reads of what is kept from the cache, all else of
// it by the member that has the object, and the rest by the control plane.
func (s *Search) Proxies(w http.ResponseWriter, r *http.Request, prefix string, fail func(error)) {
	if err := s.proxies(w, r, prefix, fail); err != nil {
		fail(err)
	}
}

func (s *Search) proxies(w http.ResponseWriter, r *http.Request, prefix string, fail func(error)) error {
	if err := s.ready(); err != nil {
		return err
	}
	a, err := resolve(r, prefix)
	if err != nil {
		return err
	}
	if a.APIGroup == searchv1alpha1.GroupName && a.Resource == "proxying" && a.Subresource != "" {
		// A long path would go round and round, and each round keeps requests open.
		return apierrors.NewBadRequest("the proxy cannot be asked by way of itself")
	}
	if !a.IsResourceRequest || !s.cache.Has(a.resource) {
		s.settings.ControlPlane.Forward(w, r, prefix, fail)
		return nil
	}
	if !a.reads() {
		return s.forward(w, r, a, prefix, fail)
	}
	if err := s.authorize(r.Context(), a, a.Verb); err != nil {
		return err
	}
	options, err := parse(r)
	if err != nil {
		return err
	}
	switch a.Verb {
	case "get":
		return s.get(w, r, a, options)
	case "list":
		return s.list(w, r, a, options)
	default:
		return s.watch(w, r, a, options)
	}
}

func parse(r *http.Request) (*internalversion.ListOptions, error) {
	options := &internalversion.ListOptions{}
	if err := internalscheme.ParameterCodec.DecodeParameters(r.URL.Query(), metav1.SchemeGroupVersion, options); err != nil {
		return nil, apierrors.NewBadRequest(err.Error())
	}
	if wrong := validation.ValidateListOptions(options, true); len(wrong) > 0 {
		return nil, apierrors.NewBadRequest(wrong.ToAggregate().Error())
	}
	return options, nil
}

func (s *Search) get(w http.ResponseWriter, r *http.Request, a asked, options *internalversion.ListOptions) error {
	wanted, err := s.formOf(r, a.resource)
	if err != nil {
		return err
	}
	if err := s.cache.Reach(r.Context(), a.resource, options.ResourceVersion); err != nil {
		return err
	}
	found, err := s.cache.Get(r.Context(), a.resource, a.namespace(), a.Name)
	if err != nil {
		return err
	}
	return answer(r.Context(), w, wanted, found)
}

// selection is what is asked for, by name too where the path has one.
func (a asked) selection(options *internalversion.ListOptions) cache.Selection {
	chosen := cache.Selection{Namespace: a.namespace(), Labels: options.LabelSelector, Fields: options.FieldSelector}
	if a.Name != "" {
		byName := fields.OneTermEqualSelector("metadata.name", a.Name)
		if chosen.Fields == nil {
			chosen.Fields = byName
		} else {
			chosen.Fields = fields.AndSelectors(chosen.Fields, byName)
		}
	}
	return chosen
}

// list answers with a page. The version that a client names is the oldest that it takes, unless it wants exactly that one.
func (s *Search) list(w http.ResponseWriter, r *http.Request, a asked, options *internalversion.ListOptions) error {
	wanted, err := s.formOf(r, a.resource)
	if err != nil {
		return err
	}
	if err := s.cache.Reach(r.Context(), a.resource, options.ResourceVersion); err != nil {
		return err
	}
	found, err := s.cache.List(r.Context(), a.resource, a.selection(options), options.Limit, options.Continue)
	if err != nil {
		return err
	}
	if options.ResourceVersionMatch == metav1.ResourceVersionMatchExact && found.GetResourceVersion() != options.ResourceVersion {
		return apierrors.NewResourceExpired("the cache holds the present state alone: list without resourceVersionMatch=Exact")
	}
	return answer(r.Context(), w, wanted, found)
}

func answer(ctx context.Context, w http.ResponseWriter, wanted form, found runtime.Object) error {
	shown, err := wanted.of(ctx, found)
	if err != nil {
		return err
	}
	encoded, err := json.Marshal(shown)
	if err != nil {
		return apierrors.NewInternalError(fmt.Errorf("encoding the answer: %w", err))
	}
	w.Header().Set("Content-Type", runtime.ContentTypeJSON)
	// The client may be gone, which nobody needs to know.
	_, _ = w.Write(encoded)
	return nil
}

func (s *Search) watch(w http.ResponseWriter, r *http.Request, a asked, options *internalversion.ListOptions) error {
	lasts := wait.Jitter(watchLasts, 1)
	if options.TimeoutSeconds != nil && *options.TimeoutSeconds != 0 {
		lasts = time.Duration(*options.TimeoutSeconds) * time.Second
	}
	wanted, err := s.formOf(r, a.resource)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), lasts)
	defer cancel()
	defer context.AfterFunc(s.ends, cancel)()
	go s.recheck(ctx, cancel, a)
	every := time.Duration(0)
	if options.AllowWatchBookmarks {
		every = bookmarkEvery
	}
	begun := options.SendInitialEvents != nil && *options.SendInitialEvents
	seen, err := s.cache.Watch(ctx, a.resource, a.selection(options), options.ResourceVersion, begun, every)
	if err != nil {
		return err
	}
	defer seen.Stop()
	w.Header().Set("Content-Type", runtime.ContentTypeJSON)
	w.WriteHeader(http.StatusOK)
	stream(ctx, w, wanted, seen.ResultChan())
	return nil
}

// recheck ends a watch whose client has lost the right to it. Who comes back is told why.
func (s *Search) recheck(ctx context.Context, end context.CancelFunc, a asked) {
	ticker := time.NewTicker(cmp.Or(s.settings.Recheck, recheckEvery))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if s.refused(ctx, a) {
			end()
			return
		}
	}
}

// refused tells whether a caller may not, or no longer, watch: the endpoint, or the objects. An API server that cannot be asked
// refuses nothing.
func (s *Search) refused(ctx context.Context, a asked) bool {
	if apierrors.IsForbidden(s.authorize(ctx, a, "watch")) {
		return true
	}
	endpoint, err := filters.GetAuthorizerAttributes(ctx)
	if err != nil {
		return false
	}
	decision, _, err := s.settings.Authorizer.Authorize(ctx, endpoint)
	return err == nil && decision != authorizer.DecisionAllow
}

// stream writes events as they come, until they end or the client is gone.
func stream(ctx context.Context, w http.ResponseWriter, wanted form, events <-chan watch.Event) {
	out, encoder := http.NewResponseController(w), json.NewEncoder(w)
	if out.Flush() != nil {
		return
	}
	for event := range events {
		shown, err := wanted.event(ctx, event)
		if err != nil {
			klog.ErrorS(err, "An event of a watch cannot be shown")
			return
		}
		told := metav1.WatchEvent{Type: string(event.Type), Object: runtime.RawExtension{Object: shown}}
		if encoder.Encode(told) != nil || out.Flush() != nil {
			return
		}
	}
}

// forward has the member that holds an object do what is asked with it. Who may not read the object does not learn where it is.
func (s *Search) forward(w http.ResponseWriter, r *http.Request, a asked, prefix string, fail func(error)) error {
	if a.Name == "" {
		return apierrors.NewMethodNotSupported(a.resource.GroupResource(), a.Verb)
	}
	if err := s.authorize(r.Context(), a, "get"); err != nil {
		return err
	}
	name, unknown, err := s.cache.Find(r.Context(), a.resource, a.namespace(), a.Name)
	if err != nil {
		return err
	}
	if len(unknown) > 0 && a.Verb != "get" {
		// It might be meant for another cluster.
		return apierrors.NewServiceUnavailable(fmt.Sprintf(
			"cluster %s has it, but nothing is known of %s, which may have one as well: ask for it by the proxy of its cluster", name, strings.Join(unknown, ", ")))
	}
	cluster, err := s.cluster(name)
	if err != nil {
		return apierrors.NewServiceUnavailable(err.Error())
	}
	member, err := s.settings.Members.Connect(r.Context(), cluster)
	if err != nil {
		return err
	}
	if a.Subresource != "proxy" && (r.Method == http.MethodPut || r.Method == http.MethodPatch) {
		if r, err = restore(w, r, name); err != nil {
			return err
		}
	}
	member.Forward(w, r, prefix, fail)
	return nil
}
