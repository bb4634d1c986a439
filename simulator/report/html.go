package report

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
	pageJS string
)

// page is what page.html is filled with.
type page struct {
	Title, Description, Text string
	Style                    template.CSS
	Script                   template.JS
	Data                     pageData
}

type pageData struct {
	Runs         []pageRun     `json:"runs"`
	Metrics      []pageMetric  `json:"metrics,omitempty"`
	Replications *Replications `json:"replications,omitempty"`
}

type pageRun struct {
	Name    string  `json:"name"`
	Verdict string  `json:"verdict"`
	Report  *Report `json:"report"`
}

type pageMetric struct {
	Name   string    `json:"name"`
	Unit   Unit      `json:"unit"`
	Values []float64 `json:"values"`
}

// HTML writes one page that needs nothing else: a run with its timelines, or several, at least one, side by side. Replications may be
// nil.
func HTML(w io.Writer, runs []Run, replications *Replications) error {
	if len(runs) == 0 {
		return fmt.Errorf("writing a page: there is no run")
	}
	parsed, err := template.New("page").Parse(pageHTML)
	if err != nil {
		return fmt.Errorf("reading the page that was compiled in: %w", err)
	}
	filled := page{
		Title: runs[0].Scenario, Description: runs[0].Description, Style: template.CSS(pageCSS), Script: template.JS(pageJS),
		Data: pageData{Replications: replications},
	}
	var text strings.Builder
	for _, run := range runs {
		filled.Data.Runs = append(filled.Data.Runs, pageRun{Name: run.Name, Verdict: run.Verdict(), Report: run.readable()})
		if err := run.Text(&text); err != nil {
			return err
		}
		text.WriteString("\n")
	}
	filled.Text = text.String()
	if len(runs) > 1 {
		for _, m := range metrics() {
			shown := pageMetric{Name: strings.ReplaceAll(m.name, "_", " "), Unit: m.unit}
			for _, run := range runs {
				shown.Values = append(shown.Values, m.value(run.Report))
			}
			filled.Data.Metrics = append(filled.Data.Metrics, shown)
		}
	}
	if err := parsed.Execute(w, filled); err != nil {
		return fmt.Errorf("writing the page of %s: %w", runs[0].Scenario, err)
	}
	return nil
}

const (
	// maxPageWorkloads keeps a page quick to load; the rest is in the other formats.
	maxPageWorkloads = 500
	// maxPageClusters have a line of their own when there are more than maxPageLines.
	maxPageLines    = 64
	maxPageClusters = 7
)

// readable is the report as far as a page can show it: the workloads that fared worst, and the largest clusters over time.
func (r *Report) readable() *Report {
	short := *r
	if len(r.Workloads) > maxPageWorkloads {
		short.Workloads = slices.Clone(r.Workloads)
		slices.SortStableFunc(short.Workloads, func(a, b WorkloadResult) int {
			return cmp.Or(cmp.Compare(a.LowestAvailability, b.LowestAvailability), cmp.Compare(b.UnavailableReplicaSeconds, a.UnavailableReplicaSeconds))
		})
		short.Workloads = short.Workloads[:maxPageWorkloads]
	}
	if len(r.Timeline.Clusters) > maxPageLines {
		short.Timeline.Clusters = joined(r.Timeline.Clusters)
	}
	return &short
}

// joined keeps the largest lines and adds up the others.
func joined(lines []ClusterLine) []ClusterLine {
	sum := func(line ClusterLine) (total float64) {
		for _, value := range line.Ready {
			total += value
		}
		return total
	}
	sorted := slices.Clone(lines)
	slices.SortStableFunc(sorted, func(a, b ClusterLine) int { return cmp.Compare(sum(b), sum(a)) })
	rest := ClusterLine{Cluster: fmt.Sprintf("%d more clusters", len(lines)-maxPageClusters)}
	for _, line := range sorted[maxPageClusters:] {
		for i, value := range line.Ready {
			if i == len(rest.Ready) {
				rest.Ready = append(rest.Ready, 0)
			}
			rest.Ready[i] = round(rest.Ready[i] + value)
		}
	}
	return append(sorted[:maxPageClusters:maxPageClusters], rest)
}
