// Package kind runs a fleet of Kubernetes clusters in containers, by kind: a host cluster, into which a control plane can be
// installed, and members with a node of real pods each. The containers outlive the command that started them and are found again.
//
// The clusters are in two networks, of which neither leads out of the machine. In the one they have their homes: there they reach
// themselves, and this machine reaches them. The other one is the link: by it, and only by it, the control plane and the members
// reach each other, and a partition takes a member out of it. There is one such fleet per Docker engine.
package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kind/pkg/cluster"

	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/realtime"
)

// ErrNotInstalled says that the host cluster has no control plane yet, or nobody wrote its kubeconfig to ControlPlaneKubeconfig.
var ErrNotInstalled = errors.New("no control plane is installed in the host cluster")

// Options say where a fleet keeps what it knows, and what its nodes are made from.
type Options struct {
	// Root is the fleet's state folder; it is created when missing and belongs to this fleet alone.
	Root string
	// Image is the nodes' image; empty means NodeImage's choice.
	Image string
	// Scheme is what Client knows; nil means the kinds of client-go.
	Scheme *runtime.Scheme
}

// Fleet implements fleet.Environment with containers. The control plane among its clusters stands for the host cluster: to pause or
// kill it is to pause or kill the host, while Client and Kubeconfig lead to the control plane inside.
type Fleet struct {
	root   string
	image  string
	scheme *runtime.Scheme
	docker docker

	// adding guards the choice of an index for a new cluster, and what clusters have in common.
	adding   sync.Mutex
	prepared bool
}

var _ fleet.Environment = (*Fleet)(nil)

// Open finds the fleet in options.Root, or makes an empty one. It starts nothing. Without a Docker engine that answers the error
// wraps ErrNoEngine and says what to install.
func Open(ctx context.Context, options Options) (*Fleet, error) {
	if options.Root == "" {
		return nil, errors.New("opening a fleet: no state folder given")
	}
	root, err := filepath.Abs(options.Root)
	if err != nil {
		return nil, fmt.Errorf("opening a fleet: %w", err)
	}
	engine := docker{run: runDocker}
	if err := engine.available(ctx); err != nil {
		return nil, fmt.Errorf("opening a fleet of kind clusters: %w", err)
	}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("opening a fleet: %w", err)
	}
	if options.Image == "" {
		if options.Image, err = NodeImage(ctx); err != nil {
			return nil, fmt.Errorf("opening a fleet of kind clusters: %w", err)
		}
	}
	return &Fleet{root: root, image: options.Image, scheme: options.Scheme, docker: engine}, nil
}

// provider is kind itself. One is not made for several goroutines.
func provider() *cluster.Provider { return cluster.NewProvider(cluster.ProviderWithDocker()) }

// DefaultSpecs is the fleet that suites run on: the host of the control plane and three members in two regions, of two providers.
func DefaultSpecs() []fleet.Spec {
	member := func(name, provider, region string) fleet.Spec {
		return fleet.Spec{Name: name, Role: fleet.Member, Provider: provider, Region: region, Zones: []string{region + "-a"}}
	}
	return []fleet.Spec{
		{Name: fleet.ControlPlaneName, Role: fleet.ControlPlane},
		member("member1", "provider-a", "region-1"),
		member("member2", "provider-a", "region-2"),
		member("member3", "provider-b", "region-2"),
	}
}

// Up makes every cluster of specs exist, run and answer, all at once. What already runs is left alone, what is paused goes on and
// what was killed is revived, so a second Up is harmless. A known cluster keeps the spec it was made with.
func (f *Fleet) Up(ctx context.Context, specs ...fleet.Spec) error {
	return forEach(specs, func(spec fleet.Spec) error {
		r, err := f.record(spec.Name)
		if errors.Is(err, fleet.ErrUnknownCluster) {
			return f.Add(ctx, spec)
		}
		if err != nil {
			return err
		}
		exists, err := f.docker.exists(ctx, r.container())
		if err != nil {
			return fmt.Errorf("looking at cluster %s: %w", spec.Name, err)
		}
		if exists {
			return f.Revive(ctx, spec.Name)
		}
		// Somebody removed it by other means, or an Add ended with its process.
		if err := f.remove(ctx, r); err != nil {
			return err
		}
		return f.Add(ctx, spec)
	})
}

