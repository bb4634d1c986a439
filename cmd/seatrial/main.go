// Command seatrial is a control plane for fleets of Kubernetes clusters: its components, and the tools to run and ask them.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/seatrial/seatrial/cli"
	"github.com/seatrial/seatrial/component"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// Once stopping, a second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	if err := newRootCommand().ExecuteContext(ctx); err != nil {
		tell(os.Stderr, err)
		stop()
		os.Exit(exitCode(err))
	}
}

// tell says why a command failed, unless that was said before. What a server answered says itself that it is an error.
func tell(out io.Writer, err error) {
	text := err.Error()
	if text != "" && !strings.HasPrefix(text, "Error ") {
		text = "Error: " + text
	}
	if text != "" {
		fmt.Fprintln(out, text)
	}
}

func newRootCommand() *cobra.Command {
	const (
		fleetGroup     = "fleet"
		installGroup   = "installation"
		memberGroup    = "members"
		resourceGroup  = "resources"
		decisionGroup  = "decisions"
		componentGroup = "components"
	)
	root := &cobra.Command{
		Use:   "seatrial",
		Short: "A Karmada-compatible control plane for fleets of Kubernetes clusters",
		Long: `Seatrial propagates Kubernetes resources to the clusters of a fleet, through the API of Karmada.

Start a fleet of real clusters on this machine with "seatrial up".`,
		Example: `  # A control plane, three member clusters and nginx on all of them
  seatrial up

  # What runs, and how it is
  seatrial status`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddGroup(
		&cobra.Group{ID: fleetGroup, Title: "A fleet on this machine:"},
		&cobra.Group{ID: installGroup, Title: "A control plane in a cluster:"},
		&cobra.Group{ID: memberGroup, Title: "Member clusters:"},
		&cobra.Group{ID: resourceGroup, Title: "Resources of the control plane and of members:"},
		&cobra.Group{ID: decisionGroup, Title: "Decisions:"},
		&cobra.Group{ID: componentGroup, Title: "Components of a control plane:"},
	)
	add := func(group string, commands ...*cobra.Command) {
		for _, command := range commands {
			command.GroupID = group
			root.AddCommand(command)
		}
	}
	add(fleetGroup, newUpCommand(), newStatusCommand(), newDownCommand())
	add(installGroup, newInstallCommand(), newUninstallCommand())
	add(memberGroup, newJoinCommand(), newUnjoinCommand(), newCordonCommand(), newUncordonCommand(), newDrainCommand(), newTaintCommand(), newTokenCommand(), newRegisterCommand(), newUnregisterCommand())
	streams := genericiooptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	add(resourceGroup, cli.Commands(streams)...)
	add(componentGroup, newServerCommands()...)
	add(componentGroup, newControllerManagerCommand(), component.NewScheduler(nil), component.NewDescheduler(), newWebhookCommand(), newAgentCommand(), newEstimatorCommand())
	add(decisionGroup, newSimulateCommand(), newExplainCommand(streams), newRebalanceCommand(), newEstimateCommand(), newInterpretCommand(), newFuzzCommand())
	root.AddCommand(newVersionCommand())
	return root
}
