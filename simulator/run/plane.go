package run

import (
	"maps"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/simulator/kube"
	"github.com/seatrial/seatrial/simulator/report"
	"github.com/seatrial/seatrial/simulator/store"
)

// workloadKey names a template as its copies are named in members.
type workloadKey kube.Key

// workload is a template that is measured.
type workload struct {
	id       report.WorkloadID
	replicas int64
	// copies is in how many clusters all of the replicas are wanted; 1 when they are divided.
	copies int64
	// ended are the pods of a Job that have succeeded, in all members, and that no other follows.
	ended int64
	// done Jobs want nothing any more; gone templates are deleted, and what members still have of them is measured on.
	done, gone bool
}

func (w *workload) desired() int64 {
	if w.done {
		return 0
	}
	return max(w.replicas*w.copies-w.ended, 0)
}

// desire tells when a change of a workload changes how many replicas are wanted.
func (e *engine) desire(w *workload, change func()) {
	before := w.desired()
	change()
	if now := w.desired(); now != before && !w.gone {
		e.recorder.Desired(e.passed(), w.id, now)
	}
}

// bindingKey names a binding.
type bindingKey = types.NamespacedName

// decision is what is known of the placement of one binding.
type decision struct {
	// since is when the binding began to wait for a decision.
	since   time.Duration
	waiting bool
	failed  metav1.Condition
	evicted map[string]bool
}

// onPlane sees every write in the control plane.
func (e *engine) onPlane(event store.Event) {
	e.recorder.Wrote(e.passed(), 1)
	switch event.GVK.Group {
	case appsv1.GroupName, batchv1.GroupName:
		e.onTemplate(event)
	case workv1alpha2.GroupVersion.Group:
		if bound, ok := binding.Of(event.Object()); ok {
			e.onBinding(event.Type, bound)
		}
	}
}

func (e *engine) onTemplate(event store.Event) {
	object := event.Object()
	replicas, done, counted := demand(object)
	if !counted {
		return
	}
	key := workloadKey{Kind: event.GVK.Kind, Namespace: event.Key.Namespace, Name: event.Key.Name}
	w := e.workloads[key]
	switch {
	case event.Type == watch.Deleted:
		if w != nil {
			e.recorder.RemoveWorkload(e.passed(), w.id)
			w.gone = true
		}
		return
	case w == nil || w.gone:
		e.addWorkload(key, object, replicas)
		return
	}
	e.desire(w, func() { w.replicas, w.done = replicas, done })
}

// addWorkload begins to measure a template. What members still have of one of that name which was deleted is counted as its own.
func (e *engine) addWorkload(key workloadKey, object client.Object, replicas int64) {
	part, least := e.plan.FloorOf(key.Namespace, key.Name, object.GetLabels())
	before, w := e.workloads[key], &workload{replicas: replicas, copies: 1}
	w.id = e.recorder.AddWorkload(e.passed(), report.Workload{
		Kind: key.Kind, Namespace: key.Namespace, Name: key.Name, Labels: object.GetLabels(), Floor: part, FloorReplicas: least,
	}, replicas)
	e.workloads[key] = w
	for _, name := range slices.Sorted(maps.Keys(e.members)) {
		m := e.members[name]
		if held, ok := m.held[kube.Key(key)]; ok && before != nil {
			e.recorder.Replicas(e.passed(), before.id, m.id, 0, 0)
			e.recorder.Replicas(e.passed(), w.id, m.id, held.running, held.ready)
			e.desire(w, func() { w.ended += held.ended })
		}
	}
}

// demand is how many replicas a template asks for, and whether a Job has ended.
func demand(object client.Object) (replicas int64, done, counted bool) {
	switch object := object.(type) {
	case *appsv1.Deployment:
		return int64(ptr.Deref(object.Spec.Replicas, 1)), false, true
	case *appsv1.StatefulSet:
		return int64(ptr.Deref(object.Spec.Replicas, 1)), false, true
	case *batchv1.Job:
		for _, condition := range object.Status.Conditions {
			done = done || condition.Status == corev1.ConditionTrue && (condition.Type == batchv1.JobComplete || condition.Type == batchv1.JobFailed)
		}
		return int64(ptr.Deref(object.Spec.Parallelism, 1)), done, true
	}
	return 0, false, false
}

// onBinding measures decisions by what they leave in bindings.
func (e *engine) onBinding(event watch.EventType, bound binding.Binding) {
	key := bound.NamespacedName()
	if event == watch.Deleted {
		delete(e.bindings, key)
		return
	}
	d := e.bindings[key]
	if d == nil {
		d = &decision{evicted: map[string]bool{}}
		e.bindings[key] = d
	}
	w := e.workloads[workloadKey{Kind: bound.Spec.Resource.Kind, Namespace: bound.Spec.Resource.Namespace, Name: bound.Spec.Resource.Name}]
	if w == nil || w.gone || bound.Spec.Placement == nil {
		return
	}
	e.judge(d, w, bound)
	e.copy(w, bound)
	for _, task := range bound.Spec.GracefulEvictionTasks {
		from := e.members[task.FromCluster]
		if from == nil || d.evicted[task.FromCluster] {
			continue
		}
		e.recorder.Evicted(e.passed(), w.id, from.id, int64(ptr.Deref(task.Replicas, 0)))
		d.evicted[task.FromCluster] = true
	}
	maps.DeleteFunc(d.evicted, func(cluster string, _ bool) bool {
		return !slices.ContainsFunc(bound.Spec.GracefulEvictionTasks, func(task workv1alpha2.GracefulEvictionTask) bool { return task.FromCluster == cluster })
	})
}

// judge follows a binding from the change that made it wait to the decision on it.
func (e *engine) judge(d *decision, w *workload, bound binding.Binding) {
	if bound.Status.SchedulerObservedGeneration != bound.GetGeneration() && !d.waiting {
		d.waiting, d.since = true, e.passed()
	}
	condition := meta.FindStatusCondition(bound.Status.Conditions, names.ConditionScheduled)
	if condition != nil && condition.Status == metav1.ConditionFalse {
		if *condition != d.failed {
			d.failed = *condition
			e.recorder.Undecided(e.passed(), e.waited(d))
		}
		return
	}
	if !d.waiting || bound.Status.SchedulerObservedGeneration != bound.GetGeneration() {
		return
	}
	var targets []report.Target
	for _, target := range bound.Spec.Clusters {
		if m := e.members[target.Name]; m != nil {
			targets = append(targets, report.Target{Cluster: m.id, Replicas: int64(target.Replicas)})
		}
	}
	e.recorder.Decided(e.passed(), w.id, targets, e.waited(d))
	d.waiting, d.failed = false, metav1.Condition{}
}

// waited is how long a binding waited for the decision that was just written: until the write is answered.
func (e *engine) waited(d *decision) time.Duration {
	return e.passed() - d.since + e.fleet.Unanswered()
}

// copy follows in how many clusters all of the replicas are wanted.
func (e *engine) copy(w *workload, bound binding.Binding) {
	copies := int64(1)
	if scheduling := bound.Spec.Placement.ReplicaScheduling; scheduling == nil || scheduling.ReplicaSchedulingType != policyv1alpha1.ReplicaSchedulingTypeDivided {
		copies = max(1, int64(len(bound.Spec.Clusters)))
	}
	e.desire(w, func() { w.copies = copies })
}
