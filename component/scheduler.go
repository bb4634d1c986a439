package component

import (
	"context"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/seatrial/seatrial/controllers/live"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/scheduler/framework"
)

// NewScheduler is the command that runs a scheduler. The registry holds the plugins that are compiled in beside the built-in
// ones; nil for none.
func NewScheduler(registry framework.Registry) *cobra.Command {
	process := NewProcess("karmada-scheduler", ":10351")
	decisions := NewDecisions(registry)
	workers := 64
	command := &cobra.Command{
		Use:   "scheduler",
		Short: "Decide to which clusters bindings go",
		Long: `Run the scheduler: it places every binding that names it on the member clusters, by the binding's placement and the
state of the fleet. Bindings of higher priority go first, and the namespaces of one priority take turns.

Without --config it serves one scheduler name. A configuration file may list several, each with plugins of its own, and the
extenders that all of them ask.`,
		Example: `  seatrial scheduler --kubeconfig karmada.kubeconfig

  # A second scheduler, for the policies that name it
  seatrial scheduler --kubeconfig karmada.kubeconfig --scheduler-name=batch --leader-elect-resource-name=batch-scheduler

  # Several schedulers in one process, with plugins and extenders
  seatrial scheduler --kubeconfig karmada.kubeconfig --config scheduler.yaml

  # Estimates by the nodes of the members
  seatrial scheduler --kubeconfig karmada.kubeconfig --enable-scheduler-estimator`,
		Args: cobra.NoArgs,
		// Errors are told by main, without the list of flags.
		SilenceUsage: true, SilenceErrors: true,
		RunE: func(command *cobra.Command, _ []string) error {
			options, err := decisions.Options()
			if err != nil {
				return err
			}
			options.Workers = workers
			driver, err := process.Driver()
			if err != nil {
				return err
			}
			return run(command.Context(), driver, options, &decisions.Estimators)
		},
	}
	process.AddFlags(command.Flags())
	process.AddMasterFlag(command.Flags())
	decisions.AddTo(command)
	command.Flags().IntVar(&workers, "concurrent-writes", workers, "Decisions that are being prepared or written at once")
	return command
}

// run returns when the context has ended and all has stopped, or with an error.
func run(ctx context.Context, driver *live.Driver, options scheduler.Options, estimators *Estimators) error {
	recorder, err := newSchedulerMetrics(metrics.Registry)
	if err != nil {
		return err
	}
	options.Recorder = recorder
	members := &Members{}
	asked, err := estimators.Connect(ctx, driver.Manager().GetConfig(), members, metrics.Registry)
	if err != nil {
		return err
	}
	if asked != nil {
		defer asked.Close()
		options.Estimators = asked
	}
	if err := driver.Add(ctx, scheduler.New(options)); err != nil {
		return err
	}
	if asked != nil {
		if err := members.Follow(ctx, driver.Manager().GetCache()); err != nil {
			return err
		}
	}
	return driver.Manager().Start(ctx)
}
