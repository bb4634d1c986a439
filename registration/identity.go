package registration

import (
	"context"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
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
// refused. The key never leaves this process. say is told, once, why the request waits for an administrator; nil for nobody.
func Request(ctx context.Context, plane *rest.Config, cluster string, lifetime time.Duration, say func(string)) (Identity, error) {
	return request(ctx, plane, cluster, lifetime, say, metav1.ObjectMeta{GenerateName: names.AgentRequest(cluster) + "-"})
}

// Renew asks for the identity that follows the one of plane, which is that of the agent. The request has the one name that agents have
// rights to, and takes the place of an earlier one.
func Renew(ctx context.Context, plane *rest.Config, cluster string, lifetime time.Duration) (Identity, error) {
	return request(ctx, plane, cluster, lifetime, nil, metav1.ObjectMeta{Name: names.AgentRequest(cluster)})
}

func request(ctx context.Context, plane *rest.Config, cluster string, lifetime time.Duration, say func(string), as metav1.ObjectMeta) (Identity, error) {
	fail := func(err error) (Identity, error) {
		return Identity{}, fmt.Errorf("requesting a certificate of the agent of cluster %s: %w", cluster, err)
	}
	api, err := kubernetes.NewForConfig(plane)
	if err != nil {
		return fail(err)
	}
	keyPEM, text, err := draw(cluster)
	if err != nil {
		return fail(err)
	}
	wanted := &certificatesv1.CertificateSigningRequest{
		TypeMeta:   metav1.TypeMeta{APIVersion: certificatesv1.SchemeGroupVersion.String(), Kind: "CertificateSigningRequest"},
		ObjectMeta: as,
		Spec: certificatesv1.CertificateSigningRequestSpec{
			Request: text, SignerName: certificatesv1.KubeAPIServerClientSignerName, ExpirationSeconds: csr.DurationToExpirationSeconds(lifetime),
			Usages: []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth},
		},
	}
	made, err := submit(ctx, api, wanted)
	if err != nil {
		return fail(accountFor(err))
	}
	issued, err := awaitCertificate(ctx, api, made, say)
	if err != nil {
		return fail(err)
	}
	return Identity{Certificate: issued, Key: keyPEM}, nil
}

// draw makes a key of the agent of a cluster, and the request to certify it, both in PEM.
func draw(cluster string) (keyPEM, request []byte, err error) {
	if keyPEM, err = keyutil.MakeEllipticPrivateKeyPEM(); err != nil {
		return nil, nil, err
	}
	key, err := keyutil.ParsePrivateKeyPEM(keyPEM)
	if err != nil {
		return nil, nil, err
	}
	request, err = cert.MakeCSR(key, &pkix.Name{CommonName: names.AgentUser(cluster), Organization: []string{names.AgentGroup}}, nil, nil)
	return keyPEM, request, err
}

// submit creates a request. One that has a name is applied, for the right to create by name holds for nothing else, after what was
// there before has gone: requests do not change.
func submit(ctx context.Context, api kubernetes.Interface, wanted *certificatesv1.CertificateSigningRequest) (*certificatesv1.CertificateSigningRequest, error) {
	requests := api.CertificatesV1().CertificateSigningRequests()
	if wanted.Name == "" {
		return requests.Create(ctx, wanted, metav1.CreateOptions{})
	}
	if err := requests.Delete(ctx, wanted.Name, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("taking the earlier request %s away: %w", wanted.Name, err)
	}
	text, err := json.Marshal(wanted)
	if err != nil {
		return nil, err
	}
	return requests.Patch(ctx, wanted.Name, types.ApplyPatchType, text, metav1.PatchOptions{FieldManager: string(owner)})
}

// accountFor says what to do about an answer to the holder of a token.
func accountFor(err error) error {
	if apierrors.IsUnauthorized(err) {
		return fmt.Errorf("%w: the control plane does not know the token or the certificate any more; `seatrial token create` makes another token", err)
	}
	return err
}

// awaitCertificate waits until a request is decided.
func awaitCertificate(ctx context.Context, api kubernetes.Interface, made *certificatesv1.CertificateSigningRequest, say func(string)) ([]byte, error) {
	var left string
	var last error
	for {
		request, err := api.CertificatesV1().CertificateSigningRequests().Get(ctx, made.Name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err) || err == nil && request.UID != made.UID:
			return nil, fmt.Errorf("somebody took request %s away; try again", made.Name)
		case apierrors.IsUnauthorized(err) || apierrors.IsForbidden(err):
			return nil, fmt.Errorf("looking at request %s: %w", made.Name, accountFor(err))
		case err == nil:
			if issued, err := decided(request); err != nil || len(issued) > 0 {
				return issued, err
			}
			if why := request.Annotations[names.AnnotationRequestLeft]; why != left {
				left = why
				if say != nil {
					say("request " + made.Name + " waits for an administrator: " + why)
				}
			}
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return nil, undecided(ctx, made.Name, left, last)
		case <-time.After(decisionPoll):
		}
	}
}

