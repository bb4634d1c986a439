package embedded

import (
	"fmt"
	"net"
)

// Clusters of a fleet have address ranges of their own, so that a pod's, node's or service's address tells its cluster:
//
//	pods      10.(index+1).0.0/16, of which node n has 10.(index+1).n.0/24
//	services  10.(index+128).0.0/16
//	nodes     100.(index+64).0.0/16
const (
	maxIndex = 60
	// A node with more pods than fit its /24, or beyond the last /24, gets no range of its own; its pods share a common one.
	maxPodsPerRange  = 250
	maxNodesInRanges = 255
)

func serviceCIDR(index int) string { return fmt.Sprintf("10.%d.0.0/16", 128+index) }

func firstServiceIP(index int) net.IP { return net.IPv4(10, byte(128+index), 0, 1) }

func podCIDR(index, node int) string { return fmt.Sprintf("10.%d.%d.0/24", index+1, node) }

func nodeIP(index, node int) string {
	return fmt.Sprintf("100.%d.%d.%d", 64+index, (node+1)/256, (node+1)%256)
}
