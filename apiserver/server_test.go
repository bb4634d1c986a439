package apiserver_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/apiserver"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded"
)

// serveVariable makes the test binary be an API server with the flags it was started with, a search server when it is serveSearch.
const (
	serveVariable = "SEATRIAL_TEST_APISERVER"
	serveSearch   = "search"
)

func TestMain(m *testing.M) {
	if os.Getenv(serveVariable) == "" {
		os.Exit(m.Run())
	}
	if err := serve(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// runnable are the options of a server.
type runnable interface {
	AddFlags(flags *pflag.FlagSet)
	Complete() error
	Validate() error
	Run(ctx context.Context) error
}

func serve(args []string) error {
	var options runnable = apiserver.NewOptions()
	if os.Getenv(serveVariable) == serveSearch {
		options = apiserver.NewSearchOptions()
	}
	flags := pflag.NewFlagSet("apiserver", pflag.ContinueOnError)
	options.AddFlags(flags)
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := options.Complete(); err != nil {
		return err
	}
	if err := options.Validate(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		// The test holds the other end: the server must not outlive it, however it ends.
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	return options.Run(ctx)
}

// stand is a control plane with an API server process beside it.
type stand struct {
	fleet   *embedded.Fleet
	config  *rest.Config
	client  client.WithWatch
	kube    kubernetes.Interface
	caFile  string
	address string
	args    []string
	process *exec.Cmd
	log     string
}

func newStand(ctx context.Context, t *testing.T) *stand {
	t.Helper()
	if testing.Short() {
		t.Skip("runs a kube-apiserver and an etcd")
	}
	binary, err := embedded.EnsureBinary(ctx, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	controlPlane, err := embedded.Open(embedded.Options{Root: filepath.Join(t.TempDir(), "fleet"), Binary: binary, Tied: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := controlPlane.Delete(context.WithoutCancel(ctx)); err != nil {
			t.Errorf("deleting the control plane: %v", err)
		}
	})
	if err := controlPlane.Up(ctx, fleet.Spec{Name: fleet.ControlPlaneName, Role: fleet.ControlPlane}); err != nil {
		t.Fatal(err)
	}
	s := &stand{fleet: controlPlane, address: freeAddress(t), log: filepath.Join(t.TempDir(), "apiserver.log")}
	t.Cleanup(func() { s.end(t) })
	s.connect(t)
	s.configure(t)
	return s
}

func (s *stand) connect(t *testing.T) {
	t.Helper()
	var err error
	if s.config, err = s.fleet.RESTConfig(fleet.ControlPlaneName); err != nil {
		t.Fatal(err)
	}
	if s.client, err = client.NewWithWatch(s.config, client.Options{Scheme: testScheme(t)}); err != nil {
		t.Fatal(err)
	}
	if s.kube, err = kubernetes.NewForConfig(s.config); err != nil {
		t.Fatal(err)
	}
}

func (s *stand) configure(t *testing.T) {
	t.Helper()
	files, err := s.fleet.Files(fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	etcd, err := s.fleet.EtcdEndpoint(fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	serving, err := s.fleet.IssueServing(fleet.ControlPlaneName, apiserver.ServiceName, apiserver.ServingName)
	if err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(s.address)
	if err != nil {
		t.Fatal(err)
	}
	s.caFile = files.CA.Cert
	s.args = []string{
		"--kubeconfig=" + files.Kubeconfig,
		"--bind-address=" + host, "--secure-port=" + port,
		"--tls-cert-file=" + serving.Cert, "--tls-private-key-file=" + serving.Key,
		"--etcd-servers=" + etcd,
		"--etcd-cafile=" + files.EtcdCA.Cert, "--etcd-certfile=" + files.EtcdClient.Cert, "--etcd-keyfile=" + files.EtcdClient.Key,
	}
}

func testScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, apiregistrationv1.AddToScheme, clusterv1alpha1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return scheme
}

// freeAddress is one that nothing listens on now.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// start runs the server as a process of its own and waits until the control plane reaches it.
func (s *stand) start(ctx context.Context, t *testing.T) {
	t.Helper()
	output, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	began := time.Now()
	s.process = exec.Command(os.Args[0], s.args...)
	s.process.Env = append(os.Environ(), serveVariable+"=1")
	s.process.Stdout, s.process.Stderr = output, output
	if _, err := s.process.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.process.Start(); err != nil {
		t.Fatal(err)
	}
	s.register(ctx, t)
	t.Logf("registered and available after %s", time.Since(began).Round(time.Millisecond))
}

func (s *stand) register(ctx context.Context, t *testing.T) {
	t.Helper()
	ca, err := os.ReadFile(s.caFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := apiserver.Register(ctx, s.config, s.address, ca); err != nil {
		t.Fatal(err)
	}
	waiting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := apiserver.WaitAvailable(waiting, s.config); err != nil {
		t.Fatal(err)
	}
}

// stop sends SIGTERM and returns how long the process took to end. It fails the test when the process does not end well.
func (s *stand) stop(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.process.Wait(); err != nil {
		t.Errorf("the stopped API server: %v", err)
	}
	return time.Since(began)
}

// end kills the server and, after a failure, shows what it wrote.
func (s *stand) end(t *testing.T) {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
	if t.Failed() {
		t.Logf("the API server wrote:\n%s", tail(s.log))
	}
}

// residentMiB is the memory that the server's process holds.
func (s *stand) residentMiB(t *testing.T) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(s.process.Process.Pid), "statm"))
	if err != nil {
		t.Fatal(err)
	}
	var size, resident int
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		t.Fatal(err)
	}
	return resident * os.Getpagesize() >> 20
}

func tail(file string) string {
	const most = 8 << 10
	opened, err := os.Open(file)
	if err != nil {
		return err.Error()
	}
	defer opened.Close()
	if info, err := opened.Stat(); err == nil && info.Size() > most {
		_, _ = opened.Seek(-most, io.SeekEnd)
	}
	text, err := io.ReadAll(opened)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