// decisionPoll is the pause between looks at a request.
const decisionPoll = 500 * time.Millisecond

// decided is what came of a request: nothing yet, a certificate, or an error.
func decided(request *certificatesv1.CertificateSigningRequest) ([]byte, error) {
	approved := false
	for _, condition := range request.Status.Conditions {
		switch condition.Type {
		case certificatesv1.CertificateDenied:
			return nil, fmt.Errorf("request %s was denied: %s: %s", request.Name, condition.Reason, condition.Message)
		case certificatesv1.CertificateFailed:
			return nil, fmt.Errorf("request %s was not signed: %s: %s", request.Name, condition.Reason, condition.Message)
		case certificatesv1.CertificateApproved:
			approved = true
		}
	}
	if !approved {
		return nil, nil
	}
	return request.Status.Certificate, nil
}

// undecided says what a request waited for when the time was over.
func undecided(ctx context.Context, name, left string, last error) error {
	if last != nil {
		return fmt.Errorf("looking at request %s: %w", name, errors.Join(context.Cause(ctx), last))
	}
	why := "the controller agentcsrapproving approves those of new clusters, and kube-controller-manager signs them"
	if left != "" {
		why = left
	}
	return fmt.Errorf("request %s is not decided: %w; %s, and `kubectl certificate approve %s` any, while somebody waits for it", name, context.Cause(ctx), why, name)
}

// Bootstrap gets the agent of a cluster into a control plane by a bootstrap token. It returns the kubeconfig of the agent, which has
// all in it, once the control plane accepts it. say is told what it waits for; nil for nobody.
func Bootstrap(ctx context.Context, discovery Discovery, cluster string, lifetime time.Duration, say func(string)) ([]byte, error) {
	ca, err := discovery.CA(ctx)
	if err != nil {
		return nil, err
	}
	at, err := discovery.URL()
	if err != nil {
		return nil, err
	}
	holder := &rest.Config{Host: at, BearerToken: discovery.Token, TLSClientConfig: rest.TLSClientConfig{CAData: ca}}
	identity, err := Request(ctx, holder, cluster, lifetime, say)
	if err != nil {
		return nil, err
	}
	if err := identity.accepted(ctx, at, ca, cluster); err != nil {
		return nil, err
	}
	return identity.kubeconfig(at, ca, cluster)
}

// accepted asks the control plane whom it takes the owner of the identity for. One that trusts other authorities than it has sign
// certificates takes an agent for nobody.
func (i Identity) accepted(ctx context.Context, at string, ca []byte, cluster string) error {
	api, err := kubernetes.NewForConfig(&rest.Config{Host: at, TLSClientConfig: rest.TLSClientConfig{CAData: ca, CertData: i.Certificate, KeyData: i.Key}})
	if err != nil {
		return fmt.Errorf("trying the certificate of the agent of cluster %s: %w", cluster, err)
	}
	seen, err := api.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if apierrors.IsUnauthorized(err) || apierrors.IsForbidden(err) || err == nil && seen.Status.UserInfo.Username != names.AgentUser(cluster) {
		return fmt.Errorf("the API server of the control plane does not accept the certificate that the control plane has issued for the agent of cluster %s: "+
			"its --client-ca-file must hold the CA that kube-controller-manager signs with (--cluster-signing-cert-file)", cluster)
	}
	if err != nil {
		return fmt.Errorf("trying the certificate of the agent of cluster %s: %w", cluster, err)
	}
	return nil
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

// userOf finds the user of a context in a kubeconfig; an empty context is the current one.
func userOf(config *clientcmdapi.Config, context string) (*clientcmdapi.AuthInfo, error) {
	if context == "" {
		context = config.CurrentContext
	}
	chosen := config.Contexts[context]
	if chosen == nil || config.AuthInfos[chosen.AuthInfo] == nil {
		return nil, errors.New("the kubeconfig of the agent has no user for its context")
	}
	return config.AuthInfos[chosen.AuthInfo], nil
}

// replaceIn puts an identity into a kubeconfig, for the user of a context.
func (i Identity) replaceIn(kubeconfig []byte, context string) ([]byte, error) {
	config, err := clientcmd.Load(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig of the agent: %w", err)
	}
	user, err := userOf(config, context)
	if err != nil {
		return nil, err
	}
	user.ClientCertificateData, user.ClientKeyData = i.Certificate, i.Key
	user.ClientCertificate, user.ClientKey = "", ""
	return clientcmd.Write(*config)
}
