package main

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// referenceFlags are those of the reference's components, by our subcommands.
func referenceFlags() map[string]string {
	return map[string]string{
		"controller-manager": `cluster-api-burst cluster-api-context cluster-api-kubeconfig cluster-api-qps cluster-cache-sync-timeout
			cluster-failure-threshold cluster-monitor-grace-period cluster-monitor-period cluster-startup-grace-period
			cluster-status-update-frequency cluster-success-threshold concurrent-cluster-propagation-policy-syncs
			concurrent-cluster-syncs concurrent-clusterresourcebinding-syncs concurrent-dependent-resource-syncs
			concurrent-namespace-syncs concurrent-propagation-policy-syncs concurrent-resource-template-syncs
			concurrent-resourcebinding-syncs concurrent-work-syncs controllers enable-cluster-resource-modeling enable-pprof
			enable-taint-manager feature-gates federated-resource-quota-sync-period graceful-eviction-timeout
			health-probe-bind-address horizontal-pod-autoscaler-cpu-initialization-period horizontal-pod-autoscaler-downscale-delay
			horizontal-pod-autoscaler-downscale-stabilization horizontal-pod-autoscaler-initial-readiness-delay
			horizontal-pod-autoscaler-sync-period horizontal-pod-autoscaler-tolerance horizontal-pod-autoscaler-upscale-delay
			kube-api-burst kube-api-qps kubeconfig leader-elect leader-elect-lease-duration leader-elect-renew-deadline
			leader-elect-resource-namespace leader-elect-retry-period metrics-bind-address profiling-bind-address
			rate-limiter-base-delay rate-limiter-bucket-size rate-limiter-max-delay rate-limiter-qps resync-period
			skipped-propagating-apis skipped-propagating-namespaces enable-no-execute-taint-eviction
			no-execute-taint-eviction-purge-mode resource-eviction-rate`,
		"scheduler": `disable-scheduler-estimator-in-pull-mode enable-empty-workload-propagation enable-pprof enable-scheduler-estimator
			feature-gates health-probe-bind-address insecure-skip-estimator-verify kube-api-burst kube-api-qps kubeconfig
			leader-elect leader-elect-lease-duration leader-elect-renew-deadline leader-elect-resource-name
			leader-elect-resource-namespace leader-elect-retry-period master metrics-bind-address plugins profiling-bind-address
			rate-limiter-base-delay rate-limiter-bucket-size rate-limiter-max-delay rate-limiter-qps scheduler-estimator-ca-file
			scheduler-estimator-cert-file scheduler-estimator-key-file scheduler-estimator-port
			scheduler-estimator-service-namespace scheduler-estimator-service-prefix scheduler-estimator-timeout scheduler-name`,
		"webhook": `allow-no-execute-taint-policy bind-address cert-dir enable-pprof feature-gates health-probe-bind-address kube-api-burst
			kube-api-qps kubeconfig metrics-bind-address profiling-bind-address secure-port tls-cert-file-name tls-min-version
			tls-private-key-file-name`,
		"agent": `cert-rotation-checking-interval cert-rotation-remaining-time-threshold cluster-api-burst cluster-api-endpoint
			cluster-api-qps cluster-cache-sync-timeout cluster-failure-threshold cluster-lease-duration
			cluster-lease-renew-interval-fraction cluster-name cluster-namespace cluster-provider cluster-region
			cluster-status-update-frequency cluster-success-threshold cluster-zones concurrent-cluster-syncs concurrent-work-syncs
			controllers enable-cluster-resource-modeling enable-pprof feature-gates health-probe-bind-address karmada-context
			karmada-kubeconfig karmada-kubeconfig-namespace kube-api-burst kube-api-qps kubeconfig leader-elect
			leader-elect-lease-duration leader-elect-renew-deadline leader-elect-resource-namespace leader-elect-retry-period
			metrics-bind-address profiling-bind-address proxy-server-address rate-limiter-base-delay rate-limiter-bucket-size
			rate-limiter-max-delay rate-limiter-qps report-secrets resync-period`,
		"descheduler": `descheduling-interval enable-pprof health-probe-bind-address insecure-skip-estimator-verify kube-api-burst kube-api-qps
			kubeconfig leader-elect leader-elect-lease-duration leader-elect-renew-deadline leader-elect-resource-namespace
			leader-elect-retry-period master metrics-bind-address profiling-bind-address scheduler-estimator-ca-file
			scheduler-estimator-cert-file scheduler-estimator-key-file scheduler-estimator-port scheduler-estimator-service-namespace
			scheduler-estimator-service-prefix scheduler-estimator-timeout unschedulable-threshold`,
		"estimator": `cluster-name enable-pprof feature-gates grpc-auth-cert-file grpc-auth-key-file grpc-client-ca-file
			health-probe-bind-address insecure-skip-grpc-client-verify kube-api-burst kube-api-qps kubeconfig master
			metrics-bind-address parallelism profiling-bind-address server-port`,
		"apiserver": `enable-pprof feature-gates kube-api-burst kube-api-qps kubeconfig profiling-bind-address`,
	}
}

