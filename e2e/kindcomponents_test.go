package e2e_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/kind"
	installer "github.com/seatrial/seatrial/install"
	"github.com/seatrial/seatrial/registration"
	"github.com/seatrial/seatrial/scheduler"
)

// deploymentOf is the name under which a component runs in the host, and that of its pods' label.
func deploymentOf(component string) string { return "karmada-" + component }

// access says how the control plane reaches a member.
func (r *kindRig) access(ctx context.Context, cluster fleet.Cluster) (registration.Member, client.Client, error) {
	config, err := r.RESTConfig(ctx, cluster.Name)
	if err != nil {
		return registration.Member{}, nil, err
	}
	reached, err := r.Client(ctx, cluster.Name)
	return registration.Member{
		Name: cluster.Name, Endpoint: cluster.Endpoint, CABundle: config.CAData, Provider: cluster.Provider, Region: cluster.Region, Zones: cluster.Zones,
	}, reached, err
}

func (r *kindRig) member(ctx context.Context, cluster fleet.Cluster) (installer.Member, error) {
	access, reached, err := r.access(ctx, cluster)
	return installer.Member{Member: access, Client: reached}, err
}

// Join implements e2e.Joiner.
func (r *kindRig) Join(ctx context.Context, name string) error {
	plane, member, access, err := r.sides(ctx, name)
	if err != nil {
		return err
	}
	return registration.Join(ctx, plane, member, access)
}

// Unjoin implements e2e.Joiner. A member that cannot be reached leaves by force.
func (r *kindRig) Unjoin(ctx context.Context, name string) error {
	plane, member, access, err := r.sides(ctx, name)
	if err != nil {
		return err
	}
	return registration.Unjoin(ctx, plane, member, access, registration.UnjoinOptions{Wait: time.Minute, Force: true})
}

func (r *kindRig) sides(ctx context.Context, name string) (plane, member client.Client, access registration.Member, err error) {
	if plane, err = r.Client(ctx, fleet.ControlPlaneName); err != nil {
		return nil, nil, access, err
	}
	clusters, err := r.Clusters(ctx)
	if err != nil {
		return nil, nil, access, err
	}
	at := slices.IndexFunc(clusters, func(c fleet.Cluster) bool { return c.Name == name })
	if at < 0 {
		return nil, nil, access, fmt.Errorf("cluster %s: %w", name, fleet.ErrUnknownCluster)
	}
	access, member, err = r.access(ctx, clusters[at])
	return plane, member, access, err
}

// keepKubeconfig writes a kubeconfig of the control plane with the server that this machine reaches it by.
func (r *kindRig) keepKubeconfig(ctx context.Context, issued []byte) error {
	here, err := r.Address(ctx, fleet.ControlPlaneName, kind.ControlPlaneNodePort)
	if err != nil {
		return err
	}
	local, err := withServer(issued, "https://"+here)
	if err != nil {
		return err
	}
	return os.WriteFile(r.ControlPlaneKubeconfig(), local, 0o600)
}

// withServer is a kubeconfig with another server.
func withServer(kubeconfig []byte, server string) ([]byte, error) {
	config, err := clientcmd.Load(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading a kubeconfig of the control plane: %w", err)
	}
	for _, cluster := range config.Clusters {
		cluster.Server = server
	}
	return clientcmd.Write(*config)
}

// register deploys an agent into a member, unless there is one.
func (r *kindRig) register(ctx context.Context, cluster fleet.Cluster) error {
	plane, member, access, err := r.sides(ctx, cluster.Name)
	if err != nil {
		return err
	}
	err = plane.Get(ctx, client.ObjectKey{Name: cluster.Name}, &clusterv1alpha1.Cluster{})
	if client.IgnoreNotFound(err) != nil || err == nil {
		return err
	}
	config, err := r.RESTConfig(ctx, fleet.ControlPlaneName)
	if err != nil {
		return err
	}
	authorities, err := cert.ParseCertsPEM(config.CAData)
	if err != nil {
		return err
	}
	token := registration.DefaultToken()
	if token.Value, err = registration.NewTokenValue(); err != nil {
		return err
	}
	if err := token.Create(ctx, plane); err != nil {
		return err
	}
	issued, err := registration.Bootstrap(ctx, registration.Discovery{
		Endpoint: config.Host, Token: token.Value, CAHashes: []string{registration.HashCA(authorities[0])}, Timeout: time.Minute,
	}, cluster.Name, time.Hour, nil)
	if err != nil {
		return fmt.Errorf("registering %s: %w", cluster.Name, err)
	}
	clusters, err := r.Clusters(ctx)
	if err != nil {
		return err
	}
	agent := registration.Deployment{Namespace: names.NamespaceSystem, Image: kindImage, Replicas: 1}
	for _, plane := range clusters {
		if plane.Role == fleet.ControlPlane {
			if agent.Kubeconfig, err = withServer(issued, plane.Endpoint); err != nil {
				return err
			}
		}
	}
	if err := agent.Deploy(ctx, member, access); err != nil {
		return err
	}
	return r.change(ctx, member, registration.AgentName, func(c *corev1.Container) { c.Args = append(c.Args, agentFlags()...) })
}

