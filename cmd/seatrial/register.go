package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/admission"
	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/registration"
)

// registerOptions are the flags of register.
type registerOptions struct {
	kubeconfig, context string
	discovery           registration.Discovery
	member              registration.Member
	deployment          registration.Deployment
	expirationSeconds   int32
	dryRun              bool
}

func newRegisterCommand() *cobra.Command {
	o := &registerOptions{
		discovery:         registration.Discovery{Timeout: 5 * time.Minute},
		deployment:        registration.Deployment{Namespace: names.NamespaceSystem, Image: "seatrial:latest", Replicas: 1},
		expirationSeconds: 31536000,
	}
	command := &cobra.Command{
		Use:   "register ENDPOINT --token TOKEN --discovery-token-ca-cert-hash HASH --cluster-name NAME",
		Short: "Make the cluster of the kubeconfig a member of the fleet, in Pull mode",
		Long: `Make the cluster of the kubeconfig a member, in Pull mode: an agent that runs in the cluster connects to the control plane at
ENDPOINT, and the control plane needs no way into the cluster.

The command finds the control plane by a bootstrap token and the hash of its CA, gets a certificate for the agent, and deploys the
agent. On the side of the control plane, "seatrial token create --print-register-command" prints the whole command.`,
		Example: `  seatrial register karmada.example.com:5443 --token abcdef.0123456789abcdef \
    --discovery-token-ca-cert-hash sha256:4ce4... --cluster-name member3`,
		Args: cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, args []string) error {
			o.discovery.Endpoint = args[0]
			return o.run(command)
		},
	}
	flags := command.Flags()
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "Kubeconfig of the cluster (default $KUBECONFIG or ~/.kube/config)")
	flags.StringVar(&o.context, "context", "", "Context of that kubeconfig (default its current one)")
	flags.StringVar(&o.discovery.Token, "token", "", "Bootstrap token of the control plane")
	flags.StringSliceVar(&o.discovery.CAHashes, "discovery-token-ca-cert-hash", nil, "Hash of the public key of the control plane's CA, sha256:...; can be given several times")
	flags.BoolVar(&o.discovery.AnyCA, "discovery-token-unsafe-skip-ca-verification", false, "Believe whoever knows the token, without --discovery-token-ca-cert-hash")
	flags.DurationVar(&o.discovery.Timeout, "discovery-timeout", o.discovery.Timeout, "How long to look for the control plane")
	flags.StringVar(&o.member.Name, "cluster-name", "", "Name of the member (default the name of the cluster in the kubeconfig)")
	flags.StringVar(&o.member.Namespace, "cluster-namespace", names.NamespaceCluster, "Namespace of the service accounts in the member, and of the secrets in the control plane")
	flags.StringVar(&o.member.Provider, "cluster-provider", "", "Provider of the member, such as the name of a cloud")
	flags.StringVar(&o.member.Region, "cluster-region", "", "Region of the member")
	flags.StringSliceVar(&o.member.Zones, "cluster-zones", nil, "Zones of the member, comma-separated")
	flags.StringVar(&o.member.ProxyURL, "proxy-server-address", "", "URL of a proxy by which the control plane reaches the member")
	flags.Int32Var(&o.expirationSeconds, "cert-expiration-seconds", o.expirationSeconds, "How long the agent's certificate lasts, in seconds")
	flags.BoolVar(&o.deployment.Rotate, "enable-cert-rotation", false, "Let the agent replace its certificate before it expires")
	flags.StringVar(&o.deployment.Image, "karmada-agent-image", o.deployment.Image, "Image of the agent: one with this program as its entry point")
	flags.Int32Var(&o.deployment.Replicas, "karmada-agent-replicas", o.deployment.Replicas, "Copies of the agent, of which one works at a time")
	flags.StringVar(&o.deployment.Namespace, "namespace", o.deployment.Namespace, "Namespace of the agent in the member")
	flags.BoolVar(&o.dryRun, "dry-run", false, "Say what would be done, after checking that both sides can be reached")
	return command
}

func (o *registerOptions) run(command *cobra.Command) error {
	const shortest = 600 // what signers of Kubernetes give at least
	if o.expirationSeconds < shortest {
		return fmt.Errorf("--cert-expiration-seconds is %d: a certificate lasts at least %d", o.expirationSeconds, shortest)
	}
	if o.deployment.Replicas < 1 {
		return errors.New("--karmada-agent-replicas: an agent needs at least one copy")
	}
	access, err := o.cluster()
	if err != nil {
		return err
	}
	cluster, err := newClient(access)
	if err != nil {
		return err
	}
	ctx := command.Context()
	if err := o.deployment.Registered(ctx, cluster); err != nil {
		return err
	}
	if o.dryRun {
		if _, err := o.discovery.CA(ctx); err != nil {
			return err
		}
		_, err := fmt.Fprintf(command.OutOrStdout(), "would register cluster %s at %s (dry run)\n", o.member.Name, o.discovery.Endpoint)
		return err
	}
	say := func(text string) { command.PrintErrln(text) }
	if o.deployment.Kubeconfig, err = o.bootstrap(ctx, say); err != nil {
		return err
	}
	if err := o.deployment.Deploy(ctx, cluster, o.member); err != nil {
		return err
	}
	_, err = fmt.Fprintf(command.OutOrStdout(), "registered cluster %s: its agent runs as deployment %s/%s\n", o.member.Name, o.deployment.Namespace, registration.AgentName)
	return err
}

