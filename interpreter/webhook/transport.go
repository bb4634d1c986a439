package webhook

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	webhookutil "k8s.io/apiserver/pkg/util/webhook"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// longestAnswer is in bytes; no object in an API server is larger.
	longestAnswer = 3 << 20
	// findingTakes bounds the look-up of a Service.
	findingTakes = 5 * time.Second
)

// resolver finds the address behind a Service.
type resolver struct{ plane client.Reader }

// ResolveEndpoint implements webhookutil.ServiceResolver.
func (r resolver) ResolveEndpoint(namespace, name string, port int32) (*url.URL, error) {
	if r.plane == nil {
		return webhookutil.NewDefaultServiceResolver().ResolveEndpoint(namespace, name, port)
	}
	ctx, cancel := context.WithTimeout(context.Background(), findingTakes)
	defer cancel()
	service := &corev1.Service{}
	err := r.plane.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, service)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("finding Service %s/%s: %w", namespace, name, err)
	}
	if err == nil && service.Spec.Type == corev1.ServiceTypeExternalName {
		return &url.URL{Scheme: "https", Host: net.JoinHostPort(service.Spec.ExternalName, strconv.Itoa(int(port)))}, nil
	}
	return webhookutil.NewDefaultServiceResolver().ResolveEndpoint(namespace, name, port)
}

// bounded cuts answers off that are longer than any could be.
type bounded struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := b.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	response.Body = &boundedBody{ReadCloser: response.Body, left: longestAnswer}
	return response, nil
}

type boundedBody struct {
	io.ReadCloser
	left int
}

// Read implements io.Reader.
func (b *boundedBody) Read(into []byte) (int, error) {
	n, err := b.ReadCloser.Read(into)
	if b.left -= n; b.left < 0 {
		return 0, errors.New("the answer is longer than 3 MiB")
	}
	return n, err
}
