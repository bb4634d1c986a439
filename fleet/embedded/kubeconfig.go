package embedded

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded/pki"
)

// access is one way into a cluster.
type access struct {
	context string // names the kubeconfig's context, cluster and user
	server  string // URL
	user    string
	groups  []string
}

// issueKubeconfig writes a kubeconfig with a client certificate of its own; everything is inline, so the file can be copied away.
func (f Files) issueKubeconfig(ca *pki.Authority, path string, a access) error {
	pair := f.componentPair(strings.TrimSuffix(filepath.Base(path), ".kubeconfig"), "client")
	if err := ca.IssueClient(pair, a.user, a.groups); err != nil {
		return err
	}
	caPEM, err := os.ReadFile(f.CA.Cert)
	if err != nil {
		return fmt.Errorf("writing the kubeconfig %s: %w", path, err)
	}
	certPEM, err := os.ReadFile(pair.Cert)
	if err != nil {
		return fmt.Errorf("writing the kubeconfig %s: %w", path, err)
	}
	keyPEM, err := os.ReadFile(pair.Key)
	if err != nil {
		return fmt.Errorf("writing the kubeconfig %s: %w", path, err)
	}
	cfg := clientcmdapi.NewConfig()
	cfg.Clusters[a.context] = &clientcmdapi.Cluster{Server: a.server, CertificateAuthorityData: caPEM}
	cfg.AuthInfos[a.context] = &clientcmdapi.AuthInfo{ClientCertificateData: certPEM, ClientKeyData: keyPEM}
	cfg.Contexts[a.context] = &clientcmdapi.Context{Cluster: a.context, AuthInfo: a.context}
	cfg.CurrentContext = a.context
	if err := clientcmd.WriteToFile(*cfg, path); err != nil {
		return fmt.Errorf("writing the kubeconfig %s: %w", path, err)
	}
	return nil
}

// mergeKubeconfigs writes the kubeconfig with a context per cluster; the control plane's, or else the first, is current.
func mergeKubeconfigs(root string, records []*record) error {
	merged := clientcmdapi.NewConfig()
	for _, r := range records {
		one, err := clientcmd.LoadFromFile(filesIn(filepath.Join(root, r.name())).Kubeconfig)
		if err != nil {
			return fmt.Errorf("merging the kubeconfig of cluster %s: %w", r.name(), err)
		}
		name := r.name()
		merged.Clusters[name], merged.AuthInfos[name], merged.Contexts[name] = one.Clusters[name], one.AuthInfos[name], one.Contexts[name]
		if merged.CurrentContext == "" || r.Spec.Role == fleet.ControlPlane {
			merged.CurrentContext = name
		}
	}
	data, err := clientcmd.Write(*merged)
	if err != nil {
		return fmt.Errorf("encoding the merged kubeconfig: %w", err)
	}
	if err := replaceFile(mergedKubeconfig(root), data); err != nil {
		return fmt.Errorf("writing the merged kubeconfig: %w", err)
	}
	return nil
}

func mergedKubeconfig(root string) string { return filepath.Join(root, "kubeconfig") }
