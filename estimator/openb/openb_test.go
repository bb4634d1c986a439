package openb_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/seatrial/seatrial/estimator/nodes"
	"github.com/seatrial/seatrial/estimator/openb"
)

var published = flag.String("openb", "", "folder of the published node and task lists; without it a small sample is all there is")

var levels = []float64{0, 0.1, 0.3, 0.5, 0.7, 0.9, 1}

func read(t testing.TB, nodeList, taskList string) *openb.Trace {
	t.Helper()
	nodeFile, err := os.Open(nodeList)
	if err != nil {
		t.Fatal(err)
	}
	defer nodeFile.Close()
	taskFile, err := os.Open(taskList)
	if err != nil {
		t.Fatal(err)
	}
	defer taskFile.Close()
	trace, err := openb.Read(nodeFile, taskFile)
	if err != nil {
		t.Fatal(err)
	}
	return trace
}

// model counts replicas from the numbers of the trace, one at a time.
func model(trace *openb.Trace, cluster *openb.Cluster, task *openb.Task) int32 {
	byName := map[string]*openb.Task{}
	for i := range trace.Tasks {
		byName[trace.Tasks[i].Name] = &trace.Tasks[i]
	}
	byNode := map[string][]*openb.Task{}
	for _, pod := range cluster.Pods {
		byNode[pod.Spec.NodeName] = append(byNode[pod.Spec.NodeName], byName[pod.Name])
	}
	var sum int32
	for _, node := range trace.Nodes {
		if len(task.Models) > 0 && !slices.Contains(task.Models, node.Model) {
			continue
		}
		cpu, memory, gpu := node.MilliCPU, node.MemoryMiB, node.GPUs*1000
		for _, other := range byNode[node.Name] {
			cpu, memory, gpu = cpu-other.MilliCPU, memory-other.MemoryMiB, gpu-other.GPUs*other.MilliGPU
		}
		for pods := len(byNode[node.Name]); pods < openb.PodsPerNode; pods++ {
			cpu, memory, gpu = cpu-task.MilliCPU, memory-task.MemoryMiB, gpu-task.GPUs*task.MilliGPU
			if cpu < 0 || memory < 0 || task.GPUs > 0 && gpu < 0 {
				break
			}
			sum++
		}
	}
	return sum
}

// checkPacking holds every stride-th task of a trace, at several levels, against the model.
func checkPacking(t *testing.T, trace *openb.Trace, stride int) {
	t.Helper()
	positive := 0
	for _, level := range levels {
		cluster := trace.Fill(level)
		index, err := cluster.Index()
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(trace.Tasks); i += stride {
			task := &trace.Tasks[i]
			got, err := index.Replicas(&nodes.Demand{Requirements: task.Requirements()}, nil)
			if want := model(trace, cluster, task); err != nil || got != want {
				t.Errorf("filled to %v: room for %d replicas of %s, %v; the model finds %d", level, got, task.Name, err, want)
			}
			if got > 0 {
				positive++
			}
		}
	}
	if positive == 0 {
		t.Error("no task has any room at any level: the test shows nothing")
	}
}

func TestPackingOfSample(t *testing.T) {
	trace := read(t, filepath.Join("testdata", "nodes.csv"), filepath.Join("testdata", "tasks.csv"))
	if len(trace.Nodes) != 24 || len(trace.Tasks) != 160 {
		t.Fatalf("the sample has %d nodes and %d tasks", len(trace.Nodes), len(trace.Tasks))
	}
	checkPacking(t, trace, 1)
}

// TestPackingOfTrace reads the published lists from the folder of -openb.
func TestPackingOfTrace(t *testing.T) {
	if *published == "" {
		t.Skip("-openb does not name the folder of the published lists")
	}
	trace := readPublished(t)
	t.Logf("%d nodes, %d tasks, %d demand classes", len(trace.Nodes), len(trace.Tasks), len(classes(trace)))
	checkPacking(t, trace, 100)
}

func readPublished(t testing.TB) *openb.Trace {
	t.Helper()
	return read(t, filepath.Join(*published, "openb_node_list_all_node.csv"), filepath.Join(*published, "openb_pod_list_default.csv"))
}

// classes are the tasks of a trace that differ in what they demand, each once.
func classes(trace *openb.Trace) []*openb.Task {
	known := map[string]bool{}
	var different []*openb.Task
	for i := range trace.Tasks {
		task := &trace.Tasks[i]
		key := fmt.Sprint(task.MilliCPU, task.MemoryMiB, task.GPUs, task.MilliGPU, task.Models)
		if !known[key] {
			known[key] = true
			different = append(different, task)
		}
	}
	return different
}

