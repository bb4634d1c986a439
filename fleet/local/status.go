package local

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded"
	"github.com/seatrial/seatrial/fleet/embedded/process"
)

// lookTimeout bounds all questions to one cluster: a paused one never answers.
const lookTimeout = 3 * time.Second

// Status is an installation as it is now.
type Status struct {
	StateDir string `json:"stateDir"`
	// Kubeconfig has a context per cluster, the control plane's current; empty when nothing was started.
	Kubeconfig string            `json:"kubeconfig,omitempty"`
	Clusters   []ClusterStatus   `json:"clusters"`
	Components []ComponentStatus `json:"components"`
	// Example is the example workload; absent when there is none or the control plane does not answer.
	Example *Workload `json:"example,omitempty"`
}

// ClusterStatus is a cluster as it is now.
type ClusterStatus struct {
	Name        string      `json:"name"`
	Role        fleet.Role  `json:"role"`
	State       fleet.State `json:"state"`
	Partitioned bool        `json:"partitioned,omitempty"`
	// Endpoint is the URL by which the control plane reaches the cluster.
	Endpoint string `json:"endpoint"`
	// Nodes and ReadyNodes are what the cluster itself says; Version is empty when it did not answer.
	Nodes      int    `json:"nodes"`
	ReadyNodes int    `json:"readyNodes"`
	Version    string `json:"version,omitempty"`
	// Ready is the control plane's view of a member (True, False or Unknown; NotJoined without a Cluster object), and of the
	// control plane itself whether it answers.
	Ready string `json:"ready"`
}

// NotJoined is the readiness of a cluster that the control plane does not know.
const NotJoined = "NotJoined"

// ComponentStatus is a component as it is now.
type ComponentStatus struct {
	Name string `json:"name"`
	// Started: Up started it, and no Down has ended it since.
	Started bool        `json:"started"`
	PID     int         `json:"pid,omitempty"`
	State   fleet.State `json:"state"`
	// Health is "ok", or what is wrong.
	Health string `json:"health"`
	Log    string `json:"log"`
}

const healthOK = "ok"

// Status looks at everything at once. It starts and changes nothing.
func (i *Installation) Status(ctx context.Context) (*Status, error) {
	s := &Status{StateDir: i.dir, Clusters: []ClusterStatus{}, Components: []ComponentStatus{}}
	if !i.exists() {
		return s, nil
	}
	clusters, err := i.Fleet()
	if err != nil {
		return nil, err
	}
	known, err := clusters.Clusters(ctx)
	if err != nil {
		return nil, err
	}
	if len(known) > 0 {
		s.Kubeconfig = clusters.MergedKubeconfig()
	}
	s.Clusters = make([]ClusterStatus, len(known))
	components, err := i.components()
	if err != nil {
		return nil, err
	}
	s.Components = make([]ComponentStatus, len(components))
	joined, example := i.lookAtPlane(ctx, clusters)
	s.Example = example
	var wg sync.WaitGroup
	for n, cluster := range known {
		wg.Go(func() { s.Clusters[n] = lookAtCluster(ctx, clusters, cluster, joined) })
	}
	for n, name := range components {
		wg.Go(func() { s.Components[n] = i.component(name).look(ctx) })
	}
	wg.Wait()
	return s, nil
}

// lookAtPlane asks the control plane for its members and the example; nil for what it does not say.
func (i *Installation) lookAtPlane(ctx context.Context, clusters *embedded.Fleet) (map[string]clusterv1alpha1.Cluster, *Workload) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	plane, err := clusters.Client(ctx, fleet.ControlPlaneName)
	if err != nil {
		return nil, nil
	}
	joined := map[string]clusterv1alpha1.Cluster{}
	list := &clusterv1alpha1.ClusterList{}
	if err := plane.List(ctx, list); err != nil {
		joined = nil
	}
	for _, cluster := range list.Items {
		joined[cluster.Name] = cluster
	}
	example, err := workload(ctx, plane, clusters.Client)
	if err != nil {
		example = nil
	}
	return joined, example
}

