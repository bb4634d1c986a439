package run

import (
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/simulator"
	"github.com/seatrial/seatrial/simulator/scenario"
)

// Processes of a control plane.
const (
	manager          scenario.Component = "controller-manager"
	schedulerProcess scenario.Component = "scheduler"
)

// schedulerName is the controller that is a process of its own.
const schedulerName = "scheduler"

// start runs the controllers of a process of the control plane, or of the agents.
func (e *engine) start(component scenario.Component) error {
	if component == agents {
		return e.eachAgent(e.fleet.StartAgent)
	}
	if err := e.stop(component); err != nil {
		return err
	}
	if component == schedulerProcess {
		return e.fleet.Run(scheduler.New(e.schedulerOptions()))
	}
	chosen, err := e.controllers()
	if err != nil {
		return err
	}
	return e.fleet.Run(chosen...)
}

// stop ends a process as a crash does.
func (e *engine) stop(component scenario.Component) error {
	if component == agents {
		return e.eachAgent(e.fleet.StopAgent)
	}
	e.fleet.Stop(func(controller string) bool { return (controller == schedulerName) == (component == schedulerProcess) })
	return nil
}

// doEstimator lets the estimator of a member fail, or ends that.
func (e *engine) doEstimator(a *scenario.Action, cluster string) error {
	switch {
	case a.Verb == scenario.EstimatorEnd:
		return e.estimators.Mend(e.ctx, cluster)
	case a.EstimatorFault == scenario.EstimateStale:
		return e.estimators.Blind(e.ctx, cluster)
	case a.EstimatorFault == scenario.EstimateWrong:
		return e.estimators.Skew(e.ctx, cluster, a.Factor)
	case a.EstimatorFault == scenario.EstimateTimeout:
		return e.estimators.Hang(e.ctx, cluster, e.plan.Settings.Estimator.Timeout.Or(estimatorTimeout))
	}
	return e.estimators.Break(e.ctx, cluster)
}

// serve sets how fast the API server of a cluster is.
func (e *engine) serve(cluster string, api scenario.API) error {
	service := simulator.DefaultService()
	if api.ServiceTime != nil {
		given := latency(api.ServiceTime)
		service.Read, service.Write, service.Object = given, given, 0
	}
	if api.Concurrency > 0 {
		service.Concurrency = api.Concurrency
	}
	return e.fleet.Serve(cluster, service)
}

// doServers slows API servers down, lets them fail, or ends that.
func (e *engine) doServers(a *scenario.Action) error {
	clusters := a.Clusters
	if a.ControlPlane {
		clusters = []string{fleet.ControlPlaneName}
	}
	for _, name := range clusters {
		if _, there := e.members[name]; !there && !a.ControlPlane {
			continue
		}
		var err error
		switch a.Verb {
		case scenario.SlowDown:
			err = e.fleet.SlowDown(name, a.Factor)
		case scenario.SlowAPIEnd:
			err = e.fleet.SlowDown(name, 1)
		case scenario.Disturb:
			err = e.fleet.Disturb(name, simulator.Fault(a.Fault), simulator.Disturbance{Rate: a.Rate, Delay: a.Delay})
		default:
			err = e.fleet.Disturb(name, simulator.Fault(a.Fault), simulator.Disturbance{})
		}
		if err != nil {
			return err
		}
	}
	return nil
}
