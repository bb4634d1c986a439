package main

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

const (
	readyTimeout = 2 * time.Minute
	readyPoll    = 25 * time.Millisecond

	// How long each group of components may take to stop; together they stay within the patience of who sent SIGTERM.
	workersStop   = 1500 * time.Millisecond
	apiServerStop = 3 * time.Second
)

// runCluster runs the cluster until ctx ends or a part of it fails. Parts start in the order in which they need one another and
// stop in the reverse: whoever calls the API server ends before it, and it ends before etcd.
func runCluster(ctx context.Context, cfg *config) error {
	collectAt, headroom := memberStartCollectAt, uint64(memberHeadroom)
	if cfg.Nodes == nil {
		collectAt, headroom = planeStartCollectAt, planeHeadroom
	}
	debug.SetGCPercent(collectAt)
	links, err := openLinks(cfg)
	if err != nil {
		return err
	}
	defer links.close()
	ctl, err := startControl(cfg.Control, links)
	if err != nil {
		return err
	}
	defer ctl.close()

	parts, err := newComponents(cfg)
	if err != nil {
		return err
	}
	etcd, err := startEtcd(ctx, cfg.Name, cfg.Etcd)
	if err != nil {
		return err
	}
	defer etcd.Close()

	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	api := start(func(ctx context.Context) error { return parts.runAPIServer(ctx) }, fail)
	defer api.stop("kube-apiserver", apiServerStop)

	restCfg, err := clientcmd.BuildConfigFromFlags("", cfg.Kubeconfig)
	if err != nil {
		return fmt.Errorf("loading the kubeconfig of cluster %s: %w", cfg.Name, err)
	}
	if err := awaitReady(ctx, restCfg); err != nil {
		return fmt.Errorf("waiting for the API server of cluster %s: %w", cfg.Name, err)
	}
	workers := start(func(ctx context.Context) error { return runWorkers(ctx, cfg, parts, restCfg) }, fail)
	defer workers.stop("the API server's clients", workersStop)

	klog.InfoS("Cluster runs", "cluster", cfg.Name)
	tendHeap(ctx, headroom)
	klog.InfoS("Cluster stops", "cluster", cfg.Name, "cause", context.Cause(ctx))
	if cause := context.Cause(ctx); cause != context.Canceled {
		return cause
	}
	return nil
}

// runWorkers runs what works through the API server, until ctx ends or one of them fails.
func runWorkers(ctx context.Context, cfg *config, parts *components, restCfg *rest.Config) error {
	group, ctx := errgroup.WithContext(ctx)
	if cfg.Nodes != nil {
		group.Go(func() error { return runNodes(ctx, *cfg.Nodes, restCfg) })
	}
	if parts.controllerManager != nil {
		group.Go(func() error { return parts.runControllerManager(ctx) })
	}
	if parts.scheduler != nil {
		group.Go(func() error { return parts.runScheduler(ctx) })
	}
	return group.Wait()
}

// awaitReady returns once the API server says that it is ready.
func awaitReady(ctx context.Context, cfg *rest.Config) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	client, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return err
	}
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	last := "no answer yet"
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, cfg.Host+"/readyz", nil)
		if err != nil {
			return err
		}
		if resp, err := client.Do(req); err != nil {
			last = err.Error()
		} else {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			last = resp.Status
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (last answer: %s)", context.Cause(ctx), last)
		case <-tick.C:
		}
	}
}

// part is something that runs beside the main goroutine, with a context of its own so that parts can be stopped in order.
type part struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func start(run func(context.Context) error, fail context.CancelCauseFunc) *part {
	ctx, cancel := context.WithCancel(context.Background())
	p := &part{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		if err := run(ctx); err != nil {
			fail(err)
		}
	}()
	return p
}

func (p *part) stop(name string, patience time.Duration) {
	p.cancel()
	select {
	case <-p.done:
	case <-time.After(patience):
		klog.InfoS("Still stopping, going on without", "part", name, "after", patience)
	}
}
