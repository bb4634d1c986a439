package ask

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestTally(t *testing.T) {
	const ms = time.Millisecond
	served := func(at time.Duration) Answer { return Answer{Address: "a", Begun: at - ms, Ended: at, By: "p"} }
	failed := func(at time.Duration) Answer {
		return Answer{Address: "a", Begun: at - 5*ms, Ended: at, Fault: "timeout"}
	}
	cases := map[string]struct {
		answers        []Answer
		elapsed        time.Duration
		served, failed int
		gap            Gap
		slowest        time.Duration
	}{
		"nothing asked":               {nil, 0, 0, 0, Gap{}, 0},
		"nothing served":              {[]Answer{failed(10 * ms), failed(20 * ms)}, 100 * ms, 0, 2, Gap{0, 100 * ms}, 5 * ms},
		"the gap before the first":    {[]Answer{served(30 * ms), served(40 * ms)}, 50 * ms, 2, 0, Gap{0, 30 * ms}, ms},
		"a gap in the middle":         {[]Answer{served(10 * ms), failed(30 * ms), served(60 * ms), served(70 * ms)}, 80 * ms, 3, 1, Gap{10 * ms, 50 * ms}, 5 * ms},
		"the gap after the last":      {[]Answer{served(10 * ms), served(20 * ms)}, 100 * ms, 2, 0, Gap{20 * ms, 80 * ms}, ms},
		"the first of equal gaps":     {[]Answer{served(10 * ms), served(20 * ms)}, 20 * ms, 2, 0, Gap{0, 10 * ms}, ms},
		"answers told in wrong order": {[]Answer{served(20 * ms), served(10 * ms), served(30 * ms)}, 30 * ms, 3, 0, Gap{0, 20 * ms}, ms},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			tally := NewTally([]string{"a", "b"})
			for _, answer := range c.answers {
				tally.Attempt(answer)
				tally.Request(answer)
			}
			report := tally.Report(c.elapsed)
			for _, line := range []Line{report.Total, report.Addresses[0]} {
				if line.Served != c.served || line.Failed != c.failed || line.LongestGap != c.gap || line.Slowest != c.slowest {
					t.Errorf("got %+v, want %d served, %d failed, gap %+v, slowest %s", line, c.served, c.failed, c.gap, c.slowest)
				}
			}
			if other := report.Addresses[1]; other.Served+other.Failed != 0 || other.LongestGap.Long != c.elapsed {
				t.Errorf("the address that was not asked has %+v", other)
			}
			if report.By["p"] != c.served || report.Total.Faults["timeout"] != c.failed {
				t.Errorf("by %v and faults %v do not add up", report.By, report.Total.Faults)
			}
		})
	}
}

func TestTallyIsBounded(t *testing.T) {
	tally := NewTally([]string{"a"})
	for n := range 3 * mostNames {
		tally.Request(Answer{Address: "a", By: fmt.Sprint(n)})
	}
	if report := tally.Report(0); len(report.By) != mostNames || report.Total.Served != 3*mostNames {
		t.Errorf("%d names are kept of %d answers, want %d", len(report.By), report.Total.Served, mostNames)
	}
}

func TestValidate(t *testing.T) {
	good := Plan{Addresses: []string{"http://127.0.0.1:1"}, Rate: 10, Count: 1, Timeout: time.Second}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	cases := map[string]func(*Plan){
		"no address":               func(p *Plan) { p.Addresses = nil },
		"a rate":                   func(p *Plan) { p.Rate = 0 },
		"a rate of":                func(p *Plan) { p.Rate = mostRate + 1 },
		"neither the count":        func(p *Plan) { p.Count = -1 },
		"nothing ends the asking":  func(p *Plan) { p.Count = 0 },
		"the timeout of a try":     func(p *Plan) { p.Timeout = 0 },
		"lower the rate":           func(p *Plan) { p.Rate, p.Timeout = 1000, time.Minute },
		"is not of the form http:": func(p *Plan) { p.Addresses = []string{"127.0.0.1:80"} },
		"given twice":              func(p *Plan) { p.Addresses = append(p.Addresses, p.Addresses[0]) },
	}
	for want, spoil := range cases {
		plan := good
		spoil(&plan)
		if err := plan.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want %q in it", plan, err, want)
		}
	}
}

// answering is a server on loopback that answers with a name, or a status.
func answering(t *testing.T, name string, status int) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, _ *http.Request) {
		response.WriteHeader(status)
		fmt.Fprintln(response, name)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// closed is an address on loopback where nobody listens.
func closed(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return "http://" + listener.Addr().String()
}

func TestRunInTurn(t *testing.T) {
	one, broken, gone := answering(t, "one", http.StatusOK), answering(t, "two", http.StatusInternalServerError), closed(t)
	report, err := Run(t.Context(), Plan{Addresses: []string{one, broken, gone}, Rate: 1000, Count: 30, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if report.Total.Served != 10 || report.Total.Failed != 20 || report.By["one"] != 10 {
		t.Errorf("total %+v by %v, want 10 served by one and 20 failed", report.Total, report.By)
	}
	if want := map[string]int{"status 500": 10, "refused": 10}; !maps.Equal(report.Total.Faults, want) {
		t.Errorf("faults %v, want %v", report.Total.Faults, want)
	}
	var text bytes.Buffer
	if err := report.Print(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"all", "refused 10, status 500 10", gone} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in the report:\n%s", want, text.String())
		}
	}
}

func TestRunFailsOver(t *testing.T) {
	one, gone := answering(t, "one", http.StatusOK), closed(t)
	report, err := Run(t.Context(), Plan{Addresses: []string{gone, one}, Failover: true, Rate: 1000, Count: 20, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if report.Total.Served != 20 || report.Total.Failed != 0 {
		t.Errorf("total %+v, want all 20 served", report.Total)
	}
	if line := report.Addresses[0]; line.Failed != 10 || line.Served != 0 {
		t.Errorf("the closed address has %+v, want 10 failed tries", line)
	}
}

func TestRunTimesOut(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	report, err := Run(t.Context(), Plan{Addresses: []string{server.URL}, Rate: 100, Count: 3, Timeout: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if report.Total.Faults["timeout"] != 3 || report.Total.LongestGap.Long < 20*time.Millisecond {
		t.Errorf("total %+v, want three timeouts and a gap over all of it", report.Total)
	}
}

func TestRunEndsInTime(t *testing.T) {
	one := answering(t, "one", http.StatusOK)
	report, err := Run(t.Context(), Plan{Addresses: []string{one}, Rate: 200, For: 100 * time.Millisecond, Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if asked := report.Total.Served + report.Total.Failed; asked < 1 || asked > 21 {
		t.Errorf("%d requests in 100 ms at 200 a second, want 1 to 21", asked)
	}
}
