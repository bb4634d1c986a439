package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/featuregate"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/seatrial/seatrial/agent"
	"github.com/seatrial/seatrial/api/admission"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/component"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/controllers/live"
	"github.com/seatrial/seatrial/controlplane"
	"github.com/seatrial/seatrial/registration"
)

// agentOptions are the flags of the agent.
type agentOptions struct {
	process     *component.Process
	kubeconfig  string
	controllers []string
	settings    agent.Options
	member      registration.Member
	reported    []string
	rotation    registration.Rotation
	// secretNamespace is that of the secret in the member with the kubeconfig of the control plane.
	secretNamespace string
	resync          time.Duration
	gates           featuregate.MutableVersionedFeatureGate
	warnOfGates     func()
}

// gatePriorityQueue has what changed go before what is only looked at anew.
const gatePriorityQueue featuregate.Feature = "ControllerPriorityQueue"

// certRotation is the name of the replacement of the agent's certificate among its controllers. It is off unless named.
const certRotation = "certRotation"

// absentControllers are those of the reference's agent that there are not.
func (o *agentOptions) absentControllers() []string {
	if o.settings.MultiClusterService {
		return nil
	}
	return []string{"endpointsliceCollect"}
}

// unfollowed are flags that agents of the reference have.
func unfollowed() component.Ignored {
	return component.Ignored{
		"cluster-cache-sync-timeout": "a Work is handled as soon as the kinds it needs are listed, and nothing waits for the others",
	}
}

func newAgentCommand() *cobra.Command {
	o := &agentOptions{
		process: component.NewProcess("karmada-agent", ":10357"), controllers: []string{"*"}, settings: agent.Defaults(),
		reported: []string{"KubeCredentials", "KubeImpersonator"}, secretNamespace: names.NamespaceSystem,
		rotation: registration.Rotation{Interval: 5 * time.Minute, Threshold: 0.2}, gates: featuregate.NewFeatureGate(),
	}
	command := &cobra.Command{
		Use:   "agent",
		Short: "Carry Works into the member cluster it runs in, in Pull mode",
		Long: `Run inside a member cluster in Pull mode: the agent registers the cluster with the control plane, takes its Works, applies them,
and reports how they and the cluster are. The control plane needs no way into the cluster. What runs in the cluster goes on
running while the control plane cannot be reached, and the agent catches up afterwards.`,
		Example: `  seatrial agent --cluster-name member3 --karmada-kubeconfig karmada-agent.kubeconfig --kubeconfig member3.kubeconfig

  # With a certificate that is replaced before it expires
  seatrial agent --cluster-name member3 --karmada-kubeconfig /etc/kubeconfig/karmada-kubeconfig --controllers '*,certRotation'`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return o.run(command) },
	}
	o.addFlags(command.Flags())
	return command
}

