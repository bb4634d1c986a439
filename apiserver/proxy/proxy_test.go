package proxy_test

import (
	"bufio"
	"context"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/request"
	clocktesting "k8s.io/utils/clock/testing"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/apiserver/proxy"
	"github.com/seatrial/seatrial/connectproxy/proxytest"
)

const prefix = "/apis/cluster.karmada.io/v1alpha1/clusters/m1/proxy"

// stand is a member, the control plane's secrets, and a front that forwards what a user asks of the member.
type stand struct {
	*testing.T
	cluster *clusterv1alpha1.Cluster
	clock   *clocktesting.FakePassiveClock
	members *proxy.Members
	end     context.CancelFunc
	user    user.Info

	mu      sync.Mutex
	secrets map[string]map[string][]byte
	reads   int
	failure error
}

func newStand(t *testing.T, member http.HandlerFunc) *stand {
	t.Helper()
	server := httptest.NewUnstartedServer(member)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	refer := func(name string) *clusterv1alpha1.LocalSecretReference {
		return &clusterv1alpha1.LocalSecretReference{Namespace: "karmada-cluster", Name: name}
	}
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	s := &stand{
		T: t, clock: clocktesting.NewFakePassiveClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)),
		user: &user.DefaultInfo{Name: "tom", Groups: []string{"dev", "system:authenticated"}},
		cluster: &clusterv1alpha1.Cluster{
			ObjectMeta: metav1.ObjectMeta{Name: "m1"},
			Spec:       clusterv1alpha1.ClusterSpec{APIEndpoint: server.URL, SecretRef: refer("m1"), ImpersonatorSecretRef: refer("m1-impersonator")},
		},
		secrets: map[string]map[string][]byte{"m1": {"caBundle": ca, "token": []byte("access")}, "m1-impersonator": {"token": []byte("deputy")}},
	}
	ends, end := context.WithCancel(context.Background())
	s.end = end
	t.Cleanup(end)
	s.members = proxy.New(ends, s.secret, s.clock)
	t.Cleanup(func() { s.members.Forget("m1") })
	return s
}

func (s *stand) secret(_ context.Context, name types.NamespacedName) (*corev1.Secret, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	data, found := s.secrets[name.Name]
	if !found || name.Namespace != "karmada-cluster" {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, name.Name)
	}
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}, Data: data}, nil
}

// front serves the proxy subresource to the stand's user.
func (s *stand) front() *httptest.Server {
	s.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fail := func(err error) {
			s.mu.Lock()
			s.failure = err
			s.mu.Unlock()
			code := http.StatusInternalServerError
			if status, known := err.(apierrors.APIStatus); known {
				code = int(status.Status().Code)
			}
			http.Error(w, err.Error(), code)
		}
		member, err := s.members.Connect(r.Context(), s.cluster)
		if err != nil {
			fail(err)
			return
		}
		member.Forward(w, r.WithContext(request.WithUser(r.Context(), s.user)), prefix, fail)
	}))
	s.Cleanup(server.Close)
	return server
}

