package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seatrial/seatrial/controlplane"
)

// referenceFlag is a flag of a component of the reference, with its default.
type referenceFlag struct{ component, name, value string }

// rows reads a table whose columns are separated by tabs.
func rows(t *testing.T, path string, columns int) [][]string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all [][]string
	for line := range strings.Lines(string(content)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		cells := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(cells) != columns {
			t.Fatalf("%s: %q has %d columns, want %d", path, line, len(cells), columns)
		}
		all = append(all, cells)
	}
	return all
}

// referenceFlags are those of the components that are here, those of API servers among them.
func referenceFlags(t *testing.T) []referenceFlag {
	t.Helper()
	commands := componentCommands()
	var all []referenceFlag
	for _, row := range rows(t, "testdata/reference-flags.tsv", 3) {
		components := []string{row[0]}
		if row[0] == "standard" {
			components = []string{"apiserver", "search", "metrics-adapter"}
		}
		for _, component := range components {
			// The adapter stores nothing.
			if component == "metrics-adapter" && ofStorage(row[1]) {
				continue
			}
			if commands[component] == nil {
				t.Errorf("there is no component %s", component)
				continue
			}
			all = append(all, referenceFlag{component, row[1], row[2]})
		}
	}
	if len(all) < 270 {
		t.Fatalf("the table has %d flags only", len(all))
	}
	return all
}

// ofStorage tells flags about etcd.
func ofStorage(flag string) bool {
	return strings.HasPrefix(flag, "etcd-") || strings.HasPrefix(flag, "encryption-") || strings.HasPrefix(flag, "storage-") || strings.HasPrefix(flag, "watch-cache") ||
		slices.Contains([]string{"enable-garbage-collector", "delete-collection-workers", "lease-reuse-duration-seconds"}, flag)
}

func componentCommands() map[string]*cobra.Command {
	found := map[string]*cobra.Command{}
	for _, command := range newRootCommand().Commands() {
		if command.GroupID == "components" {
			found[command.Name()] = command
		}
	}
	return found
}

// otherDefaults are those that differ from the reference's on purpose.
var otherDefaults = map[string]string{
	// The API servers' priority and fairness decides what a flood may do.
	"kube-api-qps": "-1", "kube-api-burst": "0", "cluster-api-qps": "-1", "cluster-api-burst": "0",
	// After an outage of many members the overall rate would keep the others waiting.
	"rate-limiter-qps": "-1",
	// What moves is held by the capacity that is left elsewhere, not by a rate alone.
	"resource-eviction-rate": "50",
	// The API server in front queues already, asks over one connection, and does not wait for watches of a server that ends.
	"enable-priority-and-fairness": "false", "http2-max-streams-per-connection": "1000", "shutdown-watch-termination-grace-period": "5s",
}

// none tells that a default is nothing, which kinds of flags print in ways of their own.
func none(value string) bool { return slices.Contains([]string{"", "0", "0s", "[]", "<nil>"}, value) }

// TestFlagsOfTheReferenceAreAccepted: the arguments of an installed component go on working, and those it leaves out mean the same.
func TestFlagsOfTheReferenceAreAccepted(t *testing.T) {
	commands := componentCommands()
	for _, known := range referenceFlags(t) {
		flag := commands[known.component].Flags().Lookup(known.name)
		switch {
		case flag == nil:
			t.Errorf("%s has no flag --%s", known.component, known.name)
		case strings.HasPrefix(flag.Usage, ignoredUsage):
		case flag.DefValue != known.value && !(none(flag.DefValue) && none(known.value)) && flag.DefValue != otherDefaults[known.name]:
			t.Errorf("%s: --%s is %q unless given, want %q", known.component, known.name, flag.DefValue, known.value)
		}
	}
}

// ignoredUsage begins what help says of flags without an effect.
const ignoredUsage = "Accepted and ignored: "

// TestEveryFlagTakesItsDefault: what an installation says without need does not stop a component.
func TestEveryFlagTakesItsDefault(t *testing.T) {
	given := map[string][]string{}
	for _, known := range referenceFlags(t) {
		if known.value != "" && known.value != "[]" {
			given[known.component] = append(given[known.component], "--"+known.name+"="+strings.Trim(known.value, "[]"))
		}
	}
	for name, command := range componentCommands() {
		if err := command.ParseFlags(given[name]); err != nil {
			t.Errorf("%s %s: %v", name, strings.Join(given[name], " "), err)
		}
	}
}

// TestLoggingFlags are the same for all components, those of earlier releases included.
func TestLoggingFlags(t *testing.T) {
	for name, command := range componentCommands() {
		arguments := []string{
			"--v=4", "--vmodule=a=1", "--log-flush-frequency=1s", "--logging-format=text", "--logtostderr", "--alsologtostderr=false", "--log_dir=/tmp", "--stderrthreshold=2",
			"--skip_headers", "--add-dir-header=true", "--log-file=x", "--log-file-max-size=1800", "--one-output", "--skip-log-headers", "--log-backtrace-at=:0",
		}
		if err := command.ParseFlags(arguments); err != nil || command.Flags().NArg() > 0 {
			t.Errorf("%s: %v, %q is left", name, err, command.Flags().Args())
		}
	}
}

