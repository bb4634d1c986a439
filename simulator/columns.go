package simulator

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	configv1 "k8s.io/kube-scheduler/config/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fieldpatch"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/simulator/kube"
	"github.com/seatrial/seatrial/simulator/store"
)

// statusDelay is how long the controllers of a member gather changes before they write them. While a workload rolls out they
// write more and more seldom, up to every longestRest.
const (
	statusDelay = 100 * time.Millisecond
	firstRest   = 4 * time.Second
	longestRest = 20 * time.Second
)

// Columns make the nodes and pods of a member rows of a kube.Cluster instead of objects in its store. The store holds the
// workloads; nodes and pods are made when somebody reads them, and nobody can write them.
type Columns struct {
	Timing kube.Timing
	// Scheduler is the configuration of the member's kube-scheduler, nil for its defaults.
	Scheduler *configv1.KubeSchedulerConfiguration
	Pools     []kube.NodePool
	// Lag is how long the controllers and the scheduler of the member take to tell what they have done; see kube.Options.
	Lag time.Duration
	// Changed hears, from within an event, of each workload that has another status than before; nil for nobody. It may read
	// the cluster.
	Changed func(kube.Key)
}

// columns are what moves the workloads of a member whose nodes and pods are rows.
type columns struct {
	cluster *cluster
	kube    *kube.Cluster
	changed func(kube.Key)
	note    func(kube.Key, error)
	fail    func(error)

	// dirty are the workloads whose status is to be written, with the time at which it is; flushing is the next such time for
	// which an event is planned, and the zero time when none is.
	dirty    map[kube.Key]time.Time
	flushing time.Time
	pace     *control.Pace
}

// AddColumnar adds a member like Add, with the pools of the columns for nodes. What happens inside it is done to the
// cluster that it returns, through the events of Fleet.At or between calls of Await.
func (f *Fleet) AddColumnar(_ context.Context, spec fleet.Spec, options Columns) (*kube.Cluster, error) {
	spec = spec.WithDefaults()
	added, err := f.newMember(spec)
	if err != nil {
		return nil, err
	}
	moves := &columns{cluster: added, changed: options.Changed, fail: f.fail, dirty: map[kube.Key]time.Time{}, pace: control.NewPace(firstRest, longestRest)}
	moves.note = func(key kube.Key, err error) { f.troubles["member "+spec.Name+" "+key.String()] = err }
	moves.kube, err = kube.New(f.loop, kube.Options{
		Seed: f.random.Uint64(), Timing: options.Timing, Scheduler: options.Scheduler, Lag: options.Lag, Beside: f.options.Beside,
		Events: kube.Events{Status: moves.onStatus, Scaled: moves.onScaled, Removed: moves.onRemoved},
	})
	if err != nil {
		return nil, fmt.Errorf("adding cluster %s: %w", spec.Name, err)
	}
	for _, pool := range options.Pools {
		if err := moves.kube.AddPool(pool); err != nil {
			return nil, fmt.Errorf("adding cluster %s: %w", spec.Name, err)
		}
	}
	added.columns = moves
	added.inside.add(moves, moves.onChange)
	f.enter(added)
	return moves.kube, nil
}

// onChange sees every change in the store, as the cluster's own controllers do.
func (c *columns) onChange(event store.Event) {
	key := kube.Key{Kind: event.GVK.Kind, Namespace: event.Key.Namespace, Name: event.Key.Name}
	if !moved(event) {
		return
	}
	if event.Type == watch.Deleted {
		c.kube.Delete(key)
		return
	}
	if old := event.Old(); old != nil && !differs(old, event.Object()) {
		return
	}
	if err := c.kube.Apply(event.Object()); err != nil {
		c.note(key, err)
	}
}

