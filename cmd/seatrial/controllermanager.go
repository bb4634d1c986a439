package main

import (
	"fmt"
	"regexp"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/seatrial/seatrial/component"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/controllers/truth"
	"github.com/seatrial/seatrial/controlplane"
)

// managerOptions are the flags of the controller manager.
type managerOptions struct {
	process           *component.Process
	controllers       []string
	skippedNamespaces []string
	settings          controlplane.Options
}

func newControllerManagerCommand() *cobra.Command {
	options := &managerOptions{
		process:     component.NewProcess("karmada-controller-manager", ":10357"),
		controllers: []string{"*"}, skippedNamespaces: []string{"kube-.*"},
		settings: controlplane.Defaults(),
	}
	command := &cobra.Command{
		Use:   "controller-manager",
		Short: "Run the controllers of a control plane",
		Long: `Run the controllers that claim templates for policies, render and execute Works in the member clusters, and bring
their status back.`,
		Example: `  seatrial controller-manager --kubeconfig karmada.kubeconfig

  # Everything but the namespace controller
  seatrial controller-manager --kubeconfig karmada.kubeconfig --controllers='*,-namespace'`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return options.run(command) },
	}
	options.addFlags(command.Flags())
	return command
}

func (o *managerOptions) addFlags(flags *pflag.FlagSet) {
	o.process.AddFlags(flags)
	o.process.AddMemberFlags(flags)
	flags.StringSliceVar(&o.controllers, "controllers", o.controllers, "Controllers to run: * is all, NAME adds one, -NAME leaves one out")
	flags.StringSliceVar(&o.skippedNamespaces, "skipped-propagating-namespaces", o.skippedNamespaces, "Regular expressions of namespaces whose resources are never propagated")
	flags.DurationVar(&o.settings.ClusterStatus.UpdateFrequency, "cluster-status-update-frequency", o.settings.ClusterStatus.UpdateFrequency, "Interval of looking at each member")
	flags.DurationVar(&o.settings.ClusterStatus.FailureThreshold, "cluster-failure-threshold", o.settings.ClusterStatus.FailureThreshold, "How long a member must fail before it counts as not ready")
	flags.DurationVar(&o.settings.ClusterStatus.SuccessThreshold, "cluster-success-threshold", o.settings.ClusterStatus.SuccessThreshold, "How long a failed member must answer before it counts as ready again")
	flags.BoolVar(&o.settings.ClusterStatus.ResourceModeling, "enable-cluster-resource-modeling", o.settings.ClusterStatus.ResourceModeling, "Count the nodes of each member by resource-model grade")
	flags.IntVar(&o.settings.Workers.Clusters, "concurrent-cluster-syncs", o.settings.Workers.Clusters, "Clusters handled at once")
	flags.IntVar(&o.settings.Workers.Works, "concurrent-work-syncs", o.settings.Workers.Works, "Works handled at once")
	flags.IntVar(&o.settings.Workers.Bindings, "concurrent-resourcebinding-syncs", o.settings.Workers.Bindings, "Bindings handled at once")
	flags.IntVar(&o.settings.Workers.Templates, "concurrent-resource-template-syncs", o.settings.Workers.Templates, "Templates and policies handled at once")
	flags.IntVar(&o.settings.Workers.Namespaces, "concurrent-namespace-syncs", o.settings.Workers.Namespaces, "Namespaces handled at once")
}

// run runs the chosen controllers until the context ends.
func (o *managerOptions) run(command *cobra.Command) error {
	estimates, err := newEstimateErrors(metrics.Registry)
	if err != nil {
		return err
	}
	all, err := o.all(estimates)
	if err != nil {
		return err
	}
	chosen, err := controlplane.Choose(all, o.controllers)
	if err != nil {
		return fmt.Errorf("--controllers: %w", err)
	}
	driver, err := o.process.Driver()
	if err != nil {
		return err
	}
	for _, controller := range chosen {
		if err := driver.Add(command.Context(), controller); err != nil {
			return err
		}
	}
	return driver.Manager().Start(command.Context())
}

// all lists every controller of the manager.
func (o *managerOptions) all(estimates truth.Recorder) ([]control.Controller, error) {
	skipped, err := patterns(o.skippedNamespaces)
	if err != nil {
		return nil, err
	}
	o.settings.SkippedNamespaces, o.settings.Truth = skipped, estimates
	return controlplane.Controllers(o.settings), nil
}

// patterns compiles expressions that must match a whole name.
func patterns(expressions []string) ([]*regexp.Regexp, error) {
	var compiled []*regexp.Regexp
	for _, expression := range expressions {
		pattern, err := regexp.Compile("^(?:" + expression + ")$")
		if err != nil {
			return nil, fmt.Errorf("--skipped-propagating-namespaces: %q is no regular expression: %w", expression, err)
		}
		compiled = append(compiled, pattern)
	}
	return compiled, nil
}
