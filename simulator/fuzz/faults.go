package fuzz

import (
	"context"
	"fmt"

	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/simulator"
	"github.com/seatrial/seatrial/simulator/kube"
)

// strike puts a fault in force, at once or when the turn that it is meant for comes; an outage of the control plane comes late
// rather than never.
func (p *play) strike(step Step) error {
	if p.healed {
		return nil
	}
	f := p.injector.start(step)
	p.faults = append(p.faults, f)
	if step.Do != PlaneDown || step.Controller == "" {
		return p.begin(f)
	}
	f.waiting = true
	p.fleet.After(patient, func() error {
		if !f.waiting || p.healed {
			return nil
		}
		f.waiting = false
		return p.begin(f)
	})
	return nil
}

// fall lets the control plane fail once the present turn has ended.
func (p *play) fall(f *fault) {
	p.fleet.After(0, func() error {
		p.injector.falling = nil
		return p.begin(f)
	})
}

// begin breaks what a fault breaks, and plans the moment when it is mended.
func (p *play) begin(f *fault) error {
	mend, err := p.breaks(f)
	if err != nil {
		return fmt.Errorf("%s %s: %w", f.step.Do, f.step.Cluster, err)
	}
	p.fleet.After(f.step.For.Duration, func() error {
		p.injector.end(f)
		return mend()
	})
	return nil
}

// breaks begins what goes wrong outside of the injector, and tells how to mend it.
func (p *play) breaks(f *fault) (mend func() error, err error) {
	step := f.step
	during := func(begin, end func(context.Context, string) error) (func() error, error) {
		return func() error { return end(p.ctx, place(step)) }, begin(p.ctx, place(step))
	}
	switch step.Do {
	case Kill, PlaneDown:
		return during(p.fleet.Kill, p.fleet.Revive)
	case Pause:
		return during(p.fleet.Pause, p.fleet.Resume)
	case Partition:
		return during(p.fleet.Partition, p.fleet.Heal)
	case BadEstimator:
		return during(p.estimators.Break, p.estimators.Mend)
	case StaleEstimator:
		return during(p.estimators.Blind, p.estimators.Mend)
	case LoseNode:
		return p.loseNode(step)
	case SlowAPI:
		slow := simulator.Service{Read: kube.Latency{Delay: step.Delay.Duration / 8}, Write: kube.Latency{Delay: step.Delay.Duration}, Concurrency: 2}
		return func() error { return p.fleet.Serve(place(step), simulator.Service{}) }, p.fleet.Serve(place(step), slow)
	}
	if kind, of := disturbances[step.Do]; of && step.Controller == "" {
		end := func() error { return p.fleet.Disturb(place(step), kind, simulator.Disturbance{}) }
		return end, p.fleet.Disturb(place(step), kind, p.disturbance(f))
	}
	return func() error { return nil }, nil
}

// disturbances are the faults that API servers know themselves.
var disturbances = map[Action]simulator.Fault{
	SlowWatch: simulator.DelayWatch, LostWatch: simulator.DropWatch, RepeatWatch: simulator.RepeatWatch,
	Refuse: simulator.Unavailable, ClockSkew: simulator.ClockSkew,
}

func (p *play) disturbance(f *fault) simulator.Disturbance {
	how := simulator.Disturbance{Rate: 1, Delay: f.step.Delay.Duration, Told: func() { f.told = p.fleet.Now() }}
	if f.step.Do == Refuse {
		how.Rate, how.Told = f.rate(), func() { p.injector.meet(f) }
	} else if f.step.Rate > 0 {
		how.Rate = f.step.Rate
	}
	return how
}

// place is the cluster that a fault strikes.
func place(step Step) string {
	if step.Cluster == "" {
		return fleet.ControlPlaneName
	}
	return step.Cluster
}

// loseNode lets a node of a member fail and come back.
func (p *play) loseNode(step Step) (mend func() error, err error) {
	rows, name := p.members[step.Cluster], step.Node
	if name == "" {
		name = nodeName(step.Cluster, 0)
	}
	if rows == nil || rows.Node(name) == nil {
		return func() error { return nil }, nil
	}
	return func() error { return rows.HealNode(name) }, rows.FailNode(name, true)
}

// heal ends all that is still broken.
func (p *play) heal() error {
	p.healed = true
	p.injector.active = nil
	clusters, err := p.fleet.Clusters(p.ctx)
	if err != nil {
		return err
	}
	for _, cluster := range clusters {
		if err := p.healCluster(cluster.Name); err != nil {
			return err
		}
		if cluster.Role != fleet.Member {
			continue
		}
		if err := p.estimators.Mend(p.ctx, cluster.Name); err != nil {
			return err
		}
		for _, node := range p.members[cluster.Name].Nodes() {
			if err := p.members[cluster.Name].HealNode(node.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *play) healCluster(name string) error {
	for _, mend := range []func(context.Context, string) error{p.fleet.Resume, p.fleet.Revive, p.fleet.Heal} {
		if err := mend(p.ctx, name); err != nil {
			return err
		}
	}
	if err := p.fleet.Serve(name, simulator.Service{}); err != nil {
		return err
	}
	for _, fault := range Faults() {
		kind, of := disturbances[fault]
		if !of {
			continue
		}
		if err := p.fleet.Disturb(name, kind, simulator.Disturbance{}); err != nil {
			return err
		}
	}
	return nil
}
