// Command seatrial-cluster is one whole Kubernetes cluster in one process: etcd, kube-apiserver, kube-controller-manager and, for a
// cluster with nodes, kube-scheduler and fake nodes. It does what its configuration file says and nothing by itself; package
// fleet/embedded of the main module writes that file.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"k8s.io/klog/v2"
)

func main() {
	path := flag.String("config", "", "path of the cluster's configuration file (JSON)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	cfg, err := loadConfig(*path)
	if err == nil {
		err = runCluster(ctx, cfg)
	}
	klog.Flush()
	if err != nil {
		fmt.Fprintf(os.Stderr, "FATAL: %v\n", err)
		os.Exit(1)
	}
}
