// Package podip gives pods of fake nodes their addresses.
package podip

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"
)

const readTimeout = 10 * time.Second

// Allocator hands out pod addresses, per node from the node's own range. It begins with what the API server's pods hold, so a
// restarted process gives no address twice.
type Allocator struct {
	client kubernetes.Interface
	// shared serves nodes that have no range of their own.
	shared netip.Prefix

	mu sync.Mutex
	// ranges is keyed by node name; "" is the shared one.
	ranges map[string]*addressRange
	nodes  map[string]nodeFacts
}

type nodeFacts struct {
	ip       string
	rangeKey string
}

// New makes an allocator for the cluster that client reaches.
func New(client kubernetes.Interface, shared netip.Prefix) *Allocator {
	return &Allocator{client: client, shared: shared, ranges: map[string]*addressRange{}, nodes: map[string]nodeFacts{}}
}

// PodIP is the address of the pod with the UID on the node: the same for every call with the same UID. A pod on the host's network
// has its node's.
func (a *Allocator) PodIP(node string, hostNetwork bool, uid string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
	defer cancel()
	a.mu.Lock()
	defer a.mu.Unlock()
	facts, err := a.learnNode(ctx, node)
	if err != nil {
		return "", err
	}
	if hostNetwork {
		return facts.ip, nil
	}
	r := a.ranges[facts.rangeKey]
	if ip, ok := r.take(uid); ok {
		return ip.String(), nil
	}
	// The range is used up, as far as is known; pods that ended since have left theirs.
	if err := a.readHolders(ctx, facts.rangeKey); err != nil {
		return "", err
	}
	ip, ok := r.take(uid)
	if !ok {
		return "", fmt.Errorf("no pod address left on node %s in %s", node, r.prefix)
	}
	return ip.String(), nil
}

func (a *Allocator) learnNode(ctx context.Context, name string) (nodeFacts, error) {
	if facts, ok := a.nodes[name]; ok {
		return facts, nil
	}
	node, err := a.client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nodeFacts{}, fmt.Errorf("reading the pod range of node %s: %w", name, err)
	}
	facts := nodeFacts{}
	for _, addr := range node.Status.Addresses {
		if addr.Type == corev1.NodeInternalIP {
			facts.ip = addr.Address
		}
	}
	prefix := a.shared
	if node.Spec.PodCIDR != "" {
		facts.rangeKey = name
		if prefix, err = netip.ParsePrefix(node.Spec.PodCIDR); err != nil {
			return nodeFacts{}, fmt.Errorf("parsing the pod range of node %s: %w", name, err)
		}
	}
	if a.ranges[facts.rangeKey] == nil {
		a.ranges[facts.rangeKey] = newAddressRange(prefix)
		if err := a.readHolders(ctx, facts.rangeKey); err != nil {
			delete(a.ranges, facts.rangeKey)
			return nodeFacts{}, err
		}
	}
	a.nodes[name] = facts
	return facts, nil
}

// readHolders sets who has which address of the range to what the API server says.
func (a *Allocator) readHolders(ctx context.Context, rangeKey string) error {
	opts := metav1.ListOptions{}
	if rangeKey != "" {
		opts.FieldSelector = fields.OneTermEqualSelector("spec.nodeName", rangeKey).String()
	}
	pods, err := a.client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, opts)
	if err != nil {
		return fmt.Errorf("reading the addresses of the pods on node %s: %w", rangeKey, err)
	}
	holders := map[string]netip.Addr{}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if ip, err := netip.ParseAddr(pod.Status.PodIP); err == nil && !pod.Spec.HostNetwork {
			holders[string(pod.UID)] = ip
		}
	}
	a.ranges[rangeKey].reset(holders)
	return nil
}

// addressRange is a range of addresses and who has them. The search goes round: an address that was handed out a moment ago is
// the last to be looked at again, so a pod whose address has not reached the API server yet keeps it over a reset.
type addressRange struct {
	prefix netip.Prefix
	last   netip.Addr
	byUID  map[string]netip.Addr
	held   map[netip.Addr]bool
}

func newAddressRange(prefix netip.Prefix) *addressRange {
	r := &addressRange{prefix: prefix.Masked()}
	r.last = r.first()
	r.reset(nil)
	return r
}

// first is the range's second address, by custom the gateway's: it and the network's own are never handed out.
func (r *addressRange) first() netip.Addr { return r.prefix.Addr().Next() }

func (r *addressRange) reset(holders map[string]netip.Addr) {
	r.byUID = map[string]netip.Addr{}
	r.held = map[netip.Addr]bool{}
	for uid, ip := range holders {
		if r.prefix.Contains(ip) {
			r.byUID[uid] = ip
			r.held[ip] = true
		}
	}
}

// take gives the pod its address; false when all are held.
func (r *addressRange) take(uid string) (netip.Addr, bool) {
	if ip, ok := r.byUID[uid]; ok {
		return ip, true
	}
	for ip := r.after(r.last); ip != r.last; ip = r.after(ip) {
		if ip == r.first() || r.held[ip] {
			continue
		}
		r.last = ip
		r.held[ip] = true
		r.byUID[uid] = ip
		return ip, true
	}
	return netip.Addr{}, false
}

// after is the next address of the range, going round, without the network's and (in IPv4) the broadcast address.
func (r *addressRange) after(ip netip.Addr) netip.Addr {
	next := ip.Next()
	if !next.IsValid() || !r.prefix.Contains(next) || !r.prefix.Contains(next.Next()) {
		return r.first()
	}
	return next
}
