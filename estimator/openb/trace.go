// Package openb makes clusters of a published trace: the node and task lists of a production GPU cluster in the CSV format
// of the openb lists (Weng et al., Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient
// Descent, USENIX ATC 2023).
package openb

import (
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// Node is a row of the node list.
type Node struct {
	Name      string
	MilliCPU  int64
	MemoryMiB int64
	GPUs      int64
	// Model is that of the GPUs; empty without any.
	Model string
}

// Task is a row of the task list.
type Task struct {
	Name      string
	MilliCPU  int64
	MemoryMiB int64
	// GPUs is the number of GPUs; MilliGPU the share of one, in thousandths, that is 1000 unless GPUs is 1.
	GPUs     int64
	MilliGPU int64
	// Models are the GPU models that will do; none for any.
	Models []string
	// QoS is the quality of service class as the trace names it, such as LS or BE.
	QoS   string
	Phase string
	// Created and Deleted are seconds since the trace began. Scheduled is -1 for a task that never was.
	Created, Deleted, Scheduled int64
}

// Trace is a cluster and what ran on it. The lists do not say where.
type Trace struct {
	Nodes []Node
	Tasks []Task
}

var (
	nodeHeader = []string{"sn", "cpu_milli", "memory_mib", "gpu", "model"}
	taskHeader = []string{"name", "cpu_milli", "memory_mib", "num_gpu", "gpu_milli", "gpu_spec", "qos", "pod_phase",
		"creation_time", "deletion_time", "scheduled_time"}
)

// Read reads a node list and a task list.
func Read(nodes, tasks io.Reader) (*Trace, error) {
	trace := &Trace{}
	err := eachRow(nodes, nodeHeader, func(r *row) {
		trace.Nodes = append(trace.Nodes, Node{
			Name: r.text("sn"), MilliCPU: r.number("cpu_milli"), MemoryMiB: r.number("memory_mib"), GPUs: r.number("gpu"), Model: r.optional("model"),
		})
	})
	if err != nil {
		return nil, fmt.Errorf("reading the node list: %w", err)
	}
	err = eachRow(tasks, taskHeader, func(r *row) { trace.Tasks = append(trace.Tasks, r.task()) })
	if err != nil {
		return nil, fmt.Errorf("reading the task list: %w", err)
	}
	return trace, nil
}

// row is one line under a header. The first field that cannot be read stays as the error.
type row struct {
	fields []string
	header []string
	err    error
}

func eachRow(from io.Reader, header []string, visit func(*row)) error {
	lines := csv.NewReader(from)
	first, err := lines.Read()
	if err != nil {
		return fmt.Errorf("its header: %w", err)
	}
	if !slices.Equal(first, header) {
		return fmt.Errorf("its header is %q, not %q", strings.Join(first, ","), strings.Join(header, ","))
	}
	for {
		fields, err := lines.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		r := &row{fields: fields, header: header}
		visit(r)
		if r.err != nil {
			line, _ := lines.FieldPos(0)
			return fmt.Errorf("line %d: %w", line, r.err)
		}
	}
}

func (r *row) optional(name string) string { return r.fields[slices.Index(r.header, name)] }

func (r *row) text(name string) string {
	value := r.optional(name)
	if value == "" && r.err == nil {
		r.err = fmt.Errorf("%s is empty", name)
	}
	return value
}

// maxNumber keeps sums and products of the fields within 64 bits.
const maxNumber = 1 << 40

func (r *row) number(name string) int64 {
	value, err := strconv.ParseInt(r.optional(name), 10, 64)
	if err == nil && (value < 0 || value > maxNumber) {
		err = fmt.Errorf("%d is out of range", value)
	}
	if err != nil && r.err == nil {
		r.err = fmt.Errorf("%s: %w", name, err)
	}
	return value
}

func (r *row) task() Task {
	task := Task{
		Name: r.text("name"), MilliCPU: r.number("cpu_milli"), MemoryMiB: r.number("memory_mib"),
		GPUs: r.number("num_gpu"), MilliGPU: r.number("gpu_milli"), QoS: r.optional("qos"), Phase: r.optional("pod_phase"),
		Created: r.number("creation_time"), Deleted: r.number("deletion_time"), Scheduled: -1,
	}
	if models := r.optional("gpu_spec"); models != "" {
		task.Models = strings.Split(models, "|")
	}
	if r.optional("scheduled_time") != "" {
		task.Scheduled = r.number("scheduled_time")
	}
	return task
}