// bootstrap gets the kubeconfig of the agent within the time for discovery.
func (o *registerOptions) bootstrap(ctx context.Context, say func(string)) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.discovery.Timeout, fmt.Errorf("not within %s (see --discovery-timeout)", o.discovery.Timeout))
	defer cancel()
	return registration.Bootstrap(ctx, o.discovery, o.member.Name, time.Duration(o.expirationSeconds)*time.Second, say)
}

// cluster finds the member, and its name where no flag gives one.
func (o *registerOptions) cluster() (*rest.Config, error) {
	loader := load(o.kubeconfig, o.context)
	access, err := loader.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the cluster (see --kubeconfig and --context): %w", err)
	}
	if o.member.Name == "" {
		raw, err := loader.RawConfig()
		if err != nil {
			return nil, fmt.Errorf("reading the kubeconfig of the cluster: %w", err)
		}
		chosen := o.context
		if chosen == "" {
			chosen = raw.CurrentContext
		}
		if known := raw.Contexts[chosen]; known != nil {
			o.member.Name = known.Cluster
		}
	}
	if faults := admission.ClusterNameFaults(o.member.Name); len(faults) > 0 {
		return nil, fmt.Errorf("--cluster-name %q: %s", o.member.Name, faults[0])
	}
	o.member.Endpoint = access.Host
	return access, nil
}

func newUnregisterCommand() *cobra.Command {
	s := &sides{}
	agent := registration.Deployment{Namespace: names.NamespaceSystem}
	options := registration.UnjoinOptions{Wait: time.Minute}
	command := &cobra.Command{
		Use:   "unregister NAME --cluster-kubeconfig FILE",
		Short: "Take a member in Pull mode out of the fleet",
		Long: `Take a member in Pull mode out of the fleet: its Cluster goes, its agent removes what the control plane propagated to it, and then
the agent goes. Without --karmada-config it reaches the control plane as the agent does, by the kubeconfig in the member.`,
		Example:           `  seatrial unregister member3 --cluster-kubeconfig ~/.kube/member3.config`,
		Args:              nameOfCluster,
		ValidArgsFunction: completeCluster(s.plane),
		RunE: func(command *cobra.Command, args []string) error {
			return s.unregister(command, args[0], agent, options)
		},
	}
	flags := command.Flags()
	flags.StringVar(&agent.Name, "agent-name", registration.AgentName, "Name of the agent's Deployment")
	flags.StringVar(&s.clusterKubeconfig, "cluster-kubeconfig", "", "Kubeconfig of the member (required)")
	flags.StringVar(&s.clusterContext, "cluster-context", "", "Context of the member in that kubeconfig (default its current one)")
	flags.StringVar(&s.clusterNamespace, "cluster-namespace", names.NamespaceCluster, "Namespace of the service accounts in the member, and of the secrets in the control plane")
	flags.StringVar(&s.kubeconfig, "karmada-config", "", "Kubeconfig of the control plane (default the one of the agent)")
	flags.StringVar(&s.context, "karmada-context", "", "Context of the control plane in that kubeconfig (default its current one)")
	flags.StringVar(&agent.Namespace, "namespace", agent.Namespace, "Namespace of the agent in the member")
	flags.BoolVar(&s.dryRun, "dry-run", false, "Say what would be done, after checking that both sides can be reached")
	flags.DurationVar(&options.Wait, "wait", options.Wait, "How long to wait for the agent to clean the member")
	return command
}

func (s *sides) unregister(command *cobra.Command, name string, agent registration.Deployment, options registration.UnjoinOptions) error {
	if s.clusterKubeconfig == "" {
		return errors.New("--cluster-kubeconfig is required: the path of a kubeconfig that reaches the member as an administrator")
	}
	access, err := s.member()
	if err != nil {
		return err
	}
	cluster, err := newClient(access)
	if err != nil {
		return err
	}
	var plane client.Client
	if s.kubeconfig != "" {
		plane, err = s.plane()
	} else {
		plane, err = asAgent(command.Context(), cluster, agent.Namespace)
	}
	if err != nil {
		return err
	}
	if s.dryRun {
		if err := plane.Get(command.Context(), client.ObjectKey{Name: name}, &clusterv1alpha1.Cluster{}); err != nil {
			return fmt.Errorf("looking for cluster %s in the control plane: %w", name, err)
		}
		_, err := fmt.Fprintf(command.OutOrStdout(), "would unregister cluster %s (dry run)\n", name)
		return err
	}
	member := registration.Member{Name: name, Namespace: s.clusterNamespace}
	if err := registration.Unregister(command.Context(), plane, cluster, member, agent, options); err != nil {
		return err
	}
	_, err = fmt.Fprintf(command.OutOrStdout(), "unregistered cluster %s\n", name)
	return err
}

// asAgent reaches the control plane by the kubeconfig that the agent in a member uses.
func asAgent(ctx context.Context, cluster client.Client, namespace string) (client.Client, error) {
	config, err := registration.AgentAccess(ctx, cluster, namespace)
	if err != nil {
		return nil, fmt.Errorf("%w; --karmada-config names another way to the control plane", err)
	}
	return newClient(config)
}
