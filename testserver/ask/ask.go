// Package ask goes on asking a service at a steady rate through the addresses it has, whatever happens to it meanwhile, and tells how
// many requests were served, how many failed, and for how long at a stretch none was served.
package ask

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Plan says what to ask, how often and for how long.
type Plan struct {
	// Addresses are URLs. Requests begin at each in turn.
	Addresses []string
	// Failover has a request try the other addresses when one fails, as a balancer in front of them would. It counts as failed when
	// all have.
	Failover bool
	// Rate is requests per second. The pace does not depend on the answers.
	Rate float64
	// Count and For bound the asking: it ends with the first that is reached. Zero is no bound; one of them has to be one.
	Count int
	For   time.Duration
	// Timeout bounds one try at one address.
	Timeout time.Duration
}

const (
	mostRate = 10_000
	// mostOpen bounds the requests that wait for an answer, and by that the memory and the sockets.
	mostOpen = 20_000
)

// Validate names the first setting that cannot work.
func (p Plan) Validate() error {
	switch {
	case len(p.Addresses) == 0:
		return errors.New("no address to ask: give at least one URL such as http://10.0.0.1:30080")
	case !(p.Rate > 0 && p.Rate <= mostRate):
		return fmt.Errorf("a rate of %g requests a second: it is above 0 and at most %d", p.Rate, mostRate)
	case p.Count < 0 || p.For < 0:
		return errors.New("neither the count nor the time may be negative")
	case p.Count == 0 && p.For == 0:
		return errors.New("nothing ends the asking: bound it by a count or a time")
	case p.Timeout <= 0:
		return errors.New("the timeout of a try must be above 0")
	case p.Rate*p.Timeout.Seconds()*float64(len(p.Addresses)) > mostOpen:
		return fmt.Errorf("%g requests a second that wait %s at %d addresses would be more than %d at once: lower the rate or the timeout",
			p.Rate, p.Timeout, len(p.Addresses), mostOpen)
	}
	known := map[string]bool{}
	for _, address := range p.Addresses {
		at, err := url.Parse(address)
		if err != nil || at.Scheme != "http" || at.Host == "" {
			return fmt.Errorf("the address %q is not of the form http://HOST:PORT[/PATH]", address)
		}
		if known[address] {
			return fmt.Errorf("the address %s is given twice", address)
		}
		known[address] = true
	}
	return nil
}

// Run asks until a bound of the plan is reached or the context ends, and returns once every request has its answer. The report of a
// run that was ended early tells of what was asked until then.
func Run(ctx context.Context, plan Plan) (Report, error) {
	if err := plan.Validate(); err != nil {
		return Report{}, err
	}
	a := &asking{plan: plan, began: time.Now(), tally: NewTally(plan.Addresses)}
	// Every request opens a connection of its own, so that it is sent where requests are sent now.
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	a.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if plan.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, plan.For)
		defer cancel()
	}
	var open sync.WaitGroup
	for n := 0; (plan.Count == 0 || n < plan.Count) && a.awaitTurn(ctx, n); n++ {
		open.Go(func() { a.request(n) })
	}
	elapsed := time.Since(a.began)
	open.Wait()
	return a.tally.Report(max(elapsed, a.last)), nil
}

type asking struct {
	plan   Plan
	began  time.Time
	client *http.Client

	mu    sync.Mutex
	tally *Tally
	last  time.Duration
}

// awaitTurn returns at the time of a request; false when the context ends before it.
func (a *asking) awaitTurn(ctx context.Context, n int) bool {
	due := a.began.Add(time.Duration(float64(n) / a.plan.Rate * float64(time.Second)))
	timer := time.NewTimer(time.Until(due))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}

// request asks one address after the other until one serves.
func (a *asking) request(n int) {
	tries := 1
	if a.plan.Failover {
		tries = len(a.plan.Addresses)
	}
	begun := time.Since(a.began)
	var answer Answer
	for try := range tries {
		answer = a.try(a.plan.Addresses[(n+try)%len(a.plan.Addresses)])
		a.note(func() { a.tally.Attempt(answer) })
		if answer.Fault == "" {
			break
		}
	}
	answer.Begun = begun
	a.note(func() { a.tally.Request(answer); a.last = max(a.last, answer.Ended) })
}

func (a *asking) note(take func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	take()
}

// longestName bounds what is read of an answer.
const longestName = 256

func (a *asking) try(address string) Answer {
	answer := Answer{Address: address, Begun: time.Since(a.began)}
	// Not the context of the asking: what was begun is waited for.
	ctx, cancel := context.WithTimeout(context.Background(), a.plan.Timeout)
	defer cancel()
	answer.By, answer.Fault = a.ask(ctx, address)
	answer.Ended = time.Since(a.began)
	return answer
}

func (a *asking) ask(ctx context.Context, address string) (by, fault string) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", faultOf(err)
	}
	response, err := a.client.Do(request)
	if err != nil {
		return "", faultOf(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, longestName))
	if err != nil {
		return "", faultOf(err)
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Sprintf("status %d", response.StatusCode)
	}
	return strings.TrimSpace(string(text)), ""
}

// faultOf tells errors apart by few words: texts with ports in them would be as many as the errors.
func faultOf(err error) string {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		return "no such host"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "cut off"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "unreachable"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	}
	return "other"
}
