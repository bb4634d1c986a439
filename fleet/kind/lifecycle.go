package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/kind/pkg/cluster"

	"github.com/seatrial/seatrial/fleet"
)

const (
	// createTimeout is for a node to become ready, on a machine that is making others too.
	createTimeout = 5 * time.Minute
	readyTimeout  = 2 * time.Minute
	readyPoll     = 100 * time.Millisecond
	// askTimeout bounds one question to a starting API server.
	askTimeout = 2 * time.Second
	// cleanUpTimeout is for the removal of what was not finished, once nobody waits any more.
	cleanUpTimeout = time.Minute
)

// Add implements fleet.Environment. A cluster of that name must not exist. When ctx ends, what was made of it is removed.
func (f *Fleet) Add(ctx context.Context, spec fleet.Spec) error {
	spec, err := nodeSpec(spec)
	if err != nil {
		return fmt.Errorf("adding a cluster: %w", err)
	}
	if err := f.prepare(ctx); err != nil {
		return fmt.Errorf("adding cluster %s: %w", spec.Name, err)
	}
	r, err := f.newRecord(spec)
	if err != nil {
		return err
	}
	if err := f.checkFree(ctx, r.container()); err != nil {
		return errors.Join(fmt.Errorf("adding cluster %s: %w", spec.Name, err), f.forget(r))
	}
	if err := f.make(ctx, r); err != nil {
		cleanUp, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTimeout)
		defer cancel()
		return errors.Join(fmt.Errorf("adding cluster %s: %w", spec.Name, err), f.remove(cleanUp, r))
	}
	return nil
}

// prepare makes what clusters have in common: the image, and the networks, which must be closed before the first cluster starts.
func (f *Fleet) prepare(ctx context.Context) error {
	f.adding.Lock()
	defer f.adding.Unlock()
	if f.prepared {
		return nil
	}
	if err := f.ensureImage(ctx); err != nil {
		return err
	}
	if err := f.closedNetworks(ctx); err != nil {
		return err
	}
	if err := os.Setenv(networkEnv, homeNetwork); err != nil {
		return fmt.Errorf("telling kind its network: %w", err)
	}
	f.prepared = true
	return nil
}

// checkFree: a container of the name may belong to a fleet that is used from another state folder, and must not be cleaned up as ours.
func (f *Fleet) checkFree(ctx context.Context, container string) error {
	exists, err := f.docker.exists(ctx, container)
	if err == nil && exists {
		err = fmt.Errorf("its container exists and is not known in %s: use the state folder it was made from, or remove it with docker rm --force --volumes %s",
			f.root, container)
	}
	return err
}

func (f *Fleet) make(ctx context.Context, r record) error {
	if err := f.create(ctx, r); err != nil {
		return err
	}
	if err := f.writeKubeconfig(r); err != nil {
		return err
	}
	if err := f.link(ctx, r); err != nil {
		return err
	}
	if err := f.closeNode(ctx, r); err != nil {
		return err
	}
	return f.awaitReady(ctx, r)
}

// create has kind make the cluster. kind knows no context: once ours ends, its container is taken away from it, by which it fails.
func (f *Fleet) create(ctx context.Context, r record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	created := make(chan error, 1)
	go func() {
		created <- provider().Create(r.kindName(),
			cluster.CreateWithV1Alpha4Config(kindConfig(r)),
			cluster.CreateWithNodeImage(f.image),
			cluster.CreateWithKubeconfigPath(f.adminKubeconfig(r)),
			cluster.CreateWithWaitForReady(createTimeout),
		)
	}()
	select {
	case err := <-created:
		return err
	case <-ctx.Done():
	}
	cleanUp, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpTimeout)
	defer cancel()
	for {
		// It may be about to make the container.
		removeErr := f.docker.do(cleanUp, "container", "rm", "--force", "--volumes", r.container())
		select {
		case err := <-created:
			return errors.Join(ctx.Err(), err)
		case <-cleanUp.Done():
			return errors.Join(ctx.Err(), removeErr)
		case <-time.After(readyPoll):
		}
	}
}

// writeKubeconfig names the context after the cluster, which kind names after itself.
func (f *Fleet) writeKubeconfig(r record) error {
	data, err := provider().KubeConfig(r.kindName(), false)
	if err != nil {
		return fmt.Errorf("asking for the kubeconfig: %w", err)
	}
	cfg, err := renamed(data, r.place(), "")
	if err != nil {
		return err
	}
	if err := clientcmd.WriteToFile(*cfg, f.adminKubeconfig(r)); err != nil {
		return fmt.Errorf("writing the kubeconfig: %w", err)
	}
	return nil
}

