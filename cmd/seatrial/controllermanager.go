package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/controllers/aggregate"
	"github.com/seatrial/seatrial/controllers/cluster"
	"github.com/seatrial/seatrial/controllers/clusterstatus"
	"github.com/seatrial/seatrial/controllers/collect"
	"github.com/seatrial/seatrial/controllers/execute"
	"github.com/seatrial/seatrial/controllers/namespace"
	"github.com/seatrial/seatrial/controllers/propagate"
	"github.com/seatrial/seatrial/controllers/render"
)

// managerOptions are the flags of the controller manager.
type managerOptions struct {
	process           *processOptions
	controllers       []string
	skippedNamespaces []string
	clusterStatus     clusterstatus.Options

	clusterSyncs, workSyncs, bindingSyncs, templateSyncs, namespaceSyncs int
}

func newControllerManagerCommand() *cobra.Command {
	options := &managerOptions{
		process:     newProcessOptions("karmada-controller-manager", ":10357"),
		controllers: []string{"*"}, skippedNamespaces: []string{"kube-.*"},
		clusterStatus: clusterstatus.Defaults(),
		clusterSyncs:  5, workSyncs: 5, bindingSyncs: 5, templateSyncs: 5, namespaceSyncs: 1,
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
	o.process.addFlags(flags)
	o.process.addMemberFlags(flags)
	flags.StringSliceVar(&o.controllers, "controllers", o.controllers, "Controllers to run: * is all, NAME adds one, -NAME leaves one out")
	flags.StringSliceVar(&o.skippedNamespaces, "skipped-propagating-namespaces", o.skippedNamespaces, "Regular expressions of namespaces whose resources are never propagated")
	flags.DurationVar(&o.clusterStatus.UpdateFrequency, "cluster-status-update-frequency", o.clusterStatus.UpdateFrequency, "Interval of looking at each member")
	flags.DurationVar(&o.clusterStatus.FailureThreshold, "cluster-failure-threshold", o.clusterStatus.FailureThreshold, "How long a member must fail before it counts as not ready")
	flags.DurationVar(&o.clusterStatus.SuccessThreshold, "cluster-success-threshold", o.clusterStatus.SuccessThreshold, "How long a failed member must answer before it counts as ready again")
	flags.BoolVar(&o.clusterStatus.ResourceModeling, "enable-cluster-resource-modeling", o.clusterStatus.ResourceModeling, "Count the nodes of each member by resource-model grade")
	flags.IntVar(&o.clusterSyncs, "concurrent-cluster-syncs", o.clusterSyncs, "Clusters handled at once")
	flags.IntVar(&o.workSyncs, "concurrent-work-syncs", o.workSyncs, "Works handled at once")
	flags.IntVar(&o.bindingSyncs, "concurrent-resourcebinding-syncs", o.bindingSyncs, "Bindings handled at once")
	flags.IntVar(&o.templateSyncs, "concurrent-resource-template-syncs", o.templateSyncs, "Templates and policies handled at once")
	flags.IntVar(&o.namespaceSyncs, "concurrent-namespace-syncs", o.namespaceSyncs, "Namespaces handled at once")
}

// run runs the chosen controllers until the context ends.
func (o *managerOptions) run(command *cobra.Command) error {
	all, err := o.all()
	if err != nil {
		return err
	}
	chosen, err := choose(all, o.controllers)
	if err != nil {
		return err
	}
	driver, err := o.process.driver()
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
func (o *managerOptions) all() ([]control.Controller, error) {
	skipped, err := patterns(o.skippedNamespaces)
	if err != nil {
		return nil, err
	}
	o.clusterStatus.Workers = o.clusterSyncs
	return []control.Controller{
		cluster.New(o.clusterSyncs),
		clusterstatus.New(o.clusterStatus),
		namespace.New(skipped, o.namespaceSyncs),
		propagate.New(propagate.Options{SkippedNamespaces: skipped, Workers: o.templateSyncs}),
		render.New(o.bindingSyncs),
		execute.New(o.workSyncs),
		collect.New(o.workSyncs),
		aggregate.New(o.bindingSyncs),
	}, nil
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

// choose applies the flag --controllers; names are compared without regard to case, as in the reference.
func choose(all []control.Controller, wanted []string) ([]control.Controller, error) {
	known := func(name string) bool {
		return slices.ContainsFunc(all, func(c control.Controller) bool { return strings.EqualFold(c.Name, name) })
	}
	everything := slices.Contains(wanted, "*")
	var named []string
	for _, entry := range wanted {
		name := strings.TrimPrefix(entry, "-")
		if entry == "*" {
			continue
		}
		if !known(name) {
			return nil, fmt.Errorf("--controllers: there is no controller %q; the controllers are %s", name, controllerNames(all))
		}
		named = append(named, strings.ToLower(entry))
	}
	var chosen []control.Controller
	for _, controller := range all {
		name := strings.ToLower(controller.Name)
		if slices.Contains(named, name) || everything && !slices.Contains(named, "-"+name) {
			chosen = append(chosen, controller)
		}
	}
	return chosen, nil
}

func controllerNames(all []control.Controller) string {
	list := make([]string, 0, len(all))
	for _, controller := range all {
		list = append(list, controller.Name)
	}
	return strings.Join(list, ", ")
}
