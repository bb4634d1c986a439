package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/fleet/local"
	"github.com/seatrial/seatrial/install"
)

func newUninstallCommand() *cobra.Command {
	var kubeconfig, context string
	options := install.RemoveOptions{Namespace: names.NamespaceSystem, Timeout: 3 * time.Minute}
	output := outputText
	command := &cobra.Command{
		Use:   "uninstall --kubeconfig HOST",
		Short: "Remove a control plane from the cluster it was installed in",
		Long: `Remove what "seatrial install" made in the cluster of the kubeconfig: the components, their certificates, etcd and its data, and
the namespace if nothing else is in it.

Nothing is written to members: what runs there goes on running. While clusters are joined it refuses; unjoin them first, or leave
them as they are with --force.`,
		Example: `  seatrial uninstall --kubeconfig host.config

  # What would be removed, whoever is joined
  seatrial uninstall --kubeconfig host.config --force --dry-run`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			host, err := connectHost(kubeconfig, context, options.Namespace)
			if err != nil {
				return err
			}
			removal, err := install.Uninstall(command.Context(), host, options, local.NewProgress(command.ErrOrStderr()))
			if err != nil {
				return err
			}
			if output == outputJSON {
				return printJSON(command.OutOrStdout(), removal)
			}
			return printRemoval(command.OutOrStdout(), removal, options.DryRun)
		},
	}
	addHost(command, &kubeconfig, &context, &options.Namespace)
	command.Flags().BoolVarP(&options.Force, "force", "f", false, "Remove it although clusters are joined, or although it cannot say so; their workloads stay")
	command.Flags().BoolVar(&options.DryRun, "dry-run", false, "Say what would be removed")
	command.Flags().DurationVar(&options.Timeout, "timeout", options.Timeout, "Give up after this time; another run goes on from there")
	output.addTo(command)
	return command
}

func printRemoval(out io.Writer, removal *install.Removal, dry bool) error {
	verb := "removed"
	if dry {
		verb = "would remove"
		for _, change := range removal.Changes {
			fmt.Fprintf(out, "would remove %s %s\n", change.Kind, change.Name)
		}
	}
	if len(removal.Changes) == 0 {
		_, err := fmt.Fprintf(out, "nothing is installed in namespace %s\n", removal.Namespace)
		return err
	}
	fmt.Fprintf(out, "%s %d objects\n", verb, len(removal.Changes))
	if removal.Kept != "" {
		fmt.Fprintf(out, "namespace %s stays: %s\n", removal.Namespace, removal.Kept)
	}
	if len(removal.Members) > 0 {
		fmt.Fprintf(out, "what was propagated to %s runs on there\n", strings.Join(removal.Members, ", "))
	}
	return nil
}
