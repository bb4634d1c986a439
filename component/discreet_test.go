package component

import (
	"bytes"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"
)

// TestLogsHoldNoBodies: at the highest verbosity, client-go says that it was asked and answered, and nobody reads what.
func TestLogsHoldNoBodies(t *testing.T) {
	const asked, answered, bearer = "canary-asked", "canary-answered", "canary-bearer"
	server := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, _ *http.Request) {
		response.Header().Set("Content-Type", "application/json")
		_, _ = response.Write([]byte(`{"kind":"Secret","apiVersion":"v1","metadata":{"name":"s"},"stringData":{"token":"` + answered + `"}}`))
	}))
	t.Cleanup(server.Close)
	for _, format := range []string{"application/json", "application/vnd.kubernetes.protobuf"} {
		var told bytes.Buffer
		logger := textlogger.NewLogger(textlogger.NewConfig(textlogger.Verbosity(10), textlogger.Output(&told)))
		ctx := klog.NewContext(t.Context(), discreetly(logger).WithName("x").WithValues("y", "z"))
		api, err := kubernetes.NewForConfig(&rest.Config{Host: server.URL, BearerToken: bearer, ContentConfig: rest.ContentConfig{ContentType: format, AcceptContentTypes: "application/json"}})
		if err != nil {
			t.Fatal(err)
		}
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "s"}, StringData: map[string]string{"token": asked}}
		if _, err := api.CoreV1().Secrets("n").Create(ctx, secret, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, said := range []string{"Request Body", "Response Body", "bytes)"} {
			if !strings.Contains(told.String(), said) {
				t.Errorf("%s: the log lacks %q:\n%s", format, said, told.String())
			}
		}
		for _, secret := range []string{asked, answered, bearer} {
			if strings.Contains(told.String(), secret) || strings.Contains(told.String(), hex.Dump([]byte(secret))[10:30]) {
				t.Errorf("%s: the log holds %q:\n%s", format, secret, told.String())
			}
		}
	}
}

// TestLogLinesNameTheirOrigin: the lines of others are as they were.
func TestLogLinesNameTheirOrigin(t *testing.T) {
	var told bytes.Buffer
	logger := discreetly(textlogger.NewLogger(textlogger.NewConfig(textlogger.Output(&told))))
	logger.Info("hello", "body", "kept")
	logger.WithCallDepth(0).Info("again")
	if lines := told.String(); strings.Count(lines, "discreet_test.go") != 2 || !strings.Contains(lines, `body="kept"`) {
		t.Errorf("the log is\n%s", lines)
	}
}
