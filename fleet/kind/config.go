package kind

import (
	"fmt"
	"slices"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"

	"github.com/seatrial/seatrial/fleet"
)

const (
	// ControlPlaneNodePort is the NodePort of the host cluster under which an installed control plane serves its API.
	ControlPlaneNodePort = 32443

	apiPort = 6443
)

// WorkloadNodePorts are the NodePorts of members that this machine reaches (see Fleet.Address).
func WorkloadNodePorts() []int { return []int{30080, 30081} }

func (r record) nodePorts() []int {
	if r.Spec.Role == fleet.ControlPlane {
		return []int{ControlPlaneNodePort}
	}
	return WorkloadNodePorts()
}

// nodeSpec says what of a spec kind cannot give, and completes the rest: a cluster has one node, which is as large as the machine.
func nodeSpec(spec fleet.Spec) (fleet.Spec, error) {
	if spec.Nodes.Count > 1 {
		return spec, fmt.Errorf("cluster %s: %d nodes; a kind cluster of a fleet has one", spec.Name, spec.Nodes.Count)
	}
	if len(spec.Zones) > 1 {
		return spec, fmt.Errorf("cluster %s: zones %v; its one node is in one", spec.Name, spec.Zones)
	}
	if spec.Nodes.CPU != "" || spec.Nodes.Memory != "" {
		return spec, fmt.Errorf("cluster %s: nodes of %s CPU and %s memory; its node is as large as the machine", spec.Name, spec.Nodes.CPU, spec.Nodes.Memory)
	}
	if spec.Startup != (fleet.Startup{}) {
		return spec, fmt.Errorf("cluster %s: a startup of its own; its pods take the time they take", spec.Name)
	}
	if spec.Role == "" {
		spec.Role = fleet.Member
	}
	if spec.Role == fleet.ControlPlane {
		return spec, spec.Validate()
	}
	// The sizes are only there to be valid.
	whole := spec.WithDefaults()
	whole.Nodes.Count = 1
	if err := whole.Validate(); err != nil {
		return spec, err
	}
	if spec.Name == hostName {
		return spec, fmt.Errorf("cluster %s: the cluster of that name is the host of the control plane", spec.Name)
	}
	spec.Nodes.Count = 1
	return spec, nil
}

// kindConfig is what kind makes the cluster of.
func kindConfig(r record) *v1alpha4.Cluster {
	node := v1alpha4.Node{Role: v1alpha4.ControlPlaneRole, Labels: nodeLabels(r.Spec)}
	for _, port := range r.nodePorts() {
		// Host port 0 is any that is free.
		node.ExtraPortMappings = append(node.ExtraPortMappings, v1alpha4.PortMapping{ContainerPort: int32(port), ListenAddress: "127.0.0.1"})
	}
	return &v1alpha4.Cluster{
		TypeMeta: v1alpha4.TypeMeta{Kind: "Cluster", APIVersion: "kind.x-k8s.io/v1alpha4"},
		Nodes:    []v1alpha4.Node{node},
		Networking: v1alpha4.Networking{
			PodSubnet:     r.podSubnet(),
			ServiceSubnet: r.serviceSubnet(),
		},
		KubeadmConfigPatches: slices.Concat([]string{serversPatch(r)}, kubeletPatch(r.Spec)),
	}
}

func nodeLabels(spec fleet.Spec) map[string]string {
	labels := map[string]string{}
	for key, value := range spec.Nodes.Labels {
		labels[key] = value
	}
	if spec.Region != "" {
		labels["topology.kubernetes.io/region"] = spec.Region
	}
	if len(spec.Zones) > 0 {
		labels["topology.kubernetes.io/zone"] = spec.Zones[0]
	}
	return labels
}

// serversPatch has the API server known by its address in the link. There is one of each controller: electing a leader would only
// keep an idle cluster busy, and a paused one from going on.
func serversPatch(r record) string {
	return fmt.Sprintf(`kind: ClusterConfiguration
apiVersion: kubeadm.k8s.io/v1beta4
apiServer:
  certSANs: [localhost, 127.0.0.1, %s]
controllerManager:
  extraArgs:
  - name: leader-elect
    value: "false"
  - name: enable-hostpath-provisioner
    value: "true"
scheduler:
  extraArgs:
  - name: leader-elect
    value: "false"
`, r.linkAddress())
}

func kubeletPatch(spec fleet.Spec) []string {
	if spec.Nodes.Pods == "" {
		return nil
	}
	return []string{fmt.Sprintf("kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\nmaxPods: %s\n", spec.Nodes.Pods)}
}
