package live

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2/textlogger"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// TestUnreadWakesAreTold: whoever an event should have woken may sleep for good when the event's keys could not be found out.
func TestUnreadWakesAreTold(t *testing.T) {
	var told bytes.Buffer
	ctx := log.IntoContext(t.Context(), textlogger.NewLogger(textlogger.NewConfig(textlogger.Output(&told))))
	failing := interceptor.Funcs{List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
		return errors.New("no such kind")
	}}
	reader := &telling{Reader: fake.NewClientBuilder().WithInterceptorFuncs(failing).Build(), controller: "execution"}
	if err := reader.Get(ctx, client.ObjectKey{Namespace: "a", Name: "b"}, &corev1.ConfigMap{}); err == nil || told.Len() > 0 {
		t.Errorf("what is not there gives error %v, and is told: %q", err, &told)
	}
	if err := reader.List(ctx, &corev1.ConfigMapList{}); err == nil {
		t.Error("the failure is lost")
	}
	if line := told.String(); !strings.Contains(line, "no such kind") || !strings.Contains(line, `controller="execution"`) {
		t.Errorf("told %q", line)
	}
}