// BenchmarkTrace estimates the demand classes of the trace in turn, at several levels, on the published lists with -openb and
// on the sample without. One task leaves its node or comes back before each estimate, which is not timed.
func BenchmarkTrace(b *testing.B) {
	var trace *openb.Trace
	if *published != "" {
		trace = readPublished(b)
	} else {
		trace = read(b, filepath.Join("testdata", "nodes.csv"), filepath.Join("testdata", "tasks.csv"))
	}
	var demands []*nodes.Demand
	for _, task := range classes(trace) {
		demands = append(demands, &nodes.Demand{Requirements: task.Requirements()})
	}
	for _, level := range []float64{0.1, 0.5, 0.9} {
		b.Run(fmt.Sprint("filled=", level), func(b *testing.B) {
			cluster := trace.Fill(level)
			index, err := cluster.Index()
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				pod := cluster.Pods[i/2%len(cluster.Pods)]
				if i%2 == 0 {
					index.DeletePod(pod.Namespace, pod.Name)
				} else if err := index.UpsertPod(pod); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if _, err := index.Replicas(demands[i%len(demands)], nil); err != nil {
					b.Fatal(err)
				}
			}
			room := 0
			for _, demand := range demands {
				if got, err := index.Replicas(demand, nil); err == nil && got > 0 {
					room++
				}
			}
			b.ReportMetric(float64(len(cluster.Pods)), "pods")
			b.ReportMetric(float64(cluster.Left), "left-over")
			b.ReportMetric(float64(room), "classes-with-room")
		})
	}
}

func TestFill(t *testing.T) {
	trace := read(t, filepath.Join("testdata", "nodes.csv"), filepath.Join("testdata", "tasks.csv"))
	before := -1
	for _, level := range levels {
		cluster := trace.Fill(level)
		if len(cluster.Pods) < before {
			t.Errorf("filled to %v there are %d pods, fewer than at the level below", level, len(cluster.Pods))
		}
		before = len(cluster.Pods)
		var requested, all int64
		for _, node := range cluster.Nodes {
			all += node.Status.Allocatable.Cpu().MilliValue()
		}
		for _, pod := range cluster.Pods {
			requested += pod.Spec.Containers[0].Resources.Requests.Cpu().MilliValue()
		}
		if float64(requested) > level*float64(all) {
			t.Errorf("filled to %v, tasks request %d of %d", level, requested, all)
		}
	}
	if before == 0 {
		t.Error("no level puts a task anywhere")
	}
}

func TestTaskObjects(t *testing.T) {
	task := openb.Task{Name: "one", MilliCPU: 1500, MemoryMiB: 2, GPUs: 1, MilliGPU: 460, Models: []string{"A10", "P100"}, QoS: "LS"}
	pod := task.Pod("node")
	request := pod.Spec.Containers[0].Resources.Requests
	gpu := request[openb.ResourceGPU]
	if request.Cpu().MilliValue() != 1500 || request.Memory().Value() != 2<<20 || gpu.Value() != 460 {
		t.Errorf("requests are %v", request)
	}
	terms := pod.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	if got := terms[0].MatchExpressions[0]; got.Operator != corev1.NodeSelectorOpIn || !slices.Equal(got.Values, task.Models) {
		t.Errorf("affinity is %v", terms)
	}
}

func TestReadRefuses(t *testing.T) {
	const nodeHeader = "sn,cpu_milli,memory_mib,gpu,model\n"
	const taskHeader = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time\n"
	for name, c := range map[string]struct{ nodes, tasks, want string }{
		"empty":            {"", taskHeader, "node list: its header"},
		"other header":     {"name,cpu\n", taskHeader, "its header is"},
		"no name":          {nodeHeader + ",1,1,0,\n", taskHeader, "line 2: sn is empty"},
		"negative":         {nodeHeader + "a,-1,1,0,\n", taskHeader, "line 2: cpu_milli: -1 is out of range"},
		"absurd":           {nodeHeader + "a,1,9999999999999999,0,\n", taskHeader, "out of range"},
		"missing field":    {nodeHeader + "a,1\n", taskHeader, "wrong number of fields"},
		"not a number":     {nodeHeader, taskHeader + "t,many,1,0,0,,LS,Running,0,1,0\n", "task list: line 2: cpu_milli"},
		"bad scheduled at": {nodeHeader, taskHeader + "t,1,1,0,0,,LS,Running,0,1,soon\n", "scheduled_time"},
	} {
		if _, err := openb.Read(strings.NewReader(c.nodes), strings.NewReader(c.tasks)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("sn,cpu_milli,memory_mib,gpu,model\na,1000,10,1,A10\n",
		"name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time\nt,1,1,1,500,A10|P100,LS,Running,0,1,\n")
	f.Fuzz(func(t *testing.T, nodeList, taskList string) {
		trace, err := openb.Read(strings.NewReader(nodeList), strings.NewReader(taskList))
		if err != nil {
			return
		}
		cluster := trace.Fill(0.5)
		if len(cluster.Nodes) != len(trace.Nodes) || len(cluster.Pods)+cluster.Left > len(trace.Tasks) {
			t.Error(fmt.Sprint("the cluster has ", len(cluster.Nodes), " nodes and ", len(cluster.Pods), " pods"))
		}
	})
}
