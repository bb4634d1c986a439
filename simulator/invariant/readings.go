package invariant

import (
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// reading is a number of ready replicas that holds from a time on.
type reading struct {
	ready int64
	from  time.Time
}

// read enters the ready replicas of a workload in a member; the object is nil when it is gone.
func (w *World) read(at place, object client.Object) {
	if !counted(at.gvk) {
		return
	}
	var ready int64
	switch object := object.(type) {
	case *appsv1.Deployment:
		ready = int64(object.Status.ReadyReplicas)
	case *appsv1.StatefulSet:
		ready = int64(object.Status.ReadyReplicas)
	}
	readings := w.readings[at]
	if last := len(readings) - 1; last >= 0 && readings[last].ready == ready {
		return
	}
	for len(readings) > 1 && w.now().Sub(readings[1].from) > lag {
		readings = readings[1:]
	}
	w.readings[at] = append(slices.Clip(readings), reading{ready, w.now()})
}

// ready are the ready replicas of a workload in a member.
func (w *World) ready(cluster string, of identity) int64 {
	readings := w.readings[place{cluster, of}]
	if len(readings) == 0 {
		return 0
	}
	return readings[len(readings)-1].ready
}

// readiest are the most that were ready not long ago.
func (w *World) readiest(cluster string, of identity) int64 {
	var most int64
	readings := w.readings[place{cluster, of}]
	for i := range readings {
		if ended := i+1 < len(readings) && w.now().Sub(readings[i+1].from) > lag; !ended {
			most = max(most, readings[i].ready)
		}
	}
	return most
}
