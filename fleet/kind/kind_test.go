package kind

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"github.com/seatrial/seatrial/fleet"
)

// engine is a Docker engine that answers what a test has it answer, by the beginning of a command, and notes what it was asked.
type engine struct {
	answers map[string]string

	mu    sync.Mutex // a fleet acts on its clusters side by side
	asked []string
}

func (e *engine) run(_ context.Context, _ io.Reader, arguments ...string) ([]byte, error) {
	command := strings.Join(arguments, " ")
	e.mu.Lock()
	e.asked = append(e.asked, command)
	e.mu.Unlock()
	for beginning, answer := range e.answers {
		if strings.HasPrefix(command, beginning) {
			return []byte(answer), nil
		}
	}
	return nil, fmt.Errorf("docker %s: nobody answers that", command)
}

func (e *engine) did(command string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Contains(e.asked, command)
}

const (
	running    = `[{"State":{"Running":true},"NetworkSettings":{"Networks":{"seatrial":{},"seatrial-link":{}},"Ports":{"30080/tcp":[{"HostIp":"127.0.0.1","HostPort":"41234"}]}}}]`
	cut        = `[{"State":{"Running":true},"NetworkSettings":{"Networks":{"seatrial":{}}}}]`
	paused     = `[{"State":{"Running":true,"Paused":true},"NetworkSettings":{"Networks":{"seatrial":{},"seatrial-link":{}}}}]`
	stopped    = `[{"State":{},"NetworkSettings":{"Networks":{"seatrial":{},"seatrial-link":{}}}}]`
	member     = "member1"
	memberNode = "seatrial-member1-control-plane"
)