func (o *agentOptions) addFlags(flags *pflag.FlagSet) {
	o.process.AddAgentFlags(flags)
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "Path of the kubeconfig of the member. Empty means $KUBECONFIG, or the pod's service account")
	flags.StringSliceVar(&o.controllers, "controllers", o.controllers, "Controllers to run: * is all but "+certRotation+", NAME adds one, -NAME leaves one out")
	flags.StringVar(&o.settings.Cluster, "cluster-name", "", "Name of the member (required)")
	flags.StringVar(&o.member.Namespace, "cluster-namespace", names.NamespaceCluster, "Namespace of the service accounts in the member, and of the secrets in the control plane")
	flags.StringVar(&o.member.Endpoint, "cluster-api-endpoint", "", "URL of the member's API server to publish; empty means the one the agent uses")
	flags.StringVar(&o.member.ProxyURL, "proxy-server-address", "", "URL of a proxy by which the control plane reaches the member, to publish")
	flags.StringVar(&o.member.Provider, "cluster-provider", "", "Provider of the member, such as the name of a cloud")
	flags.StringVar(&o.member.Region, "cluster-region", "", "Region of the member")
	flags.StringSliceVar(&o.member.Zones, "cluster-zones", nil, "Zones of the member, comma-separated")
	flags.StringSliceVar(&o.reported, "report-secrets", o.reported, "Credentials of the member to hand to the control plane, for what users ask of the member through it: KubeCredentials, KubeImpersonator, or None")
	status, beat := &o.settings.ClusterStatus, &o.settings.Heartbeat
	flags.DurationVar(&status.UpdateFrequency, "cluster-status-update-frequency", status.UpdateFrequency, "Interval of looking at the member")
	flags.DurationVar(&status.FailureThreshold, "cluster-failure-threshold", status.FailureThreshold, "How long the member must fail before it counts as not ready")
	flags.DurationVar(&status.SuccessThreshold, "cluster-success-threshold", status.SuccessThreshold, "How long the failed member must answer before it counts as ready again")
	flags.BoolVar(&status.ResourceModeling, "enable-cluster-resource-modeling", status.ResourceModeling, "Count the nodes of the member by resource-model grade")
	flags.DurationVar(&beat.LeaseDuration, "cluster-lease-duration", beat.LeaseDuration, "How long a heartbeat counts")
	flags.Float64Var(&beat.RenewFraction, "cluster-lease-renew-interval-fraction", beat.RenewFraction, "Part of that after which the next heartbeat follows")
	flags.IntVar(&o.settings.Clusters, "concurrent-cluster-syncs", o.settings.Clusters, "Clusters handled at once")
	flags.IntVar(&o.settings.Works, "concurrent-work-syncs", o.settings.Works, "Works handled at once")
	flags.DurationVar(&o.rotation.Interval, "cert-rotation-checking-interval", o.rotation.Interval, "Interval of looking at the agent's certificate")
	flags.Float64Var(&o.rotation.Threshold, "cert-rotation-remaining-time-threshold", o.rotation.Threshold, "Part of its life below which the certificate is replaced")
	flags.StringVar(&o.secretNamespace, "karmada-kubeconfig-namespace", o.secretNamespace, "Namespace, in the member, of the secret "+registration.AgentSecret+" that a new certificate is written to. Without such a secret it is written to the file --karmada-kubeconfig")
	flags.DurationVar(&o.resync, "resync-period", 0, "Interval of looking at everything anew; 0 means never")
	utilruntime.Must(o.gates.Add(map[featuregate.Feature]featuregate.FeatureSpec{gatePriorityQueue: {Default: true, PreRelease: featuregate.Beta}}))
	o.warnOfGates = component.AddOtherGates(o.gates)
	o.gates.AddFlag(flags)
	unfollowed().AddTo(flags)
}

// check finds mistakes in the flags before anything is done.
func (o *agentOptions) check(flags *pflag.FlagSet) error {
	if o.settings.Cluster == "" {
		return errors.New("--cluster-name is missing: an agent serves one member cluster")
	}
	if faults := admission.ClusterNameFaults(o.settings.Cluster); len(faults) > 0 {
		return fmt.Errorf("--cluster-name %q: %s", o.settings.Cluster, faults[0])
	}
	if !flags.Changed("karmada-kubeconfig") {
		return errors.New("--karmada-kubeconfig is missing: it says how to reach the control plane")
	}
	known := []string{"KubeCredentials", "KubeImpersonator", "None"}
	for _, secret := range o.reported {
		if !slices.Contains(known, secret) {
			return fmt.Errorf("--report-secrets: %q is not one of %v", secret, known)
		}
	}
	if slices.Contains(o.reported, "None") && len(o.reported) > 1 {
		return errors.New("--report-secrets: None goes without others")
	}
	o.rotation.Cluster = o.settings.Cluster
	return errors.Join(o.settings.Heartbeat.Validate(), o.rotation.Validate())
}

