package binding

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/control"
)

// OnTemplates has what bindings tell of their templates recorded on the templates as well, where users look first.
func OnTemplates(recorder control.EventRecorder) control.EventRecorder { return onTemplates{recorder} }

type onTemplates struct{ control.EventRecorder }

// Eventf implements control.EventRecorder.
func (o onTemplates) Eventf(object runtime.Object, eventType, reason, messageFormat string, args ...any) {
	o.EventRecorder.Eventf(object, eventType, reason, messageFormat, args...)
	named, _ := object.(client.Object)
	bound, ok := Of(named)
	if !ok || !concernsTemplate(reason) {
		return
	}
	of := &bound.Spec.Resource
	o.EventRecorder.Eventf(&corev1.ObjectReference{
		APIVersion: of.APIVersion, Kind: of.Kind, Namespace: of.Namespace, Name: of.Name, UID: of.UID,
	}, eventType, reason, messageFormat, args...)
}

// concernsTemplate tells whether an event of a binding is one of its template. The others are about Works and about bindings that
// come along.
func concernsTemplate(reason string) bool {
	switch reason {
	case names.EventScheduleBindingSucceed, names.EventScheduleBindingFailed, names.EventDescheduleBindingSucceed, names.EventDescheduleBindingFailed,
		names.EventEvictWorkloadFromClusterSucceed, names.EventEvictWorkloadFromClusterFailed,
		names.EventSyncWorkSucceed, names.EventSyncWorkFailed, names.EventAggregateStatusSucceed, names.EventAggregateStatusFailed,
		// The ends of failures that stood on the binding.
		names.EventApplyPolicySucceed, names.EventGetReplicasSucceed, names.EventGetComponentsSucceed, names.EventGetDependenciesSucceed:
		return true
	}
	return false
}
