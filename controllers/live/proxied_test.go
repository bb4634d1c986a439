package live

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/connectproxy/proxytest"
)

// TestTheProxyAloneGetsItsHeaders: they stand in CONNECT, and in no request to the member, that of a probe included.
func TestTheProxyAloneGetsItsHeaders(t *testing.T) {
	var atMember, atProxy []http.Header
	member := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { atMember = append(atMember, r.Header.Clone()) }))
	defer member.Close()
	proxy := proxytest.New(t, func(header http.Header) { atProxy = append(atProxy, header) })

	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: member.Certificate().Raw})
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "m1"}, Data: map[string][]byte{secretToken: []byte("t"), secretCA: ca}}
	m := &members{secrets: fake.NewClientBuilder().WithScheme(scheme).WithObjects(secret).Build()}
	config, err := m.config(t.Context(), &clusterv1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: "m1"},
		Spec: clusterv1alpha1.ClusterSpec{
			APIEndpoint: member.URL, SecretRef: &clusterv1alpha1.LocalSecretReference{Namespace: "a", Name: "m1"},
			ProxyURL: proxy.URL, ProxyHeader: map[string]string{"X-Tenant": "a, b"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, used := range []*rest.Config{config, Probing(config)} {
		api, err := rest.HTTPClientFor(used)
		if err != nil {
			t.Fatal(err)
		}
		response, err := api.Get(member.URL)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		api.CloseIdleConnections()
	}
	if len(atProxy) != 2 || len(atMember) != 2 {
		t.Fatalf("the proxy was asked %d times, the member %d times", len(atProxy), len(atMember))
	}
	for i := range atProxy {
		if !slices.Equal(atProxy[i]["X-Tenant"], []string{"a", "b"}) || atProxy[i].Get("Authorization") != "" {
			t.Errorf("the proxy got %v", atProxy[i])
		}
		if atMember[i].Get("X-Tenant") != "" || atMember[i].Get("Authorization") != "Bearer t" {
			t.Errorf("the member got %v", atMember[i])
		}
	}
}

// TestOtherHeadersAreAnotherConnection: what reads alike is not the same.
func TestOtherHeadersAreAnotherConnection(t *testing.T) {
	told := func(headers map[string]string) string {
		return versionOf(&clusterv1alpha1.Cluster{Spec: clusterv1alpha1.ClusterSpec{ProxyHeader: headers}})
	}
	if told(map[string]string{"A": "b C:d"}) == told(map[string]string{"A": "b", "C": "d"}) {
		t.Error("two sets of headers have one connection")
	}
}
