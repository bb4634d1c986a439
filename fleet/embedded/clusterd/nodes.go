package main

import (
	"context"
	_ "embed"
	"fmt"
	"net/netip"
	"os"

	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/utils/clock"
	"sigs.k8s.io/kwok/kustomize/stage/node/fast"
	heartbeat "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	podfast "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	"sigs.k8s.io/kwok/pkg/apis/internalversion"
	kwokconfig "sigs.k8s.io/kwok/pkg/config"
	"sigs.k8s.io/kwok/pkg/kwok/controllers"
	"sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/gotpl"

	"github.com/seatrial/seatrial/fleet/embedded/clusterd/podip"
)

const (
	// kubeletIdentity holds the node leases. It stays the same over restarts: a revived cluster takes its own leases back at
	// once instead of waiting for them to expire.
	kubeletIdentity = "seatrial-cluster"

	leaseSeconds = 40 // as a kubelet's
	// defaultPodCIDR serves nodes that have no spec.podCIDR.
	defaultPodCIDR = "10.254.0.0/16"
	defaultNodeIP  = "10.253.0.1"

	// Qps and burst of all the kubelets of a cluster together.
	kubeletQPS, kubeletBurst = 500, 1000

	// A pod of a Job ends this long after it has started.
	jobMillis = 1000
)

//go:embed stages/pod-recover.yaml
var podRecover string

// runNodes plays the kubelets of the selected nodes until ctx ends.
func runNodes(ctx context.Context, c nodesConfig, restCfg *rest.Config) error {
	ctx = log.NewContext(ctx, log.NewLogger(os.Stderr, log.LevelWarn))
	restCfg = rest.CopyConfig(restCfg)
	restCfg.QPS, restCfg.Burst = kubeletQPS, kubeletBurst
	typed, err := kubernetes.NewForConfig(restCfg)
	if err != nil {
		return fmt.Errorf("making the fake kubelets' client: %w", err)
	}
	dyn, err := dynamic.NewForConfig(restCfg)
	if err != nil {
		return fmt.Errorf("making the fake kubelets' dynamic client: %w", err)
	}
	stages, err := loadStages(c)
	if err != nil {
		return err
	}
	addresses := podip.New(typed, netip.MustParsePrefix(defaultPodCIDR))
	kubelets, err := controllers.NewController(controllers.Config{
		Clock:                        clock.RealClock{},
		TypedClient:                  typed,
		DynamicClient:                dyn,
		RESTClient:                   typed.RESTClient(),
		RESTMapper:                   restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(typed)),
		ManageNodesWithLabelSelector: c.Selector,
		CIDR:                         defaultPodCIDR,
		NodeIP:                       defaultNodeIP,
		LocalStages:                  stages,
		PodPlayStageParallelism:      4,
		NodePlayStageParallelism:     4,
		NodeLeaseParallelism:         4,
		NodeLeaseDurationSeconds:     leaseSeconds,
		PodsOnNodeSyncParallelism:    4,
		ID:                           kubeletIdentity,
		FuncMap:                      addressFuncs(addresses),
	})
	if err != nil {
		return fmt.Errorf("making the fake kubelets: %w", err)
	}
	if err := kubelets.Start(ctx); err != nil {
		return fmt.Errorf("starting the fake kubelets: %w", err)
	}
	<-ctx.Done()
	return nil
}

// addressFuncs replaces the template functions by which stages ask for pod addresses: kwok's own pool forgets over a restart which
// are taken.
func addressFuncs(a *podip.Allocator) gotpl.FuncMap {
	return gotpl.FuncMap{
		"PodIPWith": func(node string, hostNetwork bool, uid, _, _ string) (string, error) {
			return a.PodIP(node, hostNetwork, uid)
		},
		"PodIPsWith": func(node string, hostNetwork bool, uid, _, _ string) ([]string, error) {
			ip, err := a.PodIP(node, hostNetwork, uid)
			return []string{ip}, err
		},
	}
}

// loadStages says what the fake kubelets do with nodes and pods, and when.
func loadStages(c nodesConfig) (map[internalversion.StageResourceRef][]*internalversion.Stage, error) {
	stages := map[internalversion.StageResourceRef][]*internalversion.Stage{}
	for _, s := range []struct {
		source        string
		delay, jitter int64 // milliseconds; none of them leaves the stage's own
	}{
		{source: fast.DefaultNodeInit},
		{source: heartbeat.DefaultNodeHeartbeatWithLease},
		{source: podfast.DefaultPodReady, delay: c.StartupMillis, jitter: c.JitterMillis},
		{source: podfast.DefaultPodComplete, delay: jobMillis},
		{source: podfast.DefaultPodDelete},
		{source: podRecover},
	} {
		stage, err := kwokconfig.UnmarshalWithType[*internalversion.Stage](s.source)
		if err != nil {
			return nil, fmt.Errorf("loading what the fake kubelets do: %w", err)
		}
		if s.delay > 0 || s.jitter > 0 {
			stage.Spec.Delay = &internalversion.StageDelay{
				DurationMilliseconds:       new(s.delay),
				JitterDurationMilliseconds: new(s.delay + s.jitter),
			}
		}
		stages[stage.Spec.ResourceRef] = append(stages[stage.Spec.ResourceRef], stage)
	}
	return stages, nil
}
