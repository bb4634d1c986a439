package proxy

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/client-go/transport"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
)

// Member is one member as it can be reached at present.
type Member struct {
	cluster    *clusterv1alpha1.Cluster
	connection *connection
	ends       context.Context
}

// Forward answers a request with what the member answers to the part of its path below prefix, asked in the name of the request's
// user. It streams both ways, and upgrades to SPDY or WebSocket. What goes wrong before the member has answered is told to fail, as
// an API error.
func (m *Member) Forward(w http.ResponseWriter, r *http.Request, prefix string, fail func(error)) {
	server{
		name: "cluster " + m.cluster.Name, endpoint: m.connection.endpoint,
		transport: transport.NewBearerAuthRoundTripper(m.connection.token, m.connection), explain: m.explain, ends: m.ends,
	}.forward(w, r, prefix, fail)
}

// server is an API server that lets its client act for others.
type server struct {
	// name is what errors call it.
	name      string
	endpoint  *url.URL
	transport http.RoundTripper
	explain   func(error) error
	ends      context.Context
}

func (s server) forward(w http.ResponseWriter, r *http.Request, prefix string, fail func(error)) {
	target, err := s.target(r.URL, prefix)
	if err != nil {
		fail(err)
		return
	}
	caller, _ := request.UserFrom(r.Context())
	transport, err := as(caller, s.transport)
	if err != nil {
		fail(apierrors.NewInternalError(fmt.Errorf("forwarding to %s: %w", s.name, err)))
		return
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.ends, cancel)()
	forward := httputil.ReverseProxy{
		// Headers that the client names in Connection are gone by now, so none that is set from here on can be taken away by it.
		Rewrite: func(p *httputil.ProxyRequest) {
			target.RawQuery = p.Out.URL.RawQuery
			p.Out.URL, p.Out.Host = target, ""
			strip(p.Out.Header)
		},
		Transport: transport,
		// Watches and logs are told as they come.
		FlushInterval:  -1,
		ModifyResponse: check,
		ErrorHandler:   func(_ http.ResponseWriter, _ *http.Request, err error) { fail(s.explain(err)) },
		ErrorLog:       log.New(io.Discard, "", 0),
	}
	forward.ServeHTTP(w, r.WithContext(ctx))
}

// target is the URL in the member for what stands below prefix. The path may not leave the endpoint, which may be one of many behind
// a gateway.
func (s server) target(asked *url.URL, prefix string) (*url.URL, error) {
	escaped, below := strings.CutPrefix(asked.EscapedPath(), prefix)
	if !below || escaped != "" && escaped[0] != '/' {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("path %q is not below %s", asked.EscapedPath(), prefix))
	}
	plain, err := url.PathUnescape(escaped)
	if err != nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("path %q: %v", escaped, err))
	}
	isStep := func(segment string) bool { return segment == "." || segment == ".." }
	if slices.ContainsFunc(strings.FieldsFunc(plain, func(c rune) bool { return c == '/' || c == '\\' }), isStep) {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("path %q holds . or .. as a segment: write the path without", escaped))
	}
	join := func(base, path string) string {
		return strings.TrimRight(base, "/") + "/" + strings.TrimLeft(path, "/")
	}
	return &url.URL{
		Scheme: s.endpoint.Scheme, Host: s.endpoint.Host, Path: join(s.endpoint.Path, plain), RawPath: join(s.endpoint.EscapedPath(), escaped),
	}, nil
}

// check refuses answers that would send the client elsewhere, and those that open the control plane to scripts of other sites.
func check(response *http.Response) error {
	if response.StatusCode >= 300 && response.StatusCode < 400 && response.Header.Get("Location") != "" {
		return fmt.Errorf("it answers with a redirect (%d), which is not followed", response.StatusCode)
	}
	for name := range response.Header {
		if strings.HasPrefix(name, "Access-Control-") {
			delete(response.Header, name)
		}
	}
	return nil
}

// explain tells why a member did not answer, and whether it was known to be in trouble.
func (m *Member) explain(err error) error {
	ready := meta.FindStatusCondition(m.cluster.Status.Conditions, names.ConditionClusterReady)
	if ready != nil && ready.Status != metav1.ConditionTrue {
		return unavailable(m.cluster, "%v; it is not ready: %s: %s", err, ready.Reason, ready.Message)
	}
	return unavailable(m.cluster, "%v", err)
}
