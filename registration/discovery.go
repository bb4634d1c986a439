package registration

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/client-go/util/cert"
	bootstrapapi "k8s.io/cluster-bootstrap/token/api"
	"k8s.io/cluster-bootstrap/token/jws"
	bootstrap "k8s.io/cluster-bootstrap/token/util"
)

// Discovery finds the CA of a control plane of which nothing is known but a token and where it is.
type Discovery struct {
	// Endpoint is host:port, or an https URL.
	Endpoint string
	Token    string
	// CAHashes are those of the public keys of CAs that are believed, "sha256:" and 64 hexadecimal digits. Without any, AnyCA has to
	// say that whoever knows the token is believed.
	CAHashes []string
	AnyCA    bool
	// Timeout bounds the whole.
	Timeout time.Duration
}

// URL is where the control plane is.
func (d Discovery) URL() (string, error) {
	endpoint := d.Endpoint
	if !strings.Contains(endpoint, "://") {
		endpoint = "https://" + endpoint
	}
	parsed, err := url.Parse(endpoint)
	if err != nil || parsed.Scheme != "https" || parsed.Host == "" {
		return "", fmt.Errorf("ENDPOINT %q: give host:port or an https URL", d.Endpoint)
	}
	return strings.TrimSuffix(parsed.String(), "/"), nil
}

func (d Discovery) validate() error {
	if !bootstrap.IsValidBootstrapToken(d.Token) {
		return errors.New("--token: a bootstrap token of the form [a-z0-9]{6}.[a-z0-9]{16} is needed; `seatrial token create` makes one")
	}
	if len(d.CAHashes) == 0 && !d.AnyCA {
		return errors.New("--discovery-token-ca-cert-hash is needed to know the control plane by; " +
			"--discovery-token-unsafe-skip-ca-verification believes anybody who knows the token")
	}
	for _, hash := range d.CAHashes {
		digest, ok := strings.CutPrefix(strings.ToLower(hash), hashPrefix)
		if raw, err := hex.DecodeString(digest); !ok || err != nil || len(raw) != sha256.Size {
			return fmt.Errorf("--discovery-token-ca-cert-hash %q: want %s and 64 hexadecimal digits", hash, hashPrefix)
		}
	}
	return nil
}

const (
	hashPrefix = "sha256:"
	// infoLimit is more than any cluster-info has, in bytes.
	infoLimit = 1 << 20
	// infoRetry is the pause between attempts to read the cluster-info, which may not be signed for a new token yet. It is signed within
	// unsignedLimit, or not at all.
	infoRetry     = time.Second
	unsignedLimit = 30 * time.Second
)

// HashCA is the hash by which a CA certificate is believed: that of its public key.
func HashCA(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
	return hashPrefix + hex.EncodeToString(sum[:])
}

// CA finds the certificates of the control plane's CA, in PEM. It believes a cluster-info that is signed with the token and, with
// hashes, names a CA of one of them; then it asks again, and believes only a server that this CA has certified.
func (d Discovery) CA(ctx context.Context) ([]byte, error) {
	if err := d.validate(); err != nil {
		return nil, err
	}
	at, err := d.URL()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, d.Timeout, fmt.Errorf("not within %s (see --discovery-timeout)", d.Timeout))
	defer cancel()
	var ca []byte
	var last error
	var unsigned time.Time
	err = wait.PollUntilContextCancel(ctx, infoRetry, true, func(ctx context.Context) (bool, error) {
		found, err := d.attempt(ctx, at)
		if last == nil || err == nil || ctx.Err() == nil {
			// An attempt that the end of the time cuts off says less than the one before.
			ca, last = found, err
		}
		var refused *disbelief
		if errors.As(last, &refused) {
			return false, last
		}
		switch {
		case !errors.Is(last, errUnsigned):
			unsigned = time.Time{}
		case unsigned.IsZero():
			unsigned = time.Now()
		case time.Since(unsigned) > unsignedLimit:
			return false, last
		}
		return err == nil, nil
	})
	if err != nil {
		return nil, fmt.Errorf("discovering the control plane at %s: %w", at, errors.Join(context.Cause(ctx), last))
	}
	return ca, nil
}

