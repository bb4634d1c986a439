package component

import (
	"bytes"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/klog/v2/textlogger"
)

const asked, answered, bearer = "canary-asked", "canary-answered", "canary-bearer"

// TestLogsHoldNoBodies: at the highest verbosity, client-go says that it was asked and answered, and nobody reads what. That it would be
// read otherwise is looked at, too.
func TestLogsHoldNoBodies(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, _ *http.Request) {
		response.Header().Set("Content-Type", "application/json")
		_, _ = response.Write([]byte(`{"kind":"Secret","apiVersion":"v1","metadata":{"name":"s"},"stringData":{"token":"` + answered + `"}}`))
	}))
	t.Cleanup(server.Close)
	for _, format := range []string{"application/json", "application/vnd.kubernetes.protobuf"} {
		open := logOf(t, server.URL, format, func(logger logr.Logger) logr.Logger { return logger })
		for _, secret := range []string{asked, answered} {
			if !holds(t, open, secret) {
				t.Errorf("%s: client-go does not write %q out, or it is not found:\n%s", format, secret, open)
			}
		}
		told := logOf(t, server.URL, format, func(logger logr.Logger) logr.Logger { return discreetly(logger).WithName("x").WithValues("y", "z") })
		for _, said := range []string{"Request Body", "Response Body", "bytes)"} {
			if !strings.Contains(told, said) {
				t.Errorf("%s: the log lacks %q:\n%s", format, said, told)
			}
		}
		for _, secret := range []string{asked, answered, bearer} {
			if holds(t, told, secret) {
				t.Errorf("%s: the log holds %q:\n%s", format, secret, told)
			}
		}
	}
}

// logOf is the log of one request.
func logOf(t *testing.T, url, format string, wrap func(logr.Logger) logr.Logger) string {
	t.Helper()
	var told bytes.Buffer
	logger := textlogger.NewLogger(textlogger.NewConfig(textlogger.Verbosity(10), textlogger.Output(&told)))
	ctx := klog.NewContext(t.Context(), wrap(logger))
	api, err := kubernetes.NewForConfig(&rest.Config{Host: url, BearerToken: bearer, ContentConfig: rest.ContentConfig{ContentType: format, AcceptContentTypes: "application/json"}})
	if err != nil {
		t.Fatal(err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "s"}, StringData: map[string]string{"token": asked}}
	if _, err := api.CoreV1().Secrets("n").Create(ctx, secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return told.String()
}

// dumpLine is a line of a hex dump, in which client-go writes out what is no text: the offset, and up to 16 bytes.
var dumpLine = regexp.MustCompile(`(?m)^\s*[0-9a-f]{8}  ((?:[0-9a-f]{2} {1,2}){1,16})`)

// holds tells whether a log holds a text, as it is or within a hex dump.
func holds(t *testing.T, log, text string) bool {
	t.Helper()
	var dumped []byte
	for _, line := range dumpLine.FindAllStringSubmatch(log, -1) {
		decoded, err := hex.DecodeString(strings.ReplaceAll(line[1], " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		dumped = append(dumped, decoded...)
	}
	return strings.Contains(log, text) || bytes.Contains(dumped, []byte(text))
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
