package main

import (
	"crypto/tls"
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/component-base/featuregate"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/component"
	"github.com/seatrial/seatrial/webhook"
)

// webhookOptions are the flags of the webhook server.
type webhookOptions struct {
	process     *component.Process
	server      webhook.Options
	minTLS      string
	noExecute   bool
	gates       featuregate.MutableVersionedFeatureGate
	warnOfGates func()
}

func newWebhookCommand() *cobra.Command {
	o := &webhookOptions{
		process: component.NewProcess("", ":8000"),
		server: webhook.Options{
			Host: "0.0.0.0", Port: 8443,
			CertDir: "/tmp/k8s-webhook-server/serving-certs", CertName: "tls.crt", KeyName: "tls.key",
		},
		minTLS: "1.3", gates: featuregate.NewFeatureGate(),
	}
	command := &cobra.Command{
		Use:   "webhook",
		Short: "Complete and check what is written to a control plane",
		Long: `Serve admission to the API server of a control plane: it completes and checks policies, bindings, Works and the other kinds of
the fleet before they are stored, refuses to delete what users protect, charges quotas, and converts bindings between versions.

With --register-url the server makes its certificate, replaces it in time, and registers itself with the control plane. Without, the
certificate in --cert-dir is used, and read again when it changes.`,
		Example: `  # Beside a control plane on this machine
  seatrial webhook --kubeconfig karmada.kubeconfig --bind-address 127.0.0.1 \
    --cert-dir webhook-certificates --register-url https://127.0.0.1:8443

  # In place of an installed one, with its certificate and configurations
  seatrial webhook --kubeconfig karmada.kubeconfig --cert-dir /var/serving-cert`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error { return o.run(command) },
	}
	o.addFlags(command.Flags())
	return command
}

func (o *webhookOptions) addFlags(flags *pflag.FlagSet) {
	o.process.AddServerFlags(flags)
	flags.StringVar(&o.server.Host, "bind-address", o.server.Host, "IP address that the HTTPS server listens on")
	flags.IntVar(&o.server.Port, "secure-port", o.server.Port, "Port that the HTTPS server listens on")
	flags.StringVar(&o.server.CertDir, "cert-dir", o.server.CertDir, "Folder of the serving certificate and its key, and of what verifies it, ca.crt")
	flags.StringVar(&o.server.CertName, "tls-cert-file-name", o.server.CertName, "File of the certificate in --cert-dir")
	flags.StringVar(&o.server.KeyName, "tls-private-key-file-name", o.server.KeyName, "File of the key in --cert-dir")
	flags.StringVar(&o.minTLS, "tls-min-version", o.minTLS, "Lowest version of TLS: 1.2 or 1.3")
	flags.StringVar(&o.server.ClientCA, "client-ca-file", "", "Authorities of the certificates that callers must show for admission; empty lets everybody call who reaches the server")
	flags.StringVar(&o.server.RegisterURL, "register-url", "",
		"URL by which the control plane's API server reaches this server, https://HOST:PORT. With it, the server registers itself and makes its certificate where none is given")
	flags.BoolVar(&o.noExecute, "allow-no-execute-taint-policy", o.noExecute, "Permit the effect NoExecute in ClusterTaintPolicies")
	utilruntime.Must(o.gates.Add(map[featuregate.Feature]featuregate.FeatureSpec{
		gateQuota:                          {Default: false, PreRelease: featuregate.Alpha},
		component.GateMultiplePodTemplates: {Default: false, PreRelease: featuregate.Alpha},
	}))
	o.warnOfGates = component.AddOtherGates(o.gates)
	o.gates.AddFlag(flags)
}

// run serves until the context ends.
func (o *webhookOptions) run(command *cobra.Command) error {
	switch o.minTLS {
	case "1.2":
		o.server.MinTLS = tls.VersionTLS12
	case "1.3":
		o.server.MinTLS = tls.VersionTLS13
	default:
		return fmt.Errorf("--tls-min-version: %q is neither 1.2 nor 1.3", o.minTLS)
	}
	config, options, err := o.process.Start()
	if err != nil {
		return err
	}
	o.warnOfGates()
	// A judgement must not rest on a view that lags behind.
	options.NewClient = func(config *rest.Config, options client.Options) (client.Client, error) {
		options.Cache = nil
		return client.New(config, options)
	}
	manager, err := ctrl.NewManager(config, options)
	if err != nil {
		return fmt.Errorf("preparing the webhook server: %w", err)
	}
	server, err := webhook.New(o.server, webhook.Rules{
		Plane: manager.GetClient(), IDs: uuid.NewString, NoExecuteTaintPolicy: o.noExecute,
		EnforceQuotas: o.gates.Enabled(gateQuota), MultiplePodTemplates: o.gates.Enabled(component.GateMultiplePodTemplates),
	})
	if err != nil {
		return err
	}
	if err := server.AddTo(manager); err != nil {
		return err
	}
	return manager.Start(command.Context())
}
