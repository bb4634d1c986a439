package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seatrial/seatrial/simulator/report"
	"github.com/seatrial/seatrial/simulator/scenario"
)

// little is a scenario that is over soon. Its second objective depends on how long it is played.
const little = `
apiVersion: simulator.seatrial.io/v1alpha1
kind: Scenario
metadata: {name: little}
duration: 2m
fleet:
  clusters: [{name: "m{n}", count: 2}]
workloads:
  - name: web
    replicas: 4
    policy: {placement: {replicaScheduling: {replicaSchedulingType: Divided}}}
timeline:
  - {at: 1m, scale: {by: 2}}
expect:
  - {measure: Pending, atMost: 0, at: 2m}
  - {name: few pods, measure: Decisions, atMost: 100}
`

func scenarioFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "little.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// simulate runs the command, and gives its output and the code that the process would end with.
func simulate(ctx context.Context, args ...string) (string, int) {
	command := newRootCommand()
	var out bytes.Buffer
	command.SetOut(&out)
	command.SetErr(&out)
	command.SetArgs(append([]string{"simulate"}, args...))
	if err := command.ExecuteContext(ctx); err != nil {
		return out.String() + err.Error(), exitCode(err)
	}
	return out.String(), 0
}

func TestSimulate(t *testing.T) {
	file := scenarioFile(t, little)
	broken := scenarioFile(t, strings.Replace(little, "atMost: 100", "atMost: 0", 1))
	wrong := scenarioFile(t, strings.Replace(little, "duration: 2m", "duration: soon", 1))
	for _, c := range []struct {
		name string
		args []string
		code int
		want []string
	}{
		{"kept", []string{file}, 0, []string{"little  seed 0  2m of virtual time", "all 2 objectives kept", "6 of 6 replicas ready"}},
		{"shorter, with another seed", []string{file, "--duration", "30s", "--seed", "7"}, 0, []string{"seed 7  30s", "4 of 4 replicas ready"}},
		{"broken", []string{broken}, 1, []string{"FAIL  few pods", "1 of 2 objectives broken"}},
		{"bad scenario", []string{wrong}, 2, []string{"little.yaml:5: duration"}},
		{"no such file", []string{"./nowhere.yaml"}, 2, []string{"reading the scenario"}},
		{"no such name", []string{"nowhere"}, 2, []string{"there is no scenario nowhere in the library"}},
		{"bad flag", []string{file, "--replications", "0"}, 2, []string{"--replications"}},
		{"bad form", []string{file, "-o", "xml"}, 2, []string{"use one of text, json"}},
		{"no scenario", nil, 2, []string{"give one scenario"}},
		{"bad field to vary", []string{file, "--vary", "settings.nothing=1"}, 2, []string{"--vary"}},
		{"validate", []string{file, "--validate"}, 0, []string{"little is valid: 2 clusters"}},
		{"list", []string{"--list"}, 0, []string{"zone-loss", "1h0m0s", "ready"}},
		{"vary", []string{file, "--vary", "workloads[0].replicas=2,3"}, 0, []string{"workloads[0].replicas=2", "workloads[0].replicas=3"}},
		{"compare", []string{file, "--compare", file}, 0, []string{"MEASURE"}},
		{"vary in json", []string{file, "--vary", "seed=2,3", "-o", "json"}, 0, []string{`"name": "seed=2"`, `"report": {`}},
		{"vary in metrics", []string{file, "--vary", "seed=2,3", "-o", "openmetrics"}, 0, []string{`{run="seed=3",scenario="little",seed="3"}`}},
		{"vary with replications", []string{file, "--replications", "3", "--vary", "workloads[0].replicas=2,3"}, 0, []string{"workloads[0].replicas=3  3 runs", "MEASURE"}},
		{"replications", []string{file, "--replications", "3"}, 0, []string{"3 runs, 3 kept every objective", "95% CONFIDENCE"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, code := simulate(t.Context(), c.args...)
			if code != c.code {
				t.Errorf("it ended with %d, want %d", code, c.code)
			}
			for _, want := range c.want {
				if !strings.Contains(out, want) {
					t.Errorf("%q is missing in\n%s", want, out)
				}
			}
		})
	}
}

