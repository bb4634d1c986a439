package run

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/utils/ptr"

	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/controllers/deschedule"
	"github.com/seatrial/seatrial/controlplane"
	"github.com/seatrial/seatrial/estimator"
	packing "github.com/seatrial/seatrial/estimator/nodes"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/simulator"
	"github.com/seatrial/seatrial/simulator/invariant"
	"github.com/seatrial/seatrial/simulator/report"
	"github.com/seatrial/seatrial/simulator/scenario"
)

// estimatorTimeout is that of the scheduler unless the scenario says another.
const estimatorTimeout = 3 * time.Second

// Missing lists what a plan needs and there is not: parts of a control plane that it requires, and settings and faults that
// nothing follows.
func Missing(plan *scenario.Plan) []string {
	missing := Absent(plan.Requires)
	note := func(is bool, text string) {
		if is && !slices.Contains(missing, text) {
			missing = append(missing, text)
		}
	}
	for _, o := range plan.Objectives {
		known := o.Subject == "" || slices.ContainsFunc(invariant.SafetyInvariants(), func(i invariant.Safety) bool { return i.Name == o.Subject })
		note(o.Measure == report.Invariant && !known, "invariant "+o.Subject)
	}
	settings := &plan.Settings
	for _, gate := range settings.Gates() {
		note(settings.FeatureGates[gate] && !slices.Contains(followed(), gate), "feature gate "+gate)
	}
	return missing
}

// followed are the feature gates that something here looks at.
func followed() []string {
	return []string{
		"CustomizedClusterResourceModeling", "Failover", gateQuota, "GracefulEviction", "MultiplePodTemplatesScheduling",
		"PriorityBasedScheduling", "PropagateDeps", "PropagationPolicyPreemption", "SchedulingOvercommitProtection", "StatefulFailoverInjection", "WorkloadAffinity",
	}
}

// Absent lists those of some capabilities that the control plane does not have.
func Absent(required []scenario.Capability) []string {
	// A capability is there when all of these controllers are, and when nothing has to be added for it.
	needs := map[scenario.Capability][]string{
		"eviction": {"taintManager", "gracefulEviction"}, "failover": {"taintManager", "applicationFailover"},
		"rebalance": {"workloadRebalancer"}, "dependencies": {"dependencies"},
		"pull": nil, "estimator": nil, "queues": nil, "overcommitProtection": nil,
	}
	all := controlplane.Controllers(controlplane.Defaults())
	var absent []string
	for _, capability := range required {
		lacks := slices.ContainsFunc(needs[capability], func(name string) bool {
			return !slices.ContainsFunc(all, func(c control.Controller) bool { return strings.EqualFold(name, c.Name) })
		})
		if lacks {
			absent = append(absent, string(capability))
		}
	}
	return absent
}

// controllers are those of the controller manager, with the settings of the scenario.
func (e *engine) controllers() ([]control.Controller, error) {
	settings := &e.plan.Settings
	options := controlplane.Defaults()
	options.ClusterStatus = e.clusterStatus()
	options.ClusterMonitor.Grace = settings.ClusterStatus.MonitorGracePeriod.Or(options.ClusterMonitor.Grace)
	e.evictions(&options.Eviction)
	e.rebalancing(&options)
	options.Preemption = e.gate("PropagationPolicyPreemption", options.Preemption)
	options.Components = e.gate("MultiplePodTemplatesScheduling", options.Components)
	options.Dependencies = e.gate("PropagateDeps", options.Dependencies)
	options.Quota.Enforced = e.gate(gateQuota, options.Quota.Enforced)
	options.Autoscale.Metrics = e.metrics()
	all := controlplane.Controllers(options)
	if len(settings.Controllers) > 0 {
		chosen, err := controlplane.Choose(append(all, controlplane.Optional(options)...), settings.Controllers)
		if err != nil {
			return nil, fmt.Errorf("settings.controllers: %w", err)
		}
		all = chosen
	}
	if settings.Descheduler != nil {
		all = append(all, e.descheduler())
	}
	return all, nil
}