// TestGatesOfTheReferenceAreAccepted: an installation gives one list of gates to all its components.
func TestGatesOfTheReferenceAreAccepted(t *testing.T) {
	var gates []string
	for _, row := range rows(t, "testdata/reference-gates.tsv", 3) {
		for _, value := range []string{"true", "false", row[1]} {
			gates = append(gates, row[0]+"="+value)
		}
	}
	for name, command := range componentCommands() {
		if command.Flags().Lookup("feature-gates") == nil {
			continue
		}
		for _, gate := range append(gates, "AllAlpha=false", "AllBeta=true", strings.Join(gates, ",")) {
			if err := command.ParseFlags([]string{"--feature-gates=" + gate}); err != nil {
				t.Errorf("%s %s: %v", name, gate, err)
			}
		}
		// The generic API server looks at its gates when it starts.
		if !slices.Contains([]string{"apiserver", "search", "metrics-adapter"}, name) && command.ParseFlags([]string{"--feature-gates=NoSuchGate=true"}) == nil {
			t.Errorf("%s takes a gate that there is not", name)
		}
	}
}

// TestDefaultsOfGates: a gate that nobody names is as in the reference, but for those whose lack would harm.
func TestDefaultsOfGates(t *testing.T) {
	others := map[string]string{
		"scheduler SchedulingOvercommitProtection": "true", "estimator SchedulingOvercommitProtection": "true", "estimator MultiplePodTemplatesScheduling": "true",
	}
	for name, command := range componentCommands() {
		flag := command.Flags().Lookup("feature-gates")
		if flag == nil {
			continue
		}
		for _, row := range rows(t, "testdata/reference-gates.tsv", 3) {
			want := row[1]
			if other, differs := others[name+" "+row[0]]; differs {
				want = other
			}
			// Help tells of a gate as "Gate=true|false (STAGE - default=...)"; those that are generally available it leaves out.
			_, told, found := strings.Cut(flag.Usage, row[0]+"=true|false (")
			told, _, _ = strings.Cut(told, ")")
			if !found || !strings.HasSuffix(told, "default="+want) {
				t.Errorf("%s says of gate %s: %q, want the default %s", name, row[0], told, want)
			}
		}
	}
}

func TestIgnoredFlagsHaveNoOther(t *testing.T) {
	flags := pflag.NewFlagSet("", pflag.ContinueOnError)
	managerIgnored().AddTo(flags)
	if err := flags.Parse([]string{"--resync-period=5m", "--horizontal-pod-autoscaler-upscale-delay=1m"}); err != nil {
		t.Fatal(err)
	}
	flags.VisitAll(func(flag *pflag.Flag) {
		if !flag.Hidden || !strings.HasPrefix(flag.Usage, ignoredUsage) {
			t.Errorf("--%s is described as %q", flag.Name, flag.Usage)
		}
	})
}

// TestControllersOfTheReferenceCanBeNamed, to run or to be left out, whatever the gates are: an installation that does goes on starting.
func TestControllersOfTheReferenceCanBeNamed(t *testing.T) {
	const known = `agentcsrapproving applicationFailover binding bindingStatus cluster clusterStatus clustertaintpolicy cronFederatedHorizontalPodAutoscaler
		endpointSlice endpointsliceCollect endpointsliceDispatch execution federatedHorizontalPodAutoscaler federatedResourceQuotaEnforcement
		federatedResourceQuotaStatus federatedResourceQuotaSync gracefulEviction multiclusterservice namespace remedy serviceExport serviceImport
		unifiedAuth workStatus workloadRebalancer deploymentReplicasSyncer hpaScaleTargetMarker`
	for _, gates := range []bool{false, true} {
		o := &managerOptions{settings: controlplane.Defaults()}
		o.settings.MultiClusterService, o.settings.Quota.Enforced = gates, gates
		all := slices.Concat(controlplane.Controllers(o.settings), controlplane.Registration(o.settings), controlplane.Optional(o.settings))
		for name := range strings.FieldsSeq(known) {
			for _, wanted := range [][]string{{name}, {"*", "-" + name}, {"-" + strings.ToLower(name)}} {
				if _, err := controlplane.Choose(all, withoutAbsent(wanted, o.absent())); err != nil {
					t.Errorf("with the gates %t, --controllers=%s: %v", gates, strings.Join(wanted, ","), err)
				}
			}
		}
	}
}

func TestAbsentControllersAreLeftOut(t *testing.T) {
	left := withoutAbsent([]string{"*", "-endpointsliceCollect", "EndpointsliceDispatch", "-namespace"}, (&managerOptions{}).absent())
	if strings.Join(left, " ") != "* -namespace" {
		t.Errorf("left %q", left)
	}
}