func componentCommands() map[string]*cobra.Command {
	found := map[string]*cobra.Command{}
	for _, command := range newRootCommand().Commands() {
		found[command.Name()] = command
	}
	return found
}

// TestFlagsOfTheReferenceAreAccepted: the arguments of an installed component go on working.
func TestFlagsOfTheReferenceAreAccepted(t *testing.T) {
	const logging = "v vmodule log-flush-frequency logging-format"
	for name, flags := range referenceFlags() {
		command := componentCommands()[name]
		for flag := range strings.FieldsSeq(flags + " " + logging) {
			if command.Flags().Lookup(flag) == nil {
				t.Errorf("%s has no flag --%s", name, flag)
			}
		}
	}
}

// TestGatesOfTheReferenceAreAccepted: an installation gives one list of gates to all its components.
func TestGatesOfTheReferenceAreAccepted(t *testing.T) {
	const gates = "Failover=true,GracefulEviction=true,PropagateDeps=true,CustomizedClusterResourceModeling=true,PropagationPolicyPreemption=true," +
		"MultiClusterService=true,ResourceQuotaEstimate=true,StatefulFailoverInjection=true,PriorityBasedScheduling=true," +
		"FederatedQuotaEnforcement=true,MultiplePodTemplatesScheduling=true,ControllerPriorityQueue=true,WorkloadAffinity=true," +
		"SchedulingOvercommitProtection=true"
	for name, flags := range referenceFlags() {
		if !strings.Contains(flags, "feature-gates") {
			continue
		}
		if err := componentCommands()[name].ParseFlags([]string{"--feature-gates=" + gates}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		// The generic API server looks at its gates when it starts.
		if name != "apiserver" && componentCommands()[name].ParseFlags([]string{"--feature-gates=NoSuchGate=true"}) == nil {
			t.Errorf("%s takes a gate that there is not", name)
		}
	}
}

func TestIgnoredFlagsHaveNoOther(t *testing.T) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	managerIgnored().AddTo(flags)
	if err := flags.Parse([]string{"--resync-period=5m", "--horizontal-pod-autoscaler-tolerance=0.2"}); err != nil {
		t.Fatal(err)
	}
	flags.VisitAll(func(flag *pflag.Flag) {
		if !flag.Hidden || !strings.HasPrefix(flag.Usage, "Accepted and ignored: ") {
			t.Errorf("--%s is described as %q", flag.Name, flag.Usage)
		}
	})
}

func TestAbsentControllersAreLeftOut(t *testing.T) {
	left := withoutAbsent([]string{"*", "-remedy", "ServiceExport", "-namespace"}, managerAbsent())
	if strings.Join(left, " ") != "* -namespace" {
		t.Errorf("left %q", left)
	}
}
