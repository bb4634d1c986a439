package main

import (
	"context"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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

// newServerCommands are the API servers beside the control plane's. Their gates are those of the process.
func newServerCommands() []*cobra.Command {
	warnOfGates := component.AddOtherGates(utilfeature.DefaultMutableFeatureGate)
	return []*cobra.Command{newAPIServerCommand(warnOfGates), newSearchCommand(warnOfGates), newMetricsAdapterCommand(warnOfGates)}
}

func newAPIServerCommand(warnOfGates func()) *cobra.Command {
	options := apiserver.NewOptions()
	command := &cobra.Command{
		Use: "apiserver", Aliases: []string{"aggregated-apiserver"},
		Short: "Serve clusters (cluster.karmada.io) to the control plane",
		Long: `Serve the Cluster objects of cluster.karmada.io/v1alpha1 as an aggregated API server.

With --search it serves search.karmada.io/v1alpha1 too: resource registries, and what they choose of members.

The server keeps Clusters in etcd. The control plane's kube-apiserver forwards requests to it by the APIService
v1alpha1.cluster.karmada.io, and answers for it who a caller is and what the caller may do.`,
		Example: apiServerExample,
		Args:    cobra.NoArgs,
	}
	return serverCommand(command, options, warnOfGates)
}

// apiServer is what an API server is started by.
type apiServer interface {
	AddFlags(flags *pflag.FlagSet)
	Complete() error
	Validate() error
	Run(ctx context.Context) error
}

// serverCommand makes a command run a server with the options that its flags set.
func serverCommand(command *cobra.Command, options apiServer, warnOfGates func()) *cobra.Command {
	logging := logsapi.NewLoggingConfiguration()
	options.AddFlags(command.Flags())
	warnOfLogging := component.AddLoggingFlags(logging, command.Flags())
	command.RunE = func(command *cobra.Command, _ []string) error {
		if err := options.Complete(); err != nil {
			return err
		}
		if err := options.Validate(); err != nil {
			return err
		}
		if err := component.ApplyLogging(logging, utilfeature.DefaultFeatureGate); err != nil {
			return err
		}
		warnOfLogging()
		warnOfGates()
		return options.Run(command.Context())
	}
	return command
}