// become starts the components with the flags of a preset.
func (r *kindRig) become(ctx context.Context, of preset) error {
	controllers, others := presetFlags(of)
	flags := map[string][]string{"controller-manager": append(baseFlags(), controllers...)}
	for component, more := range others {
		flags[component] = append(flags[component], more...)
	}
	r.schedulerFlags = flags["scheduler"]
	for _, component := range []string{"webhook", "controller-manager", "scheduler"} {
		if err := r.change(ctx, r.host, deploymentOf(component), func(c *corev1.Container) {
			if _, known := r.plain[component]; !known {
				r.plain[component] = c.Args
			}
			c.Args = slices.Concat(r.plain[component], flags[component])
		}); err != nil {
			return err
		}
	}
	return nil
}

// change changes the container of a component that runs in a cluster, and waits until no other runs any more.
func (r *kindRig) change(ctx context.Context, in client.Client, deployment string, change func(*corev1.Container)) error {
	found := &appsv1.Deployment{}
	key := client.ObjectKey{Namespace: names.NamespaceSystem, Name: deployment}
	if err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		if err := in.Get(ctx, key, found); err != nil {
			return err
		}
		change(&found.Spec.Template.Spec.Containers[0])
		return in.Update(ctx, found)
	}); err != nil {
		return fmt.Errorf("changing the Deployment %s: %w", key, err)
	}
	return r.Await(ctx, toSwitch, "the new pods of "+key.Name, func(ctx context.Context) (bool, error) {
		if err := in.Get(ctx, key, found); err != nil {
			return false, err
		}
		status, wanted := found.Status, *found.Spec.Replicas
		return status.ObservedGeneration == found.Generation && status.UpdatedReplicas == wanted && status.Replicas == wanted && status.AvailableReplicas == wanted, nil
	})
}

// Restart implements e2e.Rig.
func (r *kindRig) Restart(ctx context.Context) error {
	for _, component := range []string{"controller-manager", "scheduler"} {
		err := r.host.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(names.NamespaceSystem), client.MatchingLabels{"app": deploymentOf(component)},
			client.GracePeriodSeconds(0))
		if err != nil {
			return fmt.Errorf("killing the %s: %w", component, err)
		}
	}
	return nil
}

// Upgrade implements e2e.Rig. The other build is another image.
func (r *kindRig) Upgrade(ctx context.Context) error {
	const newer = kindImage + "-newer"
	if err := kind.MakeImage(ctx, newer, r.program); err != nil {
		return err
	}
	if err := r.Load(ctx, newer, fleet.ControlPlaneName); err != nil {
		return err
	}
	for _, component := range []string{"webhook", "controller-manager", "scheduler"} {
		if err := r.change(ctx, r.host, deploymentOf(component), func(c *corev1.Container) {
			c.Image = newer
			if component == "scheduler" {
				c.Args = append(c.Args, "--v=1")
			}
		}); err != nil {
			return err
		}
	}
	return nil
}

// Explain implements e2e.Rig.
func (r *kindRig) Explain(ctx context.Context, binding string) (scheduler.Explanation, error) {
	return explainBy(ctx, r.program, binding, append([]string{"--kubeconfig", r.ControlPlaneKubeconfig()}, r.schedulerFlags...))
}

// Logs implements e2e.Rig: those of the control plane's pods.
func (r *kindRig) Logs(ctx context.Context, folder string) error {
	config, err := clientcmd.BuildConfigFromFlags("", r.HostKubeconfig())
	if err != nil {
		return err
	}
	host, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	pods := &corev1.PodList{}
	if err := r.host.List(ctx, pods, client.InNamespace(names.NamespaceSystem)); err != nil {
		return err
	}
	for i := range pods.Items {
		written, err := host.CoreV1().Pods(names.NamespaceSystem).GetLogs(pods.Items[i].Name, &corev1.PodLogOptions{}).DoRaw(ctx)
		if err != nil {
			return fmt.Errorf("reading the log of %s: %w", pods.Items[i].Name, err)
		}
		if err := os.WriteFile(filepath.Join(folder, pods.Items[i].Name+".log"), written, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// hostPort is that of a URL.
func hostPort(endpoint string) (string, error) {
	parsed, err := url.Parse(endpoint)
	if err != nil {
		return "", fmt.Errorf("reading the endpoint of the control plane: %w", err)
	}
	return parsed.Host, nil
}
