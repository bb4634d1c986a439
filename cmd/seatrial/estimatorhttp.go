package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/seatrial/seatrial/estimator/rpc/inventory"
)

// endpoint is a plain HTTP server beside the gRPC one.
type endpoint struct {
	flag    string
	address string
	handler http.Handler
}

// endpoints are those that the flags do not turn off.
func (o *estimatorOptions) endpoints(registry *prometheus.Registry, seen *inventory.Inventory) []endpoint {
	var found []endpoint
	add := func(flag, address string, routes map[string]http.HandlerFunc) {
		if address == "" || address == "0" {
			return
		}
		mux := http.NewServeMux()
		for path, handler := range routes {
			mux.HandleFunc(path, handler)
		}
		found = append(found, endpoint{flag: flag, address: address, handler: mux})
	}
	add("metrics-bind-address", o.metricsAddress, map[string]http.HandlerFunc{
		"GET /metrics": promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP,
	})
	add("health-probe-bind-address", o.healthAddress, map[string]http.HandlerFunc{
		"GET /healthz": func(response http.ResponseWriter, _ *http.Request) { fmt.Fprint(response, "ok") },
		"GET /readyz":  func(response http.ResponseWriter, _ *http.Request) { readiness(response, seen) },
	})
	if o.profiling {
		add("profiling-bind-address", o.profilingAddress, map[string]http.HandlerFunc{
			"/debug/pprof/": pprof.Index, "/debug/pprof/cmdline": pprof.Cmdline, "/debug/pprof/profile": pprof.Profile,
			"/debug/pprof/symbol": pprof.Symbol, "/debug/pprof/trace": pprof.Trace,
		})
	}
	return found
}

// readiness is that of the first sight of the cluster. A stale estimator stays ready: its answers are the best there are.
func readiness(response http.ResponseWriter, seen *inventory.Inventory) {
	select {
	case <-seen.Synced():
		fmt.Fprint(response, "ok")
	default:
		http.Error(response, "the cluster has not been seen yet", http.StatusServiceUnavailable)
	}
}

// serve answers until the context ends.
func (e endpoint) serve(ctx context.Context) error {
	listener, err := net.Listen("tcp", e.address)
	if err != nil {
		return fmt.Errorf("listening on --%s: %w", e.flag, err)
	}
	server := &http.Server{Handler: e.handler, ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if server.Shutdown(limited) != nil {
			_ = server.Close()
		}
	})
	err = server.Serve(listener)
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("serving --%s: %w", e.flag, err)
}