// moved tells the kinds that a kube.Cluster knows.
func moved(event store.Event) bool {
	switch event.GVK.Group {
	case "":
		return slices.Contains([]string{kube.KindPod, kube.KindNamespace, kube.KindResourceQuota, kube.KindLimitRange}, event.GVK.Kind)
	case "apps", "batch", "autoscaling", "policy", "scheduling.k8s.io":
		return slices.Contains([]string{
			kube.KindDeployment, kube.KindReplicaSet, kube.KindStatefulSet, kube.KindDaemonSet, kube.KindJob, kube.KindCronJob,
			kube.KindHorizontalPodAutoscaler, kube.KindPodDisruptionBudget, kube.KindPriorityClass,
		}, event.GVK.Kind)
	}
	return false
}

// differs leaves out changes of a status alone: they raise no generation and touch no labels.
func differs(old, current client.Object) bool {
	return current.GetGeneration() == 0 || old.GetGeneration() != current.GetGeneration()
}

// onStatus plans to write what a workload has come to.
func (c *columns) onStatus(key kube.Key) {
	if c.changed != nil {
		c.changed(key)
	}
	now := c.cluster.loop.Now()
	soon := now.Add(statusDelay).Truncate(statusDelay)
	planned, waits := c.dirty[key]
	if waits && !planned.After(soon) {
		return
	}
	due := soon
	if status, known := c.kube.Status(key); known && !status.Settled() {
		if waits {
			return
		}
		due = now.Add(max(statusDelay, c.pace.Wait(paced(key), now))).Truncate(statusDelay)
	}
	c.dirty[key] = due
	c.plan(due)
}

// paced is the key of a workload in a pace.
func paced(key kube.Key) control.Key {
	return control.Key{GVK: schema.GroupVersionKind{Kind: key.Kind}, Namespace: key.Namespace, Name: key.Name}
}

// plan has a flush at a time or before.
func (c *columns) plan(at time.Time) {
	if !c.flushing.IsZero() && !at.Before(c.flushing) {
		return
	}
	c.flushing = at
	c.cluster.loop.After(at.Sub(c.cluster.loop.Now()), func() {
		if c.flushing.Equal(at) {
			c.flushing = time.Time{}
			c.flush()
		}
	})
}

