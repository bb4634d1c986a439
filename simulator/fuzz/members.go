package fuzz

import (
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/simulator/kube"
)

// What a member notices of a lost node, it notices within the length of a fault.
const (
	grace      = 20 * time.Second
	toleration = 30 * time.Second
)

// poolOf are the nodes of a member.
func poolOf(spec fleet.Spec) (kube.NodePool, error) {
	spec = spec.WithDefaults()
	allocatable := corev1.ResourceList{}
	for _, amount := range []struct {
		of   corev1.ResourceName
		text string
	}{
		{corev1.ResourceCPU, spec.Nodes.CPU}, {corev1.ResourceMemory, spec.Nodes.Memory}, {corev1.ResourcePods, spec.Nodes.Pods},
	} {
		quantity, err := resource.ParseQuantity(amount.text)
		if err != nil {
			return kube.NodePool{}, fmt.Errorf("cluster %s: %s of a node, %q: %w", spec.Name, amount.of, amount.text, err)
		}
		allocatable[amount.of] = quantity
	}
	labels := maps.Clone(spec.Nodes.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[corev1.LabelTopologyRegion] = spec.Region
	if len(spec.Zones) > 0 {
		labels[corev1.LabelTopologyZone] = spec.Zones[0]
	}
	return kube.NodePool{Name: spec.Name, Labels: labels, Allocatable: allocatable, Count: spec.Nodes.Count}, nil
}

// nodeName is that of a member's node.
func nodeName(cluster string, number int) string { return fmt.Sprintf("%s-%d", cluster, number) }

// timingOf is how fast a member is: its images are there already, and its pods start as its spec says.
func timingOf(spec fleet.Spec) kube.Timing {
	spec = spec.WithDefaults()
	return kube.Timing{
		Pull: kube.Latency{Delay: kube.Never}, Start: kube.Latency{Delay: max(spec.Startup.Delay, 1), Jitter: spec.Startup.Jitter},
		Stop: kube.Latency{Delay: 100 * time.Millisecond, Jitter: 2 * time.Second}, Grace: grace, Toleration: toleration,
	}
}
