package component

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
)

func parsed(t *testing.T, arguments ...string) *Decisions {
	t.Helper()
	decisions := NewDecisions(nil)
	command := &cobra.Command{}
	decisions.AddTo(command)
	if err := command.ParseFlags(arguments); err != nil {
		t.Fatal(err)
	}
	return decisions
}

// TestEstimatorFlags holds the names and defaults that installations of the reference give.
func TestEstimatorFlags(t *testing.T) {
	command := &cobra.Command{}
	NewDecisions(nil).AddTo(command)
	for name, want := range map[string]string{
		"enable-scheduler-estimator": "false", "disable-scheduler-estimator-in-pull-mode": "false", "scheduler-estimator-timeout": "3s",
		"scheduler-estimator-port": "10352", "scheduler-estimator-service-prefix": "karmada-scheduler-estimator",
		"scheduler-estimator-service-namespace": "karmada-system", "scheduler-estimator-ca-file": "", "scheduler-estimator-cert-file": "",
		"scheduler-estimator-key-file": "", "insecure-skip-estimator-verify": "false", "plugins": "[*]", "scheduler-name": "default-scheduler",
		"enable-empty-workload-propagation": "false",
	} {
		if flag := command.Flags().Lookup(name); flag == nil || flag.DefValue != want {
			t.Errorf("--%s is %+v, want the default %q", name, flag, want)
		}
	}
}

// TestConnectTellsMistakesAtOnce: without waiting for a control plane.
func TestConnectTellsMistakesAtOnce(t *testing.T) {
	plane := &rest.Config{Host: "http://127.0.0.1:1"}
	off, err := parsed(t).Estimators.Connect(t.Context(), plane, &Members{}, nil)
	if off != nil || err != nil {
		t.Errorf("not enabled: %v, %v", off, err)
	}
	for argument, want := range map[string]string{
		"--scheduler-estimator-ca-file=missing.crt":  "missing.crt",
		"--scheduler-estimator-cert-file=client.crt": "KeyFile",
		"--scheduler-estimator-key-file=client.key":  "CertFile",
	} {
		_, err := parsed(t, "--enable-scheduler-estimator", argument).Estimators.Connect(t.Context(), plane, &Members{}, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v lacks %s", argument, err, want)
		}
	}
}

func TestMembersAreKnownUntilTheyLeave(t *testing.T) {
	var gone []string
	members := &Members{gone: func(name string) { gone = append(gone, name) }}
	pull := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "m1", ResourceVersion: "7"}, Spec: clusterv1alpha1.ClusterSpec{SyncMode: clusterv1alpha1.Pull}}
	members.See(pull)
	if got := members.member("m1"); !got.pull || got.version != "7" {
		t.Errorf("m1 is %+v", got)
	}
	members.lose("m1")
	if got := members.member("m1"); got.pull || got.version != "" || strings.Join(gone, " ") != "m1" {
		t.Errorf("m1 left, and is %+v; told of %v", got, gone)
	}
}
