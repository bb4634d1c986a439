// Package testserver is a small HTTP server to run as a workload where its failures shall be seen from outside: its readiness can be
// switched, it counts what it served and keeps a bounded log of it, and it drains before it ends. Package ask is the other side.
package testserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// Options say who the server is and how it ends.
type Options struct {
	// Name stands in every answer: that of the pod, as a rule.
	Name string
	// LogSize is how many requests are remembered, at least 1.
	LogSize int
	// Latency is how long an answer takes.
	Latency time.Duration
	// Linger is how long the server goes on serving, not ready any more, when it is told to end: until those who send it requests
	// have heard of that.
	Linger time.Duration
	// Patience bounds the wait for open requests after that.
	Patience time.Duration
}

// Server answers any path with its name, and beside that:
//
//	GET /livez     200 while it runs
//	GET /readyz    200 while it is ready, else 503
//	PUT /readyz    body true or false: switches its readiness
//	GET /count     {"name":..., "served":..., "open":..., "ready":...}
//	GET /log       the last requests, oldest first, one JSON object a line
//
// What asks about the server is neither counted nor logged. An answer has the header X-Served-By and is "NAME\n".
type Server struct {
	options Options
	handler http.Handler
	log     *requestLog
	served  atomic.Int64
	open    atomic.Int64
	ready   atomic.Bool
}

// Count is the answer of /count.
type Count struct {
	Name   string `json:"name"`
	Served int64  `json:"served"`
	Open   int64  `json:"open"`
	Ready  bool   `json:"ready"`
}

// servedBy is the header that names who answered.
const servedBy = "X-Served-By"

// New makes a server that is ready.
func New(options Options) (*Server, error) {
	if options.LogSize < 1 {
		return nil, fmt.Errorf("a log of %d requests: remember at least 1", options.LogSize)
	}
	if options.Latency < 0 || options.Linger < 0 || options.Patience < 0 {
		return nil, errors.New("latency, linger and patience are times, none of them negative")
	}
	s := &Server{options: options, log: newRequestLog(options.LogSize)}
	s.ready.Store(true)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(response http.ResponseWriter, _ *http.Request) { fmt.Fprintln(response, "ok") })
	mux.HandleFunc("GET /readyz", s.tellReadiness)
	mux.HandleFunc("PUT /readyz", s.switchReadiness)
	mux.HandleFunc("GET /count", s.count)
	mux.HandleFunc("GET /log", s.log.serve)
	mux.HandleFunc("/", s.answer)
	s.handler = mux
	return s, nil
}

// ServeHTTP makes a Server a handler.
func (s *Server) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	s.handler.ServeHTTP(response, request)
}

// Serve serves until the context ends, and then drains: it says that it is not ready, lingers, and ends when no request is open.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	s.ready.Store(false)
	select {
	case err := <-failed:
		return fmt.Errorf("serving on %s: %w", listener.Addr(), err)
	case <-time.After(s.options.Linger):
	}
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.Patience)
	defer cancel()
	if err := server.Shutdown(patience); err != nil {
		return errors.Join(fmt.Errorf("%d requests were still open after %s: %w", s.open.Load(), s.options.Patience, err), server.Close())
	}
	return nil
}

func (s *Server) answer(response http.ResponseWriter, request *http.Request) {
	began := time.Now()
	s.open.Add(1)
	defer s.open.Add(-1)
	status := http.StatusOK
	if s.options.Latency > 0 {
		select {
		case <-time.After(s.options.Latency):
		case <-request.Context().Done():
			status = statusLeft
		}
	}
	if status == http.StatusOK {
		// Counted first: who has the answer finds it in the count.
		s.served.Add(1)
	}
	s.log.add(Request{Time: began, Method: request.Method, Path: request.URL.Path, From: request.RemoteAddr, Status: status, Took: time.Since(began)})
	if status != http.StatusOK {
		return
	}
	response.Header().Set(servedBy, s.options.Name)
	fmt.Fprintln(response, s.options.Name)
}

// statusLeft is what is logged of callers who left before they were answered.
const statusLeft = 499

func (s *Server) tellReadiness(response http.ResponseWriter, _ *http.Request) {
	if !s.ready.Load() {
		http.Error(response, "not ready", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(response, "ready")
}

func (s *Server) switchReadiness(response http.ResponseWriter, request *http.Request) {
	const longest = 16
	text, err := io.ReadAll(http.MaxBytesReader(response, request.Body, longest))
	ready, parseErr := strconv.ParseBool(string(text))
	if err = errors.Join(err, parseErr); err != nil {
		http.Error(response, "the body is true or false: "+err.Error(), http.StatusBadRequest)
		return
	}
	s.ready.Store(ready)
	response.WriteHeader(http.StatusNoContent)
}

func (s *Server) count(response http.ResponseWriter, _ *http.Request) {
	response.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(response).Encode(Count{Name: s.options.Name, Served: s.served.Load(), Open: s.open.Load(), Ready: s.ready.Load()})
}
