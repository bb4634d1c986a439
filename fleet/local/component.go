package local

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/seatrial/seatrial/fleet/embedded/process"
)

const (
	apiServer         = "apiserver"
	controllerManager = "controller-manager"
	schedulerName     = "scheduler"

	recordVersion = 1
	recordSuffix  = ".json"
	healthTimeout = 2 * time.Second
	// stopPatience is how long a component may take to end before it is killed.
	stopPatience = 10 * time.Second
)

// fixedComponents are those of every installation, by their subcommands, in the order in which status shows them.
var fixedComponents = [...]string{apiServer, webhookServer, controllerManager, schedulerName}

// component is one process of the control plane beside the API server of the cluster: a subcommand of seatrial.
type component struct {
	name   string
	folder string
}

// componentRecord is what is kept of a component, <state>/components/<name>.json.
type componentRecord struct {
	Version int        `json:"version"`
	Process process.ID `json:"process"`
	// Fingerprint tells whether the process runs what would be started now.
	Fingerprint string `json:"fingerprint"`
	// HealthURL is asked whether the component works; CACert is the path of the PEM that certifies it when it is https.
	HealthURL string `json:"healthURL"`
	CACert    string `json:"caCert,omitempty"`
	Ports     []int  `json:"ports"`
}

// launch is what a component is started with.
type launch struct {
	executable program
	// ports is how many listeners it has; arguments and the health URL follow from the chosen ones.
	ports     int
	args      func(ports []int) []string
	healthURL func(ports []int) string
	caCert    string
	// files are read by the process when it starts: other content means another process.
	files []string
	tied  bool
}

func (i *Installation) component(name string) component {
	return component{name: name, folder: filepath.Join(i.dir, componentsFolder)}
}

func (c component) log() string        { return filepath.Join(c.folder, c.name+".log") }
func (c component) recordPath() string { return filepath.Join(c.folder, c.name+recordSuffix) }

// record reads what is kept of the component; the zero record when it was never started.
func (c component) record() (componentRecord, error) {
	var r componentRecord
	data, err := os.ReadFile(c.recordPath())
	if errors.Is(err, os.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("reading the state of %s: %w", c.name, err)
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, fmt.Errorf("reading the state of %s from %s: %w", c.name, c.recordPath(), err)
	}
	if r.Version != recordVersion {
		return r, fmt.Errorf("%s was started by another version of seatrial (%s has version %d, this one knows %d): end it with that",
			c.name, c.recordPath(), r.Version, recordVersion)
	}
	return r, nil
}

// write replaces the record in one step, so that a full disk or a crash leaves the old one.
func (c component) write(r componentRecord) error {
	r.Version = recordVersion
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the state of %s: %w", c.name, err)
	}
	if err := replaceFile(c.recordPath(), append(data, '\n')); err != nil {
		return fmt.Errorf("writing the state of %s: %w", c.name, err)
	}
	return nil
}