// renamed reads a kubeconfig with one context and gives it that name, and another server if there is one.
func renamed(data, name, server string) (*clientcmdapi.Config, error) {
	cfg, err := clientcmd.Load([]byte(data))
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	current := cfg.Contexts[cfg.CurrentContext]
	if current == nil || cfg.Clusters[current.Cluster] == nil || cfg.AuthInfos[current.AuthInfo] == nil {
		return nil, errors.New("reading the kubeconfig: its current context is not whole")
	}
	to := clientcmdapi.NewConfig()
	to.Clusters[name], to.AuthInfos[name] = cfg.Clusters[current.Cluster], cfg.AuthInfos[current.AuthInfo]
	if server != "" {
		to.Clusters[name].Server = server
	}
	to.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	to.CurrentContext = name
	return to, nil
}

// LinkKubeconfig is admin access to a member for who reaches it by the link, such as the control plane: a partition cuts it.
func (f *Fleet) LinkKubeconfig(_ context.Context, member string) ([]byte, error) {
	r, err := f.record(member)
	if err != nil {
		return nil, err
	}
	if r.Spec.Role != fleet.Member {
		return nil, fmt.Errorf("cluster %s: only members are reached by the link", member)
	}
	data, err := os.ReadFile(f.adminKubeconfig(r))
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", member, err)
	}
	cfg, err := renamed(string(data), member, r.endpoint())
	if err != nil {
		return nil, fmt.Errorf("cluster %s: %w", member, err)
	}
	return clientcmd.Write(*cfg)
}

// Remove implements fleet.Environment.
func (f *Fleet) Remove(ctx context.Context, cluster string) error {
	r, err := f.record(cluster)
	if err != nil {
		return err
	}
	return f.remove(ctx, r)
}

func (f *Fleet) remove(ctx context.Context, r record) error {
	exists, err := f.docker.exists(ctx, r.container())
	if err == nil && exists {
		err = f.docker.do(ctx, "container", "rm", "--force", "--volumes", r.container())
	}
	if err != nil {
		return fmt.Errorf("removing cluster %s: %w", r.Spec.Name, err)
	}
	return f.forget(r)
}

// forget removes what is kept of a cluster; the record goes last.
func (f *Fleet) forget(r record) error {
	// kind locks the one by the other. A process that was killed leaves the lock, and the next one would be refused.
	files := []string{f.adminKubeconfig(r), f.adminKubeconfig(r) + ".lock"}
	if r.Spec.Role == fleet.ControlPlane {
		files = append(files, f.ControlPlaneKubeconfig())
	}
	for _, path := range append(files, filepath.Join(f.root, r.Spec.Name+recordSuffix)) {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("forgetting cluster %s: %w", r.Spec.Name, err)
		}
	}
	return nil
}

// awaitReady returns once the API server answers and the node is ready; of the control plane, once what is installed answers too.
func (f *Fleet) awaitReady(ctx context.Context, r record) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	paths := []string{f.adminKubeconfig(r)}
	if r.Spec.Role == fleet.ControlPlane {
		if _, err := os.Stat(f.ControlPlaneKubeconfig()); err == nil {
			paths = append(paths, f.ControlPlaneKubeconfig())
		}
	}
	for i, path := range paths {
		if err := awaitAnswer(ctx, path, i == 0); err != nil {
			return fmt.Errorf("waiting for cluster %s: %w", r.Spec.Name, err)
		}
	}
	return nil
}

func awaitAnswer(ctx context.Context, kubeconfig string, withNode bool) error {
	cfg, err := restConfig(kubeconfig)
	if err != nil {
		return err
	}
	cfg.Timeout = askTimeout
	clients, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return err
	}
	for {
		_, err := clients.RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		if err == nil && withNode {
			err = nodeReady(ctx, clients)
		}
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (last: %w)", ctx.Err(), err)
		case <-time.After(readyPoll):
		}
	}
}

func nodeReady(ctx context.Context, clients kubernetes.Interface) error {
	nodes, err := clients.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for _, node := range nodes.Items {
		for _, condition := range node.Status.Conditions {
			if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
				return nil
			}
		}
	}
	return fmt.Errorf("none of %d nodes is ready", len(nodes.Items))
}
