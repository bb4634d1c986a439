package simulator

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	configv1 "k8s.io/kube-scheduler/config/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/simulator/kube"
	"github.com/seatrial/seatrial/simulator/store"
)

// statusDelay is how long the controllers of a member gather changes before they write them.
const statusDelay = 100 * time.Millisecond

// Columns make the nodes and pods of a member rows of a kube.Cluster instead of objects in its store. The store holds the
// workloads; nodes and pods are made when somebody reads them, and nobody can write them.
type Columns struct {
	Timing kube.Timing
	// Scheduler is the configuration of the member's kube-scheduler, nil for its defaults.
	Scheduler *configv1.KubeSchedulerConfiguration
	Pools     []kube.NodePool
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

	// dirty are the workloads whose status is to be written.
	dirty   map[kube.Key]bool
	planned bool
}

// AddColumnar adds a member like Add, with the pools of the columns for nodes. What happens inside it is done to the
// cluster that it returns, through the events of Fleet.At or between calls of Await.
func (f *Fleet) AddColumnar(_ context.Context, spec fleet.Spec, options Columns) (*kube.Cluster, error) {
	spec = spec.WithDefaults()
	added, err := f.newMember(spec)
	if err != nil {
		return nil, err
	}
	moves := &columns{cluster: added, changed: options.Changed, fail: f.fail, dirty: map[kube.Key]bool{}}
	moves.note = func(key kube.Key, err error) { f.troubles["member "+spec.Name+" "+key.String()] = err }
	moves.kube, err = kube.New(f.loop, kube.Options{
		Seed: f.random.Uint64(), Timing: options.Timing, Scheduler: options.Scheduler,
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
		return event.GVK.Kind == kube.KindPod || event.GVK.Kind == kube.KindNamespace
	case "apps", "batch", "autoscaling", "policy", "scheduling.k8s.io":
		return slices.Contains([]string{
			kube.KindDeployment, kube.KindStatefulSet, kube.KindDaemonSet, kube.KindJob, kube.KindCronJob,
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
	c.dirty[key] = true
	c.plan(statusDelay)
}

func (c *columns) plan(delay time.Duration) {
	if !c.planned {
		c.planned = true
		c.cluster.loop.After(delay, c.flush)
	}
}

// flush writes the statuses that have changed. A cluster that is down meanwhile does so when it is back.
func (c *columns) flush() {
	c.planned = false
	if c.cluster.down() != nil {
		c.plan(time.Second)
		return
	}
	keys := make([]kube.Key, 0, len(c.dirty))
	for key := range c.dirty {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b kube.Key) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	clear(c.dirty)
	for _, key := range keys {
		if err := c.write(key); client.IgnoreNotFound(err) != nil {
			c.fail(fmt.Errorf("cluster %s: writing the status of %s: %w", c.cluster.spec.Name, key, err))
		}
	}
}

// write brings the status of a workload into its object. Jobs of a CronJob have none.
func (c *columns) write(key kube.Key) error {
	status, known := c.kube.Status(key)
	if !known {
		return nil
	}
	var object client.Object
	switch key.Kind {
	case kube.KindDeployment:
		object = &appsv1.Deployment{}
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
	stored := c.cluster.store.Client()
	if err := stored.Get(context.Background(), types.NamespacedName{Namespace: key.Namespace, Name: key.Name}, object); err != nil {
		return err
	}
	c.fill(object, status)
	return stored.Status().Update(context.Background(), object)
}

// fill sets the status of an object.
func (c *columns) fill(object client.Object, status kube.Status) {
	now := c.cluster.loop.Now()
	switch object := object.(type) {
	case *appsv1.Deployment:
		object.Status = status.DeploymentStatus(&object.Status, now)
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
	case now == fleet.Paused:
		c.kube.Pause()
	case before == fleet.Stopped:
		c.kube.Revive()
	default:
		c.kube.Resume()
	}
}
