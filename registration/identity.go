package registration

import (
	"context"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/certificate/csr"
	"k8s.io/client-go/util/keyutil"

	"github.com/seatrial/seatrial/api/names"
)

// Identity is by what the agent of a cluster is known to the control plane: a client certificate and its key, in PEM.
type Identity struct{ Certificate, Key []byte }

// Request asks a control plane for an identity of the agent of a cluster, that lasts for so long, and waits until it is given or
// refused. The key never leaves this process.
func Request(ctx context.Context, plane *rest.Config, cluster string, lifetime time.Duration) (Identity, error) {
	fail := func(err error) (Identity, error) {
		return Identity{}, fmt.Errorf("requesting a certificate of the agent of cluster %s: %w", cluster, err)
	}
	api, err := kubernetes.NewForConfig(plane)
	if err != nil {
		return fail(err)
	}
	keyPEM, err := keyutil.MakeEllipticPrivateKeyPEM()
	if err != nil {
		return fail(err)
	}
	key, err := keyutil.ParsePrivateKeyPEM(keyPEM)
	if err != nil {
		return fail(err)
	}
	subject := &pkix.Name{CommonName: names.AgentUser(cluster), Organization: []string{names.AgentGroup}}
	request, err := cert.MakeCSR(key, subject, nil, nil)
	if err != nil {
		return fail(err)
	}
	usages := []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth}
	name, uid, err := csr.RequestCertificateWithContext(ctx, api, request, "", certificatesv1.KubeAPIServerClientSignerName, &lifetime, usages, key)
	if err != nil {
		return fail(err)
	}
	issued, err := csr.WaitForCertificate(ctx, api, name, uid)
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("request %s is not decided: %w; the controller agentcsrapproving approves those of new clusters, "+
				"and `kubectl certificate approve %s` any", name, context.Cause(ctx), name)
		}
		return fail(err)
	}
	return Identity{Certificate: issued, Key: keyPEM}, nil
}

// Bootstrap gets the agent of a cluster into a control plane by a bootstrap token. It returns the kubeconfig of the agent, which has
// all in it.
func Bootstrap(ctx context.Context, discovery Discovery, cluster string, lifetime time.Duration) ([]byte, error) {
	ca, err := discovery.CA(ctx)
	if err != nil {
		return nil, err
	}
	at, err := discovery.URL()
	if err != nil {
		return nil, err
	}
	holder := &rest.Config{Host: at, BearerToken: discovery.Token, TLSClientConfig: rest.TLSClientConfig{CAData: ca}}
	identity, err := Request(ctx, holder, cluster, lifetime)
	if err != nil {
		return nil, err
	}
	return identity.kubeconfig(at, ca, cluster)
}

// kubeconfig reaches a control plane as the agent of a cluster.
func (i Identity) kubeconfig(at string, ca []byte, cluster string) ([]byte, error) {
	const plane = "karmada-apiserver"
	config := clientcmdapi.NewConfig()
	config.Clusters[plane] = &clientcmdapi.Cluster{Server: at, CertificateAuthorityData: ca}
	config.AuthInfos[names.AgentUser(cluster)] = &clientcmdapi.AuthInfo{ClientCertificateData: i.Certificate, ClientKeyData: i.Key}
	config.Contexts[plane] = &clientcmdapi.Context{Cluster: plane, AuthInfo: names.AgentUser(cluster)}
	config.CurrentContext = plane
	text, err := clientcmd.Write(*config)
	if err != nil {
		return nil, fmt.Errorf("encoding the kubeconfig of the agent of cluster %s: %w", cluster, err)
	}
	return text, nil
}

// replaceIn puts an identity into a kubeconfig, for the user of a context; an empty context is the current one.
func (i Identity) replaceIn(kubeconfig []byte, context string) ([]byte, error) {
	config, err := clientcmd.Load(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig of the agent: %w", err)
	}
	if context == "" {
		context = config.CurrentContext
	}
	chosen := config.Contexts[context]
	if chosen == nil || config.AuthInfos[chosen.AuthInfo] == nil {
		return nil, errors.New("the kubeconfig of the agent has no user for its context")
	}
	user := config.AuthInfos[chosen.AuthInfo]
	user.ClientCertificateData, user.ClientKeyData = i.Certificate, i.Key
	user.ClientCertificate, user.ClientKey = "", ""
	return clientcmd.Write(*config)
}
