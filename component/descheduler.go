package component

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/seatrial/seatrial/controllers/deschedule"
	"github.com/seatrial/seatrial/controllers/live"
)

// NewDescheduler is the command that runs a descheduler.
func NewDescheduler() *cobra.Command {
	process := NewProcess("karmada-descheduler", ":10358")
	estimators := newEstimators()
	estimators.enabled = true
	options := deschedule.Defaults()
	command := &cobra.Command{
		Use:   "descheduler",
		Short: "Take replicas from clusters that have no room for them",
		Long: `Run the descheduler: at intervals it asks the estimators of the members which replicas of Deployments have found no node for
some time, and takes those away, so that the scheduler places them elsewhere. What is ready stays.`,
		Example: `  seatrial descheduler --kubeconfig karmada.kubeconfig

  # Sooner
  seatrial descheduler --kubeconfig karmada.kubeconfig --descheduling-interval=30s --unschedulable-threshold=1m`,
		Args:         cobra.NoArgs,
		SilenceUsage: true, SilenceErrors: true,
		RunE: func(command *cobra.Command, _ []string) error {
			if options.Interval <= 0 {
				return fmt.Errorf("--descheduling-interval: %s is no interval", options.Interval)
			}
			driver, err := process.Driver()
			if err != nil {
				return err
			}
			return runDescheduler(command.Context(), driver, options, &estimators)
		},
	}
	flags := command.Flags()
	process.AddFlags(flags)
	process.AddMasterFlag(flags)
	estimators.addReachFlags(flags)
	flags.DurationVar(&options.Interval, "descheduling-interval", options.Interval, "Time between two looks at all workloads")
	flags.DurationVar(&options.Threshold, "unschedulable-threshold", options.Threshold, "How long a replica waits for a node before it is taken away")
	return command
}

// runDescheduler returns when the context has ended and all has stopped, or with an error.
func runDescheduler(ctx context.Context, driver *live.Driver, options deschedule.Options, estimators *Estimators) error {
	members := &Members{}
	asked, err := estimators.Connect(ctx, driver.Manager().GetConfig(), members, metrics.Registry)
	if err != nil {
		return err
	}
	defer asked.Close()
	options.Estimators = asked
	if err := driver.Add(ctx, deschedule.New(options)); err != nil {
		return err
	}
	if err := members.Follow(ctx, driver.Manager().GetCache()); err != nil {
		return err
	}
	return driver.Manager().Start(ctx)
}
