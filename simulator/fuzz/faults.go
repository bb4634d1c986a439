package fuzz

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/simulator"
)

// begin breaks what a fault breaks outside of calls, and tells how to mend it. Faults in calls need no more than to be in
// force.
func (p *play) begin(f *fault) (mend func() error, err error) {
	step := f.step
	during := func(begin, end func(context.Context, string) error, cluster string) (func() error, error) {
		f.felt = true
		return func() error { return end(p.ctx, cluster) }, begin(p.ctx, cluster)
	}
	switch step.Do {
	case Kill:
		return during(p.fleet.Kill, p.fleet.Revive, step.Cluster)
	case Pause:
		return during(p.fleet.Pause, p.fleet.Resume, step.Cluster)
	case Partition:
		return during(p.fleet.Partition, p.fleet.Heal, step.Cluster)
	case PlaneDown:
		return during(p.fleet.Kill, p.fleet.Revive, fleet.ControlPlaneName)
	case SlowWatch, LostWatch, RepeatWatch:
		return p.distort(f)
	case LoseNode:
		return p.loseNode(f)
	case BadEstimator:
		end := func() error { return p.estimators.Mend(p.ctx, step.Cluster) }
		return end, p.estimators.Break(p.ctx, step.Cluster)
	}
	return func() error { return nil }, nil
}

func (p *play) distort(f *fault) (mend func() error, err error) {
	cluster := f.step.Cluster
	if cluster == "" {
		cluster = fleet.ControlPlaneName
	}
	distortion := simulator.Distortion{
		Delay: f.step.Delay.Duration, Relist: f.step.Do == LostWatch, Repeat: f.step.Do == RepeatWatch,
		Told: func() { f.felt = true },
	}
	end := func() error { return p.fleet.Distort(p.ctx, cluster, simulator.Distortion{}) }
	return end, p.fleet.Distort(p.ctx, cluster, distortion)
}

// loseNode takes a node out of a member and brings it back.
func (p *play) loseNode(f *fault) (mend func() error, err error) {
	nothing := func() error { return nil }
	member, err := p.fleet.Client(p.ctx, f.step.Cluster)
	if err != nil {
		return nothing, err
	}
	lost := &corev1.Node{}
	name := fmt.Sprintf("%s-node-0", f.step.Cluster)
	if err := member.Get(p.ctx, client.ObjectKey{Name: name}, lost); err != nil {
		// The member is down or has lost the node already.
		return nothing, nil
	}
	if err := member.Delete(p.ctx, lost.DeepCopy()); err != nil {
		return nothing, fmt.Errorf("deleting node %s: %w", name, err)
	}
	f.felt = true
	var back func() error
	back = func() error {
		node := &corev1.Node{ObjectMeta: *lost.ObjectMeta.DeepCopy(), Status: *lost.Status.DeepCopy()}
		node.ResourceVersion, node.UID = "", ""
		status := node.DeepCopy().Status
		if err := member.Create(p.ctx, node); err != nil {
			p.fleet.After(retry, back)
			return nil
		}
		node.Status = status
		return member.Status().Update(p.ctx, node)
	}
	return back, nil
}

// heal ends all that is still broken.
func (p *play) heal() error {
	p.injector.active = nil
	clusters, err := p.fleet.Clusters(p.ctx)
	if err != nil {
		return err
	}
	for _, cluster := range clusters {
		for _, mend := range []func(context.Context, string) error{p.fleet.Resume, p.fleet.Revive, p.fleet.Heal} {
			if err := mend(p.ctx, cluster.Name); err != nil {
				return err
			}
		}
		if err := p.fleet.Distort(p.ctx, cluster.Name, simulator.Distortion{}); err != nil {
			return err
		}
		if cluster.Role != fleet.Member {
			continue
		}
		if err := p.estimators.Mend(p.ctx, cluster.Name); err != nil {
			return err
		}
	}
	return nil
}
