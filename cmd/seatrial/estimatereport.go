package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/seatrial/seatrial/estimator/nodes"
)

// estimateReport is what the command estimate prints.
type estimateReport struct {
	Workloads []workloadReport `json:"workloads"`
}

type workloadReport struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	// Replicas is how many the workload wants, and Requests what each asks for.
	Replicas int32               `json:"replicas"`
	Requests corev1.ResourceList `json:"requests,omitempty"`
	Clusters []clusterReport     `json:"clusters"`
	// Total is the capacity of all clusters that were read.
	Total int64 `json:"total"`
}

type clusterReport struct {
	Name string `json:"name"`
	// Capacity is nil where the cluster could not be read, and Error says why.
	Capacity    *int32             `json:"capacity,omitempty"`
	Nodes       int                `json:"nodes"`
	Constraints []nodes.Constraint `json:"constraints,omitempty"`
	// Quota says that a resource quota, and no node, sets the capacity.
	Quota bool   `json:"quota,omitempty"`
	Why   string `json:"why,omitempty"`
	Error string `json:"error,omitempty"`
}

func newEstimateReport(workloads []workloadDemand, found []clusterAnswers) estimateReport {
	var report estimateReport
	for i := range workloads {
		w := &workloads[i]
		one := workloadReport{
			Kind: w.object.GetKind(), Namespace: w.object.GetNamespace(), Name: w.object.GetName(),
			Replicas: w.replicas, Requests: w.demand.Requirements.ResourceRequest,
		}
		for _, answers := range found {
			cluster := clusterReport{Name: answers.name}
			if answers.err != nil {
				cluster.Error = answers.err.Error()
			} else {
				e := answers.explanations[i]
				cluster.Capacity, cluster.Nodes, cluster.Constraints, cluster.Quota, cluster.Why = &e.Replicas, e.Nodes, e.Constraints, e.Quota, e.Why()
				one.Total += int64(e.Replicas)
			}
			one.Clusters = append(one.Clusters, cluster)
		}
		report.Workloads = append(report.Workloads, one)
	}
	return report
}

func (r estimateReport) print(out io.Writer) error {
	for i, workload := range r.Workloads {
		if i > 0 {
			fmt.Fprintln(out)
		}
		if err := workload.print(out); err != nil {
			return err
		}
	}
	return nil
}

func (w workloadReport) print(out io.Writer) error {
	fmt.Fprintf(out, "%s %s/%s: %d replicas, each with %s\n", w.Kind, w.Namespace, w.Name, w.Replicas, amounts(w.Requests))
	table := newTable(out, "CLUSTER", "CAPACITY", "NODES", "BOUND BY")
	count, read := 0, 0
	for _, cluster := range w.Clusters {
		if cluster.Capacity == nil {
			fmt.Fprintf(table, "%s\t-\t-\tnot read: %s\n", cluster.Name, oneLine(cluster.Error))
			continue
		}
		read++
		count += cluster.Nodes
		fmt.Fprintf(table, "%s\t%d\t%d\t%s\n", cluster.Name, *cluster.Capacity, cluster.Nodes, cluster.Why)
	}
	fmt.Fprintf(table, "total\t%d\t%d\t", w.Total, count)
	if read < len(w.Clusters) {
		fmt.Fprintf(table, "%d of %d clusters read", read, len(w.Clusters))
	}
	fmt.Fprintln(table)
	return table.Flush()
}

func amounts(list corev1.ResourceList) string {
	if len(list) == 0 {
		return "no requests"
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(list)) {
		quantity := list[name]
		parts = append(parts, string(name)+" "+quantity.String())
	}
	return strings.Join(parts, ", ")
}

// oneLine keeps a table a table.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
