package embedded

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/seatrial/seatrial/fleet"
)

// Kubernetes is the version of the clusters.
const Kubernetes = "1.36.3"

const (
	configFile = "cluster.json"
	// The path of a unix socket is short, so these are relative: the process works in its folder.
	controlFile = "control.sock"
	etcdFile    = "etcd.sock"
)

// processConfig is what the cluster process is told; the process, of a module of its own, reads the same fields and refuses others.
type processConfig struct {
	Name              string       `json:"name"`
	Etcd              etcdConfig   `json:"etcd"`
	APIServer         []string     `json:"apiServer"`
	ControllerManager []string     `json:"controllerManager,omitempty"`
	Scheduler         []string     `json:"scheduler,omitempty"`
	Kubeconfig        string       `json:"kubeconfig"`
	Nodes             *nodesConfig `json:"nodes,omitempty"`
	Links             []linkConfig `json:"links,omitempty"`
	Partitioned       bool         `json:"partitioned,omitempty"`
	Control           string       `json:"control"`
}

type etcdConfig struct {
	DataDir  string `json:"dataDir"`
	Listen   string `json:"listen"`
	Socket   string `json:"socket"`
	CACert   string `json:"caCert"`
	CertFile string `json:"certFile"`
	KeyFile  string `json:"keyFile"`
}

type nodesConfig struct {
	Selector      string `json:"selector"`
	StartupMillis int64  `json:"startupMillis"`
	JitterMillis  int64  `json:"jitterMillis"`
}

type linkConfig struct {
	Listen string `json:"listen"`
	Target string `json:"target"`
}

// writeConfig writes the process's configuration. controlPlane is the port of the fleet's control plane, 0 when it has none; extra
// are flags of the API server beside those of every cluster.
func writeConfig(files Files, r *record, controlPlane int, extra []string) error {
	config := configOf(files, r, controlPlane)
	config.APIServer = append(config.APIServer, extra...)
	data, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the configuration of cluster %s: %w", r.name(), err)
	}
	if err := os.WriteFile(filepath.Join(files.Dir, configFile), append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the configuration of cluster %s: %w", r.name(), err)
	}
	return nil
}

func configOf(files Files, r *record, controlPlane int) processConfig {
	cfg := processConfig{
		Name: r.name(),
		Etcd: etcdConfig{
			DataDir:  filepath.Join(files.Dir, "etcd"),
			Listen:   loopback(r.Ports.Etcd),
			Socket:   etcdFile,
			CACert:   files.EtcdCA.Cert,
			CertFile: files.EtcdServer.Cert,
			KeyFile:  files.EtcdServer.Key,
		},
		APIServer:         apiServerFlags(files, r),
		ControllerManager: controllerManagerFlags(files, r),
		Kubeconfig:        files.Kubeconfig,
		Partitioned:       r.Partitioned,
		Control:           controlFile,
	}
	if r.Spec.Role != fleet.Member {
		return cfg
	}
	cfg.Scheduler = schedulerFlags(files)
	cfg.Nodes = &nodesConfig{
		Selector:      KubeletLabel + "=" + KubeletValue,
		StartupMillis: r.Spec.Startup.Delay.Milliseconds(),
		JitterMillis:  r.Spec.Startup.Jitter.Milliseconds(),
	}
	cfg.Links = []linkConfig{{Listen: loopback(r.Ports.Link), Target: loopback(r.Ports.API)}}
	if controlPlane != 0 {
		cfg.Links = append(cfg.Links, linkConfig{Listen: loopback(r.Ports.Uplink), Target: loopback(controlPlane)})
	}
	return cfg
}