func lookAtCluster(ctx context.Context, clusters *embedded.Fleet, cluster fleet.Cluster, joined map[string]clusterv1alpha1.Cluster) ClusterStatus {
	s := ClusterStatus{
		Name: cluster.Name, Role: cluster.Role, State: cluster.State, Partitioned: cluster.Partitioned, Endpoint: cluster.Endpoint,
		Ready: readiness(cluster.Name, joined),
	}
	if cluster.State == fleet.Running {
		ctx, cancel := context.WithTimeout(ctx, lookTimeout)
		defer cancel()
		s.ask(ctx, clusters)
	}
	if cluster.Role == fleet.ControlPlane {
		s.Ready = "False"
		if s.Version != "" {
			s.Ready = "True"
		}
	}
	return s
}

func readiness(name string, joined map[string]clusterv1alpha1.Cluster) string {
	if joined == nil {
		return "Unknown"
	}
	cluster, known := joined[name]
	if !known {
		return NotJoined
	}
	if ready := meta.FindStatusCondition(cluster.Status.Conditions, names.ConditionClusterReady); ready != nil {
		return string(ready.Status)
	}
	return "Unknown"
}

// ask fills in what the cluster says of itself; one that does not answer leaves it empty.
func (s *ClusterStatus) ask(ctx context.Context, clusters *embedded.Fleet) {
	config, err := clusters.RESTConfig(s.Name)
	if err != nil {
		return
	}
	config.Timeout = lookTimeout
	found, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return
	}
	version, err := found.ServerVersion()
	if err != nil {
		return
	}
	s.Version = version.GitVersion
	direct, err := clusters.Client(ctx, s.Name)
	if err != nil {
		return
	}
	nodes := &corev1.NodeList{}
	if err := direct.List(ctx, nodes); err != nil {
		return
	}
	s.Nodes = len(nodes.Items)
	for i := range nodes.Items {
		if isReady(&nodes.Items[i]) {
			s.ReadyNodes++
		}
	}
}

func isReady(node *corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

func (c component) look(ctx context.Context) ComponentStatus {
	s := ComponentStatus{Name: c.name, State: fleet.Stopped, Health: healthOK, Log: c.log()}
	r, err := c.record()
	if err != nil {
		s.Health = err.Error()
		return s
	}
	s.Started = r.Process != (process.ID{})
	switch r.Process.State() {
	case process.Running:
		s.State, s.PID = fleet.Running, r.Process.PID
	case process.Frozen:
		s.State, s.PID = fleet.Paused, r.Process.PID
	}
	if err := c.healthy(ctx); err != nil {
		s.Health = err.Error()
	}
	return s
}

// Stopped tells that nothing of the installation runs, and nothing should; there may be data. What a crash ended should run.
func (s *Status) Stopped() bool {
	for _, cluster := range s.Clusters {
		if cluster.State != fleet.Stopped {
			return false
		}
	}
	for _, c := range s.Components {
		if c.Started {
			return false
		}
	}
	return true
}

// Faults names what was started and does not work, in the order of the status; empty when all is well, and when nothing runs.
func (s *Status) Faults() []string {
	if s.Stopped() {
		return nil
	}
	var faults []string
	for _, cluster := range s.Clusters {
		switch {
		case cluster.State != fleet.Running:
			faults = append(faults, fmt.Sprintf("cluster %s is %s", cluster.Name, cluster.State))
		case cluster.Version == "":
			faults = append(faults, fmt.Sprintf("cluster %s does not answer", cluster.Name))
		case cluster.Partitioned:
			faults = append(faults, fmt.Sprintf("cluster %s is partitioned from the control plane", cluster.Name))
		case cluster.Ready == NotJoined:
			faults = append(faults, fmt.Sprintf("cluster %s has not joined", cluster.Name))
		case cluster.Ready != "True":
			faults = append(faults, fmt.Sprintf("cluster %s is not ready (%s)", cluster.Name, cluster.Ready))
		}
	}
	for _, c := range s.Components {
		if c.Health != healthOK {
			faults = append(faults, fmt.Sprintf("component %s: %s", c.Name, c.Health))
		}
	}
	if lacking := s.exampleLacks(); lacking != "" {
		faults = append(faults, fmt.Sprintf("deployment %s: %s", s.Example.Name, lacking))
	}
	return faults
}

func (s *Status) exampleLacks() string {
	if s.Example == nil {
		return ""
	}
	return s.Example.lacking()
}
