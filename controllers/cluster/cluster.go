// Package cluster keeps what every Cluster needs in the control plane: its execution space, and the taints that follow its
// Ready condition. It takes both away when the Cluster goes. It notices when a cluster in Pull mode falls silent.
package cluster

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/control"
)

// removalCheck is how often a deletion in progress is looked at, should no watch event tell.
const removalCheck = 5 * time.Second

// New is the controller named "cluster". Its keys are Cluster names.
func New(settings Monitor, workers int) control.Controller {
	k := &keeper{watcher{settings: settings, signs: map[types.UID]sign{}}}
	return control.Controller{
		Name: "cluster",
		Watches: []control.Watch{
			{Object: &clusterv1alpha1.Cluster{}, Keys: control.Self},
			{Object: &corev1.Namespace{}, Keys: ofExecutionSpace},
			{Object: &workv1alpha1.Work{}, Keys: ofRemovedWork},
		},
		Workers:   workers,
		Reconcile: k.reconcile,
	}
}

func ofExecutionSpace(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	cluster, err := names.ClusterOfExecutionSpace(event.Object().GetName())
	if err != nil {
		return nil
	}
	return []control.Key{{Name: cluster}}
}

// ofRemovedWork wakes a cluster when one of its Works is gone: it may be the last one a removal waits for.
func ofRemovedWork(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	cluster, err := names.ClusterOfExecutionSpace(event.Object().GetNamespace())
	if err != nil || event.New != nil {
		return nil
	}
	return []control.Key{{Name: cluster}}
}

type keeper struct{ watcher }

func (k *keeper) reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	// What is read is shared with other readers, and copied before it is changed.
	cluster := &clusterv1alpha1.Cluster{}
	if err := deps.Client.Get(ctx, key.NamespacedName(), cluster, client.UnsafeDisableDeepCopy); err != nil {
		return control.Result{}, client.IgnoreNotFound(err)
	}
	if !kept(cluster) {
		cluster = cluster.DeepCopy()
	}
	if !cluster.DeletionTimestamp.IsZero() {
		return k.remove(ctx, deps, cluster)
	}
	if err := ensureFinalizer(ctx, deps, cluster); err != nil {
		return control.Result{}, err
	}
	if err := ensureExecutionSpace(ctx, deps, cluster); err != nil {
		return control.Result{}, err
	}
	if err := syncTaints(ctx, deps, cluster); err != nil {
		return control.Result{}, err
	}
	return k.monitor(ctx, deps, cluster)
}

// kept tells that a cluster has what this controller writes to it, and stays.
func kept(cluster *clusterv1alpha1.Cluster) bool {
	return cluster.DeletionTimestamp.IsZero() && controllerutil.ContainsFinalizer(cluster, names.FinalizerCluster) &&
		slices.EqualFunc(cluster.Spec.Taints, wantedTaints(cluster), sameTaint)
}

func ensureFinalizer(ctx context.Context, deps control.Deps, cluster *clusterv1alpha1.Cluster) error {
	if controllerutil.ContainsFinalizer(cluster, names.FinalizerCluster) {
		return nil
	}
	before := cluster.DeepCopy()
	controllerutil.AddFinalizer(cluster, names.FinalizerCluster)
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := deps.Client.Patch(ctx, cluster, patch); err != nil {
		return fmt.Errorf("adding the finalizer to cluster %s: %w", cluster.Name, err)
	}
	return nil
}

func ensureExecutionSpace(ctx context.Context, deps control.Deps, cluster *clusterv1alpha1.Cluster) error {
	name := names.ExecutionSpace(cluster.Name)
	err := deps.Client.Get(ctx, types.NamespacedName{Name: name}, &corev1.Namespace{}, client.UnsafeDisableDeepCopy)
	if err == nil {
		return nil
	}
	if !apierrors.IsNotFound(err) {
		return fmt.Errorf("reading the execution space of cluster %s: %w", cluster.Name, err)
	}
	space := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{names.LabelSystem: names.LabelSystemValue},
	}}
	if err := deps.Client.Create(ctx, space); err != nil && !apierrors.IsAlreadyExists(err) {
		deps.Events.Eventf(cluster, corev1.EventTypeWarning, names.EventCreateExecutionSpaceFailed, "creating namespace %s: %v", space.Name, err)
		return fmt.Errorf("creating the execution space of cluster %s: %w", cluster.Name, err)
	}
	deps.Events.Eventf(cluster, corev1.EventTypeNormal, names.EventCreateExecutionSpaceSucceed, "created namespace %s", space.Name)
	return nil
}

// syncTaints makes the two automatic taints say what the Ready condition says, and leaves all others alone.
func syncTaints(ctx context.Context, deps control.Deps, cluster *clusterv1alpha1.Cluster) error {
	wanted := wantedTaints(cluster)
	if slices.EqualFunc(cluster.Spec.Taints, wanted, sameTaint) {
		return nil
	}
	before := cluster.DeepCopy()
	cluster.Spec.Taints = wanted
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := deps.Client.Patch(ctx, cluster, patch); err != nil {
		if !control.Stale(err) {
			deps.Events.Eventf(cluster, corev1.EventTypeWarning, names.EventTaintClusterFailed, "updating taints: %v", err)
		}
		return fmt.Errorf("updating the taints of cluster %s: %w", cluster.Name, err)
	}
	deps.Events.Eventf(cluster, corev1.EventTypeNormal, names.EventTaintClusterSucceed, "%s", followed(cluster.Status.Conditions))
	return nil
}

