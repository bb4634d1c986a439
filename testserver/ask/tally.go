package ask

import (
	"slices"
	"time"
)

// Answer is the outcome of one request. Times are offsets from the start of the asking.
type Answer struct {
	Address string
	// Begun is when the request was sent, Ended when its answer was complete or it had failed.
	Begun, Ended time.Duration
	// Fault is empty for a request that was served, else a short word for what went wrong.
	Fault string
	// By names who answered.
	By string
}

// Gap is a stretch of time without one served request.
type Gap struct {
	Begin time.Duration `json:"begin"`
	Long  time.Duration `json:"long"`
}

// Line sums up the requests to one address, or all. Durations are in nanoseconds in JSON.
type Line struct {
	Address string `json:"address,omitempty"`
	Served  int    `json:"served"`
	Failed  int    `json:"failed"`
	// LongestGap counts the time from the start to the first served request, and from the last one to the end.
	LongestGap Gap           `json:"longestGap"`
	Slowest    time.Duration `json:"slowest"`
	// Faults counts what went wrong, by word.
	Faults map[string]int `json:"faults,omitempty"`

	lastServed time.Duration
}

// Report is what the asking found.
type Report struct {
	Total Line `json:"total"`
	// Addresses are in the order in which they were given.
	Addresses []Line `json:"addresses"`
	// By counts the answers by who gave them.
	By map[string]int `json:"by"`
	// Elapsed is the length of the asking.
	Elapsed time.Duration `json:"elapsed"`
}

// Tally sums up answers as they end: it takes the same memory for any number of them. It is not safe for concurrent use.
type Tally struct{ report Report }

// NewTally begins a tally of requests to the addresses.
func NewTally(addresses []string) *Tally {
	t := &Tally{report: Report{Total: Line{Faults: map[string]int{}}, By: map[string]int{}}}
	for _, address := range addresses {
		t.report.Addresses = append(t.report.Addresses, Line{Address: address, Faults: map[string]int{}})
	}
	return t
}

// mostNames bounds the names of those who answered: an address can lead to anybody.
const mostNames = 1000

// Attempt takes note of a try at one address. A request may be several tries.
func (t *Tally) Attempt(answer Answer) {
	n := slices.IndexFunc(t.report.Addresses, func(line Line) bool { return line.Address == answer.Address })
	if n >= 0 {
		t.report.Addresses[n].add(answer)
	}
}

// Request takes note of the outcome of a request.
func (t *Tally) Request(answer Answer) {
	t.report.Total.add(answer)
	if _, known := t.report.By[answer.By]; answer.Fault == "" && (known || len(t.report.By) < mostNames) {
		t.report.By[answer.By]++
	}
}

// add takes answers in the order in which they ended, or nearly: one that comes late ends no gap earlier.
func (l *Line) add(answer Answer) {
	l.Slowest = max(l.Slowest, answer.Ended-answer.Begun)
	if answer.Fault != "" {
		l.Failed++
		l.Faults[answer.Fault]++
		return
	}
	l.Served++
	l.close(answer.Ended)
}

// close ends the present gap.
func (l *Line) close(at time.Duration) {
	if long := at - l.lastServed; long > l.LongestGap.Long {
		l.LongestGap = Gap{Begin: l.lastServed, Long: long}
	}
	l.lastServed = max(l.lastServed, at)
}

// Report ends the tally.
func (t *Tally) Report(elapsed time.Duration) Report {
	t.report.Elapsed = elapsed
	t.report.Total.close(elapsed)
	for n := range t.report.Addresses {
		t.report.Addresses[n].close(elapsed)
	}
	return t.report
}
