package main

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/component-base/featuregate"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/seatrial/seatrial/component"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/controllers/truth"
	"github.com/seatrial/seatrial/controlplane"
	"github.com/seatrial/seatrial/policy"
)

// Feature gates of the controller manager alone, by the names of the reference.
const (
	gatePreemption   featuregate.Feature = "PropagationPolicyPreemption"
	gateDependencies featuregate.Feature = "PropagateDeps"
	gateQuota        featuregate.Feature = "FederatedQuotaEnforcement"

	gateMultiClusterService featuregate.Feature = "MultiClusterService"
)

// managerOptions are the flags of the controller manager.
type managerOptions struct {
	process           *component.Process
	controllers       []string
	skippedNamespaces []string
	skippedAPIs       string
	surge             string
	gates             featuregate.MutableVersionedFeatureGate
	warnOfGates       func()
	settings          controlplane.Options
}

func newControllerManagerCommand() *cobra.Command {
	options := &managerOptions{
		process:     component.NewProcess("karmada-controller-manager", ":10357"),
		controllers: []string{"*"}, skippedNamespaces: []string{"kube-.*"},
		gates: featuregate.NewFeatureGate(), settings: controlplane.Defaults(),
	}
	command := &cobra.Command{
		Use:   "controller-manager",
		Short: "Run the controllers of a control plane",
		Long: `Run the controllers that claim templates for policies, render and execute Works in the member clusters, and bring
their status back.`,
		Example: `  seatrial controller-manager --kubeconfig karmada.kubeconfig

  # Everything but the namespace controller
  seatrial controller-manager --kubeconfig karmada.kubeconfig --controllers='*,-namespace'`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return options.run(command) },
	}
	options.addFlags(command.Flags())
	return command
}

func (o *managerOptions) addFlags(flags *pflag.FlagSet) {
	o.process.AddFlags(flags)
	o.process.AddMemberFlags(flags)
	flags.StringSliceVar(&o.controllers, "controllers", o.controllers, "Controllers to run: * is all but hpaScaleTargetMarker and deploymentReplicasSyncer, NAME adds one, -NAME leaves one out")
	flags.StringSliceVar(&o.skippedNamespaces, "skipped-propagating-namespaces", o.skippedNamespaces, "Regular expressions of namespaces whose resources are never propagated")
	flags.StringVar(&o.skippedAPIs, "skipped-propagating-apis", o.skippedAPIs, "Kinds that are never propagated: groups, group/version or group/version/Kind,Kind, separated by semicolons")
	utilruntime.Must(o.gates.Add(map[featuregate.Feature]featuregate.FeatureSpec{
		gatePreemption:                     {Default: false, PreRelease: featuregate.Alpha},
		gateDependencies:                   {Default: true, PreRelease: featuregate.Beta},
		gateQuota:                          {Default: false, PreRelease: featuregate.Alpha},
		component.GateMultiplePodTemplates: {Default: false, PreRelease: featuregate.Alpha},
		gatePriorityQueue:                  {Default: true, PreRelease: featuregate.Beta},
		gateMultiClusterService:            {Default: false, PreRelease: featuregate.Alpha},
	}))
	addFailoverGates(o.gates)
	o.warnOfGates = component.AddOtherGates(o.gates)
	o.gates.AddFlag(flags)
	managerIgnored().AddTo(flags)
	addFailoverFlags(flags, &o.settings.Eviction)
	addAutoscalingFlags(flags, &o.settings)
	addRebalanceFlags(flags, &o.surge, &o.settings.Failback)
	flags.DurationVar(&o.settings.ClusterStatus.UpdateFrequency, "cluster-status-update-frequency", o.settings.ClusterStatus.UpdateFrequency, "Interval of looking at each member")
	flags.DurationVar(&o.settings.ClusterStatus.FailureThreshold, "cluster-failure-threshold", o.settings.ClusterStatus.FailureThreshold, "How long a member must fail before it counts as not ready")
	flags.DurationVar(&o.settings.ClusterStatus.SuccessThreshold, "cluster-success-threshold", o.settings.ClusterStatus.SuccessThreshold, "How long a failed member must answer before it counts as ready again")
	flags.DurationVar(&o.settings.ClusterMonitor.Period, "cluster-monitor-period", o.settings.ClusterMonitor.Period, "Interval of looking whether members in Pull mode are silent")
	flags.DurationVar(&o.settings.ClusterMonitor.Grace, "cluster-monitor-grace-period", o.settings.ClusterMonitor.Grace, "Silence tolerated from a member in Pull mode")
	flags.DurationVar(&o.settings.ClusterMonitor.Startup, "cluster-startup-grace-period", o.settings.ClusterMonitor.Startup, "Silence tolerated from a member in Pull mode that has not reported yet")
	flags.BoolVar(&o.settings.ClusterStatus.ResourceModeling, "enable-cluster-resource-modeling", o.settings.ClusterStatus.ResourceModeling, "Count the nodes of each member by resource-model grade")
	flags.DurationVar(&o.settings.Quota.Period, "federated-resource-quota-sync-period", o.settings.Quota.Period, "Interval of counting anew what is used of enforced quotas")
	flags.StringSliceVar(&o.settings.Agents.SecretNamespaces, "agent-secret-namespaces", o.settings.Agents.SecretNamespaces, "Namespaces in which agents may keep the secrets of their clusters (see --cluster-namespace of the agent). Who may register clusters may read secrets there that are named like a cluster, and have the token of any service account there: name no namespace whose service accounts have rights")
	flags.IntVar(&o.settings.Workers.Clusters, "concurrent-cluster-syncs", o.settings.Workers.Clusters, "Clusters handled at once")
	flags.IntVar(&o.settings.Workers.Works, "concurrent-work-syncs", o.settings.Workers.Works, "Works handled at once")
	flags.IntVar(&o.settings.Workers.Bindings, "concurrent-resourcebinding-syncs", o.settings.Workers.Bindings, "Bindings handled at once")
	flags.IntVar(&o.settings.Workers.Templates, "concurrent-resource-template-syncs", o.settings.Workers.Templates, "Templates and policies handled at once")
	flags.IntVar(&o.settings.Workers.Namespaces, "concurrent-namespace-syncs", o.settings.Workers.Namespaces, "Namespaces handled at once")
}

