package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/seatrial/seatrial/registration"
)

// writeKubeconfig writes a kubeconfig with two contexts, of which the first is current and the second goes through a proxy.
func writeKubeconfig(t *testing.T, change func(*clientcmdapi.Cluster)) string {
	t.Helper()
	config := clientcmdapi.NewConfig()
	first, second := &clientcmdapi.Cluster{Server: "https://first:6443"}, &clientcmdapi.Cluster{Server: "https://second:6443", ProxyURL: "http://proxy:3128"}
	config.Clusters["one"], config.Clusters["two"] = first, second
	config.Contexts["first"], config.Contexts["second"] = &clientcmdapi.Context{Cluster: "one"}, &clientcmdapi.Context{Cluster: "two"}
	config.CurrentContext = "first"
	change(first)
	change(second)
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		t.Fatal(err)
	}
	return path
}

func describeMember(t *testing.T, s *sides) (registration.Member, error) {
	t.Helper()
	access, err := s.member()
	if err != nil {
		t.Fatal(err)
	}
	member := registration.Member{Name: "m"}
	return member, s.describe(access, &member)
}

func TestDescribeMember(t *testing.T) {
	authority := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(authority, []byte("from a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, context string
		change        func(*clientcmdapi.Cluster)
		want          registration.Member
	}{
		{"inline authority", "", func(c *clientcmdapi.Cluster) { c.CertificateAuthorityData = []byte("inline") },
			registration.Member{Endpoint: "https://first:6443", CABundle: []byte("inline")}},
		{"authority in a file", "first", func(c *clientcmdapi.Cluster) { c.CertificateAuthority = authority },
			registration.Member{Endpoint: "https://first:6443", CABundle: []byte("from a file")}},
		{"insecure, through a proxy", "second", func(c *clientcmdapi.Cluster) { c.InsecureSkipTLSVerify = true },
			registration.Member{Endpoint: "https://second:6443", Insecure: true, ProxyURL: "http://proxy:3128"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := describeMember(t, &sides{
				clusterKubeconfig: writeKubeconfig(t, c.change), clusterContext: c.context, clusterNamespace: "space",
			})
			if err != nil {
				t.Fatal(err)
			}
			if got.Endpoint != c.want.Endpoint || string(got.CABundle) != string(c.want.CABundle) || got.Insecure != c.want.Insecure ||
				got.ProxyURL != c.want.ProxyURL || got.Namespace != "space" {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestDescribeRefusesAMemberNobodyCanVerify(t *testing.T) {
	path := writeKubeconfig(t, func(*clientcmdapi.Cluster) {})
	_, err := describeMember(t, &sides{clusterKubeconfig: path})
	if err == nil || !strings.Contains(err.Error(), "certificate-authority") || !strings.Contains(err.Error(), path) {
		t.Errorf("without an authority: %v", err)
	}
}

// Mistakes that can be known before anything is asked name the flag or argument.
func TestJoinAndUnjoinNameTheMistake(t *testing.T) {
	path := writeKubeconfig(t, func(c *clientcmdapi.Cluster) { c.InsecureSkipTLSVerify = true })
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"join"}, "NAME"},
		{[]string{"join", "Upper", "--cluster-kubeconfig", path}, `NAME "Upper"`},
		{[]string{"join", "m"}, "--cluster-kubeconfig"},
		{[]string{"join", "m", "--kubeconfig", path, "--karmada-context", "third", "--cluster-kubeconfig", path}, "--karmada-context"},
		{[]string{"join", "m", "--kubeconfig", path, "--cluster-kubeconfig", path, "--cluster-context", "third"}, "--cluster-context"},
		{[]string{"unjoin", "m", "--kubeconfig", path + ".missing"}, "--kubeconfig"},
		{[]string{"unjoin", "m", "--kubeconfig", path}, "--force"},
	} {
		command := newRootCommand()
		command.SetArgs(c.args)
		if err := command.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want it to name %s", c.args, err, c.want)
		}
	}
}