// followed tells what the taints now say, and why: of events that repeat themselves the cause is wanted.
func followed(conditions []metav1.Condition) string {
	ready := meta.FindStatusCondition(conditions, names.ConditionClusterReady)
	if ready == nil {
		return fmt.Sprintf("tainted with %s: it has not reported yet", names.TaintNotReady)
	}
	if taint := readinessTaint(conditions); taint != "" {
		return fmt.Sprintf("tainted with %s: Ready is %s, %s: %s", taint, ready.Status, ready.Reason, ready.Message)
	}
	return "no taint for its readiness: it is ready"
}

func wantedTaints(cluster *clusterv1alpha1.Cluster) []corev1.Taint {
	return withReadinessTaint(cluster.Spec.Taints, readinessTaint(cluster.Status.Conditions))
}

// readinessTaint is the key of the taint that fits the conditions; empty for a ready cluster.
func readinessTaint(conditions []metav1.Condition) string {
	ready := meta.FindStatusCondition(conditions, names.ConditionClusterReady)
	switch {
	case ready == nil || ready.Status == metav1.ConditionFalse:
		return names.TaintNotReady
	case ready.Status == metav1.ConditionUnknown:
		return names.TaintUnreachable
	}
	return ""
}

// withReadinessTaint keeps the taints of others in order and the wanted automatic one, where it stood before if it did.
func withReadinessTaint(taints []corev1.Taint, wanted string) []corev1.Taint {
	var kept []corev1.Taint
	found := wanted == ""
	for _, taint := range taints {
		automatic := taint.Effect == corev1.TaintEffectNoSchedule && (taint.Key == names.TaintNotReady || taint.Key == names.TaintUnreachable)
		if automatic && (taint.Key != wanted || found) {
			continue
		}
		found = found || automatic
		kept = append(kept, taint)
	}
	if !found {
		kept = append(kept, corev1.Taint{Key: wanted, Effect: corev1.TaintEffectNoSchedule})
	}
	return kept
}

func sameTaint(a, b corev1.Taint) bool {
	return a.MatchTaint(&b) && a.Value == b.Value
}

// remove takes the execution space away, with the Works in it, and then lets the Cluster go. Works leave through the execution
// controller, which needs the Cluster for as long as it takes member objects away. Those that wait for an agent are let go when it
// falls silent.
func (k *keeper) remove(ctx context.Context, deps control.Deps, cluster *clusterv1alpha1.Cluster) (control.Result, error) {
	if !controllerutil.ContainsFinalizer(cluster, names.FinalizerCluster) {
		return control.Result{}, nil
	}
	left, err := removeExecutionSpace(ctx, deps, cluster)
	if err != nil {
		deps.Events.Eventf(cluster, corev1.EventTypeWarning, names.EventRemoveExecutionSpaceFailed, "%v", err)
		return control.Result{}, err
	}
	if left {
		_, err := k.monitor(ctx, deps, cluster)
		return control.Result{RequeueAfter: removalCheck}, err
	}
	k.forget(cluster)
	before := cluster.DeepCopy()
	controllerutil.RemoveFinalizer(cluster, names.FinalizerCluster)
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := deps.Client.Patch(ctx, cluster, patch); client.IgnoreNotFound(err) != nil {
		return control.Result{}, fmt.Errorf("releasing cluster %s: %w", cluster.Name, err)
	}
	deps.Events.Eventf(cluster, corev1.EventTypeNormal, names.EventRemoveExecutionSpaceSucceed, "its Works and their namespace are gone")
	return control.Result{}, nil
}

// removeExecutionSpace begins with the namespace: in one that is on its way out nobody can make a Work again, while bindings
// still name the cluster. left tells whether there is anything to wait for.
func removeExecutionSpace(ctx context.Context, deps control.Deps, cluster *clusterv1alpha1.Cluster) (left bool, err error) {
	space := names.ExecutionSpace(cluster.Name)
	namespace := &corev1.Namespace{}
	err = deps.Client.Get(ctx, types.NamespacedName{Name: space}, namespace)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("reading the execution space of cluster %s: %w", cluster.Name, err)
	}
	left = err == nil
	if left && namespace.DeletionTimestamp.IsZero() {
		if err := deps.Client.Delete(ctx, namespace); client.IgnoreNotFound(err) != nil {
			return true, fmt.Errorf("deleting the execution space of cluster %s: %w", cluster.Name, err)
		}
	}
	works := &workv1alpha1.WorkList{}
	if err := deps.Client.List(ctx, works, client.InNamespace(space)); err != nil {
		return true, fmt.Errorf("listing the Works of cluster %s: %w", cluster.Name, err)
	}
	for i := range works.Items {
		left = true
		if !works.Items[i].DeletionTimestamp.IsZero() {
			continue
		}
		if err := deps.Client.Delete(ctx, &works.Items[i]); client.IgnoreNotFound(err) != nil {
			return true, fmt.Errorf("deleting Work %s/%s of cluster %s: %w", space, works.Items[i].Name, cluster.Name, err)
		}
	}
	return left, nil
}
