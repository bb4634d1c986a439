package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/component-base/featuregate"

	"github.com/seatrial/seatrial/controllers/failback"
	"github.com/seatrial/seatrial/eviction"
)

func TestFailoverFlags(t *testing.T) {
	for _, c := range []struct {
		arguments string
		check     func(eviction.Options) bool
		fault     string
	}{
		{"", func(o eviction.Options) bool {
			return !o.Evicts() && !o.NoExecute && o.GracefulEviction && o.Rate == 50
		}, ""},
		{"--feature-gates=Failover=true", func(o eviction.Options) bool { return o.Evicts() }, ""},
		{"--feature-gates=Failover=true --reference-failover", func(o eviction.Options) bool { return !o.Evicts() && o.Rate == 0.5 }, ""},
		{"--feature-gates=Failover=true --reference-failover --enable-no-execute-taint-eviction --resource-eviction-rate=3",
			func(o eviction.Options) bool { return o.Evicts() && o.Rate == 3 }, ""},
		{"--feature-gates=GracefulEviction=false,StatefulFailoverInjection=true", func(o eviction.Options) bool { return !o.GracefulEviction && o.StatefulInjection }, ""},
		{"--graceful-eviction-timeout=1m --no-execute-taint-eviction-purge-mode=Directly",
			func(o eviction.Options) bool { return o.Timeout == time.Minute && o.PurgeMode == "Directly" }, ""},
		{"--partition-settling-time=3m", func(o eviction.Options) bool { return o.Settle == 3*time.Minute }, ""},
		{"--no-execute-taint-eviction-purge-mode=Never", nil, `--no-execute-taint-eviction-purge-mode: "Never" is neither Directly nor Gracefully`},
		{"--unhealthy-cluster-threshold=1.5", nil, "--unhealthy-cluster-threshold: 1.5 is not between 0 and 1"},
		{"--resource-eviction-rate=-1", nil, "--resource-eviction-rate and --secondary-resource-eviction-rate must not be negative"},
	} {
		options, gates, flags := eviction.Defaults(), featuregate.NewFeatureGate(), pflag.NewFlagSet("test", pflag.ContinueOnError)
		addFailoverGates(gates)
		gates.AddFlag(flags)
		addFailoverFlags(flags, &options)
		if err := flags.Parse(strings.Fields(c.arguments)); err != nil {
			t.Fatalf("%s: %v", c.arguments, err)
		}
		err := finishFailover(flags, gates, &options)
		if err == nil && (c.fault != "" || !c.check(options)) || err != nil && err.Error() != c.fault {
			t.Errorf("%s: %+v, error %v, want %q", c.arguments, options, err, c.fault)
		}
	}
}

func TestEvictionMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	m, err := newEvictionMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	m.Depth(7)
	m.Processed("member1", "Deployment", time.Second, nil)
	m.Processed("member1", "Deployment", time.Second, errors.New("no"))
	want := `
# HELP eviction_kind_total Workloads that left a member, by kind.
# TYPE eviction_kind_total gauge
eviction_kind_total{member_cluster="member1",resource_kind="Deployment"} 1
# HELP eviction_processing_total Attempts to let a workload leave a cluster, by result.
# TYPE eviction_processing_total counter
eviction_processing_total{name="resource_eviction",result="error"} 1
eviction_processing_total{name="resource_eviction",result="success"} 1
# HELP eviction_queue_depth Workloads that wait to leave a cluster.
# TYPE eviction_queue_depth gauge
eviction_queue_depth{name="resource_eviction"} 7
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "eviction_kind_total", "eviction_processing_total", "eviction_queue_depth"); err != nil {
		t.Error(err)
	}
	if _, err := newEvictionMetrics(registry); err == nil || !strings.Contains(err.Error(), "metrics of evictions") {
		t.Errorf("registering twice: error %v", err)
	}
}

func TestRebalanceFlags(t *testing.T) {
	for _, c := range []struct {
		arguments string
		surge     intstr.IntOrString
		fault     string
	}{
		{"", intstr.IntOrString{}, ""},
		{"--move-surge=3 --rebalance-interval=30s", intstr.FromInt32(3), ""},
		{"--move-surge=25%", intstr.FromString("25%"), ""},
		{"--move-surge=0", intstr.IntOrString{}, `--move-surge: "0" is neither a number from 1 on nor a part such as 25%`},
		{"--move-surge=many", intstr.IntOrString{}, `--move-surge: "many" is neither a number from 1 on nor a part such as 25%`},
		{"--rebalance-interval=0s", intstr.IntOrString{}, "--rebalance-interval: 0s is no interval"},
		{"--rebalance-hysteresis=2", intstr.IntOrString{}, "--rebalance-hysteresis and --rebalance-at-once must be between 0 and 1"},
	} {
		options, surge, flags := failback.Defaults(), "", pflag.NewFlagSet("test", pflag.ContinueOnError)
		addRebalanceFlags(flags, &surge, &options)
		if err := flags.Parse(strings.Fields(c.arguments)); err != nil {
			t.Fatalf("%s: %v", c.arguments, err)
		}
		got, err := finishRebalance(surge, &options)
		if err == nil && (c.fault != "" || got != c.surge) || err != nil && err.Error() != c.fault {
			t.Errorf("%s: surge %v, error %v, want %v, %q", c.arguments, got, err, c.surge, c.fault)
		}
	}
}
