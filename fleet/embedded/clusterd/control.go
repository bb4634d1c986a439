package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/seatrial/seatrial/fleet/embedded/clusterd/link"
)

// control takes orders over HTTP on a unix socket in the cluster's own folder: PUT /partition and PUT /heal.
type control struct {
	server *http.Server
	path   string
}

func startControl(path string, links linkSet) (*control, error) {
	// A killed process leaves its socket behind. Whoever starts this one has made sure that none runs.
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("removing the control socket of an earlier run: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("opening the control socket: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /partition", func(w http.ResponseWriter, _ *http.Request) { links.partition() })
	mux.HandleFunc("PUT /heal", func(w http.ResponseWriter, _ *http.Request) { links.heal() })
	c := &control{server: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}, path: path}
	go c.server.Serve(l)
	return c, nil
}

func (c *control) close() { c.server.Close() }

// linkSet is every link of the cluster; a partition cuts them all.
type linkSet []*link.Link

func openLinks(cfg *config) (linkSet, error) {
	var links linkSet
	for _, lc := range cfg.Links {
		l, err := link.Open(lc.Listen, lc.Target)
		if err != nil {
			links.close()
			return nil, fmt.Errorf("opening a link of cluster %s: %w", cfg.Name, err)
		}
		links = append(links, l)
	}
	if cfg.Partitioned {
		links.partition()
	}
	return links, nil
}

func (s linkSet) partition() {
	for _, l := range s {
		l.Partition()
	}
}

func (s linkSet) heal() {
	for _, l := range s {
		l.Heal()
	}
}

func (s linkSet) close() {
	for _, l := range s {
		l.Close()
	}
}
