package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
)

const (
	// A lone member elects itself after one election timeout, so a short one is a fast start. It has no peers to lose.
	etcdTick     = 50 * time.Millisecond
	etcdElection = 250 * time.Millisecond

	etcdReadyTimeout = 30 * time.Second
)

// startEtcd starts a one-member etcd and returns once it serves.
func startEtcd(ctx context.Context, cluster string, c etcdConfig) (*embed.Etcd, error) {
	client := url.URL{Scheme: "https", Host: c.Listen}
	if err := os.Remove(c.Socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("removing the socket of an earlier etcd of cluster %s: %w", cluster, err)
	}
	cfg := embed.NewConfig()
	cfg.Name = cluster
	cfg.Dir = c.DataDir
	cfg.ListenPeerUrls = nil // a lone member needs no peer listener; the default peer URL stays as its name in the membership
	cfg.InitialCluster = cfg.InitialClusterFromName(cluster)
	cfg.ListenClientUrls = []url.URL{client, {Scheme: "unix", Host: c.Socket}}
	cfg.AdvertiseClientUrls = []url.URL{client}
	cfg.ClientTLSInfo = transport.TLSInfo{CertFile: c.CertFile, KeyFile: c.KeyFile, TrustedCAFile: c.CACert, ClientCertAuth: true}
	cfg.TickMs = uint(etcdTick.Milliseconds())
	cfg.ElectionMs = uint(etcdElection.Milliseconds())
	cfg.LogLevel = "warn"
	cfg.EnableGRPCGateway = false
	// NewConfig leaves these at zero, which finds every request slow and logs it.
	cfg.WarningUnaryRequestDuration = embed.DefaultWarningUnaryRequestDuration
	cfg.WarningApplyDuration = embed.DefaultWarningApplyDuration
	// What survives a killed process is what was written, synced or not; only a power cut could lose it.
	cfg.UnsafeNoFsync = true
	cfg.AutoCompactionMode = embed.CompactorModePeriodic
	cfg.AutoCompactionRetention = "5m"
	// An in-memory raft log of the default 10,000 entries holds every large object of late; nobody needs to catch up.
	cfg.SnapshotCount = 2000
	cfg.SnapshotCatchUpEntries = 200

	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, fmt.Errorf("starting etcd of cluster %s: %w", cluster, err)
	}
	select {
	case <-e.Server.ReadyNotify():
		return e, nil
	case err = <-e.Err():
	case <-time.After(etcdReadyTimeout):
		err = fmt.Errorf("not ready within %s", etcdReadyTimeout)
	case <-ctx.Done():
		err = ctx.Err()
	}
	e.Close()
	return nil, fmt.Errorf("starting etcd of cluster %s: %w", cluster, err)
}
