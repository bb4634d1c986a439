package registration

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	certificatesv1 "k8s.io/api/certificates/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/keyutil"
)

// signer is a control plane that decides on certificate requests, and tells callers whom it takes them for.
type signer struct {
	*testing.T
	server *httptest.Server
	key    *ecdsa.PrivateKey
	root   *x509.Certificate

	mu       sync.Mutex
	requests map[string]*certificatesv1.CertificateSigningRequest
	names    []string
	// decide says what comes of a request; nil signs it.
	decide func(*certificatesv1.CertificateSigningRequest)
	// taken is whom a caller with any certificate is taken for.
	taken string
}

func newSigner(t *testing.T) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	s := &signer{T: t, key: key, root: root, requests: map[string]*certificatesv1.CertificateSigningRequest{}}
	s.server = httptest.NewTLSServer(s)
	t.Cleanup(s.server.Close)
	return s
}

// ServeHTTP knows requests for certificates by name, and reviews of the caller.
func (s *signer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	if strings.HasSuffix(r.URL.Path, "/selfsubjectreviews") {
		s.answer(w, &authenticationv1.SelfSubjectReview{Status: authenticationv1.SelfSubjectReviewStatus{UserInfo: authenticationv1.UserInfo{Username: s.taken}}})
		return
	}
	name := strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/apis/certificates.k8s.io/v1/certificatesigningrequests"), "/")
	known := s.requests[name]
	switch {
	case r.Method == http.MethodPost, r.Method == http.MethodPatch && known == nil:
		made := &certificatesv1.CertificateSigningRequest{}
		if err := json.NewDecoder(r.Body).Decode(made); err != nil {
			s.Error(err)
		}
		if made.Name == "" {
			made.Name = made.GenerateName + "x"
		}
		made.UID = types.UID(fmt.Sprint(len(s.names)))
		s.names = append(s.names, made.Name)
		s.requests[made.Name] = made
		if s.decide == nil {
			s.sign(made)
		} else {
			s.decide(made)
		}
		s.answer(w, made)
	case known == nil:
		s.refuse(w, http.StatusNotFound, metav1.StatusReasonNotFound)
	case r.Method == http.MethodDelete:
		delete(s.requests, name)
		s.answer(w, &metav1.Status{Status: metav1.StatusSuccess})
	case r.Method == http.MethodGet:
		s.answer(w, known)
	default:
		s.refuse(w, http.StatusConflict, metav1.StatusReasonConflict)
	}
}

func (s *signer) answer(w http.ResponseWriter, object any) {
	if err := json.NewEncoder(w).Encode(object); err != nil {
		s.Error(err)
	}
}

func (s *signer) refuse(w http.ResponseWriter, code int, reason metav1.StatusReason) {
	w.WriteHeader(code)
	s.answer(w, &metav1.Status{Status: metav1.StatusFailure, Code: int32(code), Reason: reason})
}

func (s *signer) sign(request *certificatesv1.CertificateSigningRequest) {
	block, _ := pem.Decode(request.Spec.Request)
	wanted, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		s.Error(err)
		return
	}
	lasts := time.Duration(*request.Spec.ExpirationSeconds) * time.Second
	request.Status.Certificate = s.certificate(wanted.Subject, wanted.PublicKey, lasts*time.Duration(len(s.names)+1))
	request.Status.Conditions = []certificatesv1.CertificateSigningRequestCondition{{Type: certificatesv1.CertificateApproved}}
	s.taken = wanted.Subject.CommonName
}

