package live

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
)

// recorder writes events through the events.k8s.io API, where each needs an action beside its reason: the reasons of this
// field already name one.
type recorder struct{ events.EventRecorder }

// Eventf implements control.EventRecorder.
func (r recorder) Eventf(object runtime.Object, eventType, reason, messageFormat string, args ...any) {
	r.EventRecorder.Eventf(object, nil, eventType, reason, reason, messageFormat, args...)
}
