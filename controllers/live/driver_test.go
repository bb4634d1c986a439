package live

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/seatrial/seatrial/interpreter"
)

// TestSingleRequestsEnd: each has a timeout, whether it goes past the views or not. Clients tell the API server of it.
func TestSingleRequestsEnd(t *testing.T) {
	var told []string
	plane := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/api":
			_, _ = io.WriteString(w, `{"kind":"APIVersions","versions":["v1"]}`)
		case "/apis":
			_, _ = io.WriteString(w, `{"kind":"APIGroupList","apiVersion":"v1","groups":[]}`)
		case "/api/v1":
			_, _ = io.WriteString(w, `{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"secrets","namespaced":true,"kind":"Secret"}]}`)
		case "/api/v1/namespaces/n/secrets/s":
			told = append(told, r.URL.Query().Get("timeout"))
			_, _ = io.WriteString(w, `{"kind":"Secret","apiVersion":"v1","metadata":{"namespace":"n","name":"s"}}`)
		}
	}))
	defer plane.Close()
	driver, err := NewDriver(&rest.Config{Host: plane.URL}, ctrl.Options{Metrics: server.Options{BindAddress: "0"}}, Limits{QPS: -1}, func() interpreter.Interpreter { return nil })
	if err != nil {
		t.Fatal(err)
	}
	for name, reader := range map[string]client.Reader{"client": driver.deps.Client, "live": driver.deps.Live, "credentials": driver.members.secrets} {
		told = nil
		if err := reader.Get(t.Context(), client.ObjectKey{Namespace: "n", Name: "s"}, &corev1.Secret{}); err != nil {
			t.Fatal(err)
		}
		if len(told) != 1 || told[0] != planeTimeout.String() {
			t.Errorf("%s: requests with timeouts %q", name, told)
		}
	}
}
