package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/component-base/featuregate"
	"k8s.io/component-base/logs"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/seatrial/seatrial/component"
	"github.com/seatrial/seatrial/estimator/nodes"
	"github.com/seatrial/seatrial/estimator/rpc/inventory"
	"github.com/seatrial/seatrial/estimator/rpc/server"
)

const gateResourceQuota featuregate.Feature = "ResourceQuotaEstimate"

// garbagePercent trades time for memory: nearly all of the heap is the index, which stays, and events leave little behind.
const garbagePercent = 30

// estimatorOptions are the flags of the estimator.
type estimatorOptions struct {
	cluster string

	kubeconfig string
	context    string
	master     string
	qps        float32
	burst      int

	certificates server.Certificates
	bindAddress  string
	port         int
	parallelism  int

	metricsAddress   string
	healthAddress    string
	profiling        bool
	profilingAddress string

	gates   featuregate.MutableVersionedFeatureGate
	logging *logs.Options

	warnOfGates, warnOfLogging func()
}

func newEstimatorCommand() *cobra.Command {
	o := &estimatorOptions{
		qps: 20, burst: 30, port: 10352,
		metricsAddress: ":8080", healthAddress: ":10351", profilingAddress: ":6060",
		gates: featuregate.NewFeatureGate(), logging: logs.NewOptions(),
	}
	utilruntime.Must(o.gates.Add(map[featuregate.Feature]featuregate.FeatureSpec{
		gateResourceQuota:                  {Default: false, PreRelease: featuregate.Alpha},
		component.GateOvercommitProtection: {Default: true, PreRelease: featuregate.Beta},
		component.GateMultiplePodTemplates: {Default: true, PreRelease: featuregate.Beta},
	}))
	command := &cobra.Command{
		Use: "estimator", Aliases: []string{"scheduler-estimator"},
		Short: "Tell schedulers how much still fits into one member cluster",
		Long: `Run the estimator of one member cluster: it follows the nodes and pods of the member, and answers over gRPC how many
more replicas, or sets of components, fit onto the nodes, and how many replicas find none.`,
		Example: `  # For member1, with a kubeconfig of member1, to schedulers whose certificates ca.crt has signed
  seatrial estimator --cluster-name member1 --kubeconfig member1.kubeconfig \
    --grpc-auth-cert-file server.crt --grpc-auth-key-file server.key --grpc-client-ca-file ca.crt

  # On this machine alone, without TLS
  seatrial estimator --cluster-name member1 --kubeconfig member1.kubeconfig --bind-address 127.0.0.1`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return o.run(command.Context()) },
	}
	o.addFlags(command.Flags())
	return command
}

func (o *estimatorOptions) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.cluster, "cluster-name", o.cluster, "Name of the member cluster, as the control plane knows it (required)")
	flags.StringVar(&o.kubeconfig, "kubeconfig", o.kubeconfig, "Path of the kubeconfig of the member. Empty means $KUBECONFIG, or the pod's service account")
	flags.StringVar(&o.context, "context", o.context, "Context of that kubeconfig; empty means its current one")
	flags.StringVar(&o.master, "master", o.master, "Address of the member's API server; wins over the kubeconfig")
	flags.Float32Var(&o.qps, "kube-api-qps", o.qps, "Requests a second to the member's API server; negative means no limit on the client's side")
	flags.IntVar(&o.burst, "kube-api-burst", o.burst, "Requests to the member's API server above that rate for a short while")
	flags.StringVar(&o.certificates.CertFile, "grpc-auth-cert-file", "", "Certificate that the server shows. It is read again when it changes. Without one there is no TLS")
	flags.StringVar(&o.certificates.KeyFile, "grpc-auth-key-file", "", "Key of that certificate")
	flags.StringVar(&o.certificates.ClientCAFile, "grpc-client-ca-file", "", "CA of the certificates that clients must show. It is read again when it changes")
	flags.BoolVar(&o.certificates.AnyClient, "insecure-skip-grpc-client-verify", false, "Also serve clients without a certificate that can be verified")
	flags.StringVar(&o.bindAddress, "bind-address", o.bindAddress, "Address to listen on for gRPC; empty means all")
	flags.IntVar(&o.port, "server-port", o.port, "Port of the gRPC server")
	flags.IntVar(&o.parallelism, "parallelism", o.parallelism, "Estimates that run at once; 0 means 16")
	flags.StringVar(&o.metricsAddress, "metrics-bind-address", o.metricsAddress, "Listen address of /metrics; 0 turns it off")
	flags.StringVar(&o.healthAddress, "health-probe-bind-address", o.healthAddress, "Listen address of /healthz and /readyz; 0 turns them off")
	flags.BoolVar(&o.profiling, "enable-pprof", o.profiling, "Serve profiles of the process under /debug/pprof")
	flags.StringVar(&o.profilingAddress, "profiling-bind-address", o.profilingAddress, "Listen address of the profiles")
	o.warnOfGates = component.AddOtherGates(o.gates)
	o.gates.AddFlag(flags)
	o.warnOfLogging = component.AddLoggingFlags(o.logging, flags)
}

func (o *estimatorOptions) run(ctx context.Context) error {
	if o.cluster == "" {
		return errors.New("--cluster-name is missing: the estimator answers for one member cluster")
	}
	if err := component.ApplyLogging(o.logging, nil); err != nil {
		return err
	}
	o.warnOfLogging()
	o.warnOfGates()
	ctrl.SetLogger(klog.Background())
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(garbagePercent)
	}
	client, err := o.client()
	if err != nil {
		return err
	}
	seen := inventory.New(client, inventory.Options{Gates: nodes.Options{
		Quotas: o.gates.Enabled(gateResourceQuota), Assumed: o.gates.Enabled(component.GateOvercommitProtection),
	}})
	registry := prometheus.NewRegistry()
	if err := component.RegisterBuild(registry); err != nil {
		return err
	}
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	metrics, err := server.NewMetrics(registry, seen)
	if err != nil {
		return err
	}
	service, err := server.NewService(o.cluster, seen, metrics, o.parallelism)
	if err != nil {
		return err
	}
	return o.serve(ctx, service, seen, registry)
}

// serve runs everything until the context ends or one part fails.
func (o *estimatorOptions) serve(ctx context.Context, service *server.Service, seen *inventory.Inventory, registry *prometheus.Registry) error {
	group, ctx := errgroup.WithContext(ctx)
	// TLS follows its files until everything ends.
	config, err := o.certificates.TLS(ctx)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(o.bindAddress, strconv.Itoa(o.port)))
	if err != nil {
		return fmt.Errorf("listening for gRPC (see --bind-address and --server-port): %w", err)
	}
	if config == nil {
		klog.Background().Info("Serving without TLS: whoever reaches the port may ask", "address", listener.Addr().String())
	}
	group.Go(func() error { return server.Serve(ctx, listener, service, config) })
	group.Go(func() error { seen.Run(ctx); return nil })
	for _, endpoint := range o.endpoints(registry, seen) {
		group.Go(func() error { return endpoint.serve(ctx) })
	}
	return group.Wait()
}

func (o *estimatorOptions) client() (kubernetes.Interface, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.kubeconfig
	overrides := &clientcmd.ConfigOverrides{CurrentContext: o.context}
	overrides.ClusterInfo.Server = o.master
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the member cluster (see --kubeconfig and --context): %w", err)
	}
	config.QPS, config.Burst = o.qps, o.burst
	config.UserAgent = rest.DefaultKubernetesUserAgent()
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to the member cluster: %w", err)
	}
	return client, nil
}
