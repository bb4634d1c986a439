package install

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/cert"

	"github.com/seatrial/seatrial/apiserver"
	"github.com/seatrial/seatrial/deploy"
)

var noon = time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)

func issuance() issuing {
	return issuing{
		namespace: "karmada-system", external: []string{"fleet.example.com", "192.0.2.7"}, nodes: []string{"10.0.0.1"},
		now: noon, validity: 365 * 24 * time.Hour,
	}
}

// certified makes Secrets, beside those that are present.
func certified(t *testing.T, i issuing, present map[string]*corev1.Secret) (map[string]*corev1.Secret, []string) {
	t.Helper()
	made, err := i.certify(present)
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string]*corev1.Secret{}
	for _, secret := range made.secrets {
		secrets[secret.Name] = secret
	}
	return secrets, made.issued
}

// Servers are verified by the names they are called by, for their own use and no other.
func TestServersAreVerified(t *testing.T) {
	secrets, _ := certified(t, issuance(), nil)
	for _, c := range []struct {
		secret, name, authority string
		good, bad               []string
	}{
		{"karmada-apiserver-cert", "apiserver", "ca", []string{
			"karmada-apiserver.karmada-system.svc", "127.0.0.1", "localhost", "kubernetes.default.svc", "10.96.0.1", "fleet.example.com", "192.0.2.7", "10.0.0.1",
		}, []string{"192.0.2.8", "karmada-webhook.karmada-system.svc"}},
		{"etcd-cert", "etcd-server", "etcd-ca", []string{"etcd.karmada-system.svc", "127.0.0.1"}, []string{"karmada-apiserver.karmada-system.svc"}},
		{"karmada-aggregated-apiserver-cert", "server", "ca", []string{apiserver.ServingName}, []string{"localhost"}},
		{"karmada-webhook-cert", "tls", "ca", []string{"karmada-webhook.karmada-system.svc"}, []string{"localhost"}},
		{"karmada-scheduler-estimator-cert", "server", "estimator-ca", []string{"karmada-scheduler-estimator-member1.karmada-system.svc"}, []string{"a.b.karmada-system.svc"}},
	} {
		held := held(secrets[c.secret], c.name)
		certificates, err := cert.ParseCertsPEM(held.cert)
		if err != nil {
			t.Fatalf("%s in %s: %v", c.name, c.secret, err)
		}
		if _, err := tls.X509KeyPair(held.cert, held.key); err != nil {
			t.Errorf("%s in %s: %v", c.name, c.secret, err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(secrets[storeSecret].Data[c.authority+".crt"])
		verify := func(host string, usage x509.ExtKeyUsage) error {
			_, err := certificates[0].Verify(x509.VerifyOptions{DNSName: host, Roots: roots, CurrentTime: noon, KeyUsages: []x509.ExtKeyUsage{usage}})
			return err
		}
		for _, host := range c.good {
			if err := verify(host, x509.ExtKeyUsageServerAuth); err != nil {
				t.Errorf("%s in %s as %s: %v", c.name, c.secret, host, err)
			}
		}
		for _, host := range c.bad {
			if verify(host, x509.ExtKeyUsageServerAuth) == nil {
				t.Errorf("%s in %s is good for %s", c.name, c.secret, host)
			}
		}
		if verify("", x509.ExtKeyUsageClientAuth) == nil {
			t.Errorf("%s in %s lets its server be a client", c.name, c.secret)
		}
	}
}

// Components are users of their own, and only the administrator is in a group that may do everything.
func TestKubeconfigs(t *testing.T) {
	secrets, _ := certified(t, issuance(), nil)
	want := map[string]string{
		"karmada-kube-controller-manager-config": "system:kube-controller-manager",
		"karmada-aggregated-apiserver-config":    "system:karmada:aggregated-apiserver",
		"karmada-webhook-config":                 "system:karmada:webhook",
		"karmada-controller-manager-config":      "system:karmada:controller-manager",
		"karmada-scheduler-config":               "system:karmada:scheduler",
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		config, err := clientcmd.RESTConfigFromKubeConfig(secrets[name].Data[kubeconfigKey])
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if config.Host != "https://karmada-apiserver.karmada-system.svc:5443" || !bytes.Equal(config.CAData, secrets[storeSecret].Data["ca.crt"]) {
			t.Errorf("%s leads to %s", name, config.Host)
		}
		certificates, err := cert.ParseCertsPEM(config.CertData)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if subject := certificates[0].Subject; subject.CommonName != want[name] || len(subject.Organization) > 0 {
			t.Errorf("%s is for %s, want %s without groups", name, subject, want[name])
		}
	}
	admin, err := cert.ParseCertsPEM(secrets[storeSecret].Data["admin.crt"])
	if err != nil {
		t.Fatal(err)
	}
	if subject := admin[0].Subject; subject.CommonName != administratorName || !slices.Equal(subject.Organization, []string{mastersGroup}) {
		t.Errorf("the administrator is %s", subject)
	}
}

// What pods mount is there, and the keys of authorities are with nobody but who signs with them.
func TestPodsFindTheirSecrets(t *testing.T) {
	secrets, _ := certified(t, issuance(), nil)
	manifests, err := deploy.Render(deploy.Values{
		Namespace: "karmada-system", Replicas: 1, NodePort: 32443,
		Images: deploy.Images{Seatrial: "a", KubeAPIServer: "b", KubeControllerManager: "c", Etcd: "d"},
	})
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	for _, object := range slices.Concat(manifests.API, manifests.Servers, manifests.Controllers) {
		var pod *corev1.PodSpec
		switch object := object.(type) {
		case *appsv1.Deployment:
			pod = &object.Spec.Template.Spec
		case *appsv1.StatefulSet:
			pod = &object.Spec.Template.Spec
		default:
			continue
		}
		held := map[string]bool{}
		for _, volume := range pod.Volumes {
			if volume.Secret == nil {
				continue
			}
			for key := range secrets[volume.Secret.SecretName].Data {
				held[volume.Name+"/"+key] = true
			}
		}
		if held["pki/ca.key"] != (object.GetName() == "karmada-kube-controller-manager") || held["pki/etcd-ca.key"] || held["pki/front-proxy-ca.key"] || held["pki/estimator-ca.key"] {
			t.Errorf("%s holds %v", object.GetName(), held)
		}
		for _, arg := range pod.Containers[0].Args {
			_, path, _ := strings.Cut(arg, "=")
			if file, is := strings.CutPrefix(path, "/etc/karmada/"); is && strings.Contains(file, "/") {
				files++
				if !held[file] {
					t.Errorf("%s: nothing holds the file of %s", object.GetName(), arg)
				}
			}
		}
	}
	if files < 25 {
		t.Errorf("%d files were looked at, want 25 or more", files)
	}
}

func TestCertificatesAreKept(t *testing.T) {
	first, issued := certified(t, issuance(), nil)
	if len(issued) != len(issuance().leaves())+4 {
		t.Errorf("%d certificates are issued at first, want all: %v", len(issued), issued)
	}
	later := issuance()
	cases := map[string]struct {
		change func(*issuing, map[string]*corev1.Secret)
		want   []string
	}{
		"nothing":          {func(*issuing, map[string]*corev1.Secret) {}, nil},
		"another node":     {func(i *issuing, _ map[string]*corev1.Secret) { i.nodes = []string{"10.0.0.2"} }, nil},
		"another lifetime": {func(i *issuing, _ map[string]*corev1.Secret) { i.validity *= 2 }, nil},
		"another address": {func(i *issuing, _ map[string]*corev1.Secret) { i.external = append(i.external, "192.0.2.9") },
			[]string{"apiserver in karmada-apiserver-cert: it is not good for 192.0.2.9"}},
		"a lost Secret": {func(_ *issuing, present map[string]*corev1.Secret) { delete(present, "karmada-webhook-cert") },
			[]string{"tls in karmada-webhook-cert: there is none"}},
		"a lost key": {func(_ *issuing, present map[string]*corev1.Secret) {
			delete(present["karmada-webhook-cert"].Data, "tls.key")
		}, []string{"tls in karmada-webhook-cert: its key is missing"}},
		"another key": {func(_ *issuing, present map[string]*corev1.Secret) {
			present["karmada-webhook-cert"].Data["tls.key"] = present["karmada-webhook-config"].Data["client.key"]
		}, []string{"tls in karmada-webhook-cert: its key is another one's"}},
		"another certificate": {func(_ *issuing, present map[string]*corev1.Secret) {
			put(present["karmada-scheduler-config"], "client", held(present["karmada-webhook-config"], "client"))
		}, []string{"client in karmada-scheduler-config: it is for CN=system:karmada:webhook"}},
		"of another authority": {func(_ *issuing, present map[string]*corev1.Secret) {
			put(present["karmada-scheduler-cert"], "client", held(present["karmada-scheduler-config"], "client"))
		}, []string{"client in karmada-scheduler-cert: x509: certificate signed by unknown authority"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			present, i := map[string]*corev1.Secret{}, later
			for name, secret := range first {
				present[name] = secret.DeepCopy()
			}
			c.change(&i, present)
			second, issued := certified(t, i, present)
			if !slices.Equal(issued, c.want) {
				t.Errorf("issued %q, want %q", issued, c.want)
			}
			if len(c.want) > 0 {
				return
			}
			for name := range first {
				if !maps.EqualFunc(first[name].Data, second[name].Data, bytes.Equal) {
					t.Errorf("Secret %s changed", name)
				}
			}
		})
	}
}

// Authorities outlive everything: who holds a kubeconfig goes on being served.
func TestRotation(t *testing.T) {
	first, _ := certified(t, issuance(), nil)
	for name, change := range map[string]func(*issuing){
		"asked":   func(i *issuing) { i.rotate = true },
		"expired": func(i *issuing) { i.now = i.now.Add(i.validity + time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			i := issuance()
			change(&i)
			second, issued := certified(t, i, first)
			if len(issued) != len(i.leaves()) {
				t.Errorf("%d certificates are replaced, want all %d", len(issued), len(i.leaves()))
			}
			for _, key := range []string{"ca.crt", "ca.key", "etcd-ca.crt", "front-proxy-ca.crt", "estimator-ca.crt", "sa.key", "sa.pub"} {
				if !bytes.Equal(first[storeSecret].Data[key], second[storeSecret].Data[key]) {
					t.Errorf("%s changed", key)
				}
			}
			if bytes.Equal(first[storeSecret].Data["admin.crt"], second[storeSecret].Data["admin.crt"]) {
				t.Error("the administrator has the same certificate")
			}
		})
	}
}

// TestNothingOutlastsItsAuthority: a certificate that did would stop to verify before it ends.
func TestNothingOutlastsItsAuthority(t *testing.T) {
	now := time.Now()
	signer, err := newAuthority("main", now)
	if err != nil {
		t.Fatal(err)
	}
	of := subject{name: "somebody"}
	if _, err := signer.issue(of, now, authorityValidity); err != nil {
		t.Errorf("as long as the authority: %v", err)
	}
	if _, err := signer.issue(of, now.Add(24*time.Hour), authorityValidity); err == nil || !strings.Contains(err.Error(), "--cert-validity-period") {
		t.Errorf("a day longer: %v", err)
	}
}
