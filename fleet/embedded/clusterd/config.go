package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// config is the whole of what a cluster process is told. Relative paths are relative to the working directory.
type config struct {
	Name string     `json:"name"`
	Etcd etcdConfig `json:"etcd"`
	// APIServer, ControllerManager and Scheduler are the components' own flags. A component without flags does not run; the
	// API server always does.
	APIServer         []string `json:"apiServer"`
	ControllerManager []string `json:"controllerManager,omitempty"`
	Scheduler         []string `json:"scheduler,omitempty"`
	// Kubeconfig reaches this cluster's API server as an administrator.
	Kubeconfig string `json:"kubeconfig"`
	// Nodes is nil in a cluster that has none.
	Nodes *nodesConfig `json:"nodes,omitempty"`
	// Links are the ways between the cluster and the rest of the fleet; Partitioned cuts them from the start.
	Links       []linkConfig `json:"links,omitempty"`
	Partitioned bool         `json:"partitioned,omitempty"`
	// Control is the path of the unix socket on which the process takes orders.
	Control string `json:"control"`
}

type etcdConfig struct {
	DataDir string `json:"dataDir"`
	Listen  string `json:"listen"` // host:port
	// Socket is the path of the unix socket on which it serves who may enter the cluster's folder, without TLS.
	Socket   string `json:"socket"`
	CACert   string `json:"caCert"` // clients need a certificate of this CA
	CertFile string `json:"certFile"`
	KeyFile  string `json:"keyFile"`
}

type nodesConfig struct {
	// Selector is the label selector of the Node objects that the process plays kubelet for.
	Selector string `json:"selector"`
	// StartupMillis and JitterMillis say how long a pod takes to become ready: the first plus up to the second.
	StartupMillis int64 `json:"startupMillis"`
	JitterMillis  int64 `json:"jitterMillis"`
}

type linkConfig struct {
	Listen string `json:"listen"` // host:port
	Target string `json:"target"` // host:port
}

func loadConfig(path string) (*config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the cluster's configuration: %w", err)
	}
	defer f.Close()
	cfg := &config{}
	dec := json.NewDecoder(f)
	dec.DisallowUnknownFields()
	if err := dec.Decode(cfg); err != nil {
		return nil, fmt.Errorf("reading the cluster's configuration %s: %w", path, err)
	}
	if cfg.Name == "" || cfg.Etcd.DataDir == "" || len(cfg.APIServer) == 0 {
		return nil, fmt.Errorf("the cluster's configuration %s lacks a name, etcd.dataDir or apiServer", path)
	}
	return cfg, nil
}
