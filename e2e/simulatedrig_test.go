package e2e_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/controlplane"
	"github.com/seatrial/seatrial/e2e"
	packing "github.com/seatrial/seatrial/estimator/nodes"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/scheduler/placement"
	"github.com/seatrial/seatrial/simulator"
)

// simulatedRig is a simulated fleet and what runs it.
type simulatedRig struct {
	*simulator.Fleet
	plane client.Client
	// controllers makes those of the control plane.
	controllers func() []control.Controller
	placing     scheduler.Options
	pulled      []string
	// told are the events for users, which a simulated API server does not hold.
	told *ledger
}

var _ e2e.Rig = (*simulatedRig)(nil)

func simulatedRigOf(t *testing.T, of preset) *simulatedRig {
	t.Helper()
	rig := &simulatedRig{told: &ledger{}, placing: scheduler.Options{Name: "default-scheduler"}}
	switch of {
	case failover, reference:
		rig.controllers = func() []control.Controller { return failoverControllers(of == reference) }
		rig.Fleet = tightFleet(t, rig.tell(rig.controllers()))
	case estimators:
		rig.Fleet = tightFleet(t, nil)
		rig.placing.Estimators = rig.Estimators(packing.Options{Assumed: true})
		rig.controllers = func() []control.Controller {
			return append(controlplane.Controllers(controlplane.Defaults()), scheduler.New(rig.placing))
		}
		if err := rig.Run(rig.tell(rig.controllers())...); err != nil {
			t.Fatal(err)
		}
	default:
		options := simulator.Options{Seed: 1, Checked: true, QuotaEnforcement: of == quotas}
		rig.pulled, rig.controllers = []string{"member3"}, func() []control.Controller { return standardControllers(of) }
		rig.Fleet = simulatedWith(t, options, rig.tell(rig.controllers()), rig.pulled...)
	}
	rig.plane = clientOf(t, rig.Fleet, fleet.ControlPlaneName)
	return rig
}

// standardControllers are those of a preset whose members have more than anybody asks for.
func standardControllers(of preset) []control.Controller {
	if of == scaled {
		return append(controllers(), controlplane.Optional(controlplane.Defaults())...)
	}
	settings := controlplane.Defaults()
	settings.Quota.Enforced = of == quotas
	settings.Preemption, settings.MultiClusterService = true, true
	return append(controlplane.Controllers(settings), scheduler.New(scheduler.Options{Name: "default-scheduler"}))
}

// tell has the events of controllers taken down.
func (r *simulatedRig) tell(values []control.Controller) []control.Controller {
	told := make([]control.Controller, len(values))
	for i, value := range values {
		reconcile, name := value.Reconcile, value.Name
		value.Reconcile = func(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
			deps.Events = &noted{ledger: r.told, writer: name, kinds: deps.Client}
			return reconcile(ctx, deps, key)
		}
		told[i] = value
	}
	return told
}

// Restart implements e2e.Rig.
func (r *simulatedRig) Restart(context.Context) error {
	return r.Fleet.Restart(r.tell(r.controllers())...)
}

// Upgrade implements e2e.Rig. Another build of a simulated component is one that goes by other settings; it is away for two seconds.
func (r *simulatedRig) Upgrade(ctx context.Context) error {
	isScheduler := func(name string) bool { return name == "scheduler" }
	for _, chosen := range []func(string) bool{isScheduler, func(name string) bool { return !isScheduler(name) }} {
		r.Stop(chosen)
		if err := r.Pass(ctx, 2*time.Second); err != nil {
			return err
		}
		newer := slices.DeleteFunc(r.controllers(), func(c control.Controller) bool { return !chosen(c.Name) })
		for i := range newer {
			newer[i].Workers = 1
		}
		if err := r.Run(r.tell(newer)...); err != nil {
			return fmt.Errorf("starting the new build: %w", err)
		}
	}
	for _, name := range r.pulled {
		if err := r.StartAgent(name); err != nil {
			return err
		}
	}
	return nil
}

// Explain implements e2e.Rig.
func (r *simulatedRig) Explain(ctx context.Context, name string) (scheduler.Explanation, error) {
	space, own, _ := strings.Cut(name, "/")
	bound, err := binding.Get(ctx, r.plane, client.ObjectKey{Namespace: space, Name: own})
	if err != nil {
		return scheduler.Explanation{}, err
	}
	listed := &clusterv1alpha1.ClusterList{}
	if err := r.plane.List(ctx, listed); err != nil {
		return scheduler.Explanation{}, err
	}
	var clusters []*clusterv1alpha1.Cluster
	for i := range listed.Items {
		clusters = append(clusters, &listed.Items[i])
	}
	return r.placing.Explain(ctx, bound, placement.NewSnapshot(clusters)), nil
}

// Logs implements e2e.Rig: every write to each cluster, and the events.
func (r *simulatedRig) Logs(ctx context.Context, folder string) error {
	clusters, err := r.Clusters(ctx)
	if err != nil {
		return err
	}
	for _, cluster := range clusters {
		writes, err := r.Writes(cluster.Name, 0)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(folder, cluster.Name+".writes.log"), []byte(strings.Join(writes, "\n")+"\n"), 0o644); err != nil {
			return err
		}
	}
	_, notices := r.told.close()
	lines := &strings.Builder{}
	for _, made := range notices {
		fmt.Fprintf(lines, "%s %s %s: %s\n", made.writer, made.reason, made.regarding, made.note)
	}
	return os.WriteFile(filepath.Join(folder, "events.txt"), []byte(lines.String()), 0o644)
}
