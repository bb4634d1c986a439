package install

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/seatrial/seatrial/apiserver"
	"github.com/seatrial/seatrial/deploy"
)

const (
	// storeSecret holds the keys of the authorities. No pod mounts it.
	storeSecret = "karmada-cert"
	// Authorities: of users and servers; of the API server in front of others; of etcd; of estimators and those who may ask them,
	// who would otherwise be all users.
	mainCA, frontProxyCA, etcdCA, estimatorCA = "ca", "front-proxy-ca", "etcd-ca", "estimator-ca"

	serviceAccounts = "sa"
	administrator   = "admin"

	// administratorName is by what members know who rules the control plane.
	administratorName = "kubernetes-admin"
	mastersGroup      = "system:masters"
	frontProxyName    = "front-proxy-client"

	kubeconfigKey  = "karmada.config"
	kubeconfigName = "karmada-apiserver"
)

// issuing is what certificates depend on.
type issuing struct {
	namespace string
	// external are the hosts by which the API server must be reachable from outside; nodes are those of the host, by which it may be.
	external, nodes []string
	now             time.Time
	validity        time.Duration
	// rotate replaces every certificate, but not the authorities.
	rotate bool
}

// leaf is a certificate that stands in a Secret as NAME.crt and NAME.key.
type leaf struct {
	secret, name, authority string
	of                      subject
}

// leaves are the certificates of an installation.
func (i issuing) leaves() []leaf {
	service := func(name string) []string { return []string{name + "." + i.namespace + ".svc"} }
	user := func(component string) subject { return subject{name: "system:karmada:" + component} }
	aggregated := service(deploy.AggregatedAPIServer)
	if aggregated[0] != apiserver.ServingName {
		// The API server asks by the Service of the control plane, whatever the namespace in the host is.
		aggregated = append(aggregated, apiserver.ServingName)
	}
	etcd := append(service(deploy.Etcd), "localhost", "127.0.0.1")
	return []leaf{
		{storeSecret, administrator, mainCA, subject{name: administratorName, groups: []string{mastersGroup}}},
		{"etcd-cert", "etcd-server", etcdCA, subject{name: deploy.Etcd, hosts: etcd}},
		{"karmada-apiserver-cert", "apiserver", mainCA, subject{name: deploy.APIServer, hosts: i.apiServerHosts(), also: i.nodes}},
		{"karmada-apiserver-cert", "front-proxy-client", frontProxyCA, subject{name: frontProxyName}},
		{"karmada-apiserver-cert", "etcd-client", etcdCA, subject{name: deploy.APIServer}},
		{"karmada-aggregated-apiserver-cert", "server", mainCA, subject{name: deploy.AggregatedAPIServer, hosts: aggregated}},
		{"karmada-aggregated-apiserver-cert", "etcd-client", etcdCA, subject{name: deploy.AggregatedAPIServer}},
		{"karmada-webhook-cert", "tls", mainCA, subject{name: deploy.Webhook, hosts: service(deploy.Webhook)}},
		{"karmada-scheduler-cert", "client", estimatorCA, user("scheduler")},
		{"karmada-scheduler-estimator-cert", "server", estimatorCA, subject{name: deploy.Estimator, hosts: service("*")}},
		{"karmada-kube-controller-manager-config", "client", mainCA, subject{name: "system:kube-controller-manager"}},
		{"karmada-aggregated-apiserver-config", "client", mainCA, user("aggregated-apiserver")},
		{"karmada-webhook-config", "client", mainCA, user("webhook")},
		{"karmada-controller-manager-config", "client", mainCA, user("controller-manager")},
		{"karmada-scheduler-config", "client", mainCA, user("scheduler")},
	}
}

// copies are what else stands in Secrets: a key of the store each.
func copies() []struct{ secret, key string } {
	return []struct{ secret, key string }{
		{"etcd-cert", "etcd-ca.crt"},
		{"karmada-apiserver-cert", "ca.crt"}, {"karmada-apiserver-cert", "front-proxy-ca.crt"}, {"karmada-apiserver-cert", "etcd-ca.crt"},
		{"karmada-apiserver-cert", "sa.key"}, {"karmada-apiserver-cert", "sa.pub"},
		{"karmada-kube-controller-manager-cert", "ca.crt"}, {"karmada-kube-controller-manager-cert", "ca.key"},
		{"karmada-kube-controller-manager-cert", "sa.key"},
		{"karmada-aggregated-apiserver-cert", "etcd-ca.crt"}, {"karmada-webhook-cert", "ca.crt"},
		{"karmada-scheduler-cert", "estimator-ca.crt"}, {"karmada-scheduler-estimator-cert", "estimator-ca.crt"},
	}
}

// apiServerHosts are those by which the API server is called: by Service, through a forwarded port, inside, and from outside.
func (i issuing) apiServerHosts() []string {
	service := deploy.APIServer + "." + i.namespace + ".svc"
	hosts := []string{
		deploy.APIServer, deploy.APIServer + "." + i.namespace, service, service + ".cluster.local", "localhost", "127.0.0.1",
		"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local",
		// The address of the Service kubernetes inside the control plane.
		"10.96.0.1",
	}
	return append(hosts, i.external...)
}

// credentials are the Secrets of an installation in its host.
type credentials struct {
	secrets []*corev1.Secret
	// ca is the PEM by which everything but etcd is verified; admin the certificate of the administrator.
	ca    []byte
	admin pair
	// issued names the certificates that were made or replaced, and why.
	issued []string
}

