package embedded

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"
)

const (
	// maxSocketPath is what fits a Linux socket address with its closing zero.
	maxSocketPath = 107
	orderTimeout  = 5 * time.Second
)

// orderPartition tells a running cluster process to cut or mend its links.
func orderPartition(ctx context.Context, dir string, partitioned bool) error {
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", filepath.Join(dir, controlFile))
	}}
	defer transport.CloseIdleConnections()
	order := "heal"
	if partitioned {
		order = "partition"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://cluster/"+order, nil)
	if err != nil {
		return err
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return fmt.Errorf("ordering the process to %s: %w", order, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ordering the process to %s: it answered %s", order, resp.Status)
	}
	return nil
}
