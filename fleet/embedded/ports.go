package embedded

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net"
	"strconv"
)

// Ports are taken from below the range from which Linux gives outgoing connections theirs (32768 and up), so that a cluster that
// is down does not lose its ports to a passing connection.
const firstPort, portCount = 20000, 10000

// ports are a cluster's listeners on loopback, chosen once and kept for good: kubeconfigs and Cluster objects hold them.
type ports struct {
	API  int `json:"api"`
	Etcd int `json:"etcd"`
	// Link is the control plane's way to a member's API, Uplink the member's to the control plane's.
	Link   int `json:"link,omitempty"`
	Uplink int `json:"uplink,omitempty"`
}

func (p ports) all() []namedPort {
	return []namedPort{{"API server", p.API}, {"etcd", p.Etcd}, {"link", p.Link}, {"uplink", p.Uplink}}
}

type namedPort struct {
	what string
	port int
}

// choosePorts finds a free port for each listener of a cluster. The search starts at a place that depends on the root, so
// that several fleets seldom meet and a fleet made again has its ports again.
func choosePorts(root string, taken map[int]bool, free func(int) bool, member bool) (ports, error) {
	h := fnv.New32a()
	h.Write([]byte(root))
	start := int(h.Sum32() % portCount)
	var p ports
	want := []*int{&p.API, &p.Etcd}
	if member {
		want = append(want, &p.Link, &p.Uplink)
	}
	for i := 0; i < portCount && len(want) > 0; i++ {
		port := firstPort + (start+i)%portCount
		if taken[port] || !free(port) {
			continue
		}
		*want[0] = port
		want = want[1:]
	}
	if len(want) > 0 {
		return ports{}, fmt.Errorf("no free port between %d and %d on loopback", firstPort, firstPort+portCount-1)
	}
	return p, nil
}

// checkPorts makes sure that the cluster's kept ports are free, so that the one that is not gets named.
func checkPorts(cluster string, p ports, free func(int) bool) error {
	var errs []error
	for _, n := range p.all() {
		if n.port != 0 && !free(n.port) {
			errs = append(errs, fmt.Errorf("port %d of cluster %s's %s is in use by another process: end that (`ss -ltnp sport = :%d` names it), "+
				"or remove the cluster and add it again to give it another port", n.port, cluster, n.what, n.port))
		}
	}
	return errors.Join(errs...)
}

func portFree(port int) bool {
	l, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return false
	}
	l.Close()
	return true
}

// loopback is the host:port of a port on this machine.
func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
