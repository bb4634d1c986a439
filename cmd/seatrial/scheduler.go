package main

import (
	"github.com/spf13/cobra"

	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/scheduler"
)

func newSchedulerCommand() *cobra.Command {
	process := newProcessOptions("karmada-scheduler", ":10351")
	options := scheduler.Options{Name: "default-scheduler", General: estimator.General{UseModels: true}, Workers: 1}
	command := &cobra.Command{
		Use:   "scheduler",
		Short: "Decide to which clusters bindings go",
		Long: `Run the scheduler: it places every binding that names it on the member clusters, by the binding's placement and the
state of the fleet.`,
		Example: "  seatrial scheduler --kubeconfig karmada.kubeconfig",
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			driver, err := process.driver()
			if err != nil {
				return err
			}
			if err := driver.Add(command.Context(), scheduler.New(options)); err != nil {
				return err
			}
			return driver.Manager().Start(command.Context())
		},
	}
	process.addFlags(command.Flags())
	command.Flags().StringVar(&options.Name, "scheduler-name", options.Name, "Serve the bindings that name this scheduler")
	command.Flags().BoolVar(&options.Placement.EmptyWorkloadPropagation, "enable-empty-workload-propagation", false, "Also propagate to chosen clusters that get no replica")
	return command
}
