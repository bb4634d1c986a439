package main

import (
	"github.com/spf13/cobra"

	"github.com/seatrial/seatrial/metrics"
)

const metricsAdapterExample = `  # Beside a kube-apiserver, on port 7443 with a self-signed certificate:
  seatrial metrics-adapter --kubeconfig=karmada.config --secure-port=7443`

func newMetricsAdapterCommand(warnOfGates func()) *cobra.Command {
	options := metrics.NewOptions()
	command := &cobra.Command{
		Use:   "metrics-adapter",
		Short: "Serve the metrics of all members (metrics.k8s.io, custom.metrics.k8s.io) to the control plane",
		Long: `Serve metrics.k8s.io, custom.metrics.k8s.io and external.metrics.k8s.io as an aggregated API server: each request is asked of
all members that are ready, and answered with what they say. What several members say of objects of the same name is added up
in custom metrics. External metrics are in no member; the group is served empty.

FederatedHPAs do not need it: they read the metrics APIs of members directly.`,
		Example: metricsAdapterExample,
		Args:    cobra.NoArgs,
	}
	return serverCommand(command, options, warnOfGates)
}
