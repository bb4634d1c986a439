package main

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/intstr"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/component-base/featuregate"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/component"
	"github.com/seatrial/seatrial/controllers/failback"
	"github.com/seatrial/seatrial/eviction"
)

// Feature gates of failover, by the names of the reference.
const (
	gateFailover  featuregate.Feature = "Failover"
	gateInjection featuregate.Feature = "StatefulFailoverInjection"
)

const (
	rateFlag  = "resource-eviction-rate"
	surgeFlag = "move-surge"
)

func addFailoverGates(gates featuregate.MutableVersionedFeatureGate) {
	utilruntime.Must(gates.Add(map[featuregate.Feature]featuregate.FeatureSpec{
		gateFailover:                   {Default: false, PreRelease: featuregate.Beta},
		component.GateGracefulEviction: {Default: true, PreRelease: featuregate.Beta},
		gateInjection:                  {Default: false, PreRelease: featuregate.Alpha},
	}))
}

func addFailoverFlags(flags *pflag.FlagSet, o *eviction.Options) {
	flags.BoolVar(&o.TaintManager, "enable-taint-manager", o.TaintManager, "With the Failover gate: let workloads leave clusters because of the cluster")
	flags.BoolVar(&o.NoExecute, "enable-no-execute-taint-eviction", o.NoExecute, "With the Failover gate: let workloads leave clusters with NoExecute taints they do not tolerate")
	flags.StringVar((*string)(&o.PurgeMode), "no-execute-taint-eviction-purge-mode", string(o.PurgeMode), "How workloads leave that do not say so themselves: Directly or Gracefully")
	flags.DurationVar(&o.Timeout, "graceful-eviction-timeout", o.Timeout, "Longest wait for a healthy replacement. A copy that serves is kept beyond it while too little would be ready without it")
	flags.Float64Var(&o.Rate, rateFlag, o.Rate, "Workloads a second that leave clusters; 0 stops them. With --reference-failover the default is 0.5")
	flags.Float64Var(&o.SecondaryRate, "secondary-resource-eviction-rate", o.SecondaryRate, "The same for clusters that are not ready, while more of them are than --unhealthy-cluster-threshold")
	flags.Float64Var(&o.SlowAbove, "unhealthy-cluster-threshold", o.SlowAbove, "Part of the clusters, from 0 to 1, that may be not ready before workloads leave them at the secondary rate")
	flags.Float64Var(&o.StopFrom, "partition-threshold", o.StopFrom, "Part of the clusters, from 0 to 1, from which on it is taken for a partition that they are not ready: workloads stay")
	flags.DurationVar(&o.Settle, "partition-settling-time", o.Settle, "How long workloads stay in clusters that are still not ready when that is over, at least; what they tolerate counts anew from then, too")
	flags.DurationVar(&o.NotReady, "default-not-ready-toleration", o.NotReady, "With the Failover gate: how long workloads that do not say stay in a cluster that is not ready")
	flags.DurationVar(&o.Unreachable, "default-unreachable-toleration", o.Unreachable, "The same for a cluster whose readiness is unknown")
	flags.Float64Var(&o.Floor, "availability-floor", o.Floor, "Part of the replicas, from 0 to 1, that must be ready elsewhere before --graceful-eviction-timeout takes a copy that serves; 0 for what the workload's own roll-outs keep up")
	flags.BoolVar(&o.Reference, "reference-failover", o.Reference, "Fail over as the reference does: by NoExecute taints alone, without waiting for room elsewhere and without a brake. The scheduler has the same flag")
}

// addRebalanceFlags adds the flags about how workloads move between healthy clusters.
func addRebalanceFlags(flags *pflag.FlagSet, surge *string, o *failback.Options) {
	flags.StringVar(surge, surgeFlag, "", "How many replicas a workload may have beyond those it wants while some of them move, as a number or a part such as 25%; what its own roll-outs add by default")
	flags.DurationVar(&o.Interval, "rebalance-interval", o.Interval, "Time between two looks for workloads that move by themselves, because their policy says "+names.AnnotationRebalance+": "+names.RebalanceAutomatic)
	flags.DurationVar(&o.Settling, "rebalance-settling-time", o.Settling, "How long a cluster must have been healthy without a break before such workloads move into it")
	flags.DurationVar(&o.Rest, "rebalance-rest-time", o.Rest, "How long such a workload stays where it was moved to")
	flags.Float64Var(&o.Hysteresis, "rebalance-hysteresis", o.Hysteresis, "Part of its replicas, from 0 to 1, that must be out of place for such a workload to move")
	flags.Float64Var(&o.AtOnce, "rebalance-at-once", o.AtOnce, "Part of such workloads, from 0 to 1, that may move at the same time; one may in any case")
}

// finishRebalance reads the surge, and checks the rest.
func finishRebalance(surge string, o *failback.Options) (intstr.IntOrString, error) {
	if o.Hysteresis < 0 || o.Hysteresis > 1 || o.AtOnce < 0 || o.AtOnce > 1 {
		return intstr.IntOrString{}, errors.New("--rebalance-hysteresis and --rebalance-at-once must be between 0 and 1")
	}
	if o.Interval <= 0 {
		return intstr.IntOrString{}, fmt.Errorf("--rebalance-interval: %s is no interval", o.Interval)
	}
	if surge == "" {
		return intstr.IntOrString{}, nil
	}
	most := intstr.Parse(surge)
	if replicas, err := intstr.GetScaledValueFromIntOrPercent(&most, 100, true); err != nil || replicas < 1 {
		return intstr.IntOrString{}, fmt.Errorf("--%s: %q is neither a number from 1 on nor a part such as 25%%", surgeFlag, surge)
	}
	return most, nil
}

// finishFailover takes over gates and what depends on several flags.
func finishFailover(flags *pflag.FlagSet, gates featuregate.FeatureGate, o *eviction.Options) error {
	o.Failover, o.GracefulEviction = gates.Enabled(gateFailover), gates.Enabled(component.GateGracefulEviction)
	o.StatefulInjection = gates.Enabled(gateInjection)
	if o.Reference && !flags.Changed(rateFlag) {
		o.Rate = eviction.ReferenceRate
	}
	if o.PurgeMode != policyv1alpha1.PurgeModeDirectly && o.PurgeMode != policyv1alpha1.PurgeModeGracefully {
		return fmt.Errorf("--no-execute-taint-eviction-purge-mode: %q is neither Directly nor Gracefully", o.PurgeMode)
	}
	for _, given := range []struct {
		flag string
		part float64
	}{{"unhealthy-cluster-threshold", o.SlowAbove}, {"partition-threshold", o.StopFrom}, {"availability-floor", o.Floor}} {
		if given.part < 0 || given.part > 1 {
			return fmt.Errorf("--%s: %g is not between 0 and 1", given.flag, given.part)
		}
	}
	if o.Rate < 0 || o.SecondaryRate < 0 {
		return fmt.Errorf("--%s and --secondary-resource-eviction-rate must not be negative", rateFlag)
	}
	return nil
}