// certify makes the Secrets, and keeps of those that are there what still serves.
func (i issuing) certify(present map[string]*corev1.Secret) (*credentials, error) {
	c := &certifying{issuing: i, present: present, made: map[string]*corev1.Secret{}, authorities: map[string]*authority{}}
	if err := c.store(); err != nil {
		return nil, err
	}
	for _, one := range i.leaves() {
		if err := c.leaf(one); err != nil {
			return nil, err
		}
	}
	store := c.made[storeSecret].Data
	for _, one := range copies() {
		c.secret(one.secret).Data[one.key] = store[one.key]
	}
	for _, secret := range c.order {
		if strings.HasSuffix(secret.Name, "-config") {
			if err := c.kubeconfig(secret); err != nil {
				return nil, err
			}
		}
	}
	c.ca, c.admin = store[mainCA+".crt"], held(c.made[storeSecret], administrator)
	c.secrets = c.order
	return &c.credentials, nil
}

type certifying struct {
	issuing
	credentials
	present     map[string]*corev1.Secret
	made        map[string]*corev1.Secret
	order       []*corev1.Secret
	authorities map[string]*authority
}

// store fills the Secret of the authorities. They are never replaced: every copy of a kubeconfig rests on them.
func (c *certifying) store() error {
	store := c.secret(storeSecret)
	for _, name := range []string{mainCA, frontProxyCA, etcdCA, estimatorCA} {
		var err error
		kept := held(c.present[storeSecret], name)
		if len(kept.cert) > 0 {
			c.authorities[name], err = readAuthority(kept)
		} else {
			c.issued = append(c.issued, "authority "+name)
			c.authorities[name], err = newAuthority("karmada-"+name, c.now)
		}
		if err != nil {
			return err
		}
		put(store, name, c.authorities[name].pair)
	}
	signing := pair{}
	if present := c.present[storeSecret]; present != nil {
		signing = pair{cert: present.Data[serviceAccounts+".pub"], key: present.Data[serviceAccounts+".key"]}
	}
	if len(signing.key) == 0 {
		var err error
		if signing, err = newSigningKey(); err != nil {
			return err
		}
	}
	store.Data[serviceAccounts+".pub"], store.Data[serviceAccounts+".key"] = signing.cert, signing.key
	return nil
}

// leaf keeps a certificate that serves, and issues one where none does.
func (c *certifying) leaf(one leaf) error {
	by, secret := c.authorities[one.authority], c.secret(one.secret)
	kept := held(c.present[one.secret], one.name)
	why := by.why(kept, one.of, c.now)
	if why == nil && !c.rotate {
		put(secret, one.name, kept)
		return nil
	}
	made, err := by.issue(one.of, c.now, c.validity)
	if err != nil {
		return err
	}
	reason := "as asked"
	if why != nil {
		reason = why.Error()
	}
	c.issued = append(c.issued, fmt.Sprintf("%s in %s: %s", one.name, one.secret, reason))
	put(secret, one.name, made)
	return nil
}

// kubeconfig writes the kubeconfig of a component into its Secret, from the certificate there.
func (c *certifying) kubeconfig(secret *corev1.Secret) error {
	text, err := kubeconfig("https://"+deploy.APIServer+"."+c.namespace+".svc:"+fmt.Sprint(deploy.APIServerPort),
		c.made[storeSecret].Data[mainCA+".crt"], &clientcmdapi.AuthInfo{
			ClientCertificateData: secret.Data["client.crt"], ClientKeyData: secret.Data["client.key"],
		})
	if err != nil {
		return err
	}
	secret.Data[kubeconfigKey] = text
	return nil
}

// secret is one of the Secrets that are being made.
func (c *certifying) secret(name string) *corev1.Secret {
	if c.made[name] == nil {
		c.made[name] = newSecret(c.namespace, name)
		c.order = append(c.order, c.made[name])
	}
	return c.made[name]
}

func newSecret(namespace, name string) *corev1.Secret {
	return &corev1.Secret{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace, Name: name, Labels: map[string]string{deploy.LabelManagedBy: deploy.ManagedBy},
		},
		Type: corev1.SecretTypeOpaque, Data: map[string][]byte{},
	}
}

func held(secret *corev1.Secret, name string) pair {
	if secret == nil {
		return pair{}
	}
	return pair{cert: secret.Data[name+".crt"], key: secret.Data[name+".key"]}
}

func put(secret *corev1.Secret, name string, what pair) {
	secret.Data[name+".crt"], secret.Data[name+".key"] = what.cert, what.key
}

// kubeconfig encodes a kubeconfig of one context.
func kubeconfig(server string, ca []byte, user *clientcmdapi.AuthInfo) ([]byte, error) {
	config := clientcmdapi.NewConfig()
	config.Clusters[kubeconfigName] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: ca}
	config.AuthInfos[kubeconfigName] = user
	config.Contexts[kubeconfigName] = &clientcmdapi.Context{Cluster: kubeconfigName, AuthInfo: kubeconfigName}
	config.CurrentContext = kubeconfigName
	text, err := clientcmd.Write(*config)
	if err != nil {
		return nil, fmt.Errorf("encoding a kubeconfig for %s: %w", server, err)
	}
	return text, nil
}

func publicPEM(key crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), nil
}
