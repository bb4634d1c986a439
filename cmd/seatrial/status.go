package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/local"
)

func newStatusCommand() *cobra.Command {
	var stateDir string
	output := outputText
	command := &cobra.Command{
		Use:   "status",
		Short: "Show what runs on this machine, and how it is",
		Long: `Show the clusters, the components and the example workload of the fleet on this machine.

The exit code is 1 when something that was started does not run or is not healthy, and 0 otherwise, also when nothing was
started or "seatrial down" ended it.`,
		Example: `  seatrial status

  # The clusters that do not run
  seatrial status -o json | jq -r '.clusters[] | select(.state != "running") | .name'`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			installation, err := openInstallation(stateDir)
			if err != nil {
				return err
			}
			status, err := installation.Status(command.Context())
			if err != nil {
				return err
			}
			show := printStatus
			if output == outputJSON {
				show = printJSON[*local.Status]
			}
			if err := show(command.OutOrStdout(), status); err != nil {
				return err
			}
			if faults := status.Faults(); len(faults) > 0 {
				return fmt.Errorf("not all is well: %s; `seatrial up` starts and joins what is missing", strings.Join(faults, "; "))
			}
			return nil
		},
	}
	addStateDir(command, &stateDir)
	output.addTo(command)
	return command
}

func printJSON[T any](out io.Writer, value T) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

func printStatus(out io.Writer, status *local.Status) error {
	if len(status.Clusters) == 0 {
		_, err := fmt.Fprintf(out, "nothing runs: there is no fleet in %s; start one with `seatrial up`\n", status.StateDir)
		return err
	}
	clusters := newTable(out, "CLUSTER", "ROLE", "STATE", "ENDPOINT", "NODES", "VERSION", "READY")
	for _, cluster := range status.Clusters {
		fmt.Fprintf(clusters, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", cluster.Name, cluster.Role, stateOf(cluster), cluster.Endpoint,
			nodesOf(cluster), orDash(cluster.Version), cluster.Ready)
	}
	if err := clusters.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	components := newTable(out, "COMPONENT", "PID", "STATE", "HEALTH", "LOG")
	for _, component := range status.Components {
		pid := ""
		if component.PID != 0 {
			pid = strconv.Itoa(component.PID)
		}
		fmt.Fprintf(components, "%s\t%s\t%s\t%s\t%s\n", component.Name, orDash(pid), component.State, component.Health, component.Log)
	}
	if err := components.Flush(); err != nil {
		return err
	}
	if status.Example != nil {
		fmt.Fprintln(out)
		if err := printWorkload(out, status.Example); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(out, "\nexport KUBECONFIG=%s\n", status.Kubeconfig)
	return err
}

func stateOf(cluster local.ClusterStatus) string {
	if cluster.Partitioned {
		return string(cluster.State) + ", partitioned"
	}
	return string(cluster.State)
}

func nodesOf(cluster local.ClusterStatus) string {
	if cluster.Role != fleet.Member || cluster.Version == "" {
		return "-"
	}
	return fmt.Sprintf("%d/%d", cluster.ReadyNodes, cluster.Nodes)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
