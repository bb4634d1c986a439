package live

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

func TestPathsAreRead(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/endless" {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
			return
		}
		if r.URL.Path != "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/hits" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, r.URL.Query().Get("labelSelector"))
	}))
	defer server.Close()
	found, err := discovery.NewDiscoveryClientForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	member := &connection{discovery: found}
	got, err := member.ReadPath(t.Context(), "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/hits", map[string]string{"labelSelector": "app=web"})
	if err != nil || string(got) != "app=web" {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := member.ReadPath(t.Context(), "/nothing", nil); !apierrors.IsNotFound(err) {
		t.Errorf("what is not there: %v", err)
	}
	if _, err := member.ReadPath(t.Context(), "/endless", nil); err == nil || !strings.Contains(err.Error(), "more than 16777216 bytes") {
		t.Errorf("an answer without an end: %v", err)
	}
}
