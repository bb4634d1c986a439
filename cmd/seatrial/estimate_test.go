package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seatrial/seatrial/controllers/cluster"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded"
	"github.com/seatrial/seatrial/simulator"
)

const shop = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {ports: [{port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 9
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: web
        resources: {requests: {cpu: 500m, memory: 1Gi}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      affinity:
        podAntiAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
          - {topologyKey: kubernetes.io/hostname, labelSelector: {matchLabels: {app: db}}}
      containers: [{name: db, image: db}]
`

// cloud1 is two nodes with 4 CPUs, one of them tainted, a pod with 1 CPU and a pod that has ended.
const cloud1 = `
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: a, namespace: shop}
  spec: {nodeName: n1, containers: [{name: a, resources: {requests: {cpu: "1"}}}]}
  status: {phase: Running}
- apiVersion: v1
  kind: Pod
  metadata: {name: b, namespace: shop}
  spec: {nodeName: n1, containers: [{name: b, resources: {requests: {cpu: "3"}}}]}
  status: {phase: Succeeded}
- apiVersion: v1
  kind: Node
  metadata: {name: n1, labels: {kubernetes.io/hostname: n1}}
  status: {allocatable: {cpu: "4", memory: 16Gi, pods: "110"}}
- apiVersion: v1
  kind: Node
  metadata: {name: n2, labels: {kubernetes.io/hostname: n2}}
  spec: {taints: [{key: dedicated, effect: NoSchedule}]}
  status: {allocatable: {cpu: "4", memory: 16Gi, pods: "110"}}
- apiVersion: example.com/v1
  kind: Unheard
  metadata: {name: x}
`

const cloud2 = `{"apiVersion":"v1","kind":"List","items":[
{"apiVersion":"v1","kind":"Node","metadata":{"name":"n1","labels":{"kubernetes.io/hostname":"n1"}},"status":{"allocatable":{"cpu":"8","memory":"2Gi","pods":"110"}}},
{"apiVersion":"v1","kind":"ResourceQuota","metadata":{"name":"q","namespace":"shop"},"status":{"hard":{"requests.cpu":"1"},"used":{"requests.cpu":"500m"}}}]}`

const shopReport = `Deployment shop/web: 9 replicas, each with cpu 500m, memory 1Gi
CLUSTER   CAPACITY   NODES   BOUND BY
cloud1    6          2       cpu on 1 of 2 nodes, taint on 1
cloud2    1          1       resource quota; without it memory on 1 of 1 nodes
cloud3    -          -       not read: reading cluster dump DIR/cloud3.yaml: there is no Node in it; kubectl get nodes,pods -A -o yaml makes one
total     7          3       2 of 3 clusters read

StatefulSet default/db: 2 replicas, each with no requests
CLUSTER   CAPACITY   NODES   BOUND BY
cloud1    1          2       pods around on 1 of 2 nodes, taint on 1
cloud2    1          1       pods around on 1 of 1 nodes
cloud3    -          -       not read: reading cluster dump DIR/cloud3.yaml: there is no Node in it; kubectl get nodes,pods -A -o yaml makes one
total     2          3       2 of 3 clusters read
`

// folder writes files and returns where.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// estimate runs the command with a workload on standard input.
func estimate(t *testing.T, workload string, args ...string) (string, error) {
	t.Helper()
	command := newEstimateCommand()
	var out bytes.Buffer
	command.SetIn(strings.NewReader(workload))
	command.SetOut(&out)
	command.SetErr(&out)
	command.SilenceUsage, command.SilenceErrors = true, true
	command.SetArgs(append([]string{"-f", "-"}, args...))
	err := command.ExecuteContext(t.Context())
	return out.String(), err
}

func TestEstimateOffline(t *testing.T) {
	dir := folder(t, map[string]string{"cloud1.yaml": cloud1, "cloud2.json": cloud2, "cloud3.yaml": "", "notes.txt": "{"})
	got, err := estimate(t, shop, "--cluster-dump", dir)
	if err != nil {
		t.Fatal(err)
	}
	if got = strings.ReplaceAll(got, dir, "DIR"); got != shopReport {
		t.Errorf("got\n%s\nwant\n%s", got, shopReport)
	}
}

func TestEstimateAsData(t *testing.T) {
	dir := folder(t, map[string]string{"cloud1.yaml": cloud1, "cloud2.json": cloud2})
	got, err := estimate(t, shop, "--cluster-dump", dir, "--clusters", "cloud1", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var report estimateReport
	if err := json.Unmarshal([]byte(got), &report); err != nil {
		t.Fatal(err)
	}
	web := report.Workloads[0]
	if len(web.Clusters) != 1 || *web.Clusters[0].Capacity != 6 || web.Total != 6 || web.Clusters[0].Constraints[0].Reason != "cpu" {
		t.Errorf("as data: %s", got)
	}
}

func TestEstimateRefuses(t *testing.T) {
	dir := folder(t, map[string]string{"cloud1.yaml": cloud1, "empty.yaml": ""})
	one := filepath.Join(dir, "cloud1.yaml")
	first, _, _ := strings.Cut(shop, "---")
	for want, c := range map[string]struct {
		workload string
		args     []string
	}{
		"none of its 1 documents is a workload with replicas":                  {"apiVersion: v1\nkind: Service\n", []string{"--cluster-dump", one}},
		"none of its 0 documents":                                              {"", []string{"--cluster-dump", one}},
		"document 2: kind is missing":                                          {first + "---\napiVersion: v1\n", []string{"--cluster-dump", one}},
		"document 1: apiVersion is missing":                                    {"kind: Deployment\n", []string{"--cluster-dump", one}},
		"reading document 1":                                                   {"{", []string{"--cluster-dump", one}},
		"spec.template.spec.containers[0].resources.requests[cpu]: Invalid":    {strings.Replace(shop, "cpu: 500m", "cpu: lots", 1), []string{"--cluster-dump", one}},
		"spec.template.spec.containers[0].resources.requests[memory]: Invalid": {strings.Replace(shop, "memory: 1Gi", "memory: -1Gi", 1), []string{"--cluster-dump", one}},
		"spec.replicas: -9 is below zero":                                      {strings.Replace(shop, "replicas: 9", "replicas: -9", 1), []string{"--cluster-dump", one}},
		"affinity[0].topologyKey":                                              {strings.Replace(strings.Replace(shop, "podAntiAffinity", "podAffinity", 1), "topologyKey: kubernetes.io/hostname, ", "", 1), []string{"--cluster-dump", one}},
		"--clusters: there is no cluster \"cloud9\"; the clusters are cloud1":  {shop, []string{"--cluster-dump", one, "--clusters", "cloud9"}},
		"--cluster-dump: stat":                                                 {shop, []string{"--cluster-dump", filepath.Join(dir, "none")}},
		"none of 1 clusters could be read":                                     {shop, []string{"--cluster-dump", filepath.Join(dir, "empty.yaml")}},
		"--timeout: 0s is not above zero":                                      {shop, []string{"--cluster-dump", one, "--timeout", "0s"}},
		"use one of text, json":                                                {shop, []string{"--cluster-dump", one, "-o", "xml"}},
		"-f is required":                                                       {shop, []string{"-f", ""}},
		"opening the file of -f":                                               {shop, []string{"-f", filepath.Join(dir, "none")}},
	} {
		if _, err := estimate(t, c.workload, c.args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// TestSurvey reads the members of a simulated fleet, one of which cannot be reached.
func TestSurvey(t *testing.T) {
	env, err := simulator.New(t.Context(), simulator.Options{Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	workloads, err := readWorkloads(t.Context(), "-", strings.NewReader(shop))
	if err != nil {
		t.Fatal(err)
	}
	finished := false
	s := &survey{
		clusters: []string{"member1", "member2", "never"}, workloads: workloads, counter: newCounter(&bytes.Buffer{}),
		done: func() { finished = true }, answers: map[string]clusterAnswers{},
	}
	if err := env.Run(cluster.New(cluster.DefaultMonitor(), 1)); err != nil {
		t.Fatal(err)
	}
	for _, spec := range embedded.DefaultSpecs() {
		if spec.Role != fleet.Member {
			continue
		}
		if err := env.Add(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		if err := env.Join(t.Context(), spec.Name); err != nil {
			t.Fatal(err)
		}
	}
	addNodes(t, env, "member1", pageSize+1)
	if err := env.Partition(t.Context(), "member2"); err != nil {
		t.Fatal(err)
	}
	if err := env.Restart(s.controller()); err != nil {
		t.Fatal(err)
	}
	err = env.Await(t.Context(), time.Minute, "two answers", func(context.Context) (bool, error) { return len(s.answers) == 2, nil })
	if err != nil {
		t.Fatal(err)
	}
	found := s.found()
	if finished || len(found) != 3 || found[0].err != nil || found[1].err == nil || found[2].err == nil {
		t.Fatalf("finished: %t, found %v, %v, %v", finished, found[0].err, found[1].err, found[2].err)
	}
	if e := found[0].explanations[0]; e.Nodes <= pageSize || e.Replicas == 0 {
		t.Errorf("member1 is explained as %q", e)
	}
	s.note(clusterAnswers{name: "never"})
	if !finished {
		t.Error("the last answer does not end the survey")
	}
}

func addNodes(t *testing.T, env *simulator.Fleet, cluster string, count int) {
	t.Helper()
	member, err := env.Client(t.Context(), cluster)
	if err != nil {
		t.Fatal(err)
	}
	for i := range count {
		if err := member.Create(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("more-", i)}}); err != nil {
			t.Fatal(err)
		}
	}
}
