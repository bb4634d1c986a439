package conformance_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded"
	"github.com/seatrial/seatrial/simulator/store/conformance"
)

// kubeconfigVariable names a kubeconfig of a cluster to run against, in place of one that the test starts. It must not run
// workload controllers.
const kubeconfigVariable = "SEATRIAL_CONFORMANCE_KUBECONFIG"

// patience is how long a real API server may take for its background work: its controllers look for new kinds every half
// minute.
const patience = 90 * time.Second

// TestAPIServer holds the table of cases against a real kube-apiserver.
func TestAPIServer(t *testing.T) {
	config := realCluster(t)
	config.QPS, config.Burst, config.WarningHandler = 500, 1000, rest.NoWarnings{}
	direct, err := client.NewWithWatch(config, client.Options{Scheme: conformance.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	run := fmt.Sprintf("c%x", time.Now().Unix())
	number := 0
	conformance.Run(t, func(t *testing.T) conformance.Env {
		number++
		env := conformance.Env{
			Client: direct, Namespace: fmt.Sprintf("%sx%d", run, number),
			Settle: func(ctx context.Context, done func() (bool, error)) error {
				return wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, patience, true,
					func(context.Context) (bool, error) { return done() })
			},
		}
		conformance.Prepare(t.Context(), t, env)
		return env
	})
}

// realCluster gives access to the cluster that the environment names, else starts one.
func realCluster(t *testing.T) *rest.Config {
	t.Helper()
	if path := os.Getenv(kubeconfigVariable); path != "" {
		config, err := clientcmd.BuildConfigFromFlags("", path)
		if err != nil {
			t.Fatal(err)
		}
		return config
	}
	if testing.Short() {
		t.Skip("starts a real cluster")
	}
	binary, err := embedded.FindBinary()
	if err != nil {
		t.Skipf("no cluster binary: %v", err)
	}
	f, err := embedded.Open(embedded.Options{Root: t.TempDir(), Binary: binary, Tied: true})
	if err != nil {
		t.Fatal(err)
	}
	const name = "conformance"
	t.Cleanup(func() {
		if err := f.Remove(context.Background(), name); err != nil {
			t.Errorf("after the test: %v", err)
		}
	})
	if err := f.Up(t.Context(), fleet.Spec{Name: name, Role: fleet.ControlPlane}); err != nil {
		t.Fatal(err)
	}
	config, err := f.RESTConfig(name)
	if err != nil {
		t.Fatal(err)
	}
	return config
}
