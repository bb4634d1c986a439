// Package embedded runs a fleet of real Kubernetes clusters without containers: one process per cluster holds etcd,
// kube-apiserver, the needed controllers, the scheduler and fake nodes. Everything listens on loopback only and keeps its state in
// one folder, so a fleet outlives the command that started it and can be found again.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded/process"
	"github.com/seatrial/seatrial/fleet/realtime"
)

// Options say where a fleet lives and how its processes are run.
type Options struct {
	// Root is the fleet's state folder; it is created when missing and belongs to this fleet alone.
	Root string
	// Binary is the cluster binary; empty means FindBinary, when the first process is started.
	Binary string
	// Tied ends the cluster processes with the process that started them (for tests). Otherwise they run in sessions of their
	// own and outlive it.
	Tied bool
	// Audited has the API servers that this Fleet starts log every change, one line of JSON (audit.k8s.io/v1 Event) each, in
	// Files.Audit.
	Audited bool
	// Scheme is what Client knows; nil means the kinds of client-go.
	Scheme *runtime.Scheme
}

// Fleet implements fleet.Environment with local processes. Several fleets with different roots can exist at once, and several
// Fleet values, also in different processes, may stand for the same root: what changes a cluster holds the lock in its folder.
type Fleet struct {
	root    string
	binary  string
	tied    bool
	audited bool
	scheme  *runtime.Scheme
}

var _ fleet.Environment = (*Fleet)(nil)

// Open finds the fleet in opts.Root, or makes an empty one. It starts nothing.
func Open(opts Options) (*Fleet, error) {
	if opts.Root == "" {
		return nil, errors.New("opening a fleet: no state folder given")
	}
	root, err := filepath.Abs(opts.Root)
	if err != nil {
		return nil, fmt.Errorf("opening a fleet: %w", err)
	}
	if err := os.MkdirAll(root, 0o700); err != nil {
		return nil, fmt.Errorf("opening a fleet: %w", err)
	}
	if _, err := readRecords(root); err != nil {
		return nil, fmt.Errorf("opening a fleet: %w", err)
	}
	return &Fleet{root: root, binary: opts.Binary, tied: opts.Tied, audited: opts.Audited, scheme: opts.Scheme}, nil
}

// DefaultSpecs is the fleet of a first try: the control plane and three members in two regions, of different sizes.
func DefaultSpecs() []fleet.Spec {
	member := func(name, provider, region, cpu, memory string) fleet.Spec {
		return fleet.Spec{
			Name: name, Role: fleet.Member, Provider: provider, Region: region,
			Zones: []string{region + "-a", region + "-b", region + "-c"},
			Nodes: fleet.NodePool{Count: fleet.DefaultNodes, CPU: cpu, Memory: memory, Pods: fleet.DefaultPods},
		}.WithDefaults()
	}
	return []fleet.Spec{
		{Name: fleet.ControlPlaneName, Role: fleet.ControlPlane},
		member("member1", "provider-a", "region-1", "8", "32Gi"),
		member("member2", "provider-a", "region-2", "8", "32Gi"),
		member("member3", "provider-b", "region-2", "16", "64Gi"),
	}
}

// Up makes every cluster of specs exist, run and answer, all at once. What already runs is left alone, what is paused goes on and
// what died is revived on its data, so a second Up is harmless. A known cluster keeps the spec it was made with.
func (f *Fleet) Up(ctx context.Context, specs ...fleet.Spec) error {
	await, err := f.Start(ctx, specs...)
	if err != nil {
		return err
	}
	return await()
}

// Start begins what Up does. The clusters exist when it returns; await returns once the named ones answer, or all without names. It may
// be called again, and it has to be called for all before the fleet is used otherwise.
func (f *Fleet) Start(ctx context.Context, specs ...fleet.Spec) (await func(names ...string) error, err error) {
	all := make([]string, len(specs))
	for i, spec := range specs {
		all[i] = spec.Name
		if err := f.create(ctx, spec, true); err != nil {
			return nil, err
		}
	}
	starts := make(map[string]func() error, len(all))
	for _, name := range all {
		var started errgroup.Group
		started.Go(func() error { return f.change(ctx, name, f.bringUp) })
		starts[name] = started.Wait
	}
	return func(names ...string) error {
		if len(names) == 0 {
			names = all
		}
		return forEach(names, func(name string) error { return starts[name]() })
	}, nil
}

// Down shuts down every process of the fleet and keeps the data, so that Up takes it up again.
func (f *Fleet) Down(ctx context.Context) error {
	records, err := readRecords(f.root)
	if err != nil {
		return err
	}
	return forEach(recordNames(records), func(name string) error { return f.change(ctx, name, f.shutDown) })
}

// Delete ends the fleet for good, data included.
func (f *Fleet) Delete(ctx context.Context) error {
	records, err := readRecords(f.root)
	if err != nil {
		return err
	}
	if err := forEach(recordNames(records), func(name string) error { return f.Remove(ctx, name) }); err != nil {
		return err
	}
	if err := os.RemoveAll(f.root); err != nil {
		return fmt.Errorf("deleting the fleet in %s: %w", f.root, err)
	}
	return nil
}

