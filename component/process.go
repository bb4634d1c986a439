// Package component wires the components of a control plane into commands, for this project's own binary and for others: a
// scheduler with more plugins is one of theirs.
package component

import (
	"fmt"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/component-base/logs"
	_ "k8s.io/component-base/logs/json/register" // --logging-format=json
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/api/scheme"
	"github.com/seatrial/seatrial/controllers/live"
	"github.com/seatrial/seatrial/interpreter"
	"github.com/seatrial/seatrial/interpreter/standard"
	"github.com/seatrial/seatrial/interpreter/webhook"
)

// Process is what every component that runs controllers can be told.
type Process struct {
	kubeconfig string
	context    string
	master     string
	// planeFlags name the flags of these two.
	planeFlags string
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

	retries retries

	metricsAddress   string
	healthAddress    string
	profiling        bool
	profilingAddress string

	logging       *logs.Options
	warnOfLogging func()
}

// NewProcess has the defaults of a component: the name of its election Lease, and the listen address of its health endpoints.
func NewProcess(leaderElectName, healthAddress string) *Process {
	return &Process{
		// The API server's priority and fairness decides what a flood may do; a client-side limit would only slow the rest.
		qps: -1, burst: 0, memberQPS: -1, planeFlags: "--kubeconfig and --context",
		leaderElect: true, leaderElectName: leaderElectName, leaderElectNamespace: names.NamespaceSystem,
		leaseDuration: 15 * time.Second, renewDeadline: 10 * time.Second, retryPeriod: 2 * time.Second,
		retries:        defaultRetries(),
		metricsAddress: ":8080", healthAddress: healthAddress, profilingAddress: ":6060",
		logging: logs.NewOptions(),
	}
}

// AddFlags adds all but those about members.
func (p *Process) AddFlags(flags *pflag.FlagSet) {
	p.AddServerFlags(flags)
	p.addControllerFlags(flags)
}

// AddAgentFlags adds those of a component inside a member, for which the control plane is the far side.
func (p *Process) AddAgentFlags(flags *pflag.FlagSet) {
	p.planeFlags = "--karmada-kubeconfig and --karmada-context"
	flags.StringVar(&p.kubeconfig, "karmada-kubeconfig", p.kubeconfig, "Path of the kubeconfig of the control plane's API server (required)")
	flags.StringVar(&p.context, "karmada-context", p.context, "Context of that kubeconfig; empty means its current one")
	p.addServingFlags(flags)
	p.addControllerFlags(flags)
	p.AddMemberFlags(flags)
}

func (p *Process) addControllerFlags(flags *pflag.FlagSet) {
	flags.BoolVar(&p.leaderElect, "leader-elect", p.leaderElect, "Only work while holding the election Lease, so that several copies can run")
	flags.StringVar(&p.leaderElectName, "leader-elect-resource-name", p.leaderElectName, "Name of the election Lease")
	flags.StringVar(&p.leaderElectNamespace, "leader-elect-resource-namespace", p.leaderElectNamespace, "Namespace of the election Lease")
	flags.DurationVar(&p.leaseDuration, "leader-elect-lease-duration", p.leaseDuration, "How long an unrenewed leadership stays valid")
	flags.DurationVar(&p.renewDeadline, "leader-elect-renew-deadline", p.renewDeadline, "How long the leader tries to renew before it gives up")
	flags.DurationVar(&p.retryPeriod, "leader-elect-retry-period", p.retryPeriod, "Pause between attempts to become leader")
	p.retries.addTo(flags)
}

// AddServerFlags adds those of components of which all copies work at once.
func (p *Process) AddServerFlags(flags *pflag.FlagSet) {
	p.AddPlaneFlags(flags)
	p.addServingFlags(flags)
}

func (p *Process) addServingFlags(flags *pflag.FlagSet) {
	flags.Float32Var(&p.qps, "kube-api-qps", p.qps, "Requests a second to the control plane's API server; negative means no limit on the client's side")
	flags.IntVar(&p.burst, "kube-api-burst", p.burst, "Requests to the control plane's API server above that rate for a short while")
	flags.StringVar(&p.metricsAddress, "metrics-bind-address", p.metricsAddress, "Listen address of /metrics; 0 turns it off")
	flags.StringVar(&p.healthAddress, "health-probe-bind-address", p.healthAddress, "Listen address of /healthz and /readyz; 0 turns them off")
	flags.BoolVar(&p.profiling, "enable-pprof", p.profiling, "Serve profiles of the process under /debug/pprof")
	flags.StringVar(&p.profilingAddress, "profiling-bind-address", p.profilingAddress, "Listen address of the profiles")
	p.warnOfLogging = AddLoggingFlags(p.logging, flags)
}

