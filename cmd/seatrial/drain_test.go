package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/api/scheme"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/rebalance/drain"
	"github.com/seatrial/seatrial/scheduler"
)

// draining is a drain of m1 on an API server without controllers.
func draining(t *testing.T, objects ...client.Object) (run *drainRun, out, told *bytes.Buffer) {
	t.Helper()
	kinds := runtime.NewScheme()
	if err := scheme.AddToScheme(kinds); err != nil {
		t.Fatal(err)
	}
	objects = append(objects, &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "m1"}}, &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "m2"}})
	out, told = &bytes.Buffer{}, &bytes.Buffer{}
	return &drainRun{
		deciding: newDeciding(), Options: drain.Options{Cluster: "m1"}, seen: map[string]bool{}, out: out, told: told,
		plane: fake.NewClientBuilder().WithScheme(kinds).WithObjects(objects...).Build(),
	}, out, told
}

func boundTo(cluster string, claimed bool) client.Object {
	view := binding.New("default", "web-deployment")
	if claimed {
		view.SetAnnotations(map[string]string{names.AnnotationPropagationPolicyNamespace: "default", names.AnnotationPropagationPolicyName: "web"})
	}
	view.Spec.Resource = workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "default", Name: "web"}
	view.Spec.Placement = &policyv1alpha1.Placement{}
	view.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: cluster, Replicas: 3}}
	return view.Object
}

// TestDrainOfEmptyCluster is over at once, and the cluster cordoned. It says so on standard output alone.
func TestDrainOfEmptyCluster(t *testing.T) {
	run, out, told := draining(t, boundTo("m2", true))
	if err := run.drain(t.Context(), outputText); err != nil {
		t.Fatal(err)
	}
	if out.String() != "cluster m1 drained: 0 workloads moved\n" || told.Len() > 0 {
		t.Errorf("it says %q, and %q", out, told)
	}
	cluster := &clusterv1alpha1.Cluster{}
	if err := run.plane.Get(t.Context(), client.ObjectKey{Name: "m1"}, cluster); err != nil {
		t.Fatal(err)
	}
	if len(cluster.Spec.Taints) != 1 || cluster.Spec.Taints[0] != drain.Cordoned() {
		t.Errorf("the taints are %v", cluster.Spec.Taints)
	}
}

// TestDrainTellsWhatStays fails, and names the workload and the reason.
func TestDrainTellsWhatStays(t *testing.T) {
	run, out, _ := draining(t, boundTo("m1", false))
	err := run.drain(t.Context(), outputText)
	if err == nil || err.Error() != "draining cluster m1: 1 workloads stay there" {
		t.Errorf("the error is %v", err)
	}
	for _, line := range []string{"cluster m1: 0 workloads moved, 1 left, 0 copies being removed", "Deployment default/web   3          Stays   no policy claims it"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("%q is missing in\n%s", line, out)
		}
	}
}

// TestDrainEnds when it is interrupted or the time is over: it tells how far it came, as data if wanted, and how to go on.
func TestDrainEnds(t *testing.T) {
	for name, c := range map[string]struct {
		timeout time.Duration
		cancel  bool
		want    string
	}{
		"interrupted":   {cancel: true, want: "draining cluster m1: interrupted; it stays cordoned"},
		"time is over":  {timeout: time.Millisecond, want: "draining cluster m1: not empty within 1ms (see --timeout); it stays cordoned"},
		"and with both": {timeout: time.Hour, cancel: true, want: "interrupted"},
	} {
		t.Run(name, func(t *testing.T) {
			run, out, _ := draining(t, boundTo("m1", true))
			run.timeout = c.timeout
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if c.cancel {
				// The fake server answers all the same.
				cancel()
			}
			err := run.drain(ctx, outputJSON)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("the error is %v, want %q", err, c.want)
			}
			var told drainOutcome
			if err := json.Unmarshal(out.Bytes(), &told); err != nil {
				t.Fatal(err)
			}
			if len(told.Workloads) != 1 || told.Workloads[0].State != drain.Moving || told.Moved != 0 {
				t.Errorf("as data: %s", out)
			}
		})
	}
}

// TestDrainRehearsal plans for what can leave, and names what cannot.
func TestDrainRehearsal(t *testing.T) {
	for _, claimed := range []bool{true, false} {
		run, out, _ := draining(t, boundTo("m1", claimed))
		clusters, err := readFleet(t.Context(), run.plane)
		if err != nil {
			t.Fatal(err)
		}
		for _, cluster := range clusters {
			cluster.Status.APIEnablements = []clusterv1alpha1.APIEnablement{{GroupVersion: "apps/v1", Resources: []clusterv1alpha1.APIResource{{Kind: "Deployment"}}}}
		}
		plan, err := run.evacuation(t.Context(), clusters, scheduler.Options{Name: "default-scheduler"})
		if err != nil {
			t.Fatal(err)
		}
		if err := printPlan(out, plan); err != nil {
			t.Fatal(err)
		}
		want := "1      Deployment default/web   0          m1:-3   m2"
		if !claimed {
			want = "Deployment default/web   no policy claims it, so no scheduler places it"
		}
		if !strings.Contains(out.String(), want) {
			t.Errorf("claimed %t: %q is missing in\n%s", claimed, want, out)
		}
		run.Cluster = "m9"
		if _, err := run.evacuation(t.Context(), clusters, scheduler.Options{}); err == nil || err.Error() != "there is no cluster m9" {
			t.Errorf("for a cluster that does not exist: %v", err)
		}
	}
}
