package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/admission"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/api/scheme"
	"github.com/seatrial/seatrial/registration"
)

// sides are the flags that say how to reach the control plane and the member.
type sides struct {
	kubeconfig, context             string
	clusterKubeconfig, clusterContext string
	clusterNamespace                string
	dryRun                          bool
}

func (s *sides) addTo(command *cobra.Command) {
	flags := command.Flags()
	flags.StringVar(&s.kubeconfig, "kubeconfig", "", "Kubeconfig of the control plane (default $KUBECONFIG or ~/.kube/config)")
	flags.StringVar(&s.context, "karmada-context", "", "Context of the control plane in that kubeconfig (default its current one)")
	flags.StringVar(&s.clusterKubeconfig, "cluster-kubeconfig", "", "Kubeconfig of the member cluster")
	flags.StringVar(&s.clusterContext, "cluster-context", "", "Context of the member in that kubeconfig (default its current one)")
	flags.StringVar(&s.clusterNamespace, "cluster-namespace", names.NamespaceCluster, "Namespace of the service accounts in the member, and of the credentials in the control plane")
	flags.BoolVar(&s.dryRun, "dry-run", false, "Say what would be done, after checking that both sides can be reached")
}

func newJoinCommand() *cobra.Command {
	s := &sides{}
	var provider, region string
	var zones []string
	command := &cobra.Command{
		Use:   "join NAME --cluster-kubeconfig FILE",
		Short: "Make a cluster a member of the fleet",
		Long: `Make a cluster a member under a name, in Push mode: the control plane then reaches it by the server of its kubeconfig.

In the member it creates service accounts for the control plane, in the control plane the Cluster and its credentials.`,
		Example: `  seatrial join member4 --cluster-kubeconfig ~/.kube/member4.config

  # With the control plane's kubeconfig, and where the cluster is
  seatrial join member4 --kubeconfig karmada.config --cluster-kubeconfig members.config --cluster-context member4 \
    --cluster-provider example --cluster-region eu-1 --cluster-zones eu-1a,eu-1b`,
		Args:              nameOfCluster,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(command *cobra.Command, args []string) error {
			return s.join(command, registration.Member{Name: args[0], Provider: provider, Region: region, Zones: zones})
		},
	}
	s.addTo(command)
	command.Flags().StringVar(&provider, "cluster-provider", "", "Provider of the member, such as the name of a cloud")
	command.Flags().StringVar(&region, "cluster-region", "", "Region of the member")
	command.Flags().StringSliceVar(&zones, "cluster-zones", nil, "Zones of the member, comma-separated")
	return command
}

// nameOfCluster accepts one argument that can be the name of a Cluster.
func nameOfCluster(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("give one NAME for the cluster, got %d arguments", len(args))
	}
	if errs := admission.ClusterName(args[0]); len(errs) > 0 {
		return fmt.Errorf("NAME %q: %s", args[0], errs[0])
	}
	return nil
}

func (s *sides) join(command *cobra.Command, member registration.Member) error {
	if s.clusterKubeconfig == "" {
		return errors.New("--cluster-kubeconfig is required: the path of a kubeconfig that reaches the member as an administrator")
	}
	plane, err := s.plane()
	if err != nil {
		return err
	}
	config, cluster, err := s.member()
	if err != nil {
		return err
	}
	if err := s.describe(config, &member); err != nil {
		return err
	}
	if s.dryRun {
		if err := s.checkReach(command.Context(), plane, cluster); err != nil {
			return err
		}
		_, err := fmt.Fprintf(command.OutOrStdout(), "would join cluster %s at %s (dry run)\n", member.Name, member.Endpoint)
		return err
	}
	if err := registration.Join(command.Context(), plane, cluster, member); err != nil {
		return err
	}
	_, err = fmt.Fprintf(command.OutOrStdout(), "joined cluster %s at %s\n", member.Name, member.Endpoint)
	return err
}
