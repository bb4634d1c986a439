package embedded

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/seatrial/seatrial/fleet"
)

func TestNodeObjects(t *testing.T) {
	r := testRecord("m1", 2)
	r.Spec.Region, r.Spec.Zones = "r", []string{"a", "b"}
	r.Spec.Nodes.Count = 300
	r.Spec.Nodes.Labels = map[string]string{"gpu": "none"}
	ranges, addresses := map[netip.Prefix]bool{}, map[string]bool{}
	nodes := nodeObjects(r)
	for i, n := range nodes {
		if n.Labels[corev1.LabelTopologyZone] != r.Spec.Zones[i%2] || n.Labels[corev1.LabelTopologyRegion] != "r" || n.Labels["gpu"] != "none" {
			t.Errorf("labels of node %d: %v", i, n.Labels)
		}
		ip := netip.MustParseAddr(n.Status.Addresses[0].Address).String()
		if addresses[ip] {
			t.Errorf("two nodes have the address %s", ip)
		}
		addresses[ip] = true
		if n.Spec.PodCIDR == "" {
			continue
		}
		prefix := netip.MustParsePrefix(n.Spec.PodCIDR)
		if ranges[prefix] || !netip.MustParsePrefix("10.3.0.0/16").Contains(prefix.Addr()) {
			t.Errorf("node %s has the pod range %s", n.Name, prefix)
		}
		ranges[prefix] = true
	}
	if len(nodes) != 300 || len(ranges) != maxNodesInRanges {
		t.Errorf("%d nodes with %d pod ranges", len(nodes), len(ranges))
	}
	r.Spec.Nodes.Pods = "1000"
	if n := nodeObjects(r)[0]; n.Spec.PodCIDR != "" {
		t.Errorf("a node of 1000 pods has the range %s", n.Spec.PodCIDR)
	}
}

func TestConfigOfRoles(t *testing.T) {
	files := filesIn("/fleet/x")
	member := configOf(files, testRecord("m1", 0), 20100)
	if member.Nodes == nil || len(member.Scheduler) == 0 || len(member.Links) != 2 {
		t.Errorf("a member's process is told %+v", member)
	}
	if got := member.Links[1]; got.Target != loopback(20100) {
		t.Errorf("the uplink is %+v", got)
	}
	if alone := configOf(files, testRecord("m1", 0), 0); len(alone.Links) != 1 {
		t.Errorf("links without a control plane: %+v", alone.Links)
	}
	r := testRecord("cp", 1)
	r.Spec = fleet.Spec{Name: "cp", Role: fleet.ControlPlane}
	control := configOf(files, r, 20100)
	if control.Nodes != nil || len(control.Scheduler) != 0 || len(control.Links) != 0 {
		t.Errorf("a control plane's process is told %+v", control)
	}
	i := slices.IndexFunc(control.ControllerManager, func(f string) bool { return strings.HasPrefix(f, "--controllers=") })
	for _, c := range strings.Split(strings.TrimPrefix(control.ControllerManager[i], "--controllers="), ",") {
		if c == "*" || strings.HasPrefix(c, "deployment") || strings.HasPrefix(c, "replicaset") || strings.HasPrefix(c, "node-") {
			t.Errorf("a control plane runs the controller %s", c)
		}
	}
	for _, flags := range [][]string{control.APIServer, member.APIServer} {
		if !slices.Contains(flags, "--authorization-mode=Node,RBAC") || !slices.Contains(flags, "--bind-address=127.0.0.1") {
			t.Errorf("an API server without RBAC or open to the network: %v", flags)
		}
	}
}
