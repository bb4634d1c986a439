package e2e

import (
	"context"
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/rebalance"
	"github.com/seatrial/seatrial/rebalance/drain"
	"github.com/seatrial/seatrial/rebalance/waves"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// DrainEmptiesCluster drains a cluster: what fits elsewhere is there before it goes, what does not stays and is told, and uncordon
// lets it stay.
func DrainEmptiesCluster(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("drain")()
	web := f.serve("drain", 6)
	f.awaitMembers(web, members...)
	pinned := deployment("drain", "pinned", 1)
	f.create(pinned)
	f.propagate(pinned, "member1")
	f.awaitHolders(pinned, "member1")
	config := configMap("drain", "config", map[string]string{"key": "value"})
	f.create(config)
	f.propagate(config, members...)
	f.awaitHolders(config, members...)

	progress := f.drain("member1", web, 6)
	if len(progress.Workloads) != 1 || progress.Workloads[0].String() != "Deployment drain/pinned" || progress.Workloads[0].State != drain.Stuck {
		f.Fatalf("left in member1: %+v", progress)
	}
	f.awaitMembers(web, "member2", "member3")
	f.awaitHolders(web, "member2", "member3")
	f.awaitHolders(config, "member2", "member3")
	f.stays("the workload without another place", f.held(pinned, "member1"))

	_, err := drain.Uncordon(f.ctx, f.plane, "member1", false)
	f.must(err)
	_, err = drain.Withdraw(f.ctx, f.plane, "member1")
	f.must(err)
	f.awaitBinding(pinned, "no eviction any more", func(b binding.Binding) bool { return len(b.Spec.GracefulEvictionTasks) == 0 })
	// What goes to every cluster comes back by itself.
	f.awaitHolders(config, members...)
}

// drain empties a cluster as far as that goes, and fails when fewer replicas are ready meanwhile than stated.
func (f *fixture) drain(cluster string, web *appsv1.Deployment, least int32) (progress drain.Progress) {
	f.Helper()
	_, err := drain.Cordon(f.ctx, f.plane, cluster, false)
	f.must(err)
	options := drain.Options{Cluster: cluster, Moves: 1}
	f.await(toNotice, "an empty "+cluster, f.serving(web, least, func(ctx context.Context) (bool, error) {
		var err error
		progress, err = drain.Step(ctx, f.plane, options)
		return err == nil && progress.Removing == 0 && progress.Count(drain.Stuck)+progress.Count(drain.Stays) == len(progress.Workloads), err
	}))
	return progress
}

// serving is a condition that fails as soon as fewer replicas are ready than stated.
func (f *fixture) serving(web *appsv1.Deployment, least int32, condition func(context.Context) (bool, error)) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		ready, err := f.ready(ctx, web)
		if err == nil && ready < least {
			err = fmt.Errorf("%d of %d replicas are ready", ready, least)
		}
		if err != nil {
			return false, err
		}
		return condition(ctx)
	}
}

// RebalanceSpreadsLoad opens clusters to a workload that had to share one of them: a plan spreads it again, and is carried out with
// all replicas ready at any time.
func RebalanceSpreadsLoad(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("even")()
	f.taint("member2", closed)
	f.taint("member3", closed)
	web := f.serve("even", 6)
	f.awaitMembers(web, "member1")
	f.taint("member2")
	f.taint("member3")
	f.awaitBinding(web, "a decision to compare with", func(b binding.Binding) bool { return b.Status.LastScheduledTime != nil && b.Decided() })
	all := f.requestedBeside("member1", "even") + 600
	eventually(f, f.plane, clusterNamed("member1"), "what member1 runs in its summary", func(c *clusterv1alpha1.Cluster) bool {
		return c.Status.ResourceSummary != nil && c.Status.ResourceSummary.Allocated.Cpu().MilliValue() >= all
	})

	plan := f.plan()
	if len(plan.Waves) != 1 || len(plan.Waves[0].Moves) != 1 || len(plan.Waves[0].Moves[0].Shifts) != 3 || plan.After.Spread >= plan.Before.Spread {
		f.Fatalf("the plan is %+v", plan)
	}
	f.must(waves.Begin(f.ctx, f.plane, "even-1", plan.Waves[0]))
	f.await(toNotice, "the end of the wave", f.serving(web, 6, func(ctx context.Context) (bool, error) {
		progress, err := waves.Look(ctx, f.plane, "even-1", plan.Waves[0])
		return progress.Settled == 1, err
	}))
	planned := map[string]int32{}
	for _, shift := range plan.Waves[0].Moves[0].Shifts {
		planned[shift.Cluster] = shift.To
	}
	f.awaitPlacement("even", "web", planned)
	f.awaitBinding(web, "nothing held", func(b binding.Binding) bool { return !eviction.Holding(b.Spec) })
}

// requestedBeside is what the pods of a member's other namespaces request, in thousandths of a CPU.
func (f *fixture) requestedBeside(cluster, namespace string) int64 {
	f.Helper()
	pods := &corev1.PodList{}
	f.must(f.member(cluster).List(f.ctx, pods))
	var sum int64
	for i := range pods.Items {
		if pods.Items[i].Namespace == namespace || pods.Items[i].DeletionTimestamp != nil {
			continue
		}
		for _, container := range pods.Items[i].Spec.Containers {
			sum += container.Resources.Requests.Cpu().MilliValue()
		}
	}
	return sum
}

// plan makes a plan for all of the fleet, by what its scheduler would see.
func (f *fixture) plan() rebalance.Plan {
	f.Helper()
	listed := &clusterv1alpha1.ClusterList{}
	f.must(f.plane.List(f.ctx, listed))
	var clusters []*clusterv1alpha1.Cluster
	for i := range listed.Items {
		clusters = append(clusters, &listed.Items[i])
	}
	bindings, err := binding.List(f.ctx, f.plane)
	f.must(err)
	// That is what installations have by default.
	options := scheduler.Options{Name: "default-scheduler", General: estimator.General{UseModels: true}}
	if env, ok := f.env.(Estimating); ok {
		asked, done, err := env.Estimators(f.ctx)
		f.must(err)
		defer done()
		options.Estimators = asked
	}
	plan, err := rebalance.New(f.ctx, placement.NewSnapshot(clusters), bindings, options.Decide, rebalance.Options{General: options.General})
	f.must(err)
	return plan
}
