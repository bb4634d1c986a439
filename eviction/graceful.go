package eviction

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"time"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// View is what there is to know about the copies of a binding.
type View struct {
	Spec *workv1alpha2.ResourceBindingSpec
	// Decided says that the scheduler has answered the binding as it is.
	Decided bool
	// LetGo says that nobody places the workload any more, so that no scheduler will answer.
	LetGo bool
	// Once says that the workload is to run once.
	Once bool
	// Copies are what clusters report.
	Copies []workv1alpha2.AggregatedStatusItem
	// Seen tells whether what a cluster reports is what there is now; Gone, that it is no member any more.
	Seen, Gone func(cluster string) bool
	// Least is how many replicas must be ready elsewhere before the built-in timeout takes a copy that serves.
	Least func() int64
	Now   time.Time
}

// Assess tells whether the task of a copy ends, and if not, how long it is until time alone may change that.
//
// A task ends when every target is healthy, or as soon as there are targets for a workload that is to run once. The built-in
// timeout also ends it, but not while the copy serves and too little would be ready without it. A grace period that a user wrote
// ends it in any case, and so does a user who confirms a deletion that was suppressed. As long as a task waits for a replacement to
// be assigned, only a user's word ends it.
func (o *Options) Assess(task *workv1alpha2.GracefulEvictionTask, view *View) (ends bool, wait time.Duration) {
	if task.SuppressDeletion != nil {
		return !*task.SuppressDeletion, Never
	}
	if view.Gone(task.FromCluster) {
		return true, 0
	}
	if bounds(view.Spec, task) && view.confirmed(task) {
		return true, 0
	}
	waiting := Waiting(view.Spec, task)
	directly := task.PurgeMode == policyv1alpha1.PurgeModeDirectly
	if once := view.Once && !o.Reference; once && directly {
		// Until others have begun, only this task tells that they need not wait.
		return o.allHealthy(view), Never
	} else if !waiting && o.decided(view) && (once && len(view.Spec.Clusters) > 0 || o.allHealthy(view)) {
		return true, 0
	}
	if task.CreationTimestamp.IsZero() {
		return false, Never
	}
	timeout, said := o.Timeout, task.GracePeriodSeconds != nil
	if said {
		timeout = time.Duration(*task.GracePeriodSeconds) * time.Second
	}
	if left := task.CreationTimestamp.Add(timeout).Sub(view.Now); left > 0 {
		return false, left
	}
	switch {
	case said || o.Reference || bounds(view.Spec, task) || directly:
		return true, 0
	case waiting:
		return false, Never
	}
	return !o.serves(view, task.FromCluster) || o.enoughWithout(view), Never
}

// Settled tells whether a binding is where its last decision wants it: nothing is held elsewhere or waits to leave, and every
// target is healthy.
func (o *Options) Settled(view *View) bool {
	return o.decided(view) && len(view.Spec.GracefulEvictionTasks) == 0 && o.allHealthy(view)
}

// decided tells whether the targets are those that replacements are to be judged by. The last ones of a workload that was let go stay,
// though the scheduler may have had no time to say that it is done with them.
func (o *Options) decided(view *View) bool { return view.Decided || view.LetGo && !o.Reference }

// Dates tells whether the time of a task begins to run: from when it takes effect, but a user's grace period from the eviction on.
func (o *Options) Dates(spec *workv1alpha2.ResourceBindingSpec, task *workv1alpha2.GracefulEvictionTask) bool {
	return task.CreationTimestamp.IsZero() && (task.GracePeriodSeconds != nil || !Waiting(spec, task))
}

// allHealthy tells whether every target is as it shall be. A report counts only from a cluster that can be seen, and only when it
// tells of as many ready replicas as the target has now: it may be older than the decision.
func (o *Options) allHealthy(view *View) bool {
	for _, target := range view.Spec.Clusters {
		item := view.copyIn(target.Name)
		if item == nil || !o.healthy(item, target) {
			return false
		}
		ready, counted := view.readyIn(item)
		if !o.Reference && (!view.Seen(target.Name) || counted && ready < int64(target.Replicas)) {
			return false
		}
	}
	return len(view.Spec.Clusters) > 0 || view.Spec.Replicas == 0 || o.Reference
}

