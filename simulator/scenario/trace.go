package scenario

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/configfile"
	"github.com/seatrial/seatrial/estimator/openb"
)

// entry is one line of a trace in a format of ours.
type entry struct {
	// Time is seconds, a duration such as 5m, or a moment such as 2026-01-01T00:00:00Z; all of a file are of one sort.
	Time string `json:"time"`
	// Action is arrive, scale or delete.
	Action    string `json:"action"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Replicas  int32  `json:"replicas"`
	CPU       string `json:"cpu"`
	Memory    string `json:"memory"`

	line int
	at   time.Duration
}

func traceHeader() []string {
	return []string{"time", "action", "namespace", "name", "replicas", "cpu", "memory"}
}

func (p *problems) trace(s *Scenario, field string, t *Trace) {
	switch {
	case t.Format == traceOpenB && t.Nodes == "" && len(s.Fleet.Clusters) == 0 && s.Fleet.Snapshot == "":
		p.add(field+".nodes", "add the node list, or clusters to the fleet", "the trace has no nodes")
	case t.Format != traceOpenB && t.Nodes != "":
		p.add(field+".nodes", "remove it", "only OpenB has a node list")
	}
	if t.Nodes != "" {
		p.pattern(field+".name", t.Name, t.Clusters)
		if t.Name == "" {
			p.add(field+".name", "add a name such as openb-{n}", "the clusters have no name")
		}
	}
	p.floor(field+".floor", &t.Floor)
	p.propagation(field+".policy", t.Policy)
}

// replayTraces turns the entries of all traces into arrivals.
func (p *planner) replayTraces() {
	for i := range p.scenario.Traces {
		t, field := &p.scenario.Traces[i], index("traces", i)
		r := &replay{planner: p, trace: t, field: field, group: traceGroup(i), policies: map[string]bool{}}
		content := p.readable(p.scenario, field+".file", t.File)
		if content == nil {
			continue
		}
		switch t.Format {
		case traceOpenB:
			r.openb(content)
		case traceCSV:
			r.entries(readCSV(content))
		case traceJSONL:
			r.entries(readJSONL(content))
		}
	}
}

type replay struct {
	*planner
	trace        *Trace
	field, group string
	// policies are the namespaces that have one already.
	policies map[string]bool
}

func (r *replay) blame(line int, err error) {
	r.list = append(r.list, configfile.Problem{File: r.trace.File, Field: r.field, Line: line, Text: err.Error(), Fix: "mend the trace"})
}

// when is the virtual time of something in the trace.
func (r *replay) when(at time.Duration) time.Duration {
	speed := r.trace.Speed
	if speed == 0 {
		speed = 1
	}
	return r.trace.At.Duration + time.Duration(math.Round(float64(at)/speed/1e6))*time.Millisecond
}

// workload is made like a generated one.
func (r *replay) workload(namespace, name string, replicas int32, requests corev1.ResourceList) client.Object {
	w := &Workloads{Policy: r.trace.Policy, Replicas: &Distribution{Mean: Amount{Value: float64(replicas)}}, Extended: map[string]Quantity{}}
	for resourceName, quantity := range requests {
		w.Extended[string(resourceName)] = Quantity{text: quantity.String(), Quantity: quantity}
	}
	if !r.policies[namespace] {
		r.policies[namespace] = true
		r.addPolicy(r.field, r.group, namespace, w)
	}
	return w.object(r.group, name, namespace, nil)
}

func (r *replay) openb(tasks []byte) {
	nodes := []byte("sn,cpu_milli,memory_mib,gpu,model\n")
	if r.trace.Nodes != "" {
		if nodes = r.readable(r.scenario, r.field+".nodes", r.trace.Nodes); nodes == nil {
			return
		}
	}
	read, err := openb.Read(bytes.NewReader(nodes), bytes.NewReader(tasks))
	if err != nil {
		r.blame(0, err)
		return
	}
	r.deal(read.Nodes)
	for i := range read.Tasks {
		if r.trace.Limit > 0 && i == r.trace.Limit {
			return
		}
		task := &read.Tasks[i]
		made := r.workload(openb.Namespace, task.Name, 1, task.Requirements().ResourceRequest)
		arrives := r.when(time.Duration(task.Created) * time.Second)
		r.arrive(r.field, arrives, made)
		if task.Deleted > task.Created {
			r.leave(r.field, r.when(time.Duration(task.Deleted)*time.Second), made)
		}
	}
}

// deal gives the nodes to clusters in turn.
func (r *replay) deal(nodes []openb.Node) {
	count := max(r.trace.Clusters, 1)
	members := &r.scenario.Settings.Members
	clusters := make([]*Cluster, count)
	for n := range clusters {
		clusters[n] = &Cluster{Name: named(r.trace.Name, n+1), SyncMode: "Push", Startup: members.Startup, API: members.API, Scheduler: r.kubeScheduler("", "")}
	}
	for i := range nodes {
		clusters[i%count].adopt(nodes[i].Object())
	}
	for _, c := range clusters {
		if len(c.Nodes) == 0 {
			continue
		}
		if !r.fleet.add(c) {
			r.add(r.field+".name", "give each cluster a name of its own", "there is another cluster %s", c.Name)
			continue
		}
		r.plan.Clusters = append(r.plan.Clusters, c)
	}
}

// entries replays a trace of ours, in the order of time.
func (r *replay) entries(list []entry, line int, err error) {
	if err == nil {
		line, err = placeInTime(list)
	}
	if err != nil {
		r.blame(line, err)
		return
	}
	slices.SortStableFunc(list, func(a, b entry) int { return int(min(max(a.at-b.at, -1), 1)) })
	live := map[string]client.Object{}
	for i := range list {
		if r.trace.Limit > 0 && i == r.trace.Limit {
			return
		}
		if err := r.entry(&list[i], live); err != nil {
			r.blame(list[i].line, err)
			return
		}
	}
}

func (r *replay) entry(e *entry, live map[string]client.Object) error {
	namespace := orWord(e.Namespace, corev1.NamespaceDefault)
	key := namespace + "/" + e.Name
	object := live[key]
	if e.Action != "arrive" && object == nil {
		return fmt.Errorf("%s of %s, which has not arrived", e.Action, key)
	}
	if e.Name == "" || e.Replicas < 0 || e.Replicas > maxReplicas {
		return fmt.Errorf("name %q with %d replicas; write a name and 0 to %d", e.Name, e.Replicas, maxReplicas)
	}
	switch e.Action {
	case "arrive":
		requests := corev1.ResourceList{}
		for name, text := range map[corev1.ResourceName]string{corev1.ResourceCPU: e.CPU, corev1.ResourceMemory: e.Memory} {
			if text == "" {
				continue
			}
			quantity, err := resource.ParseQuantity(text)
			if err != nil || quantity.Sign() < 0 {
				return fmt.Errorf("%s %q is no quantity; write one such as 500m or 1Gi", name, text)
			}
			requests[name] = quantity
		}
		live[key] = r.workload(namespace, e.Name, e.Replicas, requests)
		r.arrive(r.field, r.when(e.at), live[key])
	case "scale":
		gvk := object.GetObjectKind().GroupVersionKind()
		r.arrivals = append(r.arrivals, Action{
			At: r.when(e.at), Verb: ScaleTo, Name: "scale " + e.Name, Field: r.field,
			Targets: []Target{{APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind, Namespace: namespace, Name: e.Name, Replicas: e.Replicas}},
		})
	case "delete":
		r.leave(r.field, r.when(e.at), object)
		delete(live, key)
	default:
		return fmt.Errorf("unknown action %q; write arrive, scale or delete", e.Action)
	}
	return nil
}

// placeInTime reads the times. Moments count from the first of them.
func placeInTime(list []entry) (line int, err error) {
	var first time.Time
	for i := range list {
		e := &list[i]
		moment, err := time.Parse(time.RFC3339, e.Time)
		if err == nil {
			if i == 0 {
				first = moment
			}
			e.at = moment.Sub(first)
		} else if seconds, err := strconv.ParseFloat(e.Time, 64); err == nil && seconds >= 0 && seconds <= maxDuration.Seconds() {
			e.at = time.Duration(math.Round(seconds*1000)) * time.Millisecond
		} else if e.at, err = time.ParseDuration(e.Time); err != nil {
			return e.line, fmt.Errorf("%q is no time; write seconds, a duration such as 5m, or a moment such as 2026-01-01T00:00:00Z", e.Time)
		}
		if e.at < 0 || e.at > maxDuration || (i > 0 && err == nil && first.IsZero()) || (i > 0 && err != nil && !first.IsZero()) {
			return e.line, fmt.Errorf("time %q is before the first, or of another sort", e.Time)
		}
	}
	return 0, nil
}

func readCSV(content []byte) (list []entry, line int, err error) {
	rows := csv.NewReader(bytes.NewReader(content))
	header, err := rows.Read()
	if err != nil || !slices.Equal(header, traceHeader()) {
		return nil, 1, fmt.Errorf("the header is %q, not %q", header, traceHeader())
	}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return list, 0, nil
		}
		line, _ := rows.FieldPos(0)
		if err != nil {
			return nil, line, err
		}
		var replicas int64
		if row[4] != "" {
			if replicas, err = strconv.ParseInt(row[4], 10, 32); err != nil {
				return nil, line, fmt.Errorf("replicas %q is no whole number", row[4])
			}
		}
		list = append(list, entry{
			Time: row[0], Action: row[1], Namespace: row[2], Name: row[3], Replicas: int32(replicas), CPU: row[5], Memory: row[6], line: line,
		})
	}
}

func readJSONL(content []byte) (list []entry, line int, err error) {
	for number, text := range bytes.Split(content, []byte("\n")) {
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		read := entry{line: number + 1}
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&read); err != nil {
			return nil, number + 1, err
		}
		list = append(list, read)
	}
	return list, 0, nil
}
