package apiserver_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	searchv1alpha1 "github.com/seatrial/seatrial/api/search/v1alpha1"
	"github.com/seatrial/seatrial/apiserver"
	"github.com/seatrial/seatrial/fleet"
)

// testSearch runs a search server of its own, with the control plane as the only member of its fleet.
func (s *stand) testSearch(ctx context.Context, t *testing.T) {
	s.startSearch(ctx, t)
	for _, object := range s.ownMember(ctx, t) {
		if err := s.client.Create(ctx, object); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = s.client.Delete(ctx, object) }()
	}
	const registry = `{"apiVersion":"search.karmada.io/v1alpha1","kind":"ResourceRegistry","metadata":{"name":"maps"},
		"spec":{"targetCluster":{"clusterNames":["self"]},"resourceSelectors":[{"apiVersion":"v1","kind":"ConfigMap"}]}}`
	const root = "/apis/search.karmada.io/v1alpha1/"
	rest := s.kube.CoreV1().RESTClient()
	if err := rest.Post().AbsPath(root+"resourceregistries").SetHeader("Content-Type", "application/json").Body([]byte(registry)).Do(ctx).Error(); err != nil {
		t.Fatal(err)
	}
	var body []byte
	read := func(ctx context.Context, path, accepted, wanted string) {
		t.Helper()
		err := wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
			var err error
			body, err = rest.Get().AbsPath(root+path).SetHeader("Accept", accepted).DoRaw(ctx)
			return err == nil && strings.Contains(string(body), wanted), nil
		})
		if err != nil {
			t.Errorf("%s: %s, want %s", path, body, wanted)
		}
	}
	read(ctx, "search/cache/api/v1/namespaces/default/configmaps", "application/json", `"resource.karmada.io/cached-from-cluster":"self"`)
	read(ctx, "proxying/karmada/proxy/api/v1/namespaces/default/configmaps/kept", "application/json;as=Table;v=v1;g=meta.k8s.io", `"cells":["kept","self",`)
}

// ownMember makes the control plane a member: what it takes, with an object to be found there.
func (s *stand) ownMember(ctx context.Context, t *testing.T) []client.Object {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "self"}}
	if err := s.client.Create(ctx, account); err != nil {
		t.Fatal(err)
	}
	token, err := s.kube.CoreV1().ServiceAccounts("default").CreateToken(ctx, account.Name, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	self := newCluster("self")
	self.Spec.APIEndpoint, self.Spec.InsecureSkipTLSVerification = s.config.Host, true
	self.Spec.SecretRef = &clusterv1alpha1.LocalSecretReference{Namespace: "default", Name: "self"}
	return []client.Object{
		&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "kept"}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "self"}, Data: map[string][]byte{"token": []byte(token.Status.Token)}},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "self"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "default", Name: "self"}},
		},
		self,
	}
}

// startSearch runs the server as a process of its own until the test ends, and registers it.
func (s *stand) startSearch(ctx context.Context, t *testing.T) {
	t.Helper()
	serving, err := s.fleet.IssueServing(fleet.ControlPlaneName, apiserver.SearchServiceName, apiserver.SearchServingName)
	if err != nil {
		t.Fatal(err)
	}
	address := freeAddress(t)
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	// The last of a flag counts.
	arguments := append(append([]string(nil), s.args...), "--secure-port="+port, "--tls-cert-file="+serving.Cert, "--tls-private-key-file="+serving.Key)
	process := exec.CommandContext(ctx, os.Args[0], arguments...)
	process.Env = append(os.Environ(), serveVariable+"="+serveSearch)
	if _, err := process.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
	})
	ca, err := os.ReadFile(s.caFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := apiserver.RegisterService(ctx, s.config, apiserver.SearchServiceName, address, ca, searchv1alpha1.GroupVersion); err != nil {
		t.Fatal(err)
	}
	waiting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := apiserver.WaitAvailable(waiting, s.config, searchv1alpha1.GroupVersion); err != nil {
		t.Fatal(err)
	}
}
