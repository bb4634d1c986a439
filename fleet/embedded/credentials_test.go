package embedded

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"

	"github.com/seatrial/seatrial/fleet"
)

// newUnstarted makes a fleet on disk, without processes.
func newUnstarted(t *testing.T, specs ...fleet.Spec) *Fleet {
	t.Helper()
	f, err := Open(Options{Root: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range specs {
		if err := f.create(t.Context(), s, false); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func TestCredentialsOfAFleet(t *testing.T) {
	f := newUnstarted(t, fleet.Spec{Name: "cp", Role: fleet.ControlPlane}, fleet.Spec{Name: "m1"})
	merged, err := clientcmd.LoadFromFile(f.MergedKubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	if merged.CurrentContext != "cp" || len(merged.Contexts) != 2 {
		t.Errorf("merged kubeconfig with %d contexts, current %q", len(merged.Contexts), merged.CurrentContext)
	}
	for _, name := range []string{"cp", "m1"} {
		r, err := f.record(name)
		if err != nil {
			t.Fatal(err)
		}
		c := merged.Clusters[merged.Contexts[name].Cluster]
		if c.Server != serverURL(r.Ports.API) {
			t.Errorf("context %s leads to %s, want %s", name, c.Server, serverURL(r.Ports.API))
		}
		cert := parseCert(t, merged.AuthInfos[merged.Contexts[name].AuthInfo].ClientCertificateData)
		verify(t, cert, c.CertificateAuthorityData, x509.ExtKeyUsageClientAuth)
		if !slices.Equal(cert.Subject.Organization, []string{mastersGroup}) {
			t.Errorf("the admin of %s is in the groups %v", name, cert.Subject.Organization)
		}
		serving := parseCert(t, readFile(t, f.files(name).APIServer.Cert))
		verify(t, serving, c.CertificateAuthorityData, x509.ExtKeyUsageServerAuth)
		for _, host := range []string{"127.0.0.1", "localhost", "kubernetes.default.svc", firstServiceIP(r.Index).String()} {
			if err := serving.VerifyHostname(host); err != nil {
				t.Errorf("the API server's certificate: %v", err)
			}
		}
	}
}

func TestIssuedCredentials(t *testing.T) {
	f := newUnstarted(t, fleet.Spec{Name: "cp", Role: fleet.ControlPlane}, fleet.Spec{Name: "m1"})
	files, err := f.Files("cp")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := f.IssueServing("cp", "apiserver-extension", "extension.default.svc")
	if err != nil {
		t.Fatal(err)
	}
	serving := parseCert(t, readFile(t, pair.Cert))
	verify(t, serving, readFile(t, files.CA.Cert), x509.ExtKeyUsageServerAuth)
	if err := serving.VerifyHostname("extension.default.svc"); err != nil {
		t.Error(err)
	}
	again, err := f.IssueServing("cp", "apiserver-extension", "extension.default.svc")
	if err != nil || again != pair || !parseCert(t, readFile(t, again.Cert)).Equal(serving) {
		t.Errorf("issued anew: %v, %v", again, err)
	}

	path, err := f.IssueUplink("m1", "agent", "system:agent", "agents")
	if err != nil {
		t.Fatal(err)
	}
	m1, err := f.record("m1")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Host != serverURL(m1.Ports.Uplink) {
		t.Errorf("the uplink goes to %s, want %s", cfg.Host, serverURL(m1.Ports.Uplink))
	}
	cert := parseCert(t, cfg.CertData)
	verify(t, cert, readFile(t, files.CA.Cert), x509.ExtKeyUsageClientAuth)
	if cert.Subject.CommonName != "system:agent" || !slices.Equal(cert.Subject.Organization, []string{"agents"}) {
		t.Errorf("the agent's certificate is of %v", cert.Subject)
	}
	if _, err := f.IssueUplink("cp", "agent", "x"); err == nil {
		t.Error("a control plane has a way to itself")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the kubeconfig's mode is %v, %v", info.Mode(), err)
	}
}

func TestKnownAndUnknownClusters(t *testing.T) {
	f := newUnstarted(t, fleet.Spec{Name: "m1"})
	if err := f.create(t.Context(), fleet.Spec{Name: "m1"}, false); err == nil || !strings.Contains(err.Error(), "m1") {
		t.Errorf("adding a second m1: %v", err)
	}
	before, err := f.record("m1")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.create(t.Context(), fleet.Spec{Name: "m1", Region: "elsewhere"}, true); err != nil {
		t.Errorf("m1 once more: %v", err)
	}
	if after, err := f.record("m1"); err != nil || after.Spec.Region != before.Spec.Region || after.Ports != before.Ports {
		t.Errorf("a known cluster changed from %+v to %+v, %v", before, after, err)
	}
	for _, name := range []string{"", ".", "..", "m2", filepath.Join("..", filepath.Base(f.root), "m1")} {
		if err := f.Kill(t.Context(), name); err == nil || !strings.Contains(err.Error(), fleet.ErrUnknownCluster.Error()) {
			t.Errorf("killing cluster %q: %v", name, err)
		}
	}
	clusters, err := f.Clusters(t.Context())
	if err != nil || len(clusters) != 1 || clusters[0].State != fleet.Stopped || clusters[0].Endpoint != serverURL(before.Ports.Link) {
		t.Errorf("clusters %+v, %v", clusters, err)
	}
}

func verify(t *testing.T, cert *x509.Certificate, ca []byte, usage x509.ExtKeyUsage) {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		t.Fatal("no certificate authority")
	}
	if _, err := cert.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{usage}}); err != nil {
		t.Errorf("certificate of %s: %v", cert.Subject, err)
	}
}

func parseCert(t *testing.T, data []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(data)
	if block == nil {
		t.Fatal("no PEM block")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
