// Package heartbeat lets the agent of a cluster tell the control plane that it lives.
package heartbeat

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fieldpatch"
)

// Options are the reference's flags of the same names.
type Options struct {
	// LeaseDuration is how long a heartbeat counts. The Lease says so to readers; the control plane goes by its own patience.
	LeaseDuration time.Duration
	// RenewFraction is the part of LeaseDuration after which the next heartbeat follows, above 0 and below 1.
	RenewFraction float64
	// Scope is the cluster that lives.
	Scope control.Scope
	// Plane writes the Lease; nil for the client of all controllers. An agent gives one whose connection nobody shares: a beat that waits
	// for a lost connection is not heard in time.
	Plane client.Client
}

// Defaults are the reference's.
func Defaults() Options {
	return Options{LeaseDuration: 40 * time.Second, RenewFraction: 0.25}
}

// Validate tells which option cannot be, by the name of its flag.
func (o Options) Validate() error {
	if o.LeaseDuration < time.Second {
		return fmt.Errorf("--cluster-lease-duration is %s: a Lease lasts whole seconds, at least one", o.LeaseDuration)
	}
	if !(o.RenewFraction > 0 && o.RenewFraction < 1) {
		return fmt.Errorf("--cluster-lease-renew-interval-fraction is %v: it must lie between 0 and 1, both excluded", o.RenewFraction)
	}
	return nil
}

// owner is the field manager of what heartbeats write.
const owner = client.FieldOwner("seatrial-agent")

// New is the controller named "heartbeat". Its key is the name of the one cluster in its scope.
func New(options Options) control.Controller {
	h := &heart{options: options}
	return control.Controller{
		Name:      "heartbeat",
		Watches:   []control.Watch{{Object: &clusterv1alpha1.Cluster{}, Keys: onCome}},
		Reconcile: h.beat,
	}
}

// onCome leaves out the changes of a Cluster that is known: beats follow each other by themselves.
func onCome(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	if event.Old != nil && event.New != nil && event.Old.GetGeneration() == event.New.GetGeneration() {
		return nil
	}
	return []control.Key{control.KeyOf(event.Object())}
}

type heart struct {
	options Options
	// made is the identity of the cluster whose Lease this process has made or found.
	made types.UID
}

// beat renews the Lease. A beat that cannot be heard is no reason to wait longer for the next one: the end of a partition shall be
// noticed as soon as it comes.
func (h *heart) beat(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	cluster := &clusterv1alpha1.Cluster{}
	if err := deps.Client.Get(ctx, key.NamespacedName(), cluster, client.UnsafeDisableDeepCopy); err != nil {
		return control.Result{}, client.IgnoreNotFound(err)
	}
	if !h.options.Scope.Serves(cluster) {
		return control.Result{}, nil
	}
	plane := h.options.Plane
	if plane == nil {
		plane = deps.Client
	}
	next := control.Result{RequeueAfter: time.Duration(float64(h.options.LeaseDuration) * h.options.RenewFraction)}
	if err := h.renew(ctx, plane, cluster, deps.Clock.Now()); err != nil {
		return next, fmt.Errorf("renewing the Lease of cluster %s: %w", cluster.Name, err)
	}
	return next, nil
}

// renew makes the Lease with the first beat; after that the time alone is sent, which costs an API server least.
func (h *heart) renew(ctx context.Context, plane client.Client, cluster *clusterv1alpha1.Cluster, now time.Time) error {
	lease := h.lease(cluster, now)
	if h.made == cluster.UID {
		fields := fieldpatch.Fields{Spec: map[string]any{"renewTime": lease.Spec.RenewTime}, KeepOwners: true, Force: true}
		if err := fieldpatch.Object(ctx, plane, lease, fields); !apierrors.IsNotFound(err) {
			return err
		}
	}
	// One request that makes the Lease or finds it: an agent has the right to create Leases of this name only in this way.
	//nolint:staticcheck // An apply configuration of a Lease says the same in twice the lines.
	if err := plane.Patch(ctx, lease, client.Apply, owner, client.ForceOwnership); err != nil {
		return err
	}
	h.made = cluster.UID
	return nil
}

// lease is owned by the Cluster, and goes with it.
func (h *heart) lease(cluster *clusterv1alpha1.Cluster, now time.Time) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		TypeMeta: metav1.TypeMeta{APIVersion: coordinationv1.SchemeGroupVersion.String(), Kind: "Lease"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: names.NamespaceCluster, Name: cluster.Name,
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: clusterv1alpha1.GroupVersion.String(), Kind: clusterv1alpha1.ResourceKindCluster, Name: cluster.Name, UID: cluster.UID,
			}},
		},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity:       ptr.To(cluster.Name),
			LeaseDurationSeconds: ptr.To(int32(h.options.LeaseDuration.Seconds())),
			RenewTime:            ptr.To(metav1.NewMicroTime(now)),
		},
	}
}
