// Package auth lets those who may reach a member through the control plane act there under their own name: the control plane's
// impersonator may take the place of them, and of nobody else.
package auth

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/workload"
)

// New is the controller named "unifiedAuth". Its keys are Clusters. Those without impersonation credentials are left alone: the
// control plane cannot act for anybody there.
func New(workers int) control.Controller {
	return control.Controller{
		Name: "unifiedAuth",
		Watches: []control.Watch{
			{Object: &clusterv1alpha1.Cluster{}, Keys: onCluster},
			{Object: &rbacv1.ClusterRole{}, Keys: onRole},
			{Object: &rbacv1.ClusterRoleBinding{}, Keys: onBinding},
			{Object: &corev1.Namespace{}, Keys: onSpace},
			{Object: &workv1alpha1.Work{}, Keys: onWork},
		},
		Workers:   workers,
		Reconcile: reconcile,
	}
}

// onCluster wakes clusters that are new, or get other credentials.
func onCluster(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	old, _ := event.Old.(*clusterv1alpha1.Cluster)
	current, _ := event.New.(*clusterv1alpha1.Cluster)
	if current == nil || old != nil && ptr.Equal(old.Spec.ImpersonatorSecretRef, current.Spec.ImpersonatorSecretRef) {
		return nil
	}
	return []control.Key{control.KeyOf(current)}
}

// onRole wakes all clusters when the rules of a role change that let somebody through to any, or did.
func onRole(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	was, is := rulesOf(event.Old), rulesOf(event.New)
	if !concerns(was) && !concerns(is) || workload.Equal(was, is) {
		return nil
	}
	return everyCluster(ctx, reader)
}

func rulesOf(object client.Object) []rbacv1.PolicyRule {
	if role, ok := object.(*rbacv1.ClusterRole); ok && role != nil {
		return role.Rules
	}
	return nil
}

// onBinding wakes all clusters when such a role is given to others than before.
func onBinding(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	old, _ := event.Old.(*rbacv1.ClusterRoleBinding)
	current, _ := event.New.(*rbacv1.ClusterRoleBinding)
	if old != nil && current != nil && old.RoleRef == current.RoleRef && workload.Equal(old.Subjects, current.Subjects) {
		return nil
	}
	for _, binding := range []*rbacv1.ClusterRoleBinding{old, current} {
		if binding == nil || binding.RoleRef.Kind != roleKind.Kind {
			continue
		}
		role := &rbacv1.ClusterRole{}
		if err := reader.Get(ctx, types.NamespacedName{Name: binding.RoleRef.Name}, role); err == nil && concerns(role.Rules) {
			return everyCluster(ctx, reader)
		}
	}
	return nil
}

// onSpace wakes the cluster whose execution space is there at last.
func onSpace(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	return memberOf(event.Object().GetName(), event.Old == nil)
}

// onWork wakes the cluster of a Work of ours that somebody changed, or which is gone.
func onWork(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	work := event.Object()
	ours := work.GetName() == roleWork || work.GetName() == bindingWork
	changed := event.Old != nil && (event.New == nil || event.Old.GetGeneration() != event.New.GetGeneration())
	return memberOf(work.GetNamespace(), ours && changed)
}

func memberOf(space string, wakes bool) []control.Key {
	cluster, err := names.ClusterOfExecutionSpace(space)
	if err != nil || !wakes {
		return nil
	}
	return []control.Key{{Name: cluster}}
}

func everyCluster(ctx context.Context, reader client.Reader) []control.Key {
	clusters := &clusterv1alpha1.ClusterList{}
	if err := reader.List(ctx, clusters, client.UnsafeDisableDeepCopy); err != nil {
		return nil
	}
	keys := make([]control.Key, 0, len(clusters.Items))
	for i := range clusters.Items {
		keys = append(keys, control.KeyOf(&clusters.Items[i]))
	}
	return keys
}

var (
	roleKind    = rbacv1.SchemeGroupVersion.WithKind("ClusterRole")
	bindingKind = rbacv1.SchemeGroupVersion.WithKind("ClusterRoleBinding")

	// The names of the Works that carry them, the same in every execution space.
	roleWork    = names.Work(roleKind.Kind, names.ImpersonatorName, "")
	bindingWork = names.Work(bindingKind.Kind, names.ImpersonatorName, "")
)

