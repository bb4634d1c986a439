package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/seatrial/seatrial/api/admission"
	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/component"
	"github.com/seatrial/seatrial/registration"
)

// sides are the flags that say how to reach the control plane and the member.
type sides struct {
	kubeconfig, context               string
	clusterKubeconfig, clusterContext string
	clusterNamespace                  string
	dryRun                            bool
	// as is whom to act as in the control plane.
	as rest.ImpersonationConfig
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
	command.Flags().StringVar(&s.as.UserName, "karmada-as", "", "User to act as in the control plane")
	command.Flags().StringArrayVar(&s.as.Groups, "karmada-as-group", nil, "Group to act as in the control plane; may be repeated")
	command.Flags().StringVar(&s.as.UID, "karmada-as-uid", "", "UID to act as in the control plane")
	return command
}

// nameOfCluster accepts one argument that can be the name of a Cluster.
func nameOfCluster(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("give one NAME for the cluster, got %d arguments", len(args))
	}
	if errs := admission.ClusterNameFaults(args[0]); len(errs) > 0 {
		return fmt.Errorf("NAME %q: %s", args[0], errs[0])
	}
	return nil
}

func (s *sides) join(command *cobra.Command, member registration.Member) error {
	if s.clusterKubeconfig == "" {
		return errors.New("--cluster-kubeconfig is required: the path of a kubeconfig that reaches the member as an administrator")
	}
	if s.as.UserName == "" && (len(s.as.Groups) > 0 || s.as.UID != "") {
		return errors.New("--karmada-as-group and --karmada-as-uid belong to --karmada-as: name the user")
	}
	plane, err := s.plane()
	if err != nil {
		return err
	}
	access, err := s.member()
	if err != nil {
		return err
	}
	if err := s.describe(access, &member); err != nil {
		return err
	}
	cluster, err := newClient(access)
	if err != nil {
		return err
	}
	if s.dryRun {
		if err := checkReach(command.Context(), plane, cluster); err != nil {
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

// plane is an administrator's client of the control plane.
func (s *sides) plane() (client.Client, error) {
	config, err := load(s.kubeconfig, s.context).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the control plane (see --kubeconfig and --karmada-context): %w", err)
	}
	config.Impersonate = s.as
	return newClient(config)
}

// member is how the member is reached.
func (s *sides) member() (*rest.Config, error) {
	config, err := load(s.clusterKubeconfig, s.clusterContext).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the member (see --cluster-kubeconfig and --cluster-context): %w", err)
	}
	return config, nil
}

func load(path, context string) clientcmd.ClientConfig {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = path
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: context})
}

// newClient keeps what clients log out of the answers of verbs.
func newClient(config *rest.Config) (client.Client, error) {
	log.SetLogger(logr.Discard())
	return component.NewClient(config)
}

// describe takes from the member's kubeconfig how the control plane shall reach it.
func (s *sides) describe(access *rest.Config, member *registration.Member) error {
	member.Namespace, member.Endpoint = s.clusterNamespace, access.Host
	member.CABundle, member.Insecure = access.CAData, access.Insecure
	if len(member.CABundle) == 0 && access.CAFile != "" {
		var err error
		if member.CABundle, err = os.ReadFile(access.CAFile); err != nil {
			return fmt.Errorf("reading certificate-authority of the kubeconfig %s: %w", s.clusterKubeconfig, err)
		}
	}
	if len(member.CABundle) == 0 && !member.Insecure {
		return fmt.Errorf("the kubeconfig %s has neither certificate-authority nor insecure-skip-tls-verify for %s: set one of them, "+
			"for the control plane verifies the member by it", s.clusterKubeconfig, access.Host)
	}
	raw, err := load(s.clusterKubeconfig, s.clusterContext).RawConfig()
	if err != nil {
		return fmt.Errorf("reading the kubeconfig %s: %w", s.clusterKubeconfig, err)
	}
	member.ProxyURL = proxyOf(&raw, s.clusterContext)
	return nil
}

// proxyOf is the proxy-url of the cluster of a context; an empty context means the current one.
func proxyOf(config *clientcmdapi.Config, context string) string {
	if context == "" {
		context = config.CurrentContext
	}
	if chosen := config.Contexts[context]; chosen != nil && config.Clusters[chosen.Cluster] != nil {
		return config.Clusters[chosen.Cluster].ProxyURL
	}
	return ""
}

// checkReach asks both sides for something that each has.
func checkReach(ctx context.Context, plane, cluster client.Client) error {
	if err := plane.List(ctx, &clusterv1alpha1.ClusterList{}, client.Limit(1)); err != nil {
		return fmt.Errorf("listing Clusters of the control plane (see --kubeconfig): %w", err)
	}
	if cluster == nil {
		return nil
	}
	if err := cluster.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, &corev1.Namespace{}); err != nil {
		return fmt.Errorf("reading namespace %s of the member (see --cluster-kubeconfig): %w", metav1.NamespaceSystem, err)
	}
	return nil
}
