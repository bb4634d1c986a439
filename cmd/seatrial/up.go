package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/local"
)

func newUpCommand() *cobra.Command {
	var stateDir string
	options := local.UpOptions{Members: 3, Example: true, Timeout: 5 * time.Minute}
	output := outputText
	command := &cobra.Command{
		Use:   "up",
		Short: "Start a fleet on this machine: a control plane, members, an example",
		Long: `Start a control plane and member clusters on this machine, join the members and roll out nginx over them.

The clusters are real Kubernetes API servers with fake nodes, one process each; no containers are needed. Running it again
starts what does not run and leaves the rest alone. "seatrial down" ends all of it.`,
		Example: `  seatrial up

  # Five members, without the example, and the result as JSON
  seatrial up --members 5 --example=false -o json

  # With an estimator beside each member, which the scheduler asks how much fits onto the nodes
  seatrial up --estimators`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			installation, err := openInstallation(stateDir)
			if err != nil {
				return err
			}
			progress := local.NewProgress(command.ErrOrStderr())
			if err := installation.Up(command.Context(), options, progress); err != nil {
				return err
			}
			status, err := installation.Status(command.Context())
			if err != nil {
				return err
			}
			if output == outputJSON {
				return printJSON(command.OutOrStdout(), status)
			}
			return printUp(command.OutOrStdout(), status)
		},
	}
	addStateDir(command, &stateDir)
	command.Flags().IntVar(&options.Members, "members", options.Members, fmt.Sprintf("Member clusters to have at least, 1 to %d", local.MaxMembers))
	command.Flags().BoolVar(&options.Example, "example", options.Example, "Roll out the nginx example over member1 to member3")
	command.Flags().BoolVar(&options.Estimators, "estimators", options.Estimators,
		"Run an estimator beside each member, and let the scheduler ask them; they stay until \"seatrial down\"")
	command.Flags().DurationVar(&options.Timeout, "timeout", options.Timeout, "Give up after this time; what runs then is left running")
	output.addTo(command)
	return command
}

// openInstallation finds the fleet on this machine for a command that a person watches: client libraries do not log between its lines.
func openInstallation(stateDir string) (*local.Installation, error) {
	log.SetLogger(logr.Discard())
	return local.Open(local.Options{StateDir: stateDir})
}

func addStateDir(command *cobra.Command, dir *string) {
	command.Flags().StringVar(dir, "state-dir", "",
		"Folder of the fleet's state (default $"+local.StateDirEnv+", or seatrial in $XDG_STATE_HOME or ~/.local/state)")
	// It fails only for a flag that does not exist.
	_ = command.MarkFlagDirname("state-dir")
}

// printUp ends a start: what runs where, and how to look at it.
func printUp(out io.Writer, status *local.Status) error {
	fmt.Fprintln(out)
	var err error
	if status.Example != nil {
		err = printWorkload(out, status.Example)
	} else {
		err = printReadiness(out, status.Clusters)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "\nexport KUBECONFIG=%s\n", status.Kubeconfig)
	return err
}

func printWorkload(out io.Writer, workload *local.Workload) error {
	fmt.Fprintf(out, "deployment %s/%s: %d of %d replicas ready\n", workload.Namespace, workload.Name, workload.Ready, workload.Desired)
	table := newTable(out, "CLUSTER", "DESIRED", "READY")
	for _, placement := range workload.Clusters {
		fmt.Fprintf(table, "%s\t%d\t%d\n", placement.Cluster, placement.Desired, placement.Ready)
	}
	return table.Flush()
}

func printReadiness(out io.Writer, clusters []local.ClusterStatus) error {
	table := newTable(out, "CLUSTER", "READY")
	for _, cluster := range clusters {
		if cluster.Role == fleet.Member {
			fmt.Fprintf(table, "%s\t%s\n", cluster.Name, cluster.Ready)
		}
	}
	return table.Flush()
}

// newTable aligns tab-separated cells as kubectl does.
func newTable(out io.Writer, columns ...string) *tabwriter.Writer {
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	for n, column := range columns {
		if n > 0 {
			fmt.Fprint(table, "\t")
		}
		fmt.Fprint(table, column)
	}
	fmt.Fprintln(table)
	return table
}
