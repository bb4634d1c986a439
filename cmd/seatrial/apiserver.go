package main

import (
	"context"

	"github.com/spf13/cobra"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	logsapi "k8s.io/component-base/logs/api/v1"

	"github.com/seatrial/seatrial/apiserver"
	"github.com/seatrial/seatrial/component"
)

const apiServerExample = `  # Beside a kube-apiserver, sharing its etcd, on port 7443 with a self-signed certificate:
  seatrial apiserver --kubeconfig=karmada.config --secure-port=7443 \
    --etcd-servers=https://127.0.0.1:2379 --etcd-cafile=etcd-ca.crt --etcd-certfile=etcd.crt --etcd-keyfile=etcd.key

  # The same with a certificate for karmada-aggregated-apiserver.karmada-system.svc:
  seatrial apiserver --kubeconfig=karmada.config --secure-port=7443 --etcd-servers=http://127.0.0.1:2379 \
    --tls-cert-file=apiserver.crt --tls-private-key-file=apiserver.key`

func newAPIServerCommand() *cobra.Command {
	options := apiserver.NewOptions()
	logging := logsapi.NewLoggingConfiguration()
	warnOfGates := component.AddOtherGates(utilfeature.DefaultMutableFeatureGate)
	var warnOfLogging func()
	command := &cobra.Command{
		Use: "apiserver", Aliases: []string{"aggregated-apiserver"},
		Short: "Serve clusters (cluster.karmada.io) to the control plane",
		Long: `Serve the Cluster objects of cluster.karmada.io/v1alpha1 as an aggregated API server.

With --search it serves search.karmada.io/v1alpha1 too: resource registries, and what they choose of members.

The server keeps Clusters in etcd. The control plane's kube-apiserver forwards requests to it by the APIService
v1alpha1.cluster.karmada.io, and answers for it who a caller is and what the caller may do.`,
		Example: apiServerExample,
		Args:    cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return runAPIServer(command.Context(), options, logging, warnOfLogging, warnOfGates)
		},
	}
	options.AddFlags(command.Flags())
	warnOfLogging = component.AddLoggingFlags(logging, command.Flags())
	return command
}

func runAPIServer(ctx context.Context, options *apiserver.Options, logging *logsapi.LoggingConfiguration, warnings ...func()) error {
	if err := options.Complete(); err != nil {
		return err
	}
	if err := options.Validate(); err != nil {
		return err
	}
	if err := logsapi.ValidateAndApply(logging, utilfeature.DefaultFeatureGate); err != nil {
		return err
	}
	for _, warn := range warnings {
		warn()
	}
	return options.Run(ctx)
}