func replaceFile(path string, data []byte) error {
	next := path + ".next"
	file, err := os.OpenFile(next, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err = file.Write(data); err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// ensure makes the component run as asked: one that does is left alone, one that runs something else or is frozen is replaced.
func (c component) ensure(ctx context.Context, l launch, free func(int) bool) error {
	if err := os.MkdirAll(c.folder, 0o700); err != nil {
		return fmt.Errorf("starting %s: %w", c.name, err)
	}
	r, err := c.record()
	if err != nil {
		return err
	}
	fingerprint, err := l.fingerprint()
	if err != nil {
		return fmt.Errorf("starting %s: %w", c.name, err)
	}
	if r.Process.State() == process.Running && r.Fingerprint == fingerprint {
		return nil
	}
	if err := c.stop(ctx); err != nil {
		return err
	}
	if len(r.Ports) != l.ports || slices.ContainsFunc(r.Ports, func(port int) bool { return !free(port) }) {
		if r.Ports, err = choosePorts(c.recordPath(), l.ports, free); err != nil {
			return fmt.Errorf("starting %s: %w", c.name, err)
		}
	}
	id, _, err := process.Command{
		Binary: l.executable.path, Args: l.args(r.Ports), Dir: c.folder, Log: c.log(), Tied: l.tied,
	}.Start()
	if err != nil {
		return fmt.Errorf("starting %s: %w", c.name, err)
	}
	r.Process, r.Fingerprint, r.HealthURL, r.CACert = id, fingerprint, l.healthURL(r.Ports), l.caCert
	if err := c.write(r); err != nil {
		// Nobody would find it again.
		return errors.Join(err, id.Signal(syscall.SIGKILL))
	}
	return nil
}

// program is an executable, with a hash of its content.
type program struct{ path, digest string }

func readProgram(path string) (program, error) {
	digest, err := digestOf(path)
	if err != nil {
		return program{}, fmt.Errorf("reading the executable of the components: %w", err)
	}
	return program{path: path, digest: digest}, nil
}

func digestOf(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// fingerprint is a hash of the executable, the arguments and the files.
func (l launch) fingerprint() (string, error) {
	parts := append([]string{l.executable.digest}, l.args(make([]int, l.ports))...)
	for _, path := range l.files {
		digest, err := digestOf(path)
		if err != nil {
			return "", err
		}
		parts = append(parts, digest)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", parts))
	return hex.EncodeToString(sum[:]), nil
}

// stop ends the component in order, or kills it when that takes too long.
func (c component) stop(ctx context.Context) error {
	r, err := c.record()
	if err != nil {
		return err
	}
	// A frozen process has to go on to be able to end.
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGCONT} {
		if err := r.Process.Signal(signal); err != nil {
			return fmt.Errorf("ending %s: %w", c.name, err)
		}
	}
	patience, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	if r.Process.Await(patience, process.Gone) == nil {
		return nil
	}
	if err := r.Process.Signal(syscall.SIGKILL); err != nil {
		return fmt.Errorf("killing %s: %w", c.name, err)
	}
	if err := r.Process.Await(context.WithoutCancel(ctx), process.Gone); err != nil {
		return fmt.Errorf("killing %s: %w", c.name, err)
	}
	return nil
}

// healthy is nil when the component says that it works.
func (c component) healthy(ctx context.Context) error {
	r, err := c.record()
	if err != nil {
		return err
	}
	switch r.Process.State() {
	case process.Gone:
		return finalError{fmt.Errorf("%s does not run", c.name)}
	case process.Frozen:
		return fmt.Errorf("%s is stopped by a signal", c.name)
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	return askHealth(ctx, r.HealthURL, r.CACert)
}

func askHealth(ctx context.Context, url, caCert string) error {
	transport := &http.Transport{DisableKeepAlives: true}
	if caCert != "" {
		pem, err := os.ReadFile(caCert)
		if err != nil {
			return err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", url, response.Status)
	}
	return nil
}

// Ports of components lie above those of the clusters and below the range from which Linux gives outgoing connections theirs
// (32768 and up), so that no passing connection takes one.
const firstPort, portCount = 30000, 2768

// choosePorts finds free ports; the search starts at a place that depends on the seed, so that several installations seldom meet.
func choosePorts(seed string, count int, free func(int) bool) ([]int, error) {
	sum := sha256.Sum256([]byte(seed))
	start := (int(sum[0])<<8 | int(sum[1])) % portCount
	var ports []int
	for n := 0; n < portCount && len(ports) < count; n++ {
		if port := firstPort + (start+n)%portCount; free(port) {
			ports = append(ports, port)
		}
	}
	if len(ports) < count {
		return nil, fmt.Errorf("no free port between %d and %d on loopback", firstPort, firstPort+portCount-1)
	}
	return ports, nil
}

func portFree(port int) bool {
	listener, err := net.Listen("tcp", loopback(port))
	if err != nil {
		return false
	}
	listener.Close()
	return true
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
