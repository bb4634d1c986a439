package heartbeat

import (
	"context"
	"errors"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/internal/byhand"
)

func newPlane(t *testing.T, mode clusterv1alpha1.ClusterSyncMode) *byhand.Plane {
	t.Helper()
	options := Defaults()
	options.Scope = control.Scope{Agent: "m1"}
	p := byhand.New(t, New(options))
	p.Create(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "karmada-cluster"}},
		&clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "m1"}, Spec: clusterv1alpha1.ClusterSpec{SyncMode: mode}},
		&clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "m2"}, Spec: clusterv1alpha1.ClusterSpec{SyncMode: mode}},
	)
	return p
}

func TestBeats(t *testing.T) {
	p := newPlane(t, clusterv1alpha1.Pull)
	clock := testclock.NewFakePassiveClock(p.Clock.Now())
	p.Deps.Clock = clock
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "karmada-cluster", Name: "m1"}}
	for range 3 {
		clock.SetTime(clock.Now().Add(10 * time.Second))
		if result := p.Turn(control.Key{Name: "m1"}); result.RequeueAfter != 10*time.Second {
			t.Fatalf("the next beat is after %s", result.RequeueAfter)
		}
		p.Read(lease)
		if spec := lease.Spec; *spec.HolderIdentity != "m1" || *spec.LeaseDurationSeconds != 40 || !spec.RenewTime.Time.Equal(clock.Now()) {
			t.Fatalf("Lease %+v", spec)
		}
		if owner := lease.OwnerReferences; len(owner) != 1 || owner[0].Kind != "Cluster" || owner[0].Name != "m1" || owner[0].UID == "" {
			t.Fatalf("owner %+v", owner)
		}
	}
}

// TestBeatsMakeALostLease: beats after the first send the time alone, which makes no Lease.
func TestBeatsMakeALostLease(t *testing.T) {
	p := newPlane(t, clusterv1alpha1.Pull)
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "karmada-cluster", Name: "m1"}}
	for range 2 {
		p.Turn(control.Key{Name: "m1"})
		p.Turn(control.Key{Name: "m1"})
		p.Read(lease)
		if lease.Spec.LeaseDurationSeconds == nil || len(lease.OwnerReferences) != 1 {
			t.Fatalf("Lease %+v", lease)
		}
		p.Must(p.Store.Delete(t.Context(), lease))
	}
}

// TestBeatsForItsOwnOnly: other clusters, and its own in Push mode, live without it.
func TestBeatsForItsOwnOnly(t *testing.T) {
	for mode, name := range map[clusterv1alpha1.ClusterSyncMode]string{clusterv1alpha1.Pull: "m2", clusterv1alpha1.Push: "m1"} {
		p := newPlane(t, mode)
		if result := p.Turn(control.Key{Name: name}); result.RequeueAfter != 0 {
			t.Errorf("%s in %s mode: another beat after %s", name, mode, result.RequeueAfter)
		}
		leases := &coordinationv1.LeaseList{}
		p.Must(p.Store.List(t.Context(), leases))
		if len(leases.Items) != 0 {
			t.Errorf("%s in %s mode: Leases %v", name, mode, leases.Items)
		}
	}
}

// TestBeatsThroughTheirOwnClient: the one that the controllers share may hang meanwhile.
func TestBeatsThroughTheirOwnClient(t *testing.T) {
	p := newPlane(t, clusterv1alpha1.Pull)
	options := Defaults()
	options.Scope, options.Plane = control.Scope{Agent: "m1"}, p.Store
	hangs := func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
		return errors.New("the shared client is asked")
	}
	p.Deps.Client = interceptor.NewClient(p.Store, interceptor.Funcs{Patch: hangs})
	beats := New(options)
	// The first beat makes the Lease, the second one renews it.
	for range 2 {
		_, err := beats.Reconcile(t.Context(), p.Deps, control.Key{Name: "m1"})
		p.Must(err)
	}
	p.Read(&coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "karmada-cluster", Name: "m1"}})
}

// TestUnheardBeatIsRepeatedSoon: the control plane may be back at any time.
func TestUnheardBeatIsRepeatedSoon(t *testing.T) {
	p := newPlane(t, clusterv1alpha1.Pull)
	p.Deps.Client = interceptor.NewClient(p.Store, interceptor.Funcs{
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return errors.New("unreachable")
		},
	})
	if result, err := p.Try(control.Key{Name: "m1"}); err == nil || result.RequeueAfter != 10*time.Second {
		t.Errorf("%v, the next beat is after %s at the latest", err, result.RequeueAfter)
	}
}

func TestOptionsThatCannotBe(t *testing.T) {
	for _, o := range []Options{{LeaseDuration: time.Millisecond, RenewFraction: 0.25}, {LeaseDuration: time.Minute}, {LeaseDuration: time.Minute, RenewFraction: 1}} {
		if o.Validate() == nil {
			t.Errorf("%+v passes", o)
		}
	}
	if err := Defaults().Validate(); err != nil {
		t.Error(err)
	}
}
