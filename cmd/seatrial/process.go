package main

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/component-base/logs"
	logsapi "k8s.io/component-base/logs/api/v1"
	_ "k8s.io/component-base/logs/json/register" // --logging-format=json
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/api/scheme"
	"github.com/seatrial/seatrial/controllers/live"
	"github.com/seatrial/seatrial/interpreter"
	"github.com/seatrial/seatrial/interpreter/native"
)

// processOptions are what every component that runs controllers can be told.
type processOptions struct {
	kubeconfig string
	context    string
	qps        float32
	burst      int

	memberQPS   float32
	memberBurst int

	leaderElect          bool
	leaderElectName      string
	leaderElectNamespace string
	leaseDuration        time.Duration
	renewDeadline        time.Duration
	retryPeriod          time.Duration

	metricsAddress string
	healthAddress  string

	logging *logs.Options
}

func newProcessOptions(leaderElectName, healthAddress string) *processOptions {
	return &processOptions{
		// The API server's priority and fairness decides what a flood may do; a client-side limit would only slow the rest.
		qps: -1, burst: 0, memberQPS: -1,
		leaderElect: true, leaderElectName: leaderElectName, leaderElectNamespace: names.NamespaceSystem,
		leaseDuration: 15 * time.Second, renewDeadline: 10 * time.Second, retryPeriod: 2 * time.Second,
		metricsAddress: ":8080", healthAddress: healthAddress,
		logging: logs.NewOptions(),
	}
}

func (o *processOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.kubeconfig, "kubeconfig", o.kubeconfig, "Path of the kubeconfig of the control plane's API server. Empty means $KUBECONFIG, or the pod's service account")
	flags.StringVar(&o.context, "context", o.context, "Context of that kubeconfig; empty means its current one")
	flags.Float32Var(&o.qps, "kube-api-qps", o.qps, "Requests a second to the control plane's API server; negative means no limit on the client's side")
	flags.IntVar(&o.burst, "kube-api-burst", o.burst, "Requests to the control plane's API server above that rate for a short while")
	flags.BoolVar(&o.leaderElect, "leader-elect", o.leaderElect, "Only work while holding the election Lease, so that several copies can run")
	flags.StringVar(&o.leaderElectName, "leader-elect-resource-name", o.leaderElectName, "Name of the election Lease")
	flags.StringVar(&o.leaderElectNamespace, "leader-elect-resource-namespace", o.leaderElectNamespace, "Namespace of the election Lease")
	flags.DurationVar(&o.leaseDuration, "leader-elect-lease-duration", o.leaseDuration, "How long an unrenewed leadership stays valid")
	flags.DurationVar(&o.renewDeadline, "leader-elect-renew-deadline", o.renewDeadline, "How long the leader tries to renew before it gives up")
	flags.DurationVar(&o.retryPeriod, "leader-elect-retry-period", o.retryPeriod, "Pause between attempts to become leader")
	flags.StringVar(&o.metricsAddress, "metrics-bind-address", o.metricsAddress, "Listen address of /metrics; 0 turns it off")
	flags.StringVar(&o.healthAddress, "health-probe-bind-address", o.healthAddress, "Listen address of /healthz and /readyz; 0 turns them off")
	logsapi.AddFlags(o.logging, flags)
}

func (o *processOptions) addMemberFlags(flags *pflag.FlagSet) {
	flags.Float32Var(&o.memberQPS, "cluster-api-qps", o.memberQPS, "Requests a second to the API server of one member; negative means no limit on the client's side")
	flags.IntVar(&o.memberBurst, "cluster-api-burst", o.memberBurst, "Requests to the API server of one member above that rate for a short while")
}

// restConfig finds the control plane.
func (o *processOptions) restConfig() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: o.context}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the control plane (see --kubeconfig and --context): %w", err)
	}
	config.QPS, config.Burst = o.qps, o.burst
	return config, nil
}

// driver prepares what runs the controllers of a component.
func (o *processOptions) driver() (*live.Driver, error) {
	if err := logsapi.ValidateAndApply(o.logging, nil); err != nil {
		return nil, fmt.Errorf("logging flags: %w", err)
	}
	ctrl.SetLogger(klog.Background())
	config, err := o.restConfig()
	if err != nil {
		return nil, err
	}
	kinds := runtime.NewScheme()
	if err := scheme.AddToScheme(kinds); err != nil {
		return nil, fmt.Errorf("collecting the known kinds: %w", err)
	}
	chain := interpreter.Chain{native.New(native.Options{Clock: clock.RealClock{}})}
	driver, err := live.NewDriver(config, ctrl.Options{
		Scheme:                        kinds,
		LeaderElection:                o.leaderElect,
		LeaderElectionID:              o.leaderElectName,
		LeaderElectionNamespace:       o.leaderElectNamespace,
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &o.leaseDuration,
		RenewDeadline:                 &o.renewDeadline,
		RetryPeriod:                   &o.retryPeriod,
		Metrics:                       metricsserver.Options{BindAddress: o.metricsAddress},
		HealthProbeBindAddress:        o.healthAddress,
	}, live.Limits{QPS: o.memberQPS, Burst: o.memberBurst}, chain)
	if err != nil {
		return nil, err
	}
	if err := driver.Manager().AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("adding the health check: %w", err)
	}
	if err := driver.Manager().AddReadyzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("adding the readiness check: %w", err)
	}
	return driver, nil
}
