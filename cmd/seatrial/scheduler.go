package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/component-base/featuregate"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/scheduler"
)

// Feature gates of the scheduler, by the names of the reference.
const (
	gateResourceModeling     featuregate.Feature = "CustomizedClusterResourceModeling"
	gatePriority             featuregate.Feature = "PriorityBasedScheduling"
	gateMultiplePodTemplates featuregate.Feature = "MultiplePodTemplatesScheduling"
	gateWorkloadAffinity     featuregate.Feature = "WorkloadAffinity"
	gateOvercommitProtection featuregate.Feature = "SchedulingOvercommitProtection"
)

// decisionOptions are the flags that change decisions: those of the scheduler, and of what explains it.
type decisionOptions struct {
	scheduler.Options
	gates featuregate.MutableVersionedFeatureGate
}

func newDecisionOptions() *decisionOptions {
	gates := featuregate.NewFeatureGate()
	runtime.Must(gates.Add(map[featuregate.Feature]featuregate.FeatureSpec{
		gateResourceModeling:     {Default: true, PreRelease: featuregate.Beta},
		gatePriority:             {Default: true, PreRelease: featuregate.Beta},
		gateMultiplePodTemplates: {Default: false, PreRelease: featuregate.Alpha},
		gateWorkloadAffinity:     {Default: false, PreRelease: featuregate.Alpha},
		gateOvercommitProtection: {Default: true, PreRelease: featuregate.Beta},
	}))
	return &decisionOptions{Options: scheduler.Options{Name: "default-scheduler"}, gates: gates}
}

func (o *decisionOptions) addFlags(flags *pflag.FlagSet) {
	flags.BoolVar(&o.Placement.EmptyWorkloadPropagation, "enable-empty-workload-propagation", false, "Also propagate to chosen clusters that get no replica")
	o.gates.AddFlag(flags)
}

// complete applies the gates.
func (o *decisionOptions) complete() scheduler.Options {
	options := o.Options
	options.General = estimator.General{UseModels: o.gates.Enabled(gateResourceModeling)}
	options.IgnorePriority = !o.gates.Enabled(gatePriority)
	options.Overcommit = !o.gates.Enabled(gateOvercommitProtection)
	options.Placement.MultiplePodTemplates = o.gates.Enabled(gateMultiplePodTemplates)
	options.Placement.WorkloadAffinity = o.gates.Enabled(gateWorkloadAffinity)
	return options
}

func newSchedulerCommand() *cobra.Command {
	process := newProcessOptions("karmada-scheduler", ":10351")
	decisions := newDecisionOptions()
	decisions.Workers = 64
	command := &cobra.Command{
		Use:   "scheduler",
		Short: "Decide to which clusters bindings go",
		Long: `Run the scheduler: it places every binding that names it on the member clusters, by the binding's placement and the
state of the fleet. Bindings of higher priority go first, and the namespaces of one priority take turns.`,
		Example: `  seatrial scheduler --kubeconfig karmada.kubeconfig

  # A second scheduler, for the policies that name it
  seatrial scheduler --kubeconfig karmada.kubeconfig --scheduler-name=batch --leader-elect-resource-name=batch-scheduler`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			driver, err := process.driver()
			if err != nil {
				return err
			}
			options := decisions.complete()
			if options.Recorder, err = newSchedulerMetrics(metrics.Registry); err != nil {
				return err
			}
			if err := driver.Add(command.Context(), scheduler.New(options)); err != nil {
				return err
			}
			return driver.Manager().Start(command.Context())
		},
	}
	process.addFlags(command.Flags())
	decisions.addFlags(command.Flags())
	command.Flags().StringVar(&decisions.Name, "scheduler-name", decisions.Name, "Serve the bindings that name this scheduler")
	command.Flags().IntVar(&decisions.Workers, "concurrent-writes", decisions.Workers, "Decisions that are being written at once")
	return command
}
