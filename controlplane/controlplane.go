// Package controlplane lists the controllers of a control plane, once for all that run them: the controller manager, the
// simulator and the tests. A controller that is listed here runs everywhere.
package controlplane

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/controllers/admit"
	"github.com/seatrial/seatrial/controllers/aggregate"
	"github.com/seatrial/seatrial/controllers/auth"
	"github.com/seatrial/seatrial/controllers/cluster"
	"github.com/seatrial/seatrial/controllers/clusterstatus"
	"github.com/seatrial/seatrial/controllers/collect"
	"github.com/seatrial/seatrial/controllers/cronscale"
	"github.com/seatrial/seatrial/controllers/dependencies"
	"github.com/seatrial/seatrial/controllers/evict"
	"github.com/seatrial/seatrial/controllers/execute"
	"github.com/seatrial/seatrial/controllers/failback"
	"github.com/seatrial/seatrial/controllers/failover"
	"github.com/seatrial/seatrial/controllers/graceful"
	"github.com/seatrial/seatrial/controllers/namespace"
	"github.com/seatrial/seatrial/controllers/propagate"
	"github.com/seatrial/seatrial/controllers/quota"
	"github.com/seatrial/seatrial/controllers/rebalance"
	"github.com/seatrial/seatrial/controllers/remedy"
	"github.com/seatrial/seatrial/controllers/render"
	"github.com/seatrial/seatrial/controllers/replicas"
	"github.com/seatrial/seatrial/controllers/scale"
	"github.com/seatrial/seatrial/controllers/services"
	"github.com/seatrial/seatrial/controllers/taintpolicy"
	"github.com/seatrial/seatrial/controllers/truth"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/policy"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/scheduler/framework"
)

// Options are the settings of the controllers.
type Options struct {
	// SkippedNamespaces are those whose resources are never propagated.
	SkippedNamespaces []*regexp.Regexp
	// SkippedAPIs are kinds that are never propagated.
	SkippedAPIs policy.APIs
	// Preemption, Components and Dependencies are features of propagation: policies that take templates from others, workloads
	// described by their components, and objects that follow those which need them.
	Preemption, Components, Dependencies bool
	// MultiClusterService is the gate of that name.
	MultiClusterService bool

	ClusterStatus clusterstatus.Options
	// ClusterMonitor says when clusters in Pull mode are silent.
	ClusterMonitor cluster.Monitor
	// Eviction is how workloads leave clusters they cannot stay in.
	Eviction eviction.Options
	// Failback is how workloads move by themselves whose policies say so. Without a Decide of its own it foresees what the built-in
	// plugins of the scheduler would decide.
	Failback failback.Options
	// Evictions is told how the queue of evictions moves; nil for nobody.
	Evictions evict.Recorder
	// Quota is how FederatedResourceQuotas are counted.
	Quota quota.Options
	// Autoscale is how FederatedHPAs scale, Cron how CronFederatedHPAs do.
	Autoscale scale.Options
	Cron      cronscale.Options
	// Truth is told how placements turned out; nil for nobody.
	Truth truth.Recorder
	// Agents is how agents are let in.
	Agents  admit.Options
	Workers Workers
}

// Workers are how many keys of each sort have their turns at once.
type Workers struct{ Clusters, Works, Bindings, Templates, Namespaces int }

// Defaults are those of the reference.
func Defaults() Options {
	return Options{
		SkippedNamespaces: []*regexp.Regexp{regexp.MustCompile("^(?:kube-.*)$")},
		Dependencies:      true,
		ClusterStatus:     clusterstatus.Defaults(),
		ClusterMonitor:    cluster.DefaultMonitor(),
		Eviction:          eviction.Defaults(),
		Failback:          failback.Defaults(),
		Quota:             quota.Defaults(),
		Autoscale:         scale.Defaults(),
		Cron:              cronscale.Defaults(),
		Agents:            admit.Defaults(),
		Workers:           Workers{Clusters: 5, Works: 5, Bindings: 5, Templates: 5, Namespaces: 1},
	}
}