// evictions sets how workloads leave clusters.
func (e *engine) evictions(options *eviction.Options) {
	given := &e.plan.Settings.Eviction
	options.Failover = e.gate("Failover", options.Failover)
	options.GracefulEviction = e.gate("GracefulEviction", options.GracefulEviction)
	options.StatefulInjection = e.gate("StatefulFailoverInjection", options.StatefulInjection)
	if e.plan.Settings.AsReference() {
		options.Reference, options.Rate = true, eviction.ReferenceRate
	}
	options.NoExecute = ptr.Deref(given.NoExecute, options.NoExecute)
	options.Rate = ptr.Deref(given.Rate, options.Rate)
	options.SecondaryRate = ptr.Deref(given.SecondaryRate, options.SecondaryRate)
	options.SlowAbove = given.UnhealthyThreshold.Or(options.SlowAbove)
	options.StopFrom = given.StopThreshold.Or(options.StopFrom)
	options.Floor = given.Floor.Or(options.Floor)
	options.NotReady = given.TolerationNotReady.Or(options.NotReady)
	options.Unreachable = given.TolerationUnreachable.Or(options.Unreachable)
	options.Timeout = given.GracefulTimeout.Or(options.Timeout)
}

// rebalancing sets how workloads move between healthy clusters.
func (e *engine) rebalancing(options *controlplane.Options) {
	given := &e.plan.Settings.Rebalance
	options.Eviction.Surge = given.Surge.IntOrPercent()
	options.Failback.Interval = given.Interval.Or(options.Failback.Interval)
	options.Failback.Settling = given.Settling.Or(options.Failback.Settling)
	options.Failback.Rest = given.Rest.Or(options.Failback.Rest)
	options.Failback.Hysteresis = given.Hysteresis.Or(options.Failback.Hysteresis)
	options.Failback.AtOnce = given.AtOnce.Or(options.Failback.AtOnce)
	options.Failback.Decide = e.schedulerOptions().Decide
}

// descheduler is that of the scenario.
func (e *engine) descheduler() control.Controller {
	options := deschedule.Defaults()
	options.Interval = e.plan.Settings.Descheduler.Interval.Or(options.Interval)
	options.Threshold = e.plan.Settings.Descheduler.UnschedulableThreshold.Or(options.Threshold)
	options.Estimators = e.beside()
	return deschedule.New(options)
}

// beside are the estimators of the members.
func (e *engine) beside() *simulator.Estimators {
	if e.estimators == nil {
		e.estimators = e.fleet.Estimators(packing.Options{Assumed: true})
	}
	return e.estimators
}

const gateQuota = "FederatedQuotaEnforcement"

// gate tells whether a feature is on.
func (e *engine) gate(name string, otherwise bool) bool {
	if on, given := e.plan.Settings.FeatureGates[name]; given {
		return on
	}
	return otherwise
}

// schedulerOptions are those of the scheduler, with the settings of the scenario.
func (e *engine) schedulerOptions() scheduler.Options {
	settings := &e.plan.Settings
	options := scheduler.Options{
		Name:           "default-scheduler",
		General:        estimator.General{UseModels: e.gate("CustomizedClusterResourceModeling", true)},
		IgnorePriority: !e.gate("PriorityBasedScheduling", true),
		Overcommit:     !e.gate("SchedulingOvercommitProtection", settings.Profile != scenario.ProfileReference),
		Workers:        cmp.Or(settings.Scheduler.Workers, 64),
	}
	options.ReferenceFailover = settings.AsReference()
	options.DropMoved = settings.AsReference() || !e.gate("GracefulEviction", true)
	options.Placement.MultiplePodTemplates = e.gate("MultiplePodTemplatesScheduling", false)
	options.Placement.WorkloadAffinity = e.gate("WorkloadAffinity", false)
	if e.plan.Scheduling != nil {
		options.Profiles = e.plan.Scheduling.Profiles
	}
	if settings.Estimator.Source == "Nodes" {
		options.Estimators = e.beside()
	}
	return options
}
