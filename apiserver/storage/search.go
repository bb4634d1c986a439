package storage

import (
	"context"
	"errors"
	"net/http"
	"path"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"

	searchv1alpha1 "github.com/seatrial/seatrial/api/search/v1alpha1"
	"github.com/seatrial/seatrial/search"
)

// NewSearch returns the storage of what is searched and proxied, by resource path.
func NewSearch(found *search.Search) map[string]rest.Storage {
	proxying := func() runtime.Object { return &searchv1alpha1.Proxying{} }
	return map[string]rest.Storage{
		"search": &below{
			emptyStorage: emptyStorage{kind: func() runtime.Object { return &searchv1alpha1.Search{} }, singular: "search"},
			methods:      []string{http.MethodGet}, serve: found.Lists,
		},
		"proxying": &emptyStorage{kind: proxying, singular: "proxying"},
		"proxying/proxy": &below{
			emptyStorage: emptyStorage{kind: proxying, singular: "proxying"},
			methods: []string{
				http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
			},
			serve: found.Proxies,
		},
	}
}

// emptyStorage is that of a resource without objects.
type emptyStorage struct {
	kind     func() runtime.Object
	singular string
}

var (
	_ rest.Scoper               = &emptyStorage{}
	_ rest.SingularNameProvider = &emptyStorage{}
	_ rest.Connecter            = &below{}
)

func (e *emptyStorage) New() runtime.Object { return e.kind() }

// Destroy does nothing: there is nothing to close.
func (e *emptyStorage) Destroy() {}

func (e *emptyStorage) NamespaceScoped() bool { return false }

func (e *emptyStorage) GetSingularName() string { return e.singular }

// below serves what stands below a name.
type below struct {
	emptyStorage
	methods []string
	serve   func(w http.ResponseWriter, r *http.Request, prefix string, fail func(error))
}

func (b *below) ConnectMethods() []string { return b.methods }

func (b *below) NewConnectOptions() (runtime.Object, bool, string) { return nil, true, "" }

func (b *below) Connect(ctx context.Context, name string, _ runtime.Object, responder rest.Responder) (http.Handler, error) {
	info, found := request.RequestInfoFrom(ctx)
	if !found {
		return nil, apierrors.NewInternalError(errors.New("the request is not resolved"))
	}
	prefix := path.Join("/", info.APIPrefix, info.APIGroup, info.APIVersion, info.Resource, name)
	switch {
	case info.Resource == "proxying":
		prefix = path.Join(prefix, info.Subresource)
	case name != "cache":
		return nil, apierrors.NewNotFound(searchv1alpha1.Resource("search"), name)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.serve(w, r, prefix, responder.Error) }), nil
}