// AddPlaneFlags adds those that find the control plane, and nothing else.
func (p *Process) AddPlaneFlags(flags *pflag.FlagSet) {
	flags.StringVar(&p.kubeconfig, "kubeconfig", p.kubeconfig, "Path of the kubeconfig of the control plane's API server. Empty means $KUBECONFIG, or the pod's service account")
	flags.StringVar(&p.context, "context", p.context, "Context of that kubeconfig; empty means its current one")
}

// AddMasterFlag adds the one that leads to another address than the kubeconfig.
func (p *Process) AddMasterFlag(flags *pflag.FlagSet) {
	flags.StringVar(&p.master, "master", p.master, "Address of the control plane's API server; wins over the kubeconfig")
}

// Kubeconfig is the path of the kubeconfig of the control plane, and the context of it, as the flags say.
func (p *Process) Kubeconfig() (path, context string) { return p.kubeconfig, p.context }

// AddMemberFlags adds those of components that talk to members.
func (p *Process) AddMemberFlags(flags *pflag.FlagSet) {
	flags.Float32Var(&p.memberQPS, "cluster-api-qps", p.memberQPS, "Requests a second to the API server of one member; negative means no limit on the client's side")
	flags.IntVar(&p.memberBurst, "cluster-api-burst", p.memberBurst, "Requests to the API server of one member above that rate for a short while")
}

// MemberLimits are how much may be asked of the API server of one member.
func (p *Process) MemberLimits() live.Limits {
	return live.Limits{QPS: p.memberQPS, Burst: p.memberBurst}
}

// RESTConfig finds the control plane.
func (p *Process) RESTConfig() (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = p.kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: p.context}
	overrides.ClusterInfo.Server = p.master
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the control plane (see %s): %w", p.planeFlags, err)
	}
	config.QPS, config.Burst = p.qps, p.burst
	return config, nil
}

// Start applies the flags to the process, and tells how to reach the control plane and what every manager of a component serves.
func (p *Process) Start() (*rest.Config, ctrl.Options, error) {
	options := ctrl.Options{
		Scheme: runtime.NewScheme(), Metrics: metricsserver.Options{BindAddress: p.metricsAddress}, HealthProbeBindAddress: p.healthAddress,
	}
	if p.profiling {
		options.PprofBindAddress = p.profilingAddress
	}
	if err := ApplyLogging(p.logging, nil); err != nil {
		return nil, options, err
	}
	p.warnOfLogging()
	ctrl.SetLogger(klog.Background())
	if err := RegisterBuild(metrics.Registry); err != nil {
		return nil, options, err
	}
	if err := scheme.AddToScheme(options.Scheme); err != nil {
		return nil, options, fmt.Errorf("collecting the known kinds: %w", err)
	}
	config, err := p.RESTConfig()
	return config, options, err
}

// Driver prepares what runs the controllers of a component.
func (p *Process) Driver() (*live.Driver, error) {
	config, options, err := p.Start()
	if err != nil {
		return nil, err
	}
	return p.DriverOf(config, options)
}

// DriverOf prepares it for a control plane that is reached, and seen, in a way of its own; both come from Start.
func (p *Process) DriverOf(config *rest.Config, options ctrl.Options) (*live.Driver, error) {
	webhooks, err := newWebhookClient(config, options.Scheme)
	if err != nil {
		return nil, err
	}
	options.LeaderElection, options.LeaderElectionID, options.LeaderElectionNamespace = p.leaderElect, p.leaderElectName, p.leaderElectNamespace
	options.LeaderElectionReleaseOnCancel = true
	options.LeaseDuration, options.RenewDeadline, options.RetryPeriod = &p.leaseDuration, &p.renewDeadline, &p.retryPeriod
	driver, err := live.NewDriver(config, options, p.MemberLimits(), func() interpreter.Interpreter { return standard.New(clock.RealClock{}, webhooks.Interpreter()) })
	if err != nil {
		return nil, err
	}
	driver.Limit(p.retries.limiter)
	if err := driver.Manager().AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("adding the health check: %w", err)
	}
	if err := driver.Manager().AddReadyzCheck("ping", healthz.Ping); err != nil {
		return nil, fmt.Errorf("adding the readiness check: %w", err)
	}
	return driver, nil
}

// newWebhookClient prepares what asks interpreter webhooks.
func newWebhookClient(config *rest.Config, kinds *runtime.Scheme) (*webhook.Client, error) {
	told, err := webhook.NewMetrics(metrics.Registry)
	if err != nil {
		return nil, err
	}
	plane, err := client.New(config, client.Options{Scheme: kinds})
	if err != nil {
		return nil, fmt.Errorf("preparing to find interpreter webhooks: %w", err)
	}
	return webhook.NewClient(webhook.Options{Plane: plane, Recorder: told})
}
