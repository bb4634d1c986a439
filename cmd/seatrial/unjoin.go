package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/registration"
)

func newUnjoinCommand() *cobra.Command {
	s := &sides{}
	options := registration.UnjoinOptions{Wait: time.Minute}
	command := &cobra.Command{
		Use:   "unjoin NAME",
		Short: "Take a member out of the fleet",
		Long: `Take a member out of the fleet: its Cluster goes, what the control plane propagated to it is removed there, and so are the
control plane's service accounts.`,
		Example: `  seatrial unjoin member4 --cluster-kubeconfig ~/.kube/member4.config

  # The cluster is gone for good
  seatrial unjoin member4 --force`,
		Args:              nameOfCluster,
		ValidArgsFunction: completeCluster(s.plane),
		RunE: func(command *cobra.Command, args []string) error {
			return s.unjoin(command, args[0], options)
		},
	}
	s.addTo(command)
	command.Flags().BoolVar(&options.Force, "force", false, "Go on when the member cannot be cleaned: what is left there stays there")
	command.Flags().DurationVar(&options.Wait, "wait", options.Wait, "How long to wait for the control plane to clean the member")
	return command
}

func (s *sides) unjoin(command *cobra.Command, name string, options registration.UnjoinOptions) error {
	plane, err := s.plane()
	if err != nil {
		return err
	}
	// Without a kubeconfig of the member there is none to clean it with: the default one is the control plane's.
	var cluster client.Client
	if s.clusterKubeconfig != "" {
		access, err := s.member()
		if err != nil {
			return err
		}
		if cluster, err = newClient(access); err != nil {
			return err
		}
	}
	if s.dryRun {
		if err := checkReach(command.Context(), plane, cluster); err != nil {
			return err
		}
		_, err := fmt.Fprintf(command.OutOrStdout(), "would unjoin cluster %s (dry run)\n", name)
		return err
	}
	member := registration.Member{Name: name, Namespace: s.clusterNamespace}
	if err := registration.Unjoin(command.Context(), plane, cluster, member, options); err != nil {
		return err
	}
	_, err = fmt.Fprintf(command.OutOrStdout(), "unjoined cluster %s\n", name)
	return err
}
