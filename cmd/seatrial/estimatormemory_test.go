package main

import (
	"bufio"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"

	"github.com/seatrial/seatrial/estimator/rpc/inventory/apitest"
	"github.com/seatrial/seatrial/estimator/rpc/wire"
)

var measure = flag.Bool("measure", false, "measure the memory of the estimator beside a large member (see bench/estimator.md)")

// The member of the measurement, and what the process may take for it.
const (
	measuredNodes  = 5000
	measuredPods   = 100_000
	measuredChange = 20_000
	memoryLimit    = 150 << 20
)

// childEnv makes the test binary an estimator, with the arguments it holds.
const childEnv = "SEATRIAL_TEST_ESTIMATOR"

func TestEstimatorChild(t *testing.T) {
	arguments := os.Getenv(childEnv)
	if arguments == "" {
		t.Skip("the child of another test")
	}
	command := newRootCommand()
	command.SetArgs(strings.Split(arguments, "\n"))
	if err := command.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestMeasureEstimator runs the command against an API server with a large member, and looks at its memory from outside.
func TestMeasureEstimator(t *testing.T) {
	if !*measure {
		t.Skip("takes a while; run it with -measure")
	}
	api := apitest.New(t)
	for i := range measuredNodes {
		api.Set("nodes", measuredNode(i))
	}
	for i := range measuredPods {
		api.Set("pods", measuredPod(i))
	}
	kubeconfig := memberKubeconfig(t, api.URL())
	grpcPort := freePort(t)
	health, metrics := fmt.Sprint("127.0.0.1:", freePort(t)), fmt.Sprint("127.0.0.1:", freePort(t))
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestEstimatorChild$")
	child.Env = append(os.Environ(), childEnv+"="+strings.Join([]string{
		"estimator", "--cluster-name=member1", "--kubeconfig=" + kubeconfig, "--bind-address=127.0.0.1", fmt.Sprint("--server-port=", grpcPort),
		"--health-probe-bind-address=" + health, "--metrics-bind-address=" + metrics,
	}, "\n"))
	child.Stderr = os.Stderr
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()

	started := time.Now()
	for !answers(health) {
		if time.Since(started) > 5*time.Minute {
			t.Fatal("the member was not seen")
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("%d pods on %d nodes were seen after %s; memory now %d MiB, at most %d MiB", measuredPods, measuredNodes,
		time.Since(started).Round(100*time.Millisecond), memory(t, child, "VmRSS")>>20, memory(t, child, "VmHWM")>>20)
	for i := range measuredChange {
		pod := measuredPod(i * 5)
		pod.Spec.Containers[0].Resources.Requests = corev1.ResourceList{"cpu": resource.MustParse("77m"), "memory": resource.MustParse("256Mi")}
		api.Set("pods", pod)
	}
	// Once the last change is seen, all are.
	before := askChild(t, grpcPort)
	api.Delete("pods", "team-1", measuredPod(1).Name)
	for started = time.Now(); askChild(t, grpcPort) != before+1; time.Sleep(100 * time.Millisecond) {
		if time.Since(started) > 5*time.Minute {
			t.Fatal("the changes were not seen")
		}
	}
	most := memory(t, child, "VmHWM")
	t.Logf("after %d changes memory is %d MiB, was at most %d MiB; the heap holds %d MiB", measuredChange, memory(t, child, "VmRSS")>>20, most>>20, heap(t, metrics)>>20)
	if most > memoryLimit {
		t.Errorf("the estimator took %d MiB, more than %d", most>>20, memoryLimit>>20)
	}
}

func answers(health string) bool {
	response, err := http.Get("http://" + health + "/readyz")
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// heap is what the process says that it has allocated.
func heap(t *testing.T, metrics string) int64 {
	t.Helper()
	response, err := http.Get("http://" + metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), "go_memstats_heap_alloc_bytes "); ok {
			bytes, err := strconv.ParseFloat(text, 64)
			if err != nil {
				t.Fatal(err)
			}
			return int64(bytes)
		}
	}
	t.Fatal("the process does not tell the size of its heap")
	return 0
}

func askChild(t *testing.T, port int) int32 {
	connection, err := grpc.NewClient(fmt.Sprint("127.0.0.1:", port), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	answer, err := wire.NewEstimatorClient(connection).MaxAvailableReplicas(t.Context(), &wire.MaxAvailableReplicasRequest{Cluster: proto.String("member1")})
	if err != nil || answer.GetMaxReplicas() == 0 {
		t.Fatalf("no answer: %v (%v)", answer, err)
	}
	return answer.GetMaxReplicas()
}

// memory reads a number of bytes that the kernel keeps about a process.
func memory(t *testing.T, process *exec.Cmd, field string) int64 {
	t.Helper()
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", process.Process.Pid))
	if err != nil {
		t.Skipf("memory is read from /proc: %v", err)
	}
	for line := range strings.Lines(string(content)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatalf("the kernel keeps no %s", field)
	return 0
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func memberKubeconfig(t *testing.T, url string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	config := clientcmdapi.NewConfig()
	config.Clusters["member"] = &clientcmdapi.Cluster{Server: url}
	config.Contexts["member"] = &clientcmdapi.Context{Cluster: "member"}
	config.CurrentContext = "member"
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}

func measuredNode(i int) *corev1.Node {
	name := fmt.Sprintf("node-%05d.fleet.example.com", i)
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
			corev1.LabelHostname: name, corev1.LabelTopologyZone: fmt.Sprint("zone-", i%3), "pool": fmt.Sprint("pool-", i%20)}},
		Status: corev1.NodeStatus{
			Allocatable: corev1.ResourceList{"cpu": resource.MustParse("32"), "memory": resource.MustParse("128Gi"), "pods": resource.MustParse("110")},
			Images:      []corev1.ContainerImage{{Names: []string{"registry.example.com/team/app@sha256:" + strings.Repeat("a", 64)}, SizeBytes: 100 << 20}},
		},
	}
}

// measuredPod is as large as pods of a Deployment are: about 4 KiB in protobuf, half of it managed fields.
func measuredPod(i int) *corev1.Pod {
	app := fmt.Sprint("app-", i/20)
	environment := make([]corev1.EnvVar, 12)
	for k := range environment {
		environment[k] = corev1.EnvVar{Name: fmt.Sprint("SETTING_NUMBER_", k), Value: "a value of some length for " + app}
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: fmt.Sprint("team-", i%100), Name: fmt.Sprintf("%s-7d4b9c6f5-%05x", app, i), UID: "0f0e0d0c-0b0a-0908-0706-050403020100",
			Labels:          map[string]string{"app": app, "pod-template-hash": "7d4b9c6f5", "tier": "web"},
			Annotations:     map[string]string{"example.com/checksum": strings.Repeat("c", 64)},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: app + "-7d4b9c6f5", UID: "r", Controller: ptr.To(true)}},
			ManagedFields:   []metav1.ManagedFieldsEntry{{Manager: "kubelet", FieldsV1: metav1.NewFieldsV1(strings.Repeat(`{"f:status":{}}`, 200))}},
		},
		Spec: corev1.PodSpec{
			NodeName: fmt.Sprintf("node-%05d.fleet.example.com", i%measuredNodes), Priority: ptr.To[int32](0),
			Containers: []corev1.Container{{
				Name: "app", Image: "registry.example.com/team/app:v1", Env: environment,
				Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
					"cpu": *resource.NewMilliQuantity(int64(50+10*(i/20%50)), resource.DecimalSI), "memory": *resource.NewQuantity(int64(64+i/20%64*32)<<20, resource.BinarySI)}},
			}},
			Tolerations: []corev1.Toleration{{Key: corev1.TaintNodeNotReady, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute}},
		},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, PodIP: "10.1.2.3", Conditions: []corev1.PodCondition{
			{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}, {Type: corev1.PodReady, Status: corev1.ConditionTrue}}},
	}
}