// ask sends a GET with headers, and returns status and body.
func (s *stand) ask(path string, headers ...string) (int, string) {
	s.Helper()
	front := s.front()
	asked, err := http.NewRequestWithContext(s.Context(), http.MethodGet, front.URL+path, nil)
	if err != nil {
		s.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		asked.Header.Add(headers[i], headers[i+1])
	}
	answer, err := http.DefaultTransport.RoundTrip(asked)
	if err != nil {
		s.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		s.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

// TestTheMemberIsToldWhoAsks, and by nobody but the control plane.
func TestTheMemberIsToldWhoAsks(t *testing.T) {
	account := []string{"system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"}
	for _, c := range []struct {
		name    string
		user    user.Info
		headers []string
		want    http.Header
	}{
		{"a user", &user.DefaultInfo{Name: "tom", UID: "u1", Groups: []string{"dev", "ops", "system:authenticated"}, Extra: map[string][]string{
			"Scopes/x": {"read", "list"}, "authentication.kubernetes.io/credential-id": {"JTI=1"},
		}}, nil, http.Header{"Impersonate-User": {"tom"}, "Impersonate-Group": {"dev", "ops"}, "Impersonate-Extra-Scopes%2fx": {"read", "list"}}},
		{"a service account", &user.DefaultInfo{Name: "system:serviceaccount:ns:robot", Groups: account}, nil,
			http.Header{"Impersonate-User": {"system:serviceaccount:ns:robot"}}},
		{"a service account with more groups", &user.DefaultInfo{Name: "system:serviceaccount:ns:robot", Groups: append([]string{"dev"}, account...)}, nil,
			http.Header{"Impersonate-User": {"system:serviceaccount:ns:robot"}, "Impersonate-Group": {"dev", "system:serviceaccounts", "system:serviceaccounts:ns"}}},
		{"nobody known", &user.DefaultInfo{Name: "system:anonymous", Groups: []string{"system:unauthenticated"}}, nil,
			http.Header{"Impersonate-User": {"system:anonymous"}}},
		{"a smuggler", &user.DefaultInfo{Name: "tom", Groups: []string{"dev"}}, []string{
			"Authorization", "Bearer mine", "Impersonate-User", "root", "impersonate-group", "system:masters", "Impersonate-Uid", "0",
			"Impersonate-Extra-Scopes", "all", "X-Remote-User", "root", "X-Remote-Group", "system:masters", "X-Remote-Extra-A", "b",
			"X-Forwarded-For", "10.0.0.1", "Sec-WebSocket-Protocol", "base64url.bearer.authorization.k8s.io.bWluZQ, v5.channel.k8s.io",
		}, http.Header{"Impersonate-User": {"tom"}, "Impersonate-Group": {"dev"}, "Sec-Websocket-Protocol": {"v5.channel.k8s.io"}}},
		{"one who has headers taken away", &user.DefaultInfo{Name: "tom", Groups: []string{"dev"}}, []string{
			"Connection", "Impersonate-User, Authorization", "Connection", "Impersonate-Group", "Keep-Alive", "1",
		}, http.Header{"Impersonate-User": {"tom"}, "Impersonate-Group": {"dev"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got http.Header
			s := newStand(t, func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Clone() })
			s.user = c.user
			if code, body := s.ask(prefix+"/api", c.headers...); code != http.StatusOK {
				t.Fatalf("%d %s", code, body)
			}
			c.want.Set("Authorization", "Bearer deputy")
			got.Del("Accept-Encoding")
			got.Del("User-Agent")
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("headers in the member (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNobodyIsNotForwarded(t *testing.T) {
	s := newStand(t, func(http.ResponseWriter, *http.Request) { t.Error("the member was asked by the impersonator itself") })
	for _, caller := range []user.Info{nil, &user.DefaultInfo{Groups: []string{"dev"}}} {
		s.user = caller
		if code, body := s.ask(prefix + "/api"); code != http.StatusInternalServerError || !strings.Contains(body, "has no user") {
			t.Errorf("%v: %d %s", caller, code, body)
		}
	}
}

func TestPathsStayBelowTheEndpoint(t *testing.T) {
	var got string
	s := newStand(t, func(_ http.ResponseWriter, r *http.Request) { got = r.RequestURI })
	direct := s.cluster.Spec.APIEndpoint
	for _, c := range []struct{ endpoint, path, want string }{
		{"", "", "/"},
		{"", "/", "/"},
		{"", "/api/v1/nodes?limit=5&labelSelector=a%3Db", "/api/v1/nodes?limit=5&labelSelector=a%3Db"},
		{"", "/logs/", "/logs/"},
		{"", "//elsewhere/api", "/elsewhere/api"},
		{"", "/a%2Fb%20c", "/a%2Fb%20c"},
		{"", "/...", "/..."},
		{"/k8s/c1/", "/api", "/k8s/c1/api"},
		{"/k8s/c%2F1", "/api", "/k8s/c%2F1/api"},
		{"/k8s/c1", "/../c2/api", ""},
		{"/k8s/c1", "/..%2fc2/api", ""},
		{"/k8s/c1", "/%2e%2e/c2/api", ""},
		{"/k8s/c1", "/api/./v1", ""},
		{"/k8s/c1", "/..%5cc2", ""},
		{"/k8s/c1", "er/api", ""},
	} {
		got = ""
		s.cluster.Spec.APIEndpoint = direct + c.endpoint
		code, body := s.ask(prefix + c.path)
		if got != c.want || c.want == "" && code != http.StatusBadRequest {
			t.Errorf("%s at endpoint %s: member asked for %q, want %q (%d %s)", c.path, c.endpoint, got, c.want, code, body)
		}
	}
}

func TestWhatKeepsFromAMember(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	for _, c := range []struct {
		name, want string
		change     func(*stand)
	}{
		{"no endpoint", "spec.apiEndpoint is empty", func(s *stand) { s.cluster.Spec.APIEndpoint = "" }},
		{"no URL", "is no URL of the form", func(s *stand) { s.cluster.Spec.APIEndpoint = "10.0.0.1:6443" }},
		{"no reference", "spec.impersonatorSecretRef", func(s *stand) { s.cluster.Spec.ImpersonatorSecretRef = nil }},
		{"no secret", "secret karmada-cluster/m1-impersonator does not exist", func(s *stand) { delete(s.secrets, "m1-impersonator") }},
		{"no token", `has no key "token"`, func(s *stand) { s.secrets["m1-impersonator"] = nil }},
		{"no access secret", "secret karmada-cluster/m1 does not exist", func(s *stand) { delete(s.secrets, "m1") }},
		{"no PEM", "no certificate in PEM", func(s *stand) { s.secrets["m1"]["caBundle"] = []byte("x") }},
		{"unknown authority", "x509", func(s *stand) { s.cluster.Spec.SecretRef = nil }},
		{"nobody listens", "connection refused; it is not ready: ClusterNotReachable: no answer", func(s *stand) {
			s.cluster.Spec.APIEndpoint = closed.URL
			s.cluster.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: "False", Reason: "ClusterNotReachable", Message: "no answer"}}
		}},
		{"proxy", "spec.proxyURL is no URL", func(s *stand) { s.cluster.Spec.ProxyURL = "http://tom:secret@a b" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStand(t, func(http.ResponseWriter, *http.Request) { t.Error("the member was asked") })
			c.change(s)
			code, body := s.ask(prefix + "/api")
			if code != http.StatusServiceUnavailable || !strings.Contains(body, "cluster m1 cannot be reached: ") || !strings.Contains(body, c.want) {
				t.Errorf("%d %s", code, body)
			}
			if strings.Contains(body, "deputy") || strings.Contains(body, "secret@") {
				t.Errorf("the answer shows a credential: %s", body)
			}
		})
	}
}

func TestTrust(t *testing.T) {
	for name, change := range map[string]func(*stand){
		"skipped": func(s *stand) { s.cluster.Spec.InsecureSkipTLSVerification, s.secrets["m1"] = true, nil },
		"by the impersonator's secret": func(s *stand) {
			s.cluster.Spec.SecretRef, s.secrets["m1-impersonator"]["caBundle"] = nil, s.secrets["m1"]["caBundle"]
		},
	} {
		s := newStand(t, func(http.ResponseWriter, *http.Request) {})
		change(s)
		if code, body := s.ask(prefix + "/api"); code != http.StatusOK {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
}

func TestRedirectsEndHere(t *testing.T) {
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://169.254.169.254/", http.StatusFound)
	})
	if code, body := s.ask(prefix + "/api"); code != http.StatusServiceUnavailable || !strings.Contains(body, "redirect") {
		t.Errorf("%d %s", code, body)
	}
}

// TestCredentialsAreReplaced: read again when they are old, refused, or no longer those of the Cluster, and not before.
func TestCredentialsAreReplaced(t *testing.T) {
	valid := "deputy"
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+valid {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	expect := func(when string, code, reads int) {
		t.Helper()
		if got, _ := s.ask(prefix); got != code || s.reads != reads {
			t.Errorf("%s: answered %d after %d reads of secrets, want %d after %d", when, got, s.reads, code, reads)
		}
	}
	expect("at first", 200, 2)
	expect("again", 200, 2)
	s.clock.SetTime(s.clock.Now().Add(11 * time.Second))
	expect("later", 200, 4)
	valid = "successor"
	s.secrets["m1-impersonator"] = map[string][]byte{"token": []byte(valid)}
	expect("with a token that was replaced", 401, 4)
	expect("after that", 200, 6)
	s.cluster.Spec.SecretRef = nil
	s.cluster.Spec.InsecureSkipTLSVerification = true
	expect("reached otherwise", 200, 7)
	s.members.Forget("m1")
	expect("forgotten", 200, 8)
}

// TestAnswersComeAsTheyAreGiven: a watch tells of a change before its end.
func TestAnswersComeAsTheyAreGiven(t *testing.T) {
	read := make(chan struct{})
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "first\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-read:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, "last\n")
	})
	answer, err := http.Get(s.front().URL + prefix + "/api/v1/pods?watch=true")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewReader(answer.Body)
	if line, err := lines.ReadString('\n'); err != nil || line != "first\n" {
		t.Fatalf("%q, %v", line, err)
	}
	close(read)
	if line, err := lines.ReadString('\n'); err != nil || line != "last\n" {
		t.Fatalf("%q, %v", line, err)
	}
}

// TestBodiesAreNotHeld: the member reads the begin of a body before its end is sent.
func TestBodiesAreNotHeld(t *testing.T) {
	arrived := make(chan string, 1)
	s := newStand(t, func(_ http.ResponseWriter, r *http.Request) {
		lines := bufio.NewReader(r.Body)
		line, _ := lines.ReadString('\n')
		arrived <- line
		_, _ = io.Copy(io.Discard, lines)
	})
	out, in := io.Pipe()
	go func() {
		_, _ = io.WriteString(in, "first\n")
		if line := <-arrived; line != "first\n" {
			t.Errorf("the member read %q", line)
		}
		_ = in.Close()
	}()
	answer, err := http.Post(s.front().URL+prefix+"/api/v1/pods", "text/plain", out)
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Error(answer.Status)
	}
}

// echo upgrades and sends back what it gets.
func echo(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor != 1 || !strings.EqualFold(r.Header.Get("Connection"), "upgrade") {
		http.Error(w, "no upgrade of "+r.Proto, http.StatusBadRequest)
		return
	}
	connection, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer connection.Close()
	_, _ = io.WriteString(connection, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+r.Header.Get("Upgrade")+
		"\r\nX-User: "+r.Header.Get("Impersonate-User")+"\r\n\r\n")
	_, _ = io.Copy(connection, buffered)
}

// upgrade opens a stream through the front.
func (s *stand) upgrade(protocol string) (net.Conn, *bufio.Reader) {
	s.Helper()
	connection, err := net.Dial("tcp", s.front().Listener.Addr().String())
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { connection.Close() })
	_, err = io.WriteString(connection, "POST "+prefix+"/api/v1/namespaces/a/pods/b/exec?command=sh HTTP/1.1\r\nHost: x\r\n"+
		"Connection: Upgrade, Impersonate-User\r\nUpgrade: "+protocol+"\r\nImpersonate-User: root\r\n\r\n")
	if err != nil {
		s.Fatal(err)
	}
	reader := bufio.NewReader(connection)
	answer, err := http.ReadResponse(reader, nil) //nolint:bodyclose // The connection is the body now.
	if err != nil {
		s.Fatal(err)
	}
	if answer.StatusCode != http.StatusSwitchingProtocols || answer.Header.Get("Upgrade") != protocol || answer.Header.Get("X-User") != "tom" {
		s.Fatalf("%s: answered %s %v", protocol, answer.Status, answer.Header)
	}
	return connection, reader
}

func TestUpgrades(t *testing.T) {
	for _, protocol := range []string{"SPDY/3.1", "websocket"} {
		connection, reader := newStand(t, echo).upgrade(protocol)
		for _, line := range []string{"stdin\n", "more\n"} {
			if _, err := io.WriteString(connection, line); err != nil {
				t.Fatal(err)
			}
			if got, err := reader.ReadString('\n'); err != nil || got != line {
				t.Errorf("%s: %q came back as %q, %v", protocol, line, got, err)
			}
		}
	}
}

func TestTheEndCutsStreams(t *testing.T) {
	s := newStand(t, echo)
	_, reader := s.upgrade("SPDY/3.1")
	s.end()
	if got, err := reader.ReadString('\n'); err == nil {
		t.Errorf("read %q after the end", got)
	}
}

// TestThroughAProxy: the member is reached by CONNECT, and the proxy gets its headers there, the member none of them.
func TestThroughAProxy(t *testing.T) {
	var atMember http.Header
	s := newStand(t, func(_ http.ResponseWriter, r *http.Request) { atMember = r.Header.Clone() })
	var atProxy http.Header
	between := proxytest.New(t, func(header http.Header) { atProxy = header })
	s.cluster.Spec.ProxyURL, s.cluster.Spec.ProxyHeader = between.URL, map[string]string{"X-Tenant": "a, b"}
	if code, body := s.ask(prefix + "/api"); code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	if diff := cmp.Diff([]string{"a", "b"}, atProxy["X-Tenant"]); diff != "" {
		t.Errorf("the proxy's header (-want +got):\n%s", diff)
	}
	if atProxy.Get("Authorization") != "" || atMember.Get("X-Tenant") != "" {
		t.Errorf("proxy got %v, member got %v", atProxy, atMember)
	}
	s.members.Forget("m1")
}

// What the control plane itself asks of a member bears its own credentials, goes nowhere else, and is bounded although credentials are
// read anew.
func TestTheControlPlaneAsksByItself(t *testing.T) {
	s := newStand(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			http.Redirect(w, r, "/", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, r.Header.Get("Authorization")+r.Header.Get("Impersonate-User"))
	})
	s.members.Limit(0.001, 2)
	ask := func(path string) (string, error) {
		client, err := s.members.Raw(t.Context(), s.cluster)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		body, err := client.Get().AbsPath(path).DoRaw(ctx)
		return string(body), err
	}
	if got, err := ask("/x"); err != nil || got != "Bearer access" {
		t.Errorf("%s, %v", got, err)
	}
	s.clock.SetTime(s.clock.Now().Add(time.Minute))
	if _, err := ask("/elsewhere"); err == nil || !strings.Contains(err.Error(), "redirect") {
		t.Errorf("a redirect: %v", err)
	}
	if _, err := ask("/x"); err == nil || !strings.Contains(err.Error(), "limit") || s.reads != 2 {
		t.Errorf("beyond the limit: %v, after %d reads of credentials", err, s.reads)
	}
}
