package kind

import (
	"bytes"
	"context"
	_ "embed" // the programs that close and check the network are files
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"strings"
)

const (
	homeNetwork = fleetName
	linkNetwork = fleetName + "-link"
	homeSubnet  = "10.254.0.0/24"
	linkSubnet  = "10.254.1.0/24"
	// networkEnv tells kind which network nodes are at home in.
	networkEnv = "KIND_EXPERIMENTAL_DOCKER_NETWORK"

	masquerade = "com.docker.network.bridge.enable_ip_masquerade"
)

//go:embed nodeimage/node/close-network
var closeNetwork []byte

//go:embed check-network
var checkNetwork []byte

// closedNetworks makes the fleet's networks, which have no way out, and proves that they have none: where the machine's gateway
// answers for any address, an address that nobody has would seem to be a service.
func (f *Fleet) closedNetworks(ctx context.Context) error {
	for _, n := range []struct{ name, subnet string }{{homeNetwork, homeSubnet}, {linkNetwork, linkSubnet}} {
		if err := f.docker.ensureNetwork(ctx, n.name, n.subnet); err != nil {
			return fmt.Errorf("making the network %s: %w", n.name, err)
		}
	}
	probe := bytes.Join([][]byte{closeNetwork, checkNetwork}, []byte("\n"))
	output, err := f.docker.run(ctx, bytes.NewReader(probe), "run", "--rm", "--interactive", "--cap-add", "NET_ADMIN",
		"--network", homeNetwork, "--entrypoint", "bash", f.image, "-s")
	if err != nil {
		return fmt.Errorf("checking that the network %s is closed: %w", homeNetwork, err)
	}
	if answers := strings.TrimSpace(string(output)); answers != "" {
		return fmt.Errorf("the network %s is open: an address that belongs to nobody answers (%s)", homeNetwork, strings.ReplaceAll(answers, "\n", ", "))
	}
	return nil
}

func (d docker) ensureNetwork(ctx context.Context, name, subnet string) error {
	output, err := d.run(ctx, nil, "network", "ls", "--quiet", "--filter", "name=^"+name+"$")
	if err != nil {
		return err
	}
	if len(bytes.TrimSpace(output)) == 0 {
		return d.do(ctx, "network", "create", "--driver", "bridge", "--subnet", subnet, "--opt", masquerade+"=false", name)
	}
	output, err = d.run(ctx, nil, "network", "inspect", name)
	if err != nil {
		return err
	}
	return usableNetwork(output, subnet)
}

// usableNetwork looks at a network that was there before, as docker network inspect prints it.
func usableNetwork(inspected []byte, subnet string) error {
	var found []struct {
		Options map[string]string
		IPAM    struct{ Config []struct{ Subnet string } }
	}
	if err := json.Unmarshal(inspected, &found); err != nil {
		return fmt.Errorf("reading what docker says of it: %w", err)
	}
	if len(found) != 1 {
		return fmt.Errorf("there are %d of that name", len(found))
	}
	if found[0].Options[masquerade] != "false" {
		return fmt.Errorf("there is one that leads out of the machine (%s is not false): remove it with docker network rm", masquerade)
	}
	if config := found[0].IPAM.Config; len(config) != 1 || config[0].Subnet != subnet {
		return fmt.Errorf("there is one of other addresses than %s: remove it with docker network rm", subnet)
	}
	return nil
}

// removeNetworks has the next cluster make them anew: kind would, but with a way out.
func (f *Fleet) removeNetworks(ctx context.Context) error {
	f.adding.Lock()
	defer f.adding.Unlock()
	f.prepared = false
	for _, name := range []string{homeNetwork, linkNetwork} {
		output, err := f.docker.run(ctx, nil, "network", "ls", "--quiet", "--filter", "name=^"+name+"$")
		if err == nil && len(bytes.TrimSpace(output)) > 0 {
			err = f.docker.do(ctx, "network", "rm", name)
		}
		if err != nil {
			return fmt.Errorf("removing the network %s: %w", name, err)
		}
	}
	return nil
}

// link lets the cluster and the others reach each other.
func (f *Fleet) link(ctx context.Context, r record) error {
	return f.docker.do(ctx, "network", "connect", "--ip", r.linkAddress(), linkNetwork, r.container())
}

// closeNode refuses what would leave the networks that the node is in now.
func (f *Fleet) closeNode(ctx context.Context, r record) error {
	if _, err := f.docker.run(ctx, bytes.NewReader(closeNetwork), "exec", "--interactive", r.container(), "bash", "-s"); err != nil {
		return fmt.Errorf("closing the network of cluster %s: %w", r.Spec.Name, err)
	}
	return nil
}

// Address is where this machine reaches a NodePort of the cluster, as host:port. The published ones are ControlPlaneNodePort of the
// control plane's host, and WorkloadNodePorts of members.
func (f *Fleet) Address(ctx context.Context, cluster string, nodePort int) (string, error) {
	r, err := f.record(cluster)
	if err != nil {
		return "", err
	}
	seen, err := f.docker.inspect(ctx, r.container())
	if err != nil {
		return "", fmt.Errorf("looking at cluster %s: %w", cluster, err)
	}
	for _, binding := range seen.NetworkSettings.Ports[strconv.Itoa(nodePort)+"/tcp"] {
		return net.JoinHostPort(binding.HostIP, binding.HostPort), nil
	}
	return "", fmt.Errorf("cluster %s publishes %v, and %d is none of them", cluster, r.nodePorts(), nodePort)
}