// Controllers are all of the controller manager, in the order in which they are told to users. The scheduler is a process of
// its own and not among them.
func Controllers(options Options) []control.Controller {
	workers := options.Workers
	status := options.ClusterStatus
	status.Workers = workers.Clusters
	skipped := policy.Skipped{Namespaces: options.SkippedNamespaces, APIs: options.SkippedAPIs}
	settled := options.Truth
	if settled == nil {
		settled = unread{}
	}
	evictions := options.Evictions
	if evictions == nil {
		evictions = unread{}
	}
	all := []control.Controller{
		cluster.New(options.ClusterMonitor, workers.Clusters),
		clusterstatus.New(status),
		namespace.New(options.SkippedNamespaces, workers.Namespaces),
		propagate.New(propagate.Options{
			Skipped: skipped, Preemption: options.Preemption, Components: options.Components, Workers: workers.Templates,
		}),
		render.New(options.Eviction, workers.Bindings),
		execute.New(control.Scope{}, workers.Works),
		collect.New(control.Scope{}, workers.Works),
		aggregate.New(workers.Bindings),
		truth.New(settled, truth.Defaults()),
		taintpolicy.New(workers.Clusters),
		evict.New(options.Eviction, evictions, workers.Bindings),
		graceful.New(options.Eviction, workers.Bindings),
		failover.New(options.Eviction, workers.Bindings),
		rebalance.New(options.Eviction, workers.Bindings),
		failback.New(returning(options)),
	}
	quotas := options.Quota
	quotas.Workers = workers.Clusters
	all = append(all, quota.New(quotas)...)
	all = append(all, auth.New(workers.Clusters), remedy.New(workers.Clusters))
	all = append(all, services.New(services.Options{MultiClusterService: options.MultiClusterService, Workers: workers.Works})...)
	all = append(all, scale.New(options.Autoscale), cronscale.New(options.Cron))
	if options.Dependencies {
		all = append(all, dependencies.New(dependencies.Options{Skipped: skipped, Workers: workers.Bindings}))
	}
	return all
}

// returning completes the settings of failback.
func returning(options Options) failback.Options {
	settings := options.Failback
	settings.Eviction = options.Eviction
	if settings.Decide == nil {
		foreseen := scheduler.Options{Name: framework.DefaultScheduler, General: estimator.General{UseModels: true}}
		foreseen.Placement.MultiplePodTemplates = options.Components
		settings.Decide = foreseen.Decide
	}
	return settings
}

// Registration are the controllers that let agents in, where there is a network and somebody to keep out: in live control planes.
func Registration(options Options) []control.Controller {
	agents := options.Agents
	agents.Workers = options.Workers.Clusters
	return []control.Controller{admit.New(agents)}
}

// Optional are the controllers that run only where they are named. The reference leaves them off as well.
func Optional(options Options) []control.Controller {
	return []control.Controller{replicas.Marker(options.Workers.Templates), replicas.Syncer(options.Workers.Templates)}
}

// unread drops what the controllers measure.
type unread struct{}

func (unread) Settled(string, int32, int32) {}

func (unread) Ready(string, int64, bool) {}

func (unread) Gone(string) {}

func (unread) Depth(int) {}

func (unread) Processed(string, string, time.Duration, error) {}

// Choose takes the controllers that a list names: * is all but the optional ones, NAME adds one, -NAME leaves one out. Names are
// compared without regard to case, as in the reference.
func Choose(all []control.Controller, wanted []string) ([]control.Controller, error) {
	among := func(list []control.Controller, name string) bool {
		return slices.ContainsFunc(list, func(c control.Controller) bool { return strings.EqualFold(c.Name, name) })
	}
	off := Optional(Defaults())
	everything := slices.Contains(wanted, "*")
	var named []string
	for _, entry := range wanted {
		name := strings.TrimPrefix(entry, "-")
		if entry == "*" {
			continue
		}
		if !among(all, name) {
			return nil, fmt.Errorf("there is no controller %q; the controllers are %s", name, listed(all))
		}
		named = append(named, strings.ToLower(entry))
	}
	var chosen []control.Controller
	for _, controller := range all {
		name := strings.ToLower(controller.Name)
		if slices.Contains(named, name) || everything && !slices.Contains(named, "-"+name) && !among(off, name) {
			chosen = append(chosen, controller)
		}
	}
	return chosen, nil
}

func listed(all []control.Controller) string {
	names := make([]string, 0, len(all))
	for _, controller := range all {
		names = append(names, controller.Name)
	}
	return strings.Join(names, ", ")
}
