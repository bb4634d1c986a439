package main

import (
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/rebalance/drain"
)

// clusterChange is a command that changes one Cluster of the control plane.
type clusterChange struct {
	sides
}

func (c *clusterChange) addTo(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&c.kubeconfig, "kubeconfig", "", "Kubeconfig of the control plane (default $KUBECONFIG or ~/.kube/config)")
	flags.StringVar(&c.context, "karmada-context", "", "Context of the control plane in that kubeconfig (default its current one)")
	flags.BoolVar(&c.dryRun, "dry-run", false, "Let the control plane judge the change and keep nothing of it")
	acceptAlso(flags, "context", "karmada-context")
	command.ValidArgsFunction = completeCluster(c.plane)
}

// acceptAlso takes another name for a flag: the reference calls the same thing differently from command to command.
func acceptAlso(flags *pflag.FlagSet, alias, name string) {
	flags.SetNormalizeFunc(func(_ *pflag.FlagSet, given string) pflag.NormalizedName {
		if given == alias {
			given = name
		}
		return pflag.NormalizedName(given)
	})
}

// completeCluster offers the names of the clusters as the only argument; a control plane that does not answer has none.
func completeCluster(connect func() (client.Client, error)) cobra.CompletionFunc {
	return func(command *cobra.Command, given []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(given) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		plane, err := connect()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		clusters := &clusterv1alpha1.ClusterList{}
		if plane.List(command.Context(), clusters) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for i := range clusters.Items {
			names = append(names, clusters.Items[i].Name)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}

// tell says what became of a cluster, or would.
func (c *clusterChange) tell(command *cobra.Command, cluster, done string) error {
	if c.dryRun {
		done += " (dry run)"
	}
	_, err := fmt.Fprintf(command.OutOrStdout(), "cluster %s %s\n", cluster, done)
	return err
}

func newCordonCommand() *cobra.Command {
	c := &clusterChange{}
	command := &cobra.Command{
		Use:   "cordon NAME",
		Short: "Let no workload come to a cluster anew",
		Long: `Taint a cluster with cluster.karmada.io/unschedulable:NoSchedule: no workload comes to it anew unless it tolerates that. What runs
there stays; "seatrial drain" moves it elsewhere.`,
		Example: `  seatrial cordon member1`,
		Args:    nameOfCluster,
		RunE: func(command *cobra.Command, args []string) error {
			plane, err := c.plane()
			if err != nil {
				return err
			}
			changed, err := drain.Cordon(command.Context(), plane, args[0], c.dryRun)
			if err != nil {
				return err
			}
			if !changed {
				return c.tell(command, args[0], "is cordoned already")
			}
			return c.tell(command, args[0], "cordoned")
		},
	}
	c.addTo(command)
	return command
}

func newUncordonCommand() *cobra.Command {
	c := &clusterChange{}
	command := &cobra.Command{
		Use:   "uncordon NAME",
		Short: "Let workloads come to a cluster again",
		Long: `Undo what "seatrial cordon" and "seatrial drain" did: the taint cluster.karmada.io/unschedulable goes, and workloads that a drain
found no room for elsewhere may stay. Moves under way are completed. Workloads that go to every cluster come back by themselves,
others with "seatrial rebalance".`,
		Example: `  seatrial uncordon member1`,
		Args:    nameOfCluster,
		RunE: func(command *cobra.Command, args []string) error {
			plane, err := c.plane()
			if err != nil {
				return err
			}
			return c.uncordon(command, plane, args[0])
		},
	}
	c.addTo(command)
	return command
}

func (c *clusterChange) uncordon(command *cobra.Command, plane client.Client, cluster string) error {
	changed, err := drain.Uncordon(command.Context(), plane, cluster, c.dryRun)
	if err != nil {
		return err
	}
	kept := 0
	if !c.dryRun {
		if kept, err = drain.Withdraw(command.Context(), plane, cluster); err != nil {
			return err
		}
	}
	switch {
	case kept > 0:
		return c.tell(command, cluster, fmt.Sprintf("uncordoned; %d workloads that had no room elsewhere may stay", kept))
	case !changed:
		return c.tell(command, cluster, "is not cordoned")
	}
	return c.tell(command, cluster, "uncordoned")
}
