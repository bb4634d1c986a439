package main

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/seatrial/seatrial/controlplane"
)

// addAutoscalingFlags adds those about FederatedHPAs. Rules of CronFederatedHPAs that name no time zone are read in that of the process.
func addAutoscalingFlags(flags *pflag.FlagSet, settings *controlplane.Options) {
	settings.Cron.Zone = time.Local
	scale := &settings.Autoscale
	flags.DurationVar(&scale.Period, "horizontal-pod-autoscaler-sync-period", scale.Period, "Time between two looks of a FederatedHPA at its workload")
	flags.Float64Var(&scale.Tolerance, "horizontal-pod-autoscaler-tolerance", scale.Tolerance, "How far a metric may be from its target, as a part of it, before a FederatedHPA scales")
	flags.DurationVar(&scale.Stabilization, "horizontal-pod-autoscaler-downscale-stabilization", scale.Stabilization, "How long the highest recommendation keeps a FederatedHPA from taking replicas away")
	flags.DurationVar(&scale.CPUInitializationPeriod, "horizontal-pod-autoscaler-cpu-initialization-period", scale.CPUInitializationPeriod, "Age up to which the CPU of a pod counts only from the time on when it is ready")
	flags.DurationVar(&scale.InitialReadinessDelay, "horizontal-pod-autoscaler-initial-readiness-delay", scale.InitialReadinessDelay, "Age up to which a pod that is not ready counts as one that has never been")
}
