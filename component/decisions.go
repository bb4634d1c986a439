package component

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/component-base/featuregate"
	"k8s.io/klog/v2"

	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/scheduler/framework"
	"github.com/seatrial/seatrial/scheduler/framework/extender"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// Feature gates of the scheduler, by the names of the reference.
const (
	GateResourceModeling     featuregate.Feature = "CustomizedClusterResourceModeling"
	GatePriority             featuregate.Feature = "PriorityBasedScheduling"
	GateMultiplePodTemplates featuregate.Feature = "MultiplePodTemplatesScheduling"
	GateWorkloadAffinity     featuregate.Feature = "WorkloadAffinity"
	GateOvercommitProtection featuregate.Feature = "SchedulingOvercommitProtection"
	GateGracefulEviction     featuregate.Feature = "GracefulEviction"
)

// Decisions are the flags that change decisions: those of the scheduler, and of what explains it.
type Decisions struct {
	// Estimators say which estimators of members are asked.
	Estimators Estimators

	registry    framework.Registry
	name        string
	config      string
	plugins     []string
	base        placement.Options
	gates       featuregate.MutableVersionedFeatureGate
	warnOfGates func()
	// referenceFailover is scheduler.Options.ReferenceFailover.
	referenceFailover bool
}

// NewDecisions has the defaults of the reference, but for the protection from overcommitment, which is on. The registry holds
// the plugins that are compiled in beside the built-in ones.
func NewDecisions(registry framework.Registry) *Decisions {
	gates := featuregate.NewFeatureGate()
	runtime.Must(gates.Add(map[featuregate.Feature]featuregate.FeatureSpec{
		GateResourceModeling:     {Default: true, PreRelease: featuregate.Beta},
		GatePriority:             {Default: true, PreRelease: featuregate.Beta},
		GateMultiplePodTemplates: {Default: false, PreRelease: featuregate.Alpha},
		GateWorkloadAffinity:     {Default: false, PreRelease: featuregate.Alpha},
		GateOvercommitProtection: {Default: true, PreRelease: featuregate.Beta},
		GateGracefulEviction:     {Default: true, PreRelease: featuregate.Beta},
	}))
	return &Decisions{
		Estimators: newEstimators(), registry: registry, name: framework.DefaultScheduler, plugins: []string{"*"},
		gates: gates, warnOfGates: AddOtherGates(gates),
	}
}

// AddTo adds the flags to a command.
func (d *Decisions) AddTo(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&d.name, "scheduler-name", d.name, "Decide about the bindings that name this scheduler")
	flags.StringVar(&d.config, "config", "", "File that says which plugins and extenders decide for which scheduler name")
	flags.StringSliceVar(&d.plugins, "plugins", d.plugins, "Plugins that decide: * for those on by default, names, and -name for all but that one")
	flags.BoolVar(&d.base.EmptyWorkloadPropagation, "enable-empty-workload-propagation", false, "Also propagate to chosen clusters that get no replica")
	d.Estimators.addFlags(flags)
	flags.BoolVar(&d.referenceFailover, "reference-failover", false, "Let workloads leave clusters whether others can take them or not, as the reference does. The controller manager has the same flag")
	d.gates.AddFlag(flags)
	command.MarkFlagsMutuallyExclusive("config", "plugins")
	command.MarkFlagsMutuallyExclusive("config", "scheduler-name")
	// It fails only for a flag that does not exist.
	_ = command.MarkFlagFilename("config", "yaml", "yml", "json")
}

// Options reads the configuration file, if there is one, and applies the gates. Estimators and Recorder are left to the caller.
func (d *Decisions) Options() (scheduler.Options, error) {
	d.warnOfGates()
	configuration, err := d.configuration()
	if err != nil {
		return scheduler.Options{}, err
	}
	options := scheduler.Options{
		Name: d.name, Profiles: configuration.Profiles, Placement: d.base,
		General:        estimator.General{UseModels: d.gates.Enabled(GateResourceModeling)},
		IgnorePriority: !d.gates.Enabled(GatePriority),
		Overcommit:     !d.gates.Enabled(GateOvercommitProtection),

		ReferenceFailover: d.referenceFailover,
		DropMoved:         d.referenceFailover || !d.gates.Enabled(GateGracefulEviction),
	}
	options.Placement.MultiplePodTemplates = d.gates.Enabled(GateMultiplePodTemplates)
	options.Placement.WorkloadAffinity = d.gates.Enabled(GateWorkloadAffinity)
	if len(configuration.Extenders) == 0 {
		return options, nil
	}
	extenders, err := extender.New(configuration.Extenders, func(url string, err error) {
		klog.ErrorS(err, "Deciding without an extender", "extender", url)
	})
	if err != nil {
		return scheduler.Options{}, fmt.Errorf("preparing the extenders of %s: %w", d.config, err)
	}
	options.Gather = extenders.Gather
	return options, nil
}

func (d *Decisions) configuration() (*framework.Configuration, error) {
	if d.config == "" {
		configuration, err := framework.Named(d.name, d.plugins, d.registry)
		if err != nil {
			return nil, fmt.Errorf("reading --plugins: %w", err)
		}
		return configuration, nil
	}
	content, err := os.ReadFile(d.config)
	if err != nil {
		return nil, fmt.Errorf("reading --config: %w", err)
	}
	return framework.Load(d.config, content, d.registry)
}
