package main

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	coordinationv1 "k8s.io/api/coordination/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/api/scheme"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
)

// TestAgentFlags holds the names and defaults that installations of the reference give. The limits on requests differ on purpose.
func TestAgentFlags(t *testing.T) {
	command := newAgentCommand()
	for name, want := range map[string]string{
		"cert-rotation-checking-interval": "5m0s", "cert-rotation-remaining-time-threshold": "0.2", "cluster-api-burst": "0", "cluster-api-endpoint": "",
		"cluster-api-qps": "-1", "cluster-cache-sync-timeout": "", "cluster-failure-threshold": "30s", "cluster-lease-duration": "40s",
		"cluster-lease-renew-interval-fraction": "0.25", "cluster-name": "", "cluster-namespace": "karmada-cluster", "cluster-provider": "", "cluster-region": "",
		"cluster-status-update-frequency": "10s", "cluster-success-threshold": "30s", "cluster-zones": "[]", "concurrent-cluster-syncs": "5",
		"concurrent-work-syncs": "5", "controllers": "[*]", "enable-cluster-resource-modeling": "true", "enable-pprof": "false", "feature-gates": "",
		"health-probe-bind-address": ":10357", "karmada-context": "", "karmada-kubeconfig": "", "karmada-kubeconfig-namespace": "karmada-system",
		"kube-api-burst": "0", "kube-api-qps": "-1", "kubeconfig": "", "leader-elect": "true", "leader-elect-lease-duration": "15s",
		"leader-elect-renew-deadline": "10s", "leader-elect-resource-namespace": "karmada-system", "leader-elect-retry-period": "2s",
		"metrics-bind-address": ":8080", "profiling-bind-address": ":6060", "proxy-server-address": "", "rate-limiter-base-delay": "5ms",
		"rate-limiter-bucket-size": "100", "rate-limiter-max-delay": "16m40s", "rate-limiter-qps": "-1",
		"report-secrets": "[KubeCredentials,KubeImpersonator]", "resync-period": "0s", "v": "0",
	} {
		if flag := command.Flags().Lookup(name); flag == nil || flag.DefValue != want {
			t.Errorf("--%s is %+v, want the default %q", name, flag, want)
		}
	}
}

// TestAgentKnowsWhatItLists: a cache of one namespace finds out by the kind of a list whether its items have namespaces.
func TestAgentKnowsWhatItLists(t *testing.T) {
	kinds, known := agentKinds(), runtime.NewScheme()
	if err := scheme.AddToScheme(known); err != nil {
		t.Fatal(err)
	}
	for list, namespaced := range map[client.ObjectList]bool{
		&clusterv1alpha1.ClusterList{}: false, &workv1alpha1.WorkList{}: true, &coordinationv1.LeaseList{}: true, &eventsv1.EventList{}: true,
		&configv1alpha1.ResourceInterpreterCustomizationList{}: false, &configv1alpha1.ResourceInterpreterWebhookConfigurationList{}: false,
	} {
		if got, err := apiutil.IsObjectNamespaced(list, known, kinds); err != nil || got != namespaced {
			t.Errorf("%T: namespaced %t, want %t; error %v", list, got, namespaced, err)
		}
	}
}

// refused runs a command that must fail before it does anything.
func refused(t *testing.T, command *cobra.Command, want string, arguments ...string) {
	t.Helper()
	// Without any the arguments of the test would count.
	command.SetArgs(append([]string{}, arguments...))
	command.SetOut(io.Discard)
	command.SetErr(io.Discard)
	command.SilenceUsage, command.SilenceErrors = true, true
	if err := command.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%q: error %v lacks %q", arguments, err, want)
	}
}

func TestAgentTellsMistakes(t *testing.T) {
	known := []string{"--cluster-name=m1", "--karmada-kubeconfig=missing.kubeconfig"}
	for _, c := range []struct {
		want      string
		arguments []string
	}{
		{"--cluster-name is missing", nil},
		{"--cluster-name", []string{"--cluster-name=Not_A_Name", "--karmada-kubeconfig=x"}},
		{"--karmada-kubeconfig is missing", []string{"--cluster-name=m1"}},
		{"--report-secrets", append(known[:2:2], "--report-secrets=Everything")},
		{"None goes without others", append(known[:2:2], "--report-secrets=None,KubeCredentials")},
		{"--cluster-lease-renew-interval-fraction", append(known[:2:2], "--cluster-lease-renew-interval-fraction=2")},
		{"--cert-rotation-remaining-time-threshold", append(known[:2:2], "--cert-rotation-remaining-time-threshold=1")},
		{"missing.kubeconfig", known},
	} {
		refused(t, newAgentCommand(), c.want, c.arguments...)
	}
}

func TestAgentControllers(t *testing.T) {
	for wanted, want := range map[string]struct {
		names   string
		rotates bool
	}{
		"*": {"clusterStatus execution workStatus serviceExport", false}, "*,certRotation": {"clusterStatus execution workStatus serviceExport", true},
		"*,-workStatus,-certrotation": {"clusterStatus execution serviceExport", false}, "execution,endpointsliceCollect": {"execution", false},
	} {
		o := &agentOptions{controllers: strings.Split(wanted, ",")}
		chosen, rotates, err := o.chosen()
		var names []string
		for _, controller := range chosen {
			names = append(names, controller.Name)
		}
		if err != nil || strings.Join(names, " ") != want.names || rotates != want.rotates {
			t.Errorf("%s: %v, certificates are replaced: %t; %v", wanted, names, rotates, err)
		}
	}
	if _, _, err := (&agentOptions{controllers: []string{"binding"}}).chosen(); err == nil {
		t.Error("an agent runs a controller of control planes")
	}
}

func TestRegisterTellsMistakes(t *testing.T) {
	refused(t, newRegisterCommand(), "accepts 1 arg")
	refused(t, newRegisterCommand(), "--cert-expiration-seconds", "plane:5443", "--cert-expiration-seconds=60")
	refused(t, newRegisterCommand(), "--karmada-agent-replicas", "plane:5443", "--karmada-agent-replicas=0")
	refused(t, newUnregisterCommand(), "--cluster-kubeconfig is required", "m1")
	refused(t, newUnregisterCommand(), "NAME", "Not_A_Name")
	refused(t, newTokenCommand(), "--ttl", "create", "--ttl=-1h")
}
