package embedded

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"

	"github.com/seatrial/seatrial/fleet/embedded/pki"
)

// Files are the paths of a cluster's keys, certificates and log. Keys and certificates are PEM.
type Files struct {
	Dir        string // the cluster's folder
	Log        string // what the cluster's process wrote, over all its runs
	Audit      string // what changed objects, where that is logged
	Kubeconfig string // direct admin access

	CA         pki.Pair // signs serving and client certificates of the API
	APIServer  pki.Pair // the API server's serving certificate
	EtcdCA     pki.Pair // signs etcd's and its clients' certificates
	EtcdServer pki.Pair
	EtcdClient pki.Pair // a client certificate for etcd
	// FrontProxyCA is the requestheader CA: by it an aggregated API server recognises this API server, whose client certificate
	// FrontProxyClient is.
	FrontProxyCA     pki.Pair
	FrontProxyClient pki.Pair

	ServiceAccountKey, ServiceAccountPub string // sign and check service account tokens
}

const (
	frontProxyUser = "front-proxy-client"
	mastersGroup   = "system:masters"
)

func filesIn(dir string) Files {
	keys := filepath.Join(dir, "pki")
	return Files{
		Dir:               dir,
		Log:               filepath.Join(dir, "cluster.log"),
		Audit:             filepath.Join(dir, "audit.log"),
		Kubeconfig:        filepath.Join(dir, "kubeconfig"),
		CA:                pki.At(keys, "ca"),
		APIServer:         pki.At(keys, "apiserver"),
		EtcdCA:            pki.At(keys, "etcd-ca"),
		EtcdServer:        pki.At(keys, "etcd-server"),
		EtcdClient:        pki.At(keys, "etcd-client"),
		FrontProxyCA:      pki.At(keys, "front-proxy-ca"),
		FrontProxyClient:  pki.At(keys, "front-proxy-client"),
		ServiceAccountKey: filepath.Join(keys, "sa.key"),
		ServiceAccountPub: filepath.Join(keys, "sa.pub"),
	}
}

// makeCredentials makes every key and certificate that the cluster's process needs, and the admin kubeconfig. What is there stays.
func makeCredentials(files Files, r *record) error {
	ca, err := pki.EnsureAuthority(files.CA, "seatrial-"+r.name()+"-ca")
	if err != nil {
		return err
	}
	etcdCA, err := pki.EnsureAuthority(files.EtcdCA, "seatrial-"+r.name()+"-etcd-ca")
	if err != nil {
		return err
	}
	proxyCA, err := pki.EnsureAuthority(files.FrontProxyCA, "seatrial-"+r.name()+"-front-proxy-ca")
	if err != nil {
		return err
	}
	here := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	names := []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	if err := ca.IssueServing(files.APIServer, "kube-apiserver", names, append(slices.Clone(here), firstServiceIP(r.Index))); err != nil {
		return err
	}
	if err := etcdCA.IssueServing(files.EtcdServer, "etcd", []string{"localhost"}, here); err != nil {
		return err
	}
	if err := etcdCA.IssueClient(files.EtcdClient, "etcd-client", nil); err != nil {
		return err
	}
	if err := proxyCA.IssueClient(files.FrontProxyClient, frontProxyUser, nil); err != nil {
		return err
	}
	if err := pki.EnsureKey(files.ServiceAccountKey, files.ServiceAccountPub); err != nil {
		return err
	}
	for _, user := range []struct{ path, name string }{
		{files.Kubeconfig, "kubernetes-admin"},
		{files.componentKubeconfig(controllerManager), "system:kube-controller-manager"},
		{files.componentKubeconfig(scheduler), "system:kube-scheduler"},
	} {
		access := access{context: r.name(), server: serverURL(r.Ports.API), user: user.name, groups: []string{mastersGroup}}
		if err := files.issueKubeconfig(ca, user.path, access); err != nil {
			return err
		}
	}
	return nil
}

const (
	controllerManager = "kube-controller-manager"
	scheduler         = "kube-scheduler"
)

func (f Files) componentKubeconfig(component string) string {
	return filepath.Join(f.Dir, "components", component+".kubeconfig")
}

func (f Files) componentPair(component, use string) pki.Pair {
	return pki.At(filepath.Join(f.Dir, "components"), component+"-"+use)
}

func serverURL(port int) string { return fmt.Sprintf("https://%s", loopback(port)) }