func apiServerFlags(files Files, r *record) []string {
	flags := []string{
		// It has a connection for each kind of objects.
		"--etcd-servers=unix://" + etcdFile,
		"--bind-address=127.0.0.1",
		"--secure-port=" + strconv.Itoa(r.Ports.API),
		// The kubernetes Service gets no endpoints: an endpoint may not be a loopback address, and this server has no other.
		"--advertise-address=" + nodeIP(r.Index, -1),
		"--endpoint-reconciler-type=none",
		"--tls-cert-file=" + files.APIServer.Cert,
		"--tls-private-key-file=" + files.APIServer.Key,
		"--client-ca-file=" + files.CA.Cert,
		"--authorization-mode=Node,RBAC",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file=" + files.ServiceAccountPub,
		"--service-account-signing-key-file=" + files.ServiceAccountKey,
		"--requestheader-client-ca-file=" + files.FrontProxyCA.Cert,
		"--requestheader-allowed-names=" + frontProxyUser,
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-username-headers=X-Remote-User",
		"--proxy-client-cert-file=" + files.FrontProxyClient.Cert,
		"--proxy-client-key-file=" + files.FrontProxyClient.Key,
		"--service-cluster-ip-range=" + serviceCIDR(r.Index),
		"--allow-privileged=true",
		"--enable-bootstrap-token-auth=true",
		// Nodes' names resolve nowhere.
		"--kubelet-preferred-address-types=InternalIP",
	}
	if r.Spec.Role == fleet.ControlPlane {
		// As the reference's control plane: nothing mounts a volume or runs as a service account here.
		flags = append(flags, "--disable-admission-plugins=StorageObjectInUseProtection,ServiceAccount")
	}
	return flags
}

// controlPlaneControllers are those that the reference's control plane runs; none of them makes a pod of anything.
var controlPlaneControllers = []string{
	"namespace-controller", "garbage-collector-controller", "serviceaccount-token-controller", "ttl-after-finished-controller",
	"bootstrap-signer-controller", "token-cleaner-controller", "certificatesigningrequest-cleaner-controller",
	"certificatesigningrequest-signing-controller", "clusterrole-aggregation-controller",
}

// memberControllers are all but those for what fake nodes do not have: clouds, devices, volumes to attach, address ranges to give
// (nodes come with theirs).
var memberControllers = []string{
	"*", "-node-ipam-controller", "-ttl-controller", "-persistentvolume-attach-detach-controller", "-persistentvolume-expander-controller",
	"-device-taint-eviction-controller", "-resourceclaim-controller", "-legacy-serviceaccount-token-cleaner-controller",
	"-storageversion-garbage-collector-controller", "-podcertificaterequest-cleaner-controller", "-volumeattributesclass-protection-controller",
}

const (
	// nodeMonitorGrace is how long a node may be silent before it counts as lost; it is Kubernetes' own default.
	nodeMonitorGrace = 50 * time.Second
	// nodeMonitorPeriod is how often nodes are looked at. After a pause they all count as lost for a moment, and it takes up to
	// two looks until the last taint is off again.
	nodeMonitorPeriod = 2 * time.Second
)

func controllerManagerFlags(files Files, r *record) []string {
	chosen := memberControllers
	if r.Spec.Role == fleet.ControlPlane {
		chosen = controlPlaneControllers
	}
	return []string{
		"--kubeconfig=" + files.componentKubeconfig(controllerManager),
		"--controllers=" + strings.Join(chosen, ","),
		// One identity with all rights instead of one per controller: some fifty token requests less at every start.
		"--use-service-account-credentials=false",
		"--service-account-private-key-file=" + files.ServiceAccountKey,
		"--root-ca-file=" + files.CA.Cert,
		"--cluster-signing-cert-file=" + files.CA.Cert,
		"--cluster-signing-key-file=" + files.CA.Key,
		"--node-monitor-grace-period=" + nodeMonitorGrace.String(),
		"--node-monitor-period=" + nodeMonitorPeriod.String(),
		// A lease of a process that was paused or killed would keep its successor waiting; there is only ever one.
		"--leader-elect=false",
		"--secure-port=0",
		"--profiling=false",
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
	}
}

func schedulerFlags(files Files) []string {
	return []string{
		"--kubeconfig=" + files.componentKubeconfig(scheduler),
		"--leader-elect=false",
		"--secure-port=0",
		"--profiling=false",
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
	}
}
