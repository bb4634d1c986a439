package connectproxy_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/connectproxy"
)

func TestOf(t *testing.T) {
	proxy, headers, err := connectproxy.Of(&clusterv1alpha1.ClusterSpec{ProxyHeader: map[string]string{"X-Tenant": "a"}})
	if proxy != nil || headers != nil || err != nil {
		t.Errorf("without a proxy: %v %v %v", proxy, headers, err)
	}
	proxy, headers, err = connectproxy.Of(&clusterv1alpha1.ClusterSpec{ProxyURL: "http://user@proxy:3128", ProxyHeader: map[string]string{"x-tenant": "a, b"}})
	if err != nil || proxy.Host != "proxy:3128" {
		t.Errorf("%v %v", proxy, err)
	}
	if diff := cmp.Diff(http.Header{"X-Tenant": {"a", "b"}}, headers); diff != "" {
		t.Error(diff)
	}
	if _, _, err = connectproxy.Of(&clusterv1alpha1.ClusterSpec{ProxyURL: "http://user:secret@proxy:port"}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a URL that is none: %v", err)
	}
}
