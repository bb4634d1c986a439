package main

import (
	"github.com/spf13/cobra"

	"github.com/seatrial/seatrial/apiserver"
)

const searchExample = `  # Beside a kube-apiserver, sharing its etcd, on port 7443 with a self-signed certificate:
  seatrial search --kubeconfig=karmada.config --secure-port=7443 \
    --etcd-servers=https://127.0.0.1:2379 --etcd-cafile=etcd-ca.crt --etcd-certfile=etcd.crt --etcd-keyfile=etcd.key`

func newSearchCommand(warnOfGates func()) *cobra.Command {
	options := apiserver.NewSearchOptions()
	command := &cobra.Command{
		Use:   "search",
		Short: "Serve objects of many members in one place (search.karmada.io) to the control plane",
		Long: `Serve search.karmada.io/v1alpha1 as an aggregated API server of its own: resource registries, and what they choose of members.

"seatrial apiserver --search" serves the same beside clusters, in one process: run one of the two. The control plane's
kube-apiserver forwards requests to it by the APIService v1alpha1.search.karmada.io, and answers for it who a caller is and
what the caller may do.`,
		Example: searchExample,
		Args:    cobra.NoArgs,
	}
	return serverCommand(command, options, warnOfGates)
}
