package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/cli-runtime/pkg/printers"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
)

// usage is what a pod, a container or a node uses.
type usage struct {
	Cluster   string `json:"cluster"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// CPU is in thousandths of a core, Memory in bytes; both are missing when nobody measured them.
	CPU    *int64 `json:"cpuMillicores,omitempty"`
	Memory *int64 `json:"memoryBytes,omitempty"`
	// TotalCPU and TotalMemory are what a node has.
	TotalCPU    int64   `json:"totalCPUMillicores,omitempty"`
	TotalMemory int64   `json:"totalMemoryBytes,omitempty"`
	Containers  []usage `json:"containers,omitempty"`
}

func usageOfPod(cluster string, pod *metricsv1beta1.PodMetrics) usage {
	all := usage{Cluster: cluster, Namespace: pod.Namespace, Name: pod.Name}
	cpu, memory := resource.Quantity{}, resource.Quantity{}
	for _, container := range pod.Containers {
		one := usage{Cluster: cluster, Namespace: pod.Namespace, Name: container.Name}
		one.measure(container.Usage)
		all.Containers = append(all.Containers, one)
		cpu.Add(*container.Usage.Cpu())
		memory.Add(*container.Usage.Memory())
	}
	all.measure(corev1.ResourceList{corev1.ResourceCPU: cpu, corev1.ResourceMemory: memory})
	return all
}

func usageOfNode(cluster, name string, total corev1.ResourceList, measured *metricsv1beta1.NodeMetrics) usage {
	node := usage{Cluster: cluster, Name: name, TotalCPU: total.Cpu().MilliValue(), TotalMemory: total.Memory().Value()}
	if measured != nil {
		node.measure(measured.Usage)
	}
	return node
}

func (u *usage) measure(used corev1.ResourceList) {
	cpu, memory := used.Cpu().MilliValue(), used.Memory().Value()
	u.CPU, u.Memory = &cpu, &memory
}

func amount(of *int64) int64 {
	if of == nil {
		return 0
	}
	return *of
}

// sortUses puts those that use most first, or sorts by name.
func sortUses(uses []usage, by string) {
	slices.SortFunc(uses, func(a, b usage) int {
		byName := cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Cluster, b.Cluster))
		switch by {
		case "cpu":
			return cmp.Or(cmp.Compare(amount(b.CPU), amount(a.CPU)), byName)
		case "memory":
			return cmp.Or(cmp.Compare(amount(b.Memory), amount(a.Memory)), byName)
		}
		return byName
	})
}

// print prints what the members say; that there is nothing is said only if all of them answered.
func (r *topRun) print(answers [][]usage, whole bool) error {
	uses := slices.Concat(answers...)
	sortUses(uses, r.sortBy)
	if r.output == "json" {
		encoder := json.NewEncoder(r.Out)
		encoder.SetIndent("", "  ")
		return encoder.Encode(struct {
			Items []usage `json:"items"`
		}{append([]usage{}, uses...)})
	}
	if len(uses) == 0 {
		if whole {
			fmt.Fprintln(r.ErrOut, "No resources found")
		}
		return nil
	}
	columns, rows := r.layOut(uses)
	out := printers.GetNewTabWriter(r.Out)
	if !r.noHeaders {
		fmt.Fprintln(out, strings.Join(columns, "\t"))
	}
	for _, row := range rows {
		fmt.Fprintln(out, strings.Join(row, "\t"))
	}
	return out.Flush()
}

func (r *topRun) layOut(uses []usage) (columns []string, rows [][]string) {
	if uses[0].TotalCPU > 0 || uses[0].TotalMemory > 0 {
		for _, node := range uses {
			rows = append(rows, []string{
				node.Name, node.Cluster, millicores(node.CPU), share(node.CPU, node.TotalCPU), mebibytes(node.Memory), share(node.Memory, node.TotalMemory),
			})
		}
		return []string{"NAME", "CLUSTER", "CPU(cores)", "CPU%", "MEMORY(bytes)", "MEMORY%"}, rows
	}
	var lead []string
	if r.allNamespaces {
		lead = append(lead, "NAMESPACE")
	}
	if r.containers {
		lead = append(lead, "POD")
	}
	var cpu, memory int64
	for _, pod := range uses {
		cpu, memory = cpu+amount(pod.CPU), memory+amount(pod.Memory)
		lines := []usage{pod}
		if r.containers {
			sortUses(pod.Containers, r.sortBy)
			lines = pod.Containers
		}
		for _, line := range lines {
			var row []string
			if r.allNamespaces {
				row = append(row, line.Namespace)
			}
			if r.containers {
				row = append(row, pod.Name)
			}
			rows = append(rows, append(row, line.Name, line.Cluster, millicores(line.CPU), mebibytes(line.Memory)))
		}
	}
	if r.sum {
		blank := slices.Repeat([]string{""}, len(lead)+2)
		rows = append(rows, slices.Concat(blank, []string{"________", "________"}), slices.Concat(blank, []string{millicores(&cpu), mebibytes(&memory)}))
	}
	return append(lead, "NAME", "CLUSTER", "CPU(cores)", "MEMORY(bytes)"), rows
}

const unmeasured = "<unknown>"

func millicores(of *int64) string {
	if of == nil {
		return unmeasured
	}
	return fmt.Sprintf("%dm", *of)
}

func mebibytes(of *int64) string {
	if of == nil {
		return unmeasured
	}
	return fmt.Sprintf("%dMi", *of>>20)
}

func share(of *int64, total int64) string {
	if of == nil || total == 0 {
		return unmeasured
	}
	return fmt.Sprintf("%d%%", int64(float64(*of)/float64(total)*100))
}