// known makes a fleet with a control plane and a member in records alone.
func known(t *testing.T, e *engine) *Fleet {
	t.Helper()
	f := &Fleet{root: t.TempDir(), image: "node:test", docker: docker{run: e.run}}
	for _, spec := range []fleet.Spec{{Name: fleet.ControlPlaneName, Role: fleet.ControlPlane}, {Name: member, Role: fleet.Member}} {
		if _, err := f.newRecord(spec); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func TestStatesAreThoseOfContainers(t *testing.T) {
	for name, c := range map[string]struct {
		inspected   string
		state       fleet.State
		partitioned bool
	}{
		"running": {running, fleet.Running, false},
		"paused":  {paused, fleet.Paused, false},
		"stopped": {stopped, fleet.Stopped, false},
		"cut":     {cut, fleet.Running, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := known(t, &engine{answers: map[string]string{"container inspect": c.inspected}})
			clusters, err := f.Clusters(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(clusters) != 2 || clusters[0].Name != fleet.ControlPlaneName || clusters[1].Name != member {
				t.Fatalf("clusters %v", clusters)
			}
			if got := clusters[1]; got.State != c.state || got.Partitioned != c.partitioned || got.Endpoint != "https://10.254.1.11:6443" {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestFailuresAskTheEngineOnce(t *testing.T) {
	for name, c := range map[string]struct {
		inspected string
		do        func(*Fleet, context.Context, string) error
		command   string // empty: nothing is to be done
	}{
		"pause":           {running, (*Fleet).Pause, "pause " + memberNode},
		"pause again":     {paused, (*Fleet).Pause, ""},
		"kill":            {running, (*Fleet).Kill, "kill " + memberNode},
		"kill paused":     {paused, (*Fleet).Kill, "kill " + memberNode},
		"kill again":      {stopped, (*Fleet).Kill, ""},
		"stop":            {running, (*Fleet).Stop, "stop " + memberNode},
		"partition":       {running, (*Fleet).Partition, "network disconnect seatrial-link " + memberNode},
		"partition again": {cut, (*Fleet).Partition, ""},
		"heal a whole":    {running, (*Fleet).Heal, ""},
		"heal":            {cut, (*Fleet).Heal, "network connect --ip 10.254.1.11 seatrial-link " + memberNode},
	} {
		t.Run(name, func(t *testing.T) {
			e := &engine{answers: map[string]string{"container inspect": c.inspected, "pause": "", "kill": "", "stop": "", "network": "", "exec": ""}}
			f := known(t, e)
			if err := c.do(f, t.Context(), member); err != nil {
				t.Fatal(err)
			}
			if c.command == "" && len(e.asked) != 1 {
				t.Errorf("asked for %q", e.asked[1:])
			}
			if c.command != "" && !e.did(c.command) {
				t.Errorf("%q is not in %q", c.command, e.asked)
			}
		})
	}
}

func TestPauseInsists(t *testing.T) {
	e := &engine{answers: map[string]string{"container inspect": running}}
	f := known(t, e)
	refusals := 2
	f.docker.run = func(ctx context.Context, input io.Reader, arguments ...string) ([]byte, error) {
		if arguments[0] == "pause" {
			if refusals--; refusals >= 0 {
				return nil, errors.New("docker pause: OCI runtime pause failed: unable to freeze: unknown")
			}
			return nil, nil
		}
		return e.run(ctx, input, arguments...)
	}
	if err := f.Pause(t.Context(), member); err != nil || refusals != -1 {
		t.Errorf("with %d refusals to go: %v", refusals, err)
	}
}

func TestRefusals(t *testing.T) {
	ctx := t.Context()
	for name, c := range map[string]struct {
		do   func(*Fleet) error
		want string
	}{
		"pausing a stopped one":        {func(f *Fleet) error { return f.Pause(ctx, member) }, "pausing cluster member1: it is stopped"},
		"resuming a stopped one":       {func(f *Fleet) error { return f.Resume(ctx, member) }, "resuming cluster member1: it is stopped"},
		"partitioning the plane":       {func(f *Fleet) error { return f.Partition(ctx, fleet.ControlPlaneName) }, "it is the control plane"},
		"the link to the plane":        {func(f *Fleet) error { _, err := f.LinkKubeconfig(ctx, fleet.ControlPlaneName); return err }, "only members"},
		"a port that is not published": {func(f *Fleet) error { _, err := f.Address(ctx, member, 1); return err }, "publishes [30080 30081], and 1 is none of them"},
		"a name that is taken":         {func(f *Fleet) error { _, err := f.newRecord(fleet.Spec{Name: member}); return err }, "adding cluster member1: there is one of that name"},
		"two nodes": {func(*Fleet) error {
			_, err := nodeSpec(fleet.Spec{Name: "m", Nodes: fleet.NodePool{Count: 2}})
			return err
		}, "cluster m: 2 nodes"},
		"two zones": {func(*Fleet) error { _, err := nodeSpec(fleet.Spec{Name: "m", Zones: []string{"a", "b"}}); return err }, "cluster m: zones [a b]"},
		"a node of a size": {func(*Fleet) error {
			_, err := nodeSpec(fleet.Spec{Name: "m", Nodes: fleet.NodePool{CPU: "8"}})
			return err
		}, "as large as the machine"},
		"a startup": {func(*Fleet) error {
			_, err := nodeSpec(fleet.Spec{Name: "m", Startup: fleet.Startup{Delay: 1}})
			return err
		}, "cluster m: a startup"},
		"a name that is none": {func(*Fleet) error { _, err := nodeSpec(fleet.Spec{Name: "M!"}); return err }, `cluster name "M!"`},
		"pods that are no number": {func(*Fleet) error {
			_, err := nodeSpec(fleet.Spec{Name: "m", Nodes: fleet.NodePool{Pods: "x"}})
			return err
		}, `pods "x"`},
		"a member in the host's place": {func(*Fleet) error { _, err := nodeSpec(fleet.Spec{Name: "host"}); return err }, "the host of the control plane"},
	} {
		t.Run(name, func(t *testing.T) {
			f := known(t, &engine{answers: map[string]string{"container inspect": stopped}})
			if err := c.do(f); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestUnknownClusters(t *testing.T) {
	f := known(t, &engine{})
	ctx := t.Context()
	for name, err := range map[string]error{
		"pause":     f.Pause(ctx, "member9"),
		"resume":    f.Resume(ctx, "../member1"),
		"kill":      f.Kill(ctx, ""),
		"revive":    f.Revive(ctx, "member9"),
		"partition": f.Partition(ctx, "member9"),
		"heal":      f.Heal(ctx, "host"),
		"remove":    f.Remove(ctx, "member9"),
		"load":      f.Load(ctx, "image", "member9"),
	} {
		if !errors.Is(err, fleet.ErrUnknownCluster) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := f.Kubeconfig(ctx, fleet.ControlPlaneName); !errors.Is(err, ErrNotInstalled) {
		t.Errorf("the kubeconfig of a control plane that is not installed: %v", err)
	}
}

func TestContainersOfOthersAreLeftAlone(t *testing.T) {
	e := &engine{answers: map[string]string{"container ls": "0123\n", "image inspect": "", "network": "", "run": ""}}
	f := known(t, e)
	err := f.Add(t.Context(), fleet.Spec{Name: "member2"})
	if err == nil || !strings.Contains(err.Error(), "docker rm --force --volumes seatrial-member2-control-plane") {
		t.Errorf("error %v", err)
	}
	if e.did("container rm --force --volumes seatrial-member2-control-plane") {
		t.Error("the container of another fleet was removed")
	}
	if err := f.Add(t.Context(), fleet.Spec{Name: member}); err == nil || !strings.Contains(err.Error(), "there is one of that name") {
		t.Errorf("adding a member again: %v", err)
	}
	if _, err := f.record("member2"); !errors.Is(err, fleet.ErrUnknownCluster) {
		t.Errorf("the cluster is known: %v", err)
	}
}

func TestAddress(t *testing.T) {
	f := known(t, &engine{answers: map[string]string{"container inspect": running}})
	if got, err := f.Address(t.Context(), member, 30080); err != nil || got != "127.0.0.1:41234" {
		t.Errorf("%q, %v", got, err)
	}
}

// TestRanges: whatever clusters a fleet has, their addresses do not meet.
func TestRanges(t *testing.T) {
	var ranges []*net.IPNet
	for index := range maxClusters {
		r := record{Index: index}
		for _, cidr := range []string{r.podSubnet(), r.serviceSubnet()} {
			_, network, err := net.ParseCIDR(cidr)
			if err != nil {
				t.Fatal(err)
			}
			ranges = append(ranges, network)
		}
	}
	for _, cidr := range []string{homeSubnet, linkSubnet} {
		_, network, _ := net.ParseCIDR(cidr)
		ranges = append(ranges, network)
	}
	for i, a := range ranges {
		for _, b := range ranges[:i] {
			if a.Contains(b.IP) || b.Contains(a.IP) {
				t.Errorf("%s meets %s", a, b)
			}
		}
	}
	_, link, _ := net.ParseCIDR(linkSubnet)
	if last := (record{Index: maxClusters - 1}).linkAddress(); !link.Contains(net.ParseIP(last)) {
		t.Errorf("%s is not in %s", last, link)
	}
}

func TestConfig(t *testing.T) {
	spec, err := nodeSpec(fleet.Spec{Name: member, Region: "region-1", Zones: []string{"region-1-a"}, Nodes: fleet.NodePool{Pods: "20", Labels: map[string]string{"disk": "fast"}}})
	if err != nil {
		t.Fatal(err)
	}
	config := kindConfig(record{Spec: spec, Index: 3})
	node := config.Nodes[0]
	if len(config.Nodes) != 1 || node.Labels["topology.kubernetes.io/zone"] != "region-1-a" || node.Labels["topology.kubernetes.io/region"] != "region-1" || node.Labels["disk"] != "fast" {
		t.Errorf("nodes %+v", config.Nodes)
	}
	for i, port := range WorkloadNodePorts() {
		if mapping := node.ExtraPortMappings[i]; int(mapping.ContainerPort) != port || mapping.ListenAddress != "127.0.0.1" || mapping.HostPort != 0 {
			t.Errorf("port %d is published as %+v", port, mapping)
		}
	}
	if config.Networking.PodSubnet != "10.131.0.0/16" || config.Networking.ServiceSubnet != "10.195.0.0/16" {
		t.Errorf("networking %+v", config.Networking)
	}
	var servers struct {
		APIServer struct{ CertSANs []string }
	}
	var kubelet struct{ MaxPods int }
	if err := errors.Join(yaml.Unmarshal([]byte(config.KubeadmConfigPatches[0]), &servers), yaml.Unmarshal([]byte(config.KubeadmConfigPatches[1]), &kubelet)); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(servers.APIServer.CertSANs, "10.254.1.13") || !slices.Contains(servers.APIServer.CertSANs, "127.0.0.1") || kubelet.MaxPods != 20 {
		t.Errorf("names %v, pods %d", servers.APIServer.CertSANs, kubelet.MaxPods)
	}
	if host := kindConfig(record{Spec: fleet.Spec{Role: fleet.ControlPlane}}); host.Nodes[0].ExtraPortMappings[0].ContainerPort != ControlPlaneNodePort {
		t.Errorf("the host publishes %v", host.Nodes[0].ExtraPortMappings)
	}
}

func TestNetworksThatWereThere(t *testing.T) {
	for name, c := range map[string]struct{ inspected, want string }{
		"closed":             {`[{"Options":{"com.docker.network.bridge.enable_ip_masquerade":"false"},"IPAM":{"Config":[{"Subnet":"10.254.0.0/24"}]}}]`, ""},
		"open":               {`[{"Options":{},"IPAM":{"Config":[{"Subnet":"10.254.0.0/24"}]}}]`, "leads out of the machine"},
		"of other addresses": {`[{"Options":{"com.docker.network.bridge.enable_ip_masquerade":"false"},"IPAM":{"Config":[{"Subnet":"10.1.0.0/24"}]}}]`, "other addresses than 10.254.0.0/24"},
		"two":                {`[{},{}]`, "there are 2 of that name"},
		"no JSON":            {`?`, "reading what docker says"},
	} {
		t.Run(name, func(t *testing.T) {
			err := usableNetwork([]byte(c.inspected), homeSubnet)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestAnOpenNetworkIsRefused(t *testing.T) {
	e := &engine{answers: map[string]string{"network": "", "run": "203.0.113.1 answers on port 80\n"}}
	f := known(t, e)
	err := f.closedNetworks(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the network seatrial is open") || !strings.Contains(err.Error(), "203.0.113.1 answers on port 80") {
		t.Errorf("error %v", err)
	}
	e.answers["run"] = ""
	if err := f.closedNetworks(t.Context()); err != nil {
		t.Errorf("a closed network: %v", err)
	}
	if !e.did("network create --driver bridge --subnet 10.254.0.0/24 --opt com.docker.network.bridge.enable_ip_masquerade=false seatrial") {
		t.Errorf("asked for %q", e.asked)
	}
}

func TestNodeImage(t *testing.T) {
	none := func(string) string { return "" }
	for name, c := range map[string]struct {
		images string
		getenv func(string) string
		want   string
	}{
		"what the environment says": {"seatrial-node:v1\n", func(string) string { return "mine:1" }, "mine:1"},
		"our own where it is":       {"seatrial-node:v2\nseatrial-node:v1\n", none, "seatrial-node:v2"},
		"kind's":                    {"", none, "kindest/node:"},
	} {
		t.Run(name, func(t *testing.T) {
			e := &engine{answers: map[string]string{"image ls": c.images}}
			if got, err := (docker{run: e.run}).nodeImage(t.Context(), c.getenv); err != nil || !strings.HasPrefix(got, c.want) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func TestMissingEngines(t *testing.T) {
	for want, cause := range map[string]error{
		"install Docker":  fmt.Errorf("docker version: %w", exec.ErrNotFound),
		"systemctl start": errors.New("docker version: exit status 1: Cannot connect to the Docker daemon"),
	} {
		d := docker{run: func(context.Context, io.Reader, ...string) ([]byte, error) { return nil, cause }}
		if err := d.available(t.Context()); !errors.Is(err, ErrNoEngine) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

const kubeconfigOfKind = `apiVersion: v1
kind: Config
clusters: [{name: kind-seatrial-member1, cluster: {server: "https://127.0.0.1:40000", certificate-authority-data: Y2E=}}]
contexts: [{name: kind-seatrial-member1, context: {cluster: kind-seatrial-member1, user: kind-seatrial-member1}}]
users: [{name: kind-seatrial-member1, user: {client-certificate-data: Y2VydA==, client-key-data: a2V5}}]
current-context: kind-seatrial-member1
`

func TestLinkKubeconfig(t *testing.T) {
	f := known(t, &engine{})
	if err := os.WriteFile(filepath.Join(f.root, member+".kubeconfig"), []byte(kubeconfigOfKind), 0o600); err != nil {
		t.Fatal(err)
	}
	data, err := f.LinkKubeconfig(t.Context(), member)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := clientcmd.RESTConfigFromKubeConfig(data)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Host != "https://10.254.1.11:6443" || string(cfg.CAData) != "ca" || string(cfg.KeyData) != "key" {
		t.Errorf("host %s, authority %s, key %s", cfg.Host, cfg.CAData, cfg.KeyData)
	}
	if _, err := renamed("current-context: nowhere\n", member, ""); err == nil {
		t.Error("a kubeconfig without its context was accepted")
	}
}

// A folder may be named by mistake: with what is not the fleet's it stays.
func TestDeleteLeavesFilesOfOthers(t *testing.T) {
	for _, foreign := range []bool{false, true} {
		e := &engine{answers: map[string]string{"container ls": "", "network ls": ""}}
		f := known(t, e)
		if err := os.WriteFile(filepath.Join(f.root, member+".kubeconfig.lock"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(f.root, "thesis.txt")
		if foreign {
			if err := os.WriteFile(file, []byte("all of it"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Delete(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, errFile := os.Stat(file)
		_, errRoot := os.Stat(f.root)
		if (errFile == nil) != foreign || (errRoot == nil) != foreign {
			t.Errorf("with a file of others: %t; the file: %v, the folder: %v", foreign, errFile, errRoot)
		}
		if records, err := readRecords(f.root); foreign && (err != nil || len(records) > 0) {
			t.Errorf("left are %+v, %v", records, err)
		}
	}
}

// A fleet that goes on after its networks were removed makes them itself: those that kind makes lead out of the machine.
func TestDeletedNetworksAreMadeAnew(t *testing.T) {
	e := &engine{answers: map[string]string{"container ls": "", "network ls": "0123\n", "network rm": ""}}
	f := known(t, e)
	f.prepared = true
	if err := f.Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !e.did("network rm seatrial") || f.prepared {
		t.Errorf("prepared: %t, asked for %q", f.prepared, e.asked)
	}
}

func TestRemoveForgetsTheCluster(t *testing.T) {
	e := &engine{answers: map[string]string{"container ls": "0123\n", "container rm": ""}}
	f := known(t, e)
	if err := f.Remove(t.Context(), member); err != nil {
		t.Fatal(err)
	}
	if !e.did("container rm --force --volumes " + memberNode) {
		t.Errorf("asked for %q", e.asked)
	}
	if _, err := f.record(member); !errors.Is(err, fleet.ErrUnknownCluster) {
		t.Errorf("the record: %v", err)
	}
}

func TestLayer(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("machine code"), 0o600); err != nil {
		t.Fatal(err)
	}
	var layer bytes.Buffer
	if err := writeLayer(&layer, program); err != nil {
		t.Fatal(err)
	}
	archive := tar.NewReader(&layer)
	header, err := archive.Next()
	if err != nil || header.Name != "program" || header.Mode != 0o755 {
		t.Fatalf("%+v, %v", header, err)
	}
	if content, err := io.ReadAll(archive); err != nil || string(content) != "machine code" {
		t.Errorf("%q, %v", content, err)
	}
	if _, err := archive.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the program: %v", err)
	}
}

// TestStaticPrograms takes a shell for a program that is not static.
func TestStaticPrograms(t *testing.T) {
	folder := t.TempDir()
	source := filepath.Join(folder, "main.go")
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(folder, "program")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, source)
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if output, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	if err := checkStatic(program); err != nil {
		t.Errorf("a static program: %v", err)
	}
	if err := checkStatic(source); err == nil {
		t.Error("a source file was taken for a program")
	}
	if shell, err := exec.LookPath("bash"); err == nil {
		if err := checkStatic(shell); err == nil || !strings.Contains(err.Error(), "CGO_ENABLED=0") {
			t.Errorf("a dynamic program: %v", err)
		}
	}
}