// reconcile sends a member the role of the impersonator and who has it, or takes both away when there is nobody to act for.
func reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	cluster := &clusterv1alpha1.Cluster{}
	if err := deps.Client.Get(ctx, key.NamespacedName(), cluster); err != nil {
		return control.Result{}, client.IgnoreNotFound(err)
	}
	if !cluster.DeletionTimestamp.IsZero() {
		return control.Result{}, nil
	}
	space := &corev1.Namespace{}
	if err := deps.Client.Get(ctx, types.NamespacedName{Name: names.ExecutionSpace(cluster.Name)}, space); err != nil || !space.DeletionTimestamp.IsZero() {
		return control.Result{}, client.IgnoreNotFound(err)
	}
	changed, err := sync(ctx, deps, cluster)
	switch {
	case err != nil && !control.Stale(err):
		deps.Events.Eventf(cluster, corev1.EventTypeWarning, names.EventSyncImpersonationConfigFailed, "%v", err)
	case changed:
		deps.Events.Eventf(cluster, corev1.EventTypeNormal, names.EventSyncImpersonationConfigSucceed, "the role of the impersonator follows who may reach the cluster")
	}
	return control.Result{}, err
}

func sync(ctx context.Context, deps control.Deps, cluster *clusterv1alpha1.Cluster) (changed bool, err error) {
	rules, err := wanted(ctx, deps, cluster)
	if err != nil {
		return false, err
	}
	if len(rules) == 0 {
		return remove(ctx, deps, cluster.Name)
	}
	labels := map[string]string{names.LabelSystem: names.LabelSystemValue}
	objects := []client.Object{
		&rbacv1.ClusterRole{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: roleKind.Kind},
			ObjectMeta: metav1.ObjectMeta{Name: names.ImpersonatorName, Labels: labels}, Rules: rules,
		},
		&rbacv1.ClusterRoleBinding{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: bindingKind.Kind},
			ObjectMeta: metav1.ObjectMeta{Name: names.ImpersonatorName, Labels: labels},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: roleKind.Kind, Name: names.ImpersonatorName},
			Subjects: []rbacv1.Subject{{
				// The account lives in the member, in a namespace named like the one of the secret with its token.
				Kind: rbacv1.ServiceAccountKind, Namespace: cluster.Spec.ImpersonatorSecretRef.Namespace, Name: names.ImpersonatorName,
			}},
		},
	}
	var failures []error
	for _, object := range objects {
		written, err := send(ctx, deps, cluster.Name, object)
		changed = changed || written
		failures = append(failures, err)
	}
	return changed, errors.Join(failures...)
}

// wanted are the rules of the impersonator in a cluster.
func wanted(ctx context.Context, deps control.Deps, cluster *clusterv1alpha1.Cluster) ([]rbacv1.PolicyRule, error) {
	if cluster.Spec.ImpersonatorSecretRef == nil {
		return nil, nil
	}
	roles, bindings := &rbacv1.ClusterRoleList{}, &rbacv1.ClusterRoleBindingList{}
	if err := deps.Client.List(ctx, roles, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing cluster roles: %w", err)
	}
	if err := deps.Client.List(ctx, bindings, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing cluster role bindings: %w", err)
	}
	return Impersonation(roles.Items, bindings.Items, cluster.Name), nil
}

func send(ctx context.Context, deps control.Deps, cluster string, object client.Object) (written bool, err error) {
	tree, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return false, fmt.Errorf("rendering %s for cluster %s: %w", workload.Describe(object), cluster, err)
	}
	manifest := &unstructured.Unstructured{Object: tree}
	written, err = workload.Write(ctx, deps, workload.Plan{Cluster: cluster, Template: manifest, Manifest: manifest})
	if errors.Is(err, workload.ErrBeingRemoved) {
		// Its end wakes the cluster.
		return false, nil
	}
	return written, err
}

// remove deletes the Works of a cluster.
func remove(ctx context.Context, deps control.Deps, cluster string) (removed bool, err error) {
	var failures []error
	for _, carrier := range []string{bindingWork, roleWork} {
		work := &workv1alpha1.Work{}
		name := types.NamespacedName{Namespace: names.ExecutionSpace(cluster), Name: carrier}
		err := deps.Client.Get(ctx, name, work)
		if err == nil && work.DeletionTimestamp.IsZero() {
			err = deps.Client.Delete(ctx, work)
			removed = removed || err == nil
		}
		if err := client.IgnoreNotFound(err); err != nil {
			failures = append(failures, fmt.Errorf("deleting Work %s: %w", name, err))
		}
	}
	return removed, errors.Join(failures...)
}