// flush writes the statuses that are due. A cluster that is down meanwhile does so when it is back.
func (c *columns) flush() {
	now := c.cluster.loop.Now()
	if c.cluster.down() != nil {
		c.plan(now.Add(time.Second))
		return
	}
	var keys []kube.Key
	var next time.Time
	for key, due := range c.dirty {
		switch {
		case !due.After(now):
			keys = append(keys, key)
		case next.IsZero() || due.Before(next):
			next = due
		}
	}
	if !next.IsZero() {
		c.plan(next)
	}
	slices.SortFunc(keys, func(a, b kube.Key) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	for _, key := range keys {
		delete(c.dirty, key)
		c.pace.Wrote(paced(key), now)
		if err := c.write(key); client.IgnoreNotFound(err) != nil {
			c.fail(fmt.Errorf("cluster %s: writing the status of %s: %w", c.cluster.spec.Name, key, err))
		}
	}
}

// write brings the status of a workload into its object. Jobs of a CronJob have none.
func (c *columns) write(key kube.Key) error {
	status, known := c.kube.Status(key)
	if !known && key.Kind != kube.KindResourceQuota {
		return nil
	}
	var object client.Object
	switch key.Kind {
	case kube.KindDeployment:
		object = &appsv1.Deployment{}
	case kube.KindReplicaSet:
		object = &appsv1.ReplicaSet{}
	case kube.KindResourceQuota:
		object = &corev1.ResourceQuota{}
	case kube.KindStatefulSet:
		object = &appsv1.StatefulSet{}
	case kube.KindDaemonSet:
		object = &appsv1.DaemonSet{}
	case kube.KindJob:
		object = &batchv1.Job{}
	case kube.KindCronJob:
		object = &batchv1.CronJob{}
	default:
		return nil
	}
	name := types.NamespacedName{Namespace: key.Namespace, Name: key.Name}
	if err := c.cluster.store.Reader().Get(context.Background(), name, object); err != nil {
		return err
	}
	// The object is the caller's, all below it the store's: a status is replaced, never changed.
	c.fill(object, status)
	answer := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	gvk, err := c.cluster.store.Client().GroupVersionKindFor(object)
	if err != nil {
		return err
	}
	answer.SetGroupVersionKind(gvk)
	return c.cluster.store.Client().Status().Patch(context.Background(), answer, statusOf{object}, fieldpatch.Unread{})
}

// statusOf is a patch that gives an object the status of another one of its kind.
type statusOf struct{ from client.Object }

var _ store.Setter = statusOf{}

// Type implements client.Patch.
func (statusOf) Type() types.PatchType { return types.MergePatchType }

// Data implements client.Patch.
func (s statusOf) Data(client.Object) ([]byte, error) {
	return json.Marshal(map[string]any{"status": statusField(s.from).Interface()})
}

// SetObject implements store.Setter.
func (statusOf) SetObject(client.Object) bool { return false }

// SetStatus implements store.Setter.
func (s statusOf) SetStatus(object client.Object) bool {
	statusField(object).Set(statusField(s.from))
	return true
}

func statusField(object client.Object) reflect.Value {
	return reflect.ValueOf(object).Elem().FieldByName("Status")
}

// fill sets the status of an object.
func (c *columns) fill(object client.Object, status kube.Status) {
	now := c.cluster.clock.Now()
	switch object := object.(type) {
	case *appsv1.Deployment:
		object.Status = status.DeploymentStatus(&object.Status, now)
	case *appsv1.ReplicaSet:
		object.Status = status.ReplicaSetStatus(&object.Status, now)
	case *corev1.ResourceQuota:
		object.Status, _ = c.kube.Quota(kube.Key{Kind: kube.KindResourceQuota, Namespace: object.Namespace, Name: object.Name})
	case *appsv1.StatefulSet:
		object.Status = status.StatefulSetStatus()
	case *appsv1.DaemonSet:
		object.Status = status.DaemonSetStatus()
	case *batchv1.Job:
		object.Status = c.kube.JobStatus(status)
	case *batchv1.CronJob:
		if status.LastScheduled > 0 {
			object.Status.LastScheduleTime = ptr.To(metav1.NewTime(c.began().Add(status.LastScheduled)))
		}
	}
}

// began is when the cluster was made, which its statuses count from.
func (c *columns) began() time.Time { return c.cluster.began }

// onScaled writes what an autoscaler has decided.
func (c *columns) onScaled(key kube.Key, replicas int32) {
	name := types.NamespacedName{Namespace: key.Namespace, Name: key.Name}
	var object client.Object
	var target **int32
	switch key.Kind {
	case kube.KindDeployment:
		deployment := &appsv1.Deployment{}
		object, target = deployment, &deployment.Spec.Replicas
	case kube.KindStatefulSet:
		stateful := &appsv1.StatefulSet{}
		object, target = stateful, &stateful.Spec.Replicas
	default:
		return
	}
	stored := c.cluster.store.Client()
	err := stored.Get(context.Background(), name, object)
	if err == nil {
		*target = ptr.To(replicas)
		err = stored.Update(context.Background(), object)
	}
	if client.IgnoreNotFound(err) != nil {
		c.fail(fmt.Errorf("cluster %s: scaling %s: %w", c.cluster.spec.Name, key, err))
	}
}

// onRemoved deletes the object of a Job that has outlived its time.
func (c *columns) onRemoved(key kube.Key) {
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	if err := c.cluster.store.Client().Delete(context.Background(), job); client.IgnoreNotFound(err) != nil {
		c.fail(fmt.Errorf("cluster %s: deleting %s: %w", c.cluster.spec.Name, key, err))
	}
}

// follow does to the rows what was done to the cluster.
func (c *columns) follow(before, now fleet.State) {
	switch {
	case before == now:
	case now == fleet.Stopped:
		c.kube.Kill()
		// What was frozen before runs when it comes back.
		c.kube.Resume()
	case now == fleet.Paused:
		c.kube.Pause()
	case before == fleet.Stopped:
		c.kube.Revive()
	default:
		c.kube.Resume()
	}
}