func (s *signer) certificate(subject pkix.Name, key any, lasts time.Duration) []byte {
	leaf := &x509.Certificate{SerialNumber: big.NewInt(int64(len(s.names)) + 2), Subject: subject, NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(lasts)}
	der, err := x509.CreateCertificate(rand.Reader, leaf, s.root, key, s.key)
	if err != nil {
		s.Error(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// identity is one that was issued before.
func (s *signer) identity(name string, lasts time.Duration) Identity {
	s.Helper()
	text, err := keyutil.MakeEllipticPrivateKeyPEM()
	if err != nil {
		s.Fatal(err)
	}
	key, err := keyutil.ParsePrivateKeyPEM(text)
	if err != nil {
		s.Fatal(err)
	}
	return Identity{Certificate: s.certificate(pkix.Name{CommonName: name}, &key.(*ecdsa.PrivateKey).PublicKey, lasts), Key: text}
}

func (s *signer) access() *rest.Config {
	return &rest.Config{Host: s.server.URL, ContentConfig: rest.ContentConfig{ContentType: "application/json"}, TLSClientConfig: rest.TLSClientConfig{CAData: s.ca()}}
}

func (s *signer) ca() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.server.Certificate().Raw})
}

// asked are the names of all requests there were.
func (s *signer) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.names)
}

// TestRequestTellsWhatBecomesOfIt: each error names what was decided, or what it waits for, and what to do.
func TestRequestTellsWhatBecomesOfIt(t *testing.T) {
	condition := func(kind certificatesv1.RequestConditionType) func(*certificatesv1.CertificateSigningRequest) {
		return func(request *certificatesv1.CertificateSigningRequest) {
			request.Status.Conditions = []certificatesv1.CertificateSigningRequestCondition{{Type: kind, Reason: "Nope", Message: "not today"}}
		}
	}
	left := func(request *certificatesv1.CertificateSigningRequest) {
		request.Annotations = map[string]string{"seatrial.io/request-left": "cluster m1 is a member already"}
	}
	for name, c := range map[string]struct {
		decide      func(*certificatesv1.CertificateSigningRequest)
		wants       []string
		says, waits bool
	}{
		"denied":     {condition(certificatesv1.CertificateDenied), []string{"was denied", "not today"}, false, false},
		"not signed": {condition(certificatesv1.CertificateFailed), []string{"was not signed", "not today"}, false, false},
		"a member":   {left, []string{"is not decided", "cluster m1 is a member already", "kubectl certificate approve karmada-agent-m1-x"}, true, true},
		"undecided":  {func(*certificatesv1.CertificateSigningRequest) {}, []string{"is not decided", "agentcsrapproving"}, false, true},
		"unsigned":   {condition(certificatesv1.CertificateApproved), []string{"is not decided", "kube-controller-manager signs them"}, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			plane := newSigner(t)
			plane.decide = c.decide
			soon, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if c.waits {
				soon, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
				defer cancel()
			}
			var said []string
			_, err := Request(soon, plane.access(), "m1", time.Hour, func(text string) { said = append(said, text) })
			for _, want := range append(c.wants, "certificate of the agent of cluster m1") {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v lacks %q", err, want)
				}
			}
			if (len(said) == 1) != c.says {
				t.Errorf("said %q", said)
			}
		})
	}
}

// TestIssuedCertificateIsTried: an API server that trusts other authorities than sign certificates takes agents for nobody.
func TestIssuedCertificateIsTried(t *testing.T) {
	for taken, accepted := range map[string]bool{"system:karmada:agent:m1": true, "system:anonymous": false} {
		plane := newSigner(t)
		identity := plane.identity("system:karmada:agent:m1", time.Hour)
		plane.taken = taken
		err := identity.accepted(t.Context(), plane.server.URL, plane.ca(), "m1")
		if (err == nil) != accepted || err != nil && !strings.Contains(err.Error(), "--client-ca-file") {
			t.Errorf("taken for %s: %v", taken, err)
		}
	}
}

// TestExpiredToken is one that the API server no longer knows.
func TestExpiredToken(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_ = json.NewEncoder(w).Encode(&metav1.Status{Status: metav1.StatusFailure, Code: http.StatusUnauthorized, Reason: metav1.StatusReasonUnauthorized})
	}))
	defer server.Close()
	plane := &rest.Config{Host: server.URL, TLSClientConfig: rest.TLSClientConfig{Insecure: true}}
	if _, err := Request(t.Context(), plane, "m1", time.Hour, nil); err == nil || !strings.Contains(err.Error(), "`seatrial token create` makes another token") {
		t.Errorf("error %v", err)
	}
}