// healthy tells whether a copy is. What nobody can judge is well where it is applied; where it has replicas, once it has reported, for
// until then nobody has judged what somebody can.
func (o *Options) healthy(item *workv1alpha2.AggregatedStatusItem, target workv1alpha2.TargetCluster) bool {
	return item.Health == workv1alpha2.ResourceHealthy || !o.Reference && item.Applied && item.Health == workv1alpha2.ResourceUnknown &&
		(target.Replicas == 0 || item.Status != nil)
}

// serves tells whether a copy may serve: it was ready when last seen, in part at least. Nobody knows about a copy that cannot
// be seen, so it may.
func (o *Options) serves(view *View, cluster string) bool {
	item := view.copyIn(cluster)
	if item == nil {
		return !view.Seen(cluster)
	}
	ready, counted := view.readyIn(item)
	if counted {
		return ready > 0 || !view.Seen(cluster)
	}
	return item.Health != workv1alpha2.ResourceUnhealthy || !view.Seen(cluster)
}

// enoughWithout tells whether the floor holds without the copies that are left. Where replicas are not divided each copy is all
// there is, and where they are not counted one healthy copy is enough.
func (o *Options) enoughWithout(view *View) bool {
	var sum int64
	for _, target := range view.Spec.Clusters {
		item := view.copyIn(target.Name)
		if item == nil || !view.Seen(target.Name) {
			continue
		}
		ready, counted := view.readyIn(item)
		if !counted && o.healthy(item, target) {
			return true
		}
		sum += min(ready, int64(target.Replicas))
	}
	return sum > 0 && sum >= view.Least()
}

func (v *View) copyIn(cluster string) *workv1alpha2.AggregatedStatusItem {
	at := slices.IndexFunc(v.Copies, func(item workv1alpha2.AggregatedStatusItem) bool { return item.ClusterName == cluster })
	if at < 0 {
		return nil
	}
	return &v.Copies[at]
}

// readyIn reads how many replicas of a copy are ready. One that has none may not say so; that its kind counts them shows elsewhere.
func (v *View) readyIn(item *workv1alpha2.AggregatedStatusItem) (ready int64, counted bool) {
	if ready, counted = readyReplicas(item); counted || item.Status == nil {
		return believed(v.Spec, item.ClusterName, ready), counted
	}
	return 0, len(Ready(v.Copies)) > 0
}

// Ready lists the ready replicas of copies by cluster, where they are counted.
func Ready(copies []workv1alpha2.AggregatedStatusItem) map[string]int32 {
	counts := map[string]int32{}
	for i := range copies {
		if ready, counted := readyReplicas(&copies[i]); counted {
			counts[copies[i].ClusterName] = int32(min(ready, math.MaxInt32))
		}
	}
	return counts
}

// Running lists the replicas that copies have, ready or not, by cluster, where they are told.
func Running(copies []workv1alpha2.AggregatedStatusItem) map[string]int32 {
	counts := map[string]int32{}
	for i := range copies {
		if status, told := replicaStatusOf(&copies[i]); told && status.Replicas != nil {
			counts[copies[i].ClusterName] = int32(min(*status.Replicas, math.MaxInt32))
		}
	}
	return counts
}

// replicaStatus is what the status of a copy tells of replicas.
type replicaStatus struct {
	Replicas      *int64 `json:"replicas"`
	ReadyReplicas *int64 `json:"readyReplicas"`
}

func replicaStatusOf(item *workv1alpha2.AggregatedStatusItem) (status replicaStatus, told bool) {
	if item.Status == nil || !bytes.Contains(item.Status.Raw, []byte(`eplicas"`)) {
		return status, false
	}
	return status, json.Unmarshal(item.Status.Raw, &status) == nil
}

// readyReplicas reads how many replicas of a copy are ready. Kinds whose status tells no replicas count none.
func readyReplicas(item *workv1alpha2.AggregatedStatusItem) (ready int64, counted bool) {
	status, told := replicaStatusOf(item)
	if !told {
		return 0, false
	}
	if status.ReadyReplicas != nil {
		return *status.ReadyReplicas, true
	}
	return 0, status.Replicas != nil
}