// TestSimulateForms reads each form of a report back.
func TestSimulateForms(t *testing.T) {
	file := scenarioFile(t, little)
	for form, check := range map[string]func(string) bool{
		"json": func(text string) bool {
			told := &report.Report{}
			return json.Unmarshal([]byte(text), told) == nil && told.Scenario == "little" && told.Total.Ready == 6
		},
		"junit": func(text string) bool {
			return xml.Unmarshal([]byte(text), &struct{}{}) == nil && strings.Contains(text, "few pods")
		},
		"openmetrics": func(text string) bool { return strings.HasSuffix(text, "# EOF\n") },
		"csv":         func(text string) bool { return strings.Contains(text, ",") },
		"html":        func(text string) bool { return strings.HasPrefix(text, "<!") },
	} {
		path := filepath.Join(t.TempDir(), "report")
		if out, code := simulate(t.Context(), file, "-o", form, "--output-file", path); code != 0 || out != "" {
			t.Errorf("%s: it ended with %d and wrote %q", form, code, out)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !check(string(content)) {
			t.Errorf("%s: not as it should be: %s", form, content)
		}
	}
}

// TestSimulateMissing: a scenario that waits for a controller is told of, and not played.
func TestSimulateMissing(t *testing.T) {
	file := scenarioFile(t, little+"settings: {featureGates: {MultiClusterService: true}}\n")
	if out, code := simulate(t.Context(), file); code != 0 || !strings.Contains(out, "little is skipped: it needs feature gate MultiClusterService") {
		t.Errorf("it ended with %d: %s", code, out)
	}
	if out, code := simulate(t.Context(), file, "--force"); code != 0 || !strings.Contains(out, "all 2 objectives kept") {
		t.Errorf("forced, it ended with %d: %s", code, out)
	}
}

// lapsing ends after it has been asked so many times whether it has: at the same place of a run each time.
type lapsing struct {
	context.Context
	left atomic.Int64
}

func (l *lapsing) Err() error {
	if l.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// TestSimulateInterrupted gives the report so far in every form, marked as partial.
func TestSimulateInterrupted(t *testing.T) {
	file := scenarioFile(t, little)
	for _, c := range []struct {
		left int64
		args []string
		want string
	}{
		{1, nil, "there is nothing to report"},
		{300, nil, "partial: ended before its time"},
		{300, []string{"-o", "json"}, `"partial": true`},
		{300, []string{"-o", "junit"}, "partial: ended before its time"},
		{300, []string{"-o", "openmetrics"}, `_partial{run="little",scenario="little",seed="0"} 1`},
		{300, []string{"-o", "csv"}, "fleet,,partial,1"},
		{300, []string{"-o", "html"}, `"partial":true`},
		{300, []string{"--compare", file}, "partial: ended before"},
		{300, []string{"--vary", "seed=1,2", "-o", "json"}, `"name": "seed=`},
		{300, []string{"--replications", "3"}, "partial"},
		{300, []string{"--replications", "3", "-o", "json"}, `"partial"`},
		{4000, []string{"--replications", "50"}, "partial: "},
	} {
		ctx := &lapsing{Context: t.Context()}
		ctx.left.Store(c.left)
		out, code := simulate(ctx, append([]string{file}, c.args...)...)
		if code != 1 || !strings.Contains(out, c.want) {
			t.Errorf("%v: it ended with %d, %q is missing in\n%s", c.args, code, c.want, out)
		}
	}
}

func TestProgressLine(t *testing.T) {
	if got := progressLine(10*time.Minute, time.Hour, 2*time.Second); got != "10m0s of 1h0m0s, 300 times as fast as real time, 10s left" {
		t.Errorf("progress: %s", got)
	}
}

// TestExampleScenarios keeps the examples playable.
func TestExampleScenarios(t *testing.T) {
	files, err := filepath.Glob("../../examples/simulate/*.yaml")
	if err != nil || len(files) < 2 {
		t.Fatalf("examples: %v, %v", files, err)
	}
	for _, file := range files {
		if out, code := simulate(t.Context(), file, "--validate"); code != 0 {
			t.Errorf("%s: %s", file, out)
		}
	}
	if names, _ := scenarioNames(nil, nil, ""); len(names) != len(scenario.Library()) {
		t.Errorf("completion offers %v", names)
	}
}

// TestScaleExamples holds the sizes of the scale example to be alike but for their numbers.
func TestScaleExamples(t *testing.T) {
	shape := func(name string, clusters, nodes, workloads int) string {
		content, err := os.ReadFile("../../examples/simulate/" + name)
		if err != nil {
			t.Fatal(err)
		}
		read, err := scenario.Load(name, content, nil)
		if err != nil {
			t.Fatal(err)
		}
		foundClusters, foundNodes := 0, 0
		for _, group := range read.Fleet.Clusters {
			foundClusters += group.Count
			foundNodes += group.Count * group.Pools[0].Count
		}
		failing := read.Timeline[0].Times
		if foundClusters != clusters || foundNodes != nodes || read.Workloads[0].Count != workloads || failing*1000 != nodes {
			t.Errorf("%s: %d clusters, %d nodes of which %d fail, %d workloads", name, foundClusters, foundNodes, failing, read.Workloads[0].Count)
		}
		_, rest, _ := strings.Cut(string(content), "fleet:")
		return regexp.MustCompile(`(?m)^ *#.*$|count: \d+|mean: \d+|by: -?\d+|times: \d+|every: 1?\d*\.?\d*s|max: [\d.]+s`).ReplaceAllString(rest, "")
	}
	small := shape("scale-10.yaml", 10, 50_000, 1_000)
	if small != shape("scale.yaml", 100, 500_000, 10_000) || small != shape("scale-1000.yaml", 1000, 500_000, 20_000) {
		t.Error("the sizes of the scale example differ in more than their numbers")
	}
	// With failover, the same happens under other settings and objectives.
	moved := regexp.MustCompile(`(?s)settings:.*?timeline:`).ReplaceAllString(shape("scale-failover.yaml", 100, 500_000, 10_000), "timeline:")
	if same, objectives, _ := strings.Cut(moved, "  - {measure: Recovery"); !strings.HasPrefix(small, same) || !strings.Contains(objectives, "measure: Lost") {
		t.Error("the scale example with failover differs in more than settings and objectives")
	}
}
