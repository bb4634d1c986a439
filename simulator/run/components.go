package run

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/controlplane"
	"github.com/seatrial/seatrial/estimator"
	packing "github.com/seatrial/seatrial/estimator/nodes"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/simulator"
	"github.com/seatrial/seatrial/simulator/invariant"
	"github.com/seatrial/seatrial/simulator/report"
	"github.com/seatrial/seatrial/simulator/scenario"
)

// Processes of a control plane.
const (
	manager          scenario.Component = "controller-manager"
	schedulerProcess scenario.Component = "scheduler"
)

// schedulerName is the controller that is a process of its own.
const schedulerName = "scheduler"

// Missing lists what a plan needs and there is not: parts of a control plane that it requires, and settings and faults that the
// simulator cannot follow.
func Missing(plan *scenario.Plan) []string {
	missing := Absent(plan.Requires)
	note := func(is bool, text string) {
		if is && !slices.Contains(missing, text) {
			missing = append(missing, text)
		}
	}
	for _, c := range plan.Clusters {
		note(c.SyncMode == "Pull", "pull")
	}
	for i := range plan.Actions {
		a := &plan.Actions[i]
		note(a.Verb == scenario.Disturb && a.Fault == scenario.ClockSkew, "fault ClockSkew")
		note(a.Component == "agent", "pull")
	}
	for _, o := range plan.Objectives {
		known := o.Subject == "" || slices.ContainsFunc(invariant.SafetyInvariants(), func(i invariant.Safety) bool { return i.Name == o.Subject })
		note(o.Measure == report.Invariant && !known, "invariant "+o.Subject)
	}
	note(plan.Settings.Scheduler.Configuration != "", "settings.scheduler.configuration")
	note(plan.Settings.Scheduler.Members != "", "settings.scheduler.members")
	return missing
}

// Absent lists those of some capabilities that the control plane does not have.
func Absent(required []scenario.Capability) []string {
	// A capability is there when one of these controllers is, or when nothing has to be added for it.
	needs := map[scenario.Capability][]string{
		"eviction": {"taintManager", "gracefulEviction"}, "failover": {"clusterFailover", "applicationFailover"},
		"rebalance": {"workloadRebalancer", "rebalancer"}, "dependencies": {"dependenciesDistributor"},
		"pull": {"agent"}, "estimator": nil, "queues": nil, "overcommitProtection": nil,
	}
	all := controlplane.Controllers(controlplane.Defaults())
	var absent []string
	for _, capability := range required {
		there := len(needs[capability]) == 0 || slices.ContainsFunc(all, func(c control.Controller) bool {
			return slices.ContainsFunc(needs[capability], func(name string) bool { return strings.EqualFold(name, c.Name) })
		})
		if !there {
			absent = append(absent, string(capability))
		}
	}
	return absent
}

// start runs the controllers of a process of the control plane.
func (e *engine) start(component scenario.Component) error {
	e.stop(component)
	if component == schedulerProcess {
		options, err := e.schedulerOptions()
		if err != nil {
			return err
		}
		return e.fleet.Run(scheduler.New(options))
	}
	chosen, err := e.controllers()
	if err != nil {
		return err
	}
	return e.fleet.Run(chosen...)
}

// stop ends a process as a crash does.
func (e *engine) stop(component scenario.Component) {
	e.fleet.Stop(func(controller string) bool { return (controller == schedulerName) == (component == schedulerProcess) })
}

// controllers are those of the controller manager, with the settings of the scenario.
func (e *engine) controllers() ([]control.Controller, error) {
	settings := &e.plan.Settings
	options := controlplane.Defaults()
	status := &options.ClusterStatus
	if given := settings.ClusterStatus.UpdateFrequency.Duration; given > 0 {
		status.UpdateFrequency = given
	}
	if given := settings.ClusterStatus.FailureThreshold.Duration; given > 0 {
		status.FailureThreshold = given
	}
	if given := settings.ClusterStatus.SuccessThreshold.Duration; given > 0 {
		status.SuccessThreshold = given
	}
	if given := settings.ClusterStatus.ResourceModeling; given != nil {
		status.ResourceModeling = *given
	}
	all := controlplane.Controllers(options)
	if len(settings.Controllers) == 0 {
		return all, nil
	}
	chosen, err := controlplane.Choose(all, settings.Controllers)
	if err != nil {
		return nil, fmt.Errorf("settings.controllers: %w", err)
	}
	return chosen, nil
}

// schedulerOptions are those of the scheduler with its defaults, changed by feature gates.
func (e *engine) schedulerOptions() (scheduler.Options, error) {
	settings := &e.plan.Settings
	options := scheduler.Options{Name: "default-scheduler", General: estimator.General{UseModels: true}, Workers: 64}
	if settings.Scheduler.Workers > 0 {
		options.Workers = settings.Scheduler.Workers
	}
	if settings.Estimator.Source == "Nodes" {
		if e.estimators == nil {
			e.estimators = e.fleet.Estimators(packing.Options{Assumed: true})
		}
		options.Estimators = e.estimators
	}
	for _, gate := range slices.Sorted(maps.Keys(settings.FeatureGates)) {
		on := settings.FeatureGates[gate]
		switch gate {
		case "CustomizedClusterResourceModeling":
			options.General.UseModels = on
		case "PriorityBasedScheduling":
			options.IgnorePriority = !on
		case "SchedulingOvercommitProtection":
			options.Overcommit = !on
		case "MultiplePodTemplatesScheduling":
			options.Placement.MultiplePodTemplates = on
		case "WorkloadAffinity":
			options.Placement.WorkloadAffinity = on
		case "Failover", "GracefulEviction":
			// Gates of controllers; scenarios that need these say so in requires.
		default:
			return options, fmt.Errorf("settings.featureGates: there is no gate %s", gate)
		}
	}
	return options, nil
}

// doEstimator lets the estimator of a member fail, or ends that. Without estimators nothing can fail.
func (e *engine) doEstimator(a *scenario.Action, cluster string) error {
	if e.estimators == nil {
		return nil
	}
	switch {
	case a.Verb == scenario.EstimatorEnd:
		return e.estimators.Mend(e.ctx, cluster)
	case a.EstimatorFault == scenario.EstimateStale:
		return e.estimators.Blind(e.ctx, cluster)
	case a.EstimatorFault == scenario.EstimateWrong:
		return e.estimators.Skew(e.ctx, cluster, a.Factor)
	}
	// An estimator that answers too late has not answered: the scheduler takes both for an error.
	return e.estimators.Break(e.ctx, cluster)
}

// serve sets how fast the API server of a cluster is.
func (e *engine) serve(cluster string, api scenario.API) error {
	service := simulator.DefaultService()
	if api.ServiceTime != nil {
		mean := latency(api.ServiceTime)
		service.Read, service.Write = max(mean.Delay, 0)+mean.Median+mean.Jitter/2, max(mean.Delay, 0)+mean.Median+mean.Jitter/2
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
