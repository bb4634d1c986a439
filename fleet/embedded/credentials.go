package embedded

import (
	"fmt"
	"net"

	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded/pki"
)

// Files gives the paths of a cluster of the fleet.
func (f *Fleet) Files(cluster string) (Files, error) {
	if _, err := f.record(cluster); err != nil {
		return Files{}, err
	}
	return f.files(cluster), nil
}

// EtcdEndpoint is the https URL of the cluster's etcd, which wants the client certificate Files.EtcdClient.
func (f *Fleet) EtcdEndpoint(cluster string) (string, error) {
	r, err := f.record(cluster)
	if err != nil {
		return "", err
	}
	return serverURL(r.Ports.Etcd), nil
}

// IssueServing writes a serving certificate signed by the cluster's CA, for loopback and the given DNS names, under the
// component's name in the cluster's folder. One from before is kept as it is.
func (f *Fleet) IssueServing(cluster, component string, dnsNames ...string) (pki.Pair, error) {
	files, ca, err := f.authority(cluster)
	if err != nil {
		return pki.Pair{}, err
	}
	pair := files.componentPair(component, "serving")
	names := append([]string{"localhost"}, dnsNames...)
	if err := ca.IssueServing(pair, component, names, []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}); err != nil {
		return pki.Pair{}, fmt.Errorf("cluster %s: %w", cluster, err)
	}
	return pair, nil
}

// IssueKubeconfig writes a kubeconfig with a client certificate for the user and groups under the component's name in the
// cluster's folder. It grants nothing: what the user may do is RBAC's. A certificate from before is kept as it is.
func (f *Fleet) IssueKubeconfig(cluster, component, user string, groups ...string) (string, error) {
	r, err := f.record(cluster)
	if err != nil {
		return "", err
	}
	return f.issueAccess(cluster, component, access{context: cluster, server: serverURL(r.Ports.API), user: user, groups: groups})
}

// UplinkEndpoint is the URL of the fleet's control plane on the member's side of the network, which a partition of the member cuts. It
// exists if the control plane did when the member was last started.
func (f *Fleet) UplinkEndpoint(member string) (string, error) {
	r, err := f.record(member)
	if err != nil {
		return "", err
	}
	if r.Ports.Uplink == 0 {
		return "", fmt.Errorf("cluster %s has no way to a control plane", member)
	}
	return serverURL(r.Ports.Uplink), nil
}

// IssueUplink writes a kubeconfig for the fleet's control plane that goes through the member's side of the network: what an agent
// inside the member uses, and what a partition of the member cuts. The way exists if the control plane did when the member was
// last started.
func (f *Fleet) IssueUplink(member, component, user string, groups ...string) (string, error) {
	r, err := f.record(member)
	if err != nil {
		return "", err
	}
	records, err := readRecords(f.root)
	if err != nil {
		return "", err
	}
	for _, cp := range records {
		if cp.Spec.Role == fleet.ControlPlane && r.Ports.Uplink != 0 {
			return f.issueAccess(cp.name(), component+"-from-"+member,
				access{context: cp.name(), server: serverURL(r.Ports.Uplink), user: user, groups: groups})
		}
	}
	return "", fmt.Errorf("cluster %s has no way to a control plane", member)
}

func (f *Fleet) issueAccess(cluster, component string, a access) (string, error) {
	files, ca, err := f.authority(cluster)
	if err != nil {
		return "", err
	}
	path := files.componentKubeconfig(component)
	if err := files.issueKubeconfig(ca, path, a); err != nil {
		return "", fmt.Errorf("cluster %s: %w", cluster, err)
	}
	return path, nil
}

func (f *Fleet) authority(cluster string) (Files, *pki.Authority, error) {
	files, err := f.Files(cluster)
	if err != nil {
		return Files{}, nil, err
	}
	ca, err := pki.EnsureAuthority(files.CA, "")
	if err != nil {
		return Files{}, nil, fmt.Errorf("cluster %s: %w", cluster, err)
	}
	return files, ca, nil
}