// errUnsigned is what a control plane says to a token that it does not know, and for a moment to one that is new.
var errUnsigned = errors.New("it does not exist, has expired, or cannot sign; `seatrial token list` tells, and `seatrial token create` makes another")

// disbelief is an error that asking again does not mend.
type disbelief struct{ error }

func (d Discovery) attempt(ctx context.Context, at string) ([]byte, error) {
	// Nothing is known to verify the server by yet: what it says is verified instead.
	info, err := clusterInfo(ctx, at, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
	if err != nil {
		return nil, err
	}
	ca, err := d.believe(info)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	again, err := clusterInfo(ctx, at, &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
	if err != nil {
		return nil, fmt.Errorf("asking again with the CA that was found: %w", err)
	}
	if known, err := d.believe(again); err != nil || !bytes.Equal(known, ca) {
		return nil, errors.Join(errors.New("the control plane names another CA when it is asked again"), err)
	}
	return ca, nil
}

// clusterInfo reads the cluster-info as nobody.
func clusterInfo(ctx context.Context, at string, config *tls.Config) (*corev1.ConfigMap, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, at+"/api/v1/namespaces/kube-public/configmaps/"+bootstrapapi.ConfigMapClusterInfo, nil)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{TLSClientConfig: config, Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, infoLimit))
	if err != nil {
		return nil, fmt.Errorf("reading the cluster-info: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("reading the cluster-info: the control plane answers %s", response.Status)
	}
	info := &corev1.ConfigMap{}
	if err := json.Unmarshal(body, info); err != nil {
		return nil, fmt.Errorf("reading the cluster-info: %w", err)
	}
	return info, nil
}

// believe takes the CA out of a cluster-info that is signed with the token.
func (d Discovery) believe(info *corev1.ConfigMap) ([]byte, error) {
	id, secret, _ := strings.Cut(d.Token, ".")
	text, signature := info.Data[bootstrapapi.KubeConfigKey], info.Data[bootstrapapi.JWSSignatureKeyPrefix+id]
	if signature == "" {
		return nil, fmt.Errorf("the cluster-info is not signed for the token with the ID %s: %w", id, errUnsigned)
	}
	if !jws.DetachedTokenIsValid(signature, text, id, secret) {
		return nil, &disbelief{errors.New("the signature of the cluster-info is not made with this token: its second half is mistyped, or somebody answers in the control plane's place")}
	}
	config, err := clientcmd.Load([]byte(text))
	if err != nil {
		return nil, &disbelief{fmt.Errorf("the cluster-info holds no kubeconfig: %w", err)}
	}
	cluster := onlyCluster(config)
	if cluster == nil {
		return nil, &disbelief{fmt.Errorf("the cluster-info names %d clusters, want 1", len(config.Clusters))}
	}
	certificates, err := cert.ParseCertsPEM(cluster.CertificateAuthorityData)
	if err != nil {
		return nil, &disbelief{fmt.Errorf("the CA in the cluster-info: %w", err)}
	}
	if d.AnyCA && len(d.CAHashes) == 0 {
		return cluster.CertificateAuthorityData, nil
	}
	for _, certificate := range certificates {
		if !slices.ContainsFunc(d.CAHashes, func(hash string) bool { return strings.EqualFold(hash, HashCA(certificate)) }) {
			return nil, &disbelief{fmt.Errorf("the control plane's CA has the hash %s, which --discovery-token-ca-cert-hash does not name: "+
				"somebody answers in its place, or the hash is of another one; `seatrial token create --print-register-command` prints the right one", HashCA(certificate))}
		}
	}
	return cluster.CertificateAuthorityData, nil
}

func onlyCluster(config *clientcmdapi.Config) *clientcmdapi.Cluster {
	if len(config.Clusters) != 1 {
		return nil
	}
	for _, cluster := range config.Clusters {
		return cluster
	}
	return nil
}