// run registers the member and serves it until the context ends.
func (o *agentOptions) run(command *cobra.Command) error {
	if err := o.check(command.Flags()); err != nil {
		return err
	}
	ctx := command.Context()
	plane, options, err := o.process.Start()
	if err != nil {
		return err
	}
	unfollowed().Warn(command.Flags())
	o.warnOfGates()
	o.settings.MultiClusterService = o.gates.Enabled(gateMultiClusterService)
	chosen, rotates, err := o.chosen()
	if err != nil {
		return err
	}
	cluster, err := o.clusterConfig()
	if err != nil {
		return err
	}
	member, err := client.New(cluster, client.Options{Scheme: options.Scheme})
	if err != nil {
		return fmt.Errorf("making a client of the member: %w", err)
	}
	if rotates {
		if plane, err = o.present(ctx, plane, member); err != nil {
			return err
		}
	}
	if err := o.describe(cluster); err != nil {
		return err
	}
	beat, err := o.heartbeat(plane, options.Scheme)
	if err != nil {
		return err
	}
	o.restrict(&options, cluster)
	driver, err := o.process.DriverOf(plane, options)
	if err != nil {
		return err
	}
	driver.Reach(o.settings.Cluster, cluster)
	// Beside the controllers, which have nothing to do before: probes shall not end an agent that waits for its control plane.
	register := manager.RunnableFunc(func(ctx context.Context) error { return o.register(ctx, plane, member) })
	if err := driver.Manager().Add(register); err != nil {
		return fmt.Errorf("adding the registration: %w", err)
	}
	for _, controller := range append(chosen, beat) {
		if err := driver.Add(ctx, controller); err != nil {
			return err
		}
	}
	if rotates {
		o.rotation.Leads = driver.Manager().Elected()
		if err := driver.Manager().Add(&o.rotation); err != nil {
			return fmt.Errorf("adding the rotation of the certificate: %w", err)
		}
	}
	return driver.Manager().Start(ctx)
}

// heartbeat tells the control plane by connections of its own that the member lives.
func (o *agentOptions) heartbeat(plane *rest.Config, kinds *runtime.Scheme) (control.Controller, error) {
	beats, err := client.New(live.Probing(plane), client.Options{Scheme: kinds, Mapper: agentKinds()})
	if err != nil {
		return control.Controller{}, fmt.Errorf("making the client of heartbeats: %w", err)
	}
	o.settings.Heartbeat.Plane = beats
	return agent.Heartbeat(o.settings), nil
}

// chosen are the controllers to run beside the heartbeat, and whether the certificate is replaced.
func (o *agentOptions) chosen() (chosen []control.Controller, rotates bool, err error) {
	var wanted []string
	for _, entry := range o.controllers {
		name := strings.TrimPrefix(entry, "-")
		switch {
		case strings.EqualFold(name, certRotation):
			rotates = name == entry
		case slices.ContainsFunc(o.absentControllers(), func(known string) bool { return strings.EqualFold(known, name) }):
			if name == entry {
				klog.Background().Info("Warning: --controllers names one that there is not", "controller", name)
			}
		default:
			wanted = append(wanted, entry)
		}
	}
	if chosen, err = controlplane.Choose(agent.Controllers(o.settings), wanted); err != nil {
		return nil, false, fmt.Errorf("--controllers: %w", err)
	}
	return chosen, rotates, nil
}

// clusterConfig finds the member.
func (o *agentOptions) clusterConfig() (*rest.Config, error) {
	config, err := load(o.kubeconfig, "").ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the member (see --kubeconfig): %w", err)
	}
	limits := o.process.MemberLimits()
	config.QPS, config.Burst = limits.QPS, limits.Burst
	return config, nil
}

// describe takes from the way to the member what is published of it.
func (o *agentOptions) describe(access *rest.Config) error {
	loaded := rest.CopyConfig(access)
	if err := rest.LoadTLSFiles(loaded); err != nil {
		return fmt.Errorf("reading the CA of the member: %w", err)
	}
	o.member.Name, o.member.CABundle, o.member.Insecure = o.settings.Cluster, loaded.CAData, loaded.Insecure
	o.member.Endpoint = cmp.Or(o.member.Endpoint, access.Host)
	return nil
}

// present makes the agent's certificate one that can be replaced.
func (o *agentOptions) present(ctx context.Context, plane *rest.Config, member client.Client) (*rest.Config, error) {
	changeable, presented, err := registration.Present(plane)
	if err != nil {
		return nil, fmt.Errorf("--controllers names %s: %w", certRotation, err)
	}
	o.rotation.Plane, o.rotation.Presented = changeable, presented
	path, kubeContext := o.process.Kubeconfig()
	secret := client.ObjectKey{Namespace: o.secretNamespace, Name: registration.AgentSecret}
	switch err := member.Get(ctx, secret, &corev1.Secret{}); {
	case err == nil:
		o.rotation.Store = registration.InSecret(member, o.secretNamespace, kubeContext)
	case apierrors.IsNotFound(err):
		o.rotation.Store = registration.InFile(path, kubeContext)
	default:
		return nil, fmt.Errorf("looking for secret %s of the member: %w", secret, err)
	}
	return changeable, nil
}
