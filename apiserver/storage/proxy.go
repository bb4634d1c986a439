package storage

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/conversion"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/apiserver/proxy"
)

// proxyStorage is the proxy subresource: whoever may use it speaks to the API server of the member, as far as that lets them.
type proxyStorage struct {
	clusters *registry.Store
	members  *proxy.Members
}

var _ rest.Connecter = &proxyStorage{}

func (p *proxyStorage) New() runtime.Object { return &clusterv1alpha1.ClusterProxyOptions{} }

// Destroy does nothing: the store belongs to the main resource.
func (p *proxyStorage) Destroy() {}

func (p *proxyStorage) ConnectMethods() []string {
	return []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
	}
}

func (p *proxyStorage) NewConnectOptions() (runtime.Object, bool, string) {
	return &clusterv1alpha1.ClusterProxyOptions{}, true, "path"
}

// Connect takes the path from the request: the one in the options has lost what was escaped in it.
func (p *proxyStorage) Connect(ctx context.Context, name string, _ runtime.Object, responder rest.Responder) (http.Handler, error) {
	info, found := request.RequestInfoFrom(ctx)
	if !found {
		return nil, apierrors.NewInternalError(errors.New("the request is not resolved"))
	}
	object, err := p.clusters.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		if apierrors.IsNotFound(err) {
			p.members.Forget(name)
		}
		return nil, err
	}
	member, err := p.members.Connect(ctx, object.(*clusterv1alpha1.Cluster))
	if err != nil {
		return nil, err
	}
	prefix := path.Join("/", info.APIPrefix, info.APIGroup, info.APIVersion, info.Resource, name, info.Subresource)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		member.Forward(w, r, prefix, responder.Error)
	}), nil
}

// ReadProxyOptions has query parameters decode as ClusterProxyOptions.
func ReadProxyOptions(scheme *runtime.Scheme) error {
	return scheme.AddConversionFunc((*url.Values)(nil), (*clusterv1alpha1.ClusterProxyOptions)(nil), func(from, to any, _ conversion.Scope) error {
		to.(*clusterv1alpha1.ClusterProxyOptions).Path = from.(*url.Values).Get("path")
		return nil
	})
}