// run runs the chosen controllers until the context ends.
func (o *managerOptions) run(command *cobra.Command) error {
	estimates, err := newEstimateErrors(metrics.Registry)
	if err != nil {
		return err
	}
	evictions, err := newEvictionMetrics(metrics.Registry)
	if err != nil {
		return err
	}
	if err := finishFailover(command.Flags(), o.gates, &o.settings.Eviction); err != nil {
		return err
	}
	if o.settings.Eviction.Surge, err = finishRebalance(o.surge, &o.settings.Failback); err != nil {
		return err
	}
	o.settings.Evictions = evictions
	all, err := o.all(estimates)
	if err != nil {
		return err
	}
	chosen, err := controlplane.Choose(all, withoutAbsent(o.controllers, o.absent()))
	if err != nil {
		return fmt.Errorf("--controllers: %w", err)
	}
	plane, processed, err := o.process.Start()
	if err != nil {
		return err
	}
	priority := o.gates.Enabled(gatePriorityQueue)
	processed.Controller.UsePriorityQueue = &priority
	driver, err := o.process.DriverOf(plane, processed)
	if err != nil {
		return err
	}
	managerIgnored().Warn(command.Flags())
	o.warnOfGates()
	for _, controller := range chosen {
		if err := driver.Add(command.Context(), controller); err != nil {
			return err
		}
	}
	return driver.Manager().Start(command.Context())
}

// all lists every controller of the manager.
func (o *managerOptions) all(estimates truth.Recorder) ([]control.Controller, error) {
	skipped, err := patterns(o.skippedNamespaces)
	if err != nil {
		return nil, err
	}
	o.settings.SkippedNamespaces, o.settings.Truth = skipped, estimates
	if o.settings.SkippedAPIs, err = policy.ParseAPIs(o.skippedAPIs); err != nil {
		return nil, fmt.Errorf("--skipped-propagating-apis: %w", err)
	}
	o.settings.Preemption = o.gates.Enabled(gatePreemption)
	o.settings.Components = o.gates.Enabled(component.GateMultiplePodTemplates)
	o.settings.Dependencies = o.gates.Enabled(gateDependencies)
	o.settings.MultiClusterService = o.gates.Enabled(gateMultiClusterService)
	o.settings.Quota.Enforced = o.gates.Enabled(gateQuota)
	return slices.Concat(controlplane.Controllers(o.settings), controlplane.Registration(o.settings), controlplane.Optional(o.settings)), nil
}

// patterns compiles expressions that must match a whole name.
func patterns(expressions []string) ([]*regexp.Regexp, error) {
	var compiled []*regexp.Regexp
	for _, expression := range expressions {
		pattern, err := regexp.Compile("^(?:" + expression + ")$")
		if err != nil {
			return nil, fmt.Errorf("--skipped-propagating-namespaces: %q is no regular expression: %w", expression, err)
		}
		compiled = append(compiled, pattern)
	}
	return compiled, nil
}
