package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/seatrial/seatrial/estimator/rpc/inventory/apitest"
)

// TestEstimatorFlags holds the names and defaults that manifests of installed estimators rely on.
func TestEstimatorFlags(t *testing.T) {
	flags := newEstimatorCommand().Flags()
	for name, want := range map[string]string{
		"cluster-name": "", "enable-pprof": "false", "grpc-auth-cert-file": "", "grpc-auth-key-file": "", "grpc-client-ca-file": "",
		"health-probe-bind-address": ":10351", "insecure-skip-grpc-client-verify": "false", "kube-api-burst": "30", "kube-api-qps": "20",
		"kubeconfig": "", "master": "", "metrics-bind-address": ":8080", "parallelism": "0", "profiling-bind-address": ":6060", "server-port": "10352",
	} {
		if flag := flags.Lookup(name); flag == nil || flag.DefValue != want {
			t.Errorf("--%s is %+v, want the default %q", name, flag, want)
		}
	}
	if err := flags.Set("feature-gates", "ResourceQuotaEstimate=true,SchedulingOvercommitProtection=false,MultiplePodTemplatesScheduling=true"); err != nil {
		t.Error(err)
	}
}

// TestEstimatorCommand runs the command against an API server until it is told to stop.
func TestEstimatorCommand(t *testing.T) {
	api := apitest.New(t)
	api.Set("nodes", measuredNode(0))
	health, metrics := fmt.Sprint("127.0.0.1:", freePort(t)), fmt.Sprint("127.0.0.1:", freePort(t))
	port := freePort(t)
	command := newRootCommand()
	command.SetArgs([]string{"estimator", "--cluster-name=member1", "--kubeconfig=" + memberKubeconfig(t, api.URL()), "--bind-address=127.0.0.1",
		fmt.Sprint("--server-port=", port), "--health-probe-bind-address=" + health, "--metrics-bind-address=" + metrics})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- command.ExecuteContext(ctx) }()
	for deadline := time.Now().Add(20 * time.Second); !answers(health); time.Sleep(5 * time.Millisecond) {
		select {
		case err := <-ended:
			t.Fatalf("the command ended: %v", err)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatal("the member was not seen")
		}
	}
	pods := measuredNode(0).Status.Allocatable[corev1.ResourcePods]
	if got := askChild(t, port); int64(got) != pods.Value() {
		t.Errorf("room for %d, want %d", got, pods.Value())
	}
	if text := fetch(t, "http://"+metrics+"/metrics"); !strings.Contains(text, "karmada_scheduler_estimator_estimating_request_total") {
		t.Errorf("the metrics are %s", text)
	}
	if text := fetch(t, "http://"+health+"/healthz"); text != "ok" {
		t.Errorf("health is %s", text)
	}
	stop()
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("the command ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the command goes on after it was told to stop")
	}
}

func TestEstimatorNeedsCluster(t *testing.T) {
	command := newRootCommand()
	command.SetArgs([]string{"estimator"})
	if err := command.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), "--cluster-name") {
		t.Errorf("got %v", err)
	}
}

func fetch(t *testing.T, url string) string {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