// Delete ends the fleet for good, its networks and data included. What others have put into its folder stays there.
func (f *Fleet) Delete(ctx context.Context) error {
	records, err := readRecords(f.root)
	if err != nil {
		return err
	}
	if err := forEach(records, func(r record) error { return f.Remove(ctx, r.Spec.Name) }); err != nil {
		return err
	}
	if err := f.removeNetworks(ctx); err != nil {
		return err
	}
	if err := os.Remove(f.root); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("deleting the fleet in %s: %w", f.root, err)
	}
	return nil
}

// Clusters implements fleet.Environment.
func (f *Fleet) Clusters(ctx context.Context) ([]fleet.Cluster, error) {
	records, err := readRecords(f.root)
	if err != nil {
		return nil, err
	}
	clusters := make([]fleet.Cluster, len(records))
	for i, r := range records {
		seen, err := f.docker.inspect(ctx, r.container())
		if err != nil {
			return nil, fmt.Errorf("looking at cluster %s: %w", r.Spec.Name, err)
		}
		clusters[i] = fleet.Cluster{Spec: r.Spec, State: seen.state(), Partitioned: !seen.linked(), Endpoint: r.endpoint()}
	}
	return clusters, nil
}

// Client implements fleet.Environment.
func (f *Fleet) Client(ctx context.Context, cluster string) (client.Client, error) {
	cfg, err := f.RESTConfig(ctx, cluster)
	if err != nil {
		return nil, err
	}
	c, err := client.New(cfg, client.Options{Scheme: f.scheme})
	if err != nil {
		return nil, fmt.Errorf("making a client of cluster %s: %w", cluster, err)
	}
	return c, nil
}

// RESTConfig is direct admin access to the cluster, without a client-side rate limit.
func (f *Fleet) RESTConfig(ctx context.Context, cluster string) (*rest.Config, error) {
	path, err := f.Kubeconfig(ctx, cluster)
	if err != nil {
		return nil, err
	}
	return restConfig(path)
}

func restConfig(kubeconfig string) (*rest.Config, error) {
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("loading the kubeconfig %s: %w", kubeconfig, err)
	}
	cfg.QPS = -1
	return cfg, nil
}

// Kubeconfig implements fleet.Environment. That of the control plane is there once one is installed: before, the error wraps
// ErrNotInstalled.
func (f *Fleet) Kubeconfig(_ context.Context, cluster string) (string, error) {
	r, err := f.record(cluster)
	if err != nil {
		return "", err
	}
	if r.Spec.Role == fleet.Member {
		return f.adminKubeconfig(r), nil
	}
	if _, err := os.Stat(f.ControlPlaneKubeconfig()); err != nil {
		return "", fmt.Errorf("cluster %s: %w (%w)", cluster, ErrNotInstalled, err)
	}
	return f.ControlPlaneKubeconfig(), nil
}

// ControlPlaneKubeconfig is where the kubeconfig of the installed control plane belongs; whoever installs one writes it.
func (f *Fleet) ControlPlaneKubeconfig() string {
	return filepath.Join(f.root, fleet.ControlPlaneName+".kubeconfig")
}

// HostKubeconfig is the path of the kubeconfig of the cluster that the control plane is installed in.
func (f *Fleet) HostKubeconfig() string { return filepath.Join(f.root, hostName+".kubeconfig") }

func (f *Fleet) adminKubeconfig(r record) string {
	return filepath.Join(f.root, r.place()+".kubeconfig")
}

// Await implements fleet.Environment: it asks for the condition ten times a second.
func (f *Fleet) Await(ctx context.Context, timeout time.Duration, what string, condition func(context.Context) (bool, error)) error {
	return realtime.Await(ctx, timeout, what, condition)
}

// forEach does something for all items at once and gives all errors.
func forEach[T any](items []T, do func(T) error) error {
	errs := make([]error, len(items))
	var wg sync.WaitGroup
	for i, item := range items {
		wg.Go(func() { errs[i] = do(item) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
