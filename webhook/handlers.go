package webhook

import (
	"fmt"
	"net/http"
	"strings"

	ctrladmission "sigs.k8s.io/controller-runtime/pkg/webhook/admission"
	"sigs.k8s.io/controller-runtime/pkg/webhook/conversion"

	"github.com/seatrial/seatrial/api/crds"
)

// maxConversion bounds a review that asks to convert a list, in bytes. Reviews of single objects are bounded at 7 MiB.
const maxConversion = 64 << 20

// Handlers serve the reviews of an API server, by URL path. A panic is answered with a refusal.
func Handlers(rules Rules) map[string]http.Handler {
	paths := map[string]http.Handler{
		protectionPath:      &ctrladmission.Webhook{Handler: ctrladmission.HandlerFunc(protect)},
		crds.ConversionPath: bounded(conversion.NewWebhookHandler(rules.Plane.Scheme(), conversion.NewRegistry())),
	}
	for _, kind := range table() {
		judge := newJudge(kind, rules)
		if len(kind.completed) > 0 {
			paths[kind.mutatingPath()] = &ctrladmission.Webhook{Handler: ctrladmission.HandlerFunc(judge.complete)}
		}
		if len(kind.validated) > 0 {
			paths[kind.validatingPath()] = &ctrladmission.Webhook{Handler: ctrladmission.HandlerFunc(judge.validate)}
		}
	}
	return paths
}

// bounded refuses conversions that would not fit into the memory of a small process.
func bounded(convert http.Handler) http.Handler {
	return http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		if request.ContentLength > maxConversion {
			http.Error(response, fmt.Sprintf("the review is larger than %d bytes: list fewer objects at once", maxConversion), http.StatusRequestEntityTooLarge)
			return
		}
		request.Body = http.MaxBytesReader(response, request.Body, maxConversion)
		convert.ServeHTTP(response, request)
	})
}

// nothing answers for paths that are not served.
func nothing(response http.ResponseWriter, request *http.Request) {
	http.Error(response, fmt.Sprintf("nothing is served at %q: reviews are posted to /mutate-<kind>, /validate-<kind>, %s and %s",
		strings.ToValidUTF8(request.URL.Path, "?"), protectionPath, crds.ConversionPath), http.StatusNotFound)
}
