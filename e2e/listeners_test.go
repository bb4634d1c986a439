package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// listening is a TCP port on which a process of an installation listens.
type listening struct {
	address string
	// process is the component that listens, or the program.
	process string
}

// listeners finds what processes listen whose arguments name the folder of an installation. They are asked of the system, not of the
// program: what nobody thought of is among them.
func (i *installation) listeners(t *testing.T) []listening {
	t.Helper()
	addresses := map[string]string{}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		for inode, address := range listeningSockets(t, table) {
			addresses[inode] = address
		}
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []listening
	for _, path := range processes {
		// Processes that have ended meanwhile, and those of others, cannot be read.
		arguments, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(arguments, []byte(i.local.Dir())) {
			continue
		}
		words := strings.Split(string(arguments), "\x00")
		name := filepath.Base(words[0])
		if name == filepath.Base(i.program) && len(words) > 1 {
			name = words[1]
		}
		open, err := filepath.Glob(filepath.Join(filepath.Dir(path), "fd", "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, descriptor := range open {
			target, err := os.Readlink(descriptor)
			if inode, socket := strings.CutPrefix(target, "socket:["); err == nil && socket && addresses[strings.TrimSuffix(inode, "]")] != "" {
				found = append(found, listening{addresses[strings.TrimSuffix(inode, "]")], name})
			}
		}
	}
	slices.SortFunc(found, func(a, b listening) int { return strings.Compare(a.process+a.address, b.process+b.address) })
	return slices.Compact(found)
}

// listeningSockets reads the listening ones of a table of sockets: their addresses by inode.
func listeningSockets(t *testing.T, table string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	const listens = "0A"
	found := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 10 || fields[3] != listens {
			continue
		}
		host, port, _ := strings.Cut(fields[1], ":")
		number, err := strconv.ParseUint(port, 16, 16)
		if err != nil {
			t.Fatalf("%s: %v", table, err)
		}
		found[fields[9]] = net.JoinHostPort(addressOf(t, host), strconv.FormatUint(number, 10))
	}
	return found
}

// addressOf reads an address as the kernel writes it: words in the byte order of the machine.
func addressOf(t *testing.T, text string) string {
	t.Helper()
	address, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	for word := range slices.Chunk(address, 4) {
		slices.Reverse(word)
	}
	return net.IP(address).String()
}

// stranger is a client that no authority of an installation knows.
type stranger struct {
	name        string
	certificate []tls.Certificate
}

// strangers come without a certificate, and with one that says all there is to say, by an authority of their own.
func strangers(t *testing.T) []stranger {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	made := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kubernetes-admin", Organization: []string{"system:masters"}},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, made, made, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return []stranger{{name: "anonymous"}, {name: "of another CA", certificate: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}}
}

// temptations are paths that answer those who may ask.
var temptations = []string{
	"/", "/api", "/apis", "/openapi/v2", "/metrics", "/debug/pprof/", "/debug/pprof/goroutine?debug=2", "/debug/flags/v", "/logs", "/configz",
	"/api/v1/secrets", "/api/v1/namespaces/karmada-cluster/secrets/member1", "/apis/work.karmada.io/v1alpha1/works",
	"/apis/cluster.karmada.io/v1alpha1/clusters", "/apis/cluster.karmada.io/v1alpha1/clusters/member1/proxy/api/v1/secrets",
	"/apis/search.karmada.io/v1alpha1/resourceregistries", "/apis/search.karmada.io/v1alpha1/search/cache/api/v1/nodes",
	"/apis/search.karmada.io/v1alpha1/proxying/karmada/proxy/api/v1/nodes", "/apis/metrics.k8s.io/v1beta1/nodes",
	"/v2/keys", "/v3/kv/range", "/version", "/healthz", "/livez", "/readyz",
}

// everybodys are paths that tell how a process is, and nothing else.
var everybodys = []string{"/healthz", "/livez", "/readyz", "/version"}

// listenersGiveStrangersNothing asks every port of an installation, as strangers do. Ports in plain HTTP tell how the process is and its
// metrics.
func listenersGiveStrangersNothing(t *testing.T, env *installation) {
	all := env.listeners(t)
	seen := map[string]int{}
	// What is answered, and how often: a test that reaches nobody would see nothing wrong.
	answers := map[int]int{}
	for _, port := range all {
		seen[port.process]++
		if host, _, _ := net.SplitHostPort(port.address); !net.ParseIP(host).IsLoopback() {
			t.Errorf("%s listens on %s, beyond this machine", port.process, port.address)
		}
		for _, client := range strangers(t) {
			t.Run(port.process+" "+port.address+" "+client.name, func(t *testing.T) {
				allowed := everybodys
				scheme := "https"
				if !speaksTLS(t, port.address) {
					scheme, allowed = "http", append([]string{"/metrics"}, everybodys...)
				}
				for _, path := range temptations {
					status, said := client.ask(t, scheme+"://"+port.address+path)
					answers[status]++
					if status != 0 && status < 300 && !slices.Contains(allowed, path) {
						t.Errorf("GET %s answers %d: %.200s", path, status, said)
					}
				}
			})
		}
	}
	if answers[http.StatusOK] < len(all)/2 || answers[http.StatusForbidden] < 2*len(temptations) {
		t.Errorf("%d ports answer, by status: %v", len(all), answers)
	}
	for _, component := range []string{"controller-manager", "scheduler", "webhook", "apiserver", "agent", "estimator", "seatrial-cluster"} {
		if seen[component] == 0 {
			t.Errorf("%s listens nowhere; found %v", component, all)
		}
	}
}

// speaksTLS tells whether a server shows a certificate, whatever it makes of its client.
func speaksTLS(t *testing.T, address string) bool {
	t.Helper()
	raw, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	shown := false
	config := &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(tls.ConnectionState) error { shown = true; return nil }}
	limited, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_ = tls.Client(raw, config).HandshakeContext(limited)
	return shown
}

// ask returns 0 when there is no answer.
func (s stranger) ask(t *testing.T, url string) (status int, said string) {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true, Certificates: s.certificate}, DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	limited, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(limited, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return 0, ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return response.StatusCode, fmt.Sprint(err)
	}
	return response.StatusCode, string(text)
}
