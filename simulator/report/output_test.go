package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden outputs anew")

// TestOutputs compares every format with what is recorded under testdata.
func TestOutputs(t *testing.T) {
	run, other := smallRun(0), smallRun(30)
	both := []Run{{"now", run}, {"later", other}}
	replications, err := Replicate([]Run{{"small", run}, {"small", other}, {"small", smallRun(45)}}, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	for file, output := range map[string]func(io.Writer) error{
		"small.txt":         run.Text,
		"small.json":        run.JSON,
		"small.xml":         func(w io.Writer) error { return JUnit(w, both) },
		"small.openmetrics": func(w io.Writer) error { return OpenMetrics(w, both) },
		"small.csv":         func(w io.Writer) error { return CSV(w, both[:1]) },
		"compare.txt":       func(w io.Writer) error { return Compare(w, both) },
		"replications.txt":  replications.Text,
		"beside.txt": func(w io.Writer) error {
			return CompareReplications(w, []*Replications{replications, replications})
		},
	} {
		t.Run(file, func(t *testing.T) {
			var got bytes.Buffer
			if err := output(&got); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join("testdata", file)
			if *update {
				if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("%s (-recorded +now), write it anew with -update if it is meant:\n%s", path, diff)
			}
		})
	}
}

// TestPage reads the data back out of the page, and holds that it loads nothing and is the same each time.
func TestPage(t *testing.T) {
	run, other := smallRun(0), smallRun(30)
	replications, err := Replicate([]Run{{"small", run}, {"small", other}}, 0.9)
	if err != nil {
		t.Fatal(err)
	}
	render := func() string {
		var page strings.Builder
		if err := HTML(&page, []Run{{"now", run}, {"later </script>", other}}, replications); err != nil {
			t.Fatal(err)
		}
		return page.String()
	}
	page := render()
	if page != render() {
		t.Error("the page is another one the second time")
	}
	found := regexp.MustCompile(`(?s)<script type="application/json" id="data">(.*?)</script>`).FindStringSubmatch(page)
	if found == nil {
		t.Fatal("the page has no data")
	}
	var data pageData
	if err := json.Unmarshal([]byte(found[1]), &data); err != nil {
		t.Fatal(err)
	}
	want := []pageRun{{"now", run.Verdict(), run}, {"later </script>", other.Verdict(), other}}
	if diff := cmp.Diff(want, data.Runs); diff != "" {
		t.Errorf("runs in the page (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(replications, data.Replications); diff != "" || len(data.Metrics) != len(metrics()) {
		t.Errorf("%d metrics, replications (-want +got):\n%s", len(data.Metrics), diff)
	}
	if strings.Contains(page, "ZgotmplZ") || !strings.Contains(page, "function availability") || !strings.Contains(page, "--accent:") {
		t.Error("script or style did not get into the page")
	}
	outside := regexp.MustCompile(`(?i)(src|href)="?[a-z]+:|@import|url\(|fetch\(|XMLHttpRequest`)
	if at := outside.FindAllString(page, -1); len(at) != 1 || at[0] != `href="data:` {
		t.Errorf("the page reaches out: %q", at)
	}
	if err := HTML(io.Discard, nil, nil); err == nil {
		t.Error("a page without a run was written")
	}
}

// TestPages writes pages for looking at into the folder in PAGES_DIR.
func TestPages(t *testing.T) {
	dir := os.Getenv("PAGES_DIR")
	if dir == "" {
		t.Skip("PAGES_DIR is not set")
	}
	runs := []Run{{"large", largeRun(1)}, {"large", largeRun(2)}, {"large", largeRun(3)}}
	replications, err := Replicate(runs, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	for file, page := range map[string]struct {
		runs         []Run
		replications *Replications
	}{
		"single.html":  {[]Run{{"seed 1", runs[0].Report}}, nil},
		"compare.html": {[]Run{{"rate 0.5", runs[0].Report}, {"rate 5", runs[1].Report}, {"rate 20", smallRun(3)}}, replications},
	} {
		var out bytes.Buffer
		if err := HTML(&out, page.runs, page.replications); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPageStaysSmall renders a run with many workloads and clusters: the page has the worst of them, and nothing else gets lost.
func TestPageStaysSmall(t *testing.T) {
	const workloads, clusters = 2000, 100
	r := New(Options{Scenario: "many", Duration: time.Hour})
	var ids []ClusterID
	for i := range clusters {
		ids = append(ids, r.AddCluster(0, Cluster{Name: fmt.Sprintf("c-%d", i)}))
	}
	for i := range workloads {
		id := r.AddWorkload(0, Workload{Namespace: "default", Name: fmt.Sprintf("w-%d", i)}, 2)
		r.Replicas(0, id, ids[i%clusters], 2, 2)
	}
	r.Replicas(time.Minute, 1999, ids[99], 0, 0)
	run := r.Finish(time.Hour, false)
	short := run.readable()
	if len(short.Workloads) != maxPageWorkloads || short.Workloads[0].Name != "w-1999" || len(run.Workloads) != workloads {
		t.Errorf("%d of %d workloads, the first %s", len(short.Workloads), len(run.Workloads), short.Workloads[0].Name)
	}
	lines := short.Timeline.Clusters
	total := 0.0
	for _, line := range lines {
		total += line.Ready[0]
	}
	if len(lines) != maxPageClusters+1 || lines[maxPageClusters].Cluster != "93 more clusters" || total != 2*workloads {
		t.Errorf("%d lines with %v replicas, the last %s", len(lines), total, lines[len(lines)-1].Cluster)
	}
	if err := HTML(io.Discard, []Run{{"many", run}}, nil); err != nil {
		t.Error(err)
	}
}

// TestPartial holds that every format says of a run that it was ended before its time.
func TestPartial(t *testing.T) {
	r := New(Options{Scenario: "cut", Duration: time.Hour})
	runs := []Run{{"cut", r.Finish(time.Minute, true)}}
	replications, err := Replicate(runs, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	for want, output := range map[string]func(io.Writer) error{
		"partial: ended before its time":                runs[0].Text,
		`"partial": true`:                               runs[0].JSON,
		`message="partial: ended before its time"`:      func(w io.Writer) error { return JUnit(w, runs) },
		`_partial{run="cut",scenario="cut",seed="0"} 1`: func(w io.Writer) error { return OpenMetrics(w, runs) },
		"cut,cut,0,fleet,,partial,1":                    func(w io.Writer) error { return CSV(w, runs) },
		`"partial":true`:                                func(w io.Writer) error { return HTML(w, runs, nil) },
		"partial: ended before their time: cut":         func(w io.Writer) error { return Compare(w, runs) },
		"partial: 1 ended before their time":            replications.Text,
	} {
		var out strings.Builder
		if err := output(&out); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing (%v) in\n%s", want, err, out.String())
		}
	}
}

// TestIntervals compares means and intervals with figures worked out by hand, and refuses what has none.
func TestIntervals(t *testing.T) {
	m := &metric{name: "x"}
	got := m.interval([]float64{2, 4, 6}, 0.95)
	// The standard error is 2/sqrt(3), and t of 2 degrees of freedom at 97.5% is 4.302653.
	if want := (Interval{Measure: "x", Mean: 4, Low: -0.968275, High: 8.968275, Min: 2, Max: 6}); got != want {
		t.Errorf("interval %+v, want %+v", got, want)
	}
	if one := m.interval([]float64{3}, 0.95); one.Low != 3 || one.High != 3 {
		t.Errorf("the interval of one run is %+v", one)
	}
	for _, confidence := range []float64{0, 1, -1} {
		if _, err := Replicate([]Run{{"small", smallRun(0)}}, confidence); err == nil {
			t.Errorf("confidence %v is taken", confidence)
		}
	}
	if _, err := Replicate(nil, 0.9); err == nil {
		t.Error("no run is taken")
	}
}