// Clusters implements fleet.Environment.
func (f *Fleet) Clusters(context.Context) ([]fleet.Cluster, error) {
	records, err := readRecords(f.root)
	if err != nil {
		return nil, err
	}
	clusters := make([]fleet.Cluster, len(records))
	for i, r := range records {
		clusters[i] = fleet.Cluster{Spec: r.Spec, Partitioned: r.Partitioned, Endpoint: serverURL(r.Ports.API)}
		if r.Spec.Role == fleet.Member {
			clusters[i].Endpoint = serverURL(r.Ports.Link)
		}
		switch r.Process.State() {
		case process.Running:
			clusters[i].State = fleet.Running
		case process.Frozen:
			clusters[i].State = fleet.Paused
		case process.Gone:
			clusters[i].State = fleet.Stopped
		}
	}
	return clusters, nil
}

// Client implements fleet.Environment.
func (f *Fleet) Client(_ context.Context, cluster string) (client.Client, error) {
	cfg, err := f.RESTConfig(cluster)
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
func (f *Fleet) RESTConfig(cluster string) (*rest.Config, error) {
	if _, err := f.record(cluster); err != nil {
		return nil, err
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", f.files(cluster).Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("loading the kubeconfig of cluster %s: %w", cluster, err)
	}
	cfg.QPS = -1
	return cfg, nil
}

// Kubeconfig implements fleet.Environment.
func (f *Fleet) Kubeconfig(_ context.Context, cluster string) (string, error) {
	if _, err := f.record(cluster); err != nil {
		return "", err
	}
	return f.files(cluster).Kubeconfig, nil
}

// Add implements fleet.Environment. A cluster of that name must not exist.
func (f *Fleet) Add(ctx context.Context, spec fleet.Spec) error {
	if err := f.create(ctx, spec, false); err != nil {
		return err
	}
	return f.change(ctx, spec.Name, f.bringUp)
}

// Remove implements fleet.Environment.
func (f *Fleet) Remove(ctx context.Context, cluster string) error {
	if err := f.change(ctx, cluster, f.erase); err != nil {
		return err
	}
	unlock, err := lock(ctx, f.root)
	if err != nil {
		return err
	}
	defer unlock()
	return f.mergeKubeconfigs()
}

// Pause implements fleet.Environment.
func (f *Fleet) Pause(ctx context.Context, cluster string) error {
	return f.change(ctx, cluster, func(ctx context.Context, r *record) error {
		if r.Process.State() == process.Gone {
			return fmt.Errorf("pausing cluster %s: it is stopped", cluster)
		}
		if err := r.Process.Signal(syscall.SIGSTOP); err != nil {
			return fmt.Errorf("pausing cluster %s: %w", cluster, err)
		}
		return awaitState(ctx, r, process.Frozen)
	})
}

// Resume implements fleet.Environment.
func (f *Fleet) Resume(ctx context.Context, cluster string) error {
	return f.change(ctx, cluster, func(ctx context.Context, r *record) error {
		if r.Process.State() == process.Gone {
			return fmt.Errorf("resuming cluster %s: it is stopped", cluster)
		}
		return f.resume(ctx, r)
	})
}

// Kill implements fleet.Environment.
func (f *Fleet) Kill(ctx context.Context, cluster string) error {
	return f.change(ctx, cluster, f.kill)
}

// Revive implements fleet.Environment.
func (f *Fleet) Revive(ctx context.Context, cluster string) error {
	return f.change(ctx, cluster, f.bringUp)
}

// Partition implements fleet.Environment. It outlives a kill and a revival; a paused cluster must be resumed first.
func (f *Fleet) Partition(ctx context.Context, cluster string) error {
	return f.setPartitioned(ctx, cluster, true)
}

// Heal implements fleet.Environment.
func (f *Fleet) Heal(ctx context.Context, cluster string) error {
	return f.setPartitioned(ctx, cluster, false)
}

func (f *Fleet) setPartitioned(ctx context.Context, cluster string, partitioned bool) error {
	return f.change(ctx, cluster, func(ctx context.Context, r *record) error {
		if r.Spec.Role != fleet.Member {
			return fmt.Errorf("partitioning cluster %s: it is the control plane; partition members from it", cluster)
		}
		switch r.Process.State() {
		case process.Frozen:
			return fmt.Errorf("changing the network of cluster %s: it is paused; resume it first", cluster)
		case process.Running:
			if err := orderPartition(ctx, f.files(cluster).Dir, partitioned); err != nil {
				return fmt.Errorf("changing the network of cluster %s: %w", cluster, err)
			}
		}
		r.Partitioned = partitioned
		return writeRecord(f.files(cluster).Dir, r)
	})
}

// Await implements fleet.Environment: it asks for the condition ten times a second.
func (f *Fleet) Await(ctx context.Context, timeout time.Duration, what string, condition func(context.Context) (bool, error)) error {
	return realtime.Await(ctx, timeout, what, condition)
}

// MergedKubeconfig is the path of the kubeconfig with a context per cluster; the control plane's is current.
func (f *Fleet) MergedKubeconfig() string { return mergedKubeconfig(f.root) }

func (f *Fleet) files(cluster string) Files { return filesIn(filepath.Join(f.root, cluster)) }

// record finds a cluster. The name may be any string: only names of existing clusters lead to one.
func (f *Fleet) record(cluster string) (*record, error) {
	records, err := readRecords(f.root)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if r.name() == cluster {
			return r, nil
		}
	}
	return nil, fmt.Errorf("cluster %q: %w", cluster, fleet.ErrUnknownCluster)
}

func recordNames(records []*record) []string {
	names := make([]string, len(records))
	for i, r := range records {
		names[i] = r.name()
	}
	return names
}

// forEach does something for all names at once and gives all errors.
func forEach(names []string, do func(name string) error) error {
	errs := make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() { errs[i] = do(name) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
